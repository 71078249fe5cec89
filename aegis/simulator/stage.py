"""The stage: where execution's modules meet the world, and what stands there in a trial.

Execution reads two clocks, opens WebSockets with picows, speaks HTTP through aiohttp, writes lines
for people, and lets the collector run. `Stage` puts the trial's own in their places, by the names
in the modules of `aegis.execution` and `aegis.risk`, for as long as it is entered; nothing in
execution knows of it, and its hot path pays nothing for it. A module that reads the time past these
names would show at once: the same seed would no longer give the same trace.
"""

from __future__ import annotations

import random
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

import aiohttp
from picows import ws_connect

from aegis.execution import process, reconcile, tables
from aegis.execution.journal import journal
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import RECORD_BYTES
from aegis.execution.journal.sync import SyncThread
from aegis.execution.operator_desk import OperatorDesk
from aegis.host.gc_scope import GcScope
from aegis.risk.latch_record import record_file
from aegis.shm.said import Said

__all__ = ["Stage", "World"]

_ROOMS = ("aegis.execution", "aegis.risk")


class World:
    """What a trial offers in the places of the real world; the trial fills it in."""

    monotonic_ns: Callable[[], int]
    wall_ns: Callable[[], int]
    ws_connect: Callable[..., Any]
    http_session: Callable[..., Any]
    tell: Callable[[str], None]
    disk: Callable[[], Any]
    sync_thread: Callable[[Any, int], Any]


class _NoCollector:
    """In the collector's place: one process runs many trials and looks after its own garbage."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> _NoCollector:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def cycle_begin(self) -> None:
        pass

    def cycle_end(self) -> None:
        pass

    def safe_point(self, *_: Any) -> None:
        pass


class _NoDesk:
    """In the operator's desk's place: nobody gives commands in a trial."""

    def __init__(self, *_: Any) -> None:
        pass

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Stage(AbstractContextManager["Stage"]):
    """Enter it once; `world` may be exchanged for every trial."""

    def __init__(self) -> None:
        self.world = World()
        self._replaced: list[tuple[ModuleType, str, Any]] = []

    def __enter__(self) -> Stage:
        stands_for = self._stands_for()
        for name, module in sorted(sys.modules.items()):
            if not name.startswith(_ROOMS):
                continue
            for word, value in list(vars(module).items()):
                found = stands_for.get(id(value))
                if found is not None:
                    self._replace(module, word, found)
        # A turn every 20 ms would spend a trial's time on turns.
        self._replace(process, "_TURN_S", 0.1)
        for module, word, size in self._small_tables():
            self._replace(module, word, size)
        self._replace(reconcile, "_BOOT_NS", 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for module, word, value in reversed(self._replaced):
            setattr(module, word, value)
        self._replaced.clear()

    def boot_at(self, now_ns: int) -> None:
        """The machine has come up again, and the trial's clock has gone on."""
        reconcile._BOOT_NS = now_ns

    def _replace(self, module: ModuleType, word: str, value: Any) -> None:
        self._replaced.append((module, word, getattr(module, word)))
        setattr(module, word, value)

    def _small_tables(self) -> list[tuple[ModuleType, str, int]]:
        """Tables small enough to be made for every trial; they wrap round the sooner."""
        return [
            (tables, "ORDERS", 128),
            (tables, "BUCKETS", 256),
            (tables, "REQUESTS", 512),
            (tables, "STAGE_SIZE", 2_304),
            (tables, "NOTES", 1_024),
            (journal, "MARGIN_BYTES", 1_024 * RECORD_BYTES),
            (tables, "OUT_MESSAGES", 160),
            (tables, "ACTIONS", 160),
        ]

    def _stands_for(self) -> dict[int, Any]:
        """What takes whose place, by the identity of the real thing."""
        of = self
        clock = SimpleNamespace(
            monotonic_ns=lambda: of.world.monotonic_ns(),
            monotonic=lambda: of.world.monotonic_ns() / 1e9,
            perf_counter_ns=lambda: of.world.monotonic_ns(),
            perf_counter=lambda: of.world.monotonic_ns() / 1e9,
            time_ns=lambda: of.world.wall_ns(),
            time=lambda: of.world.wall_ns() / 1e9,
            strftime=time.strftime,
            gmtime=time.gmtime,
        )
        http = SimpleNamespace(
            ClientSession=lambda *a, **k: of.world.http_session(*a, **k),
            ClientTimeout=aiohttp.ClientTimeout,
            TCPConnector=lambda *_, **__: None,
            DummyCookieJar=lambda *_, **__: None,
            ClientError=aiohttp.ClientError,
        )
        # The system's certificates take longer to load than a trial to run; nothing is encrypted.
        context = ssl.create_default_context()
        tls = SimpleNamespace(**{name: getattr(ssl, name) for name in dir(ssl)})
        tls.create_default_context = lambda **_: context
        stands_for: dict[int, Any] = {
            id(time): clock,
            id(aiohttp): http,
            id(ws_connect): lambda *a, **k: of.world.ws_connect(*a, **k),
            id(ssl): tls,
            id(FolderDisk): lambda *_, **__: of.world.disk(),
            id(SyncThread): lambda *a: of.world.sync_thread(*a),
            id(OperatorDesk): _NoDesk,
            id(record_file): lambda *_: None,
            id(Said): lambda *_: SimpleNamespace(say=lambda text: of.world.tell(text)),
            id(GcScope): _NoCollector,
            id(random.SystemRandom): random.Random,
        }
        for word in ("monotonic_ns", "monotonic", "perf_counter_ns", "time_ns", "time"):
            stands_for[id(getattr(time, word))] = getattr(clock, word)
        return stands_for
