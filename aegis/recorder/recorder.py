"""The live recorder: what the ticks ring carries, and pictures of the books, into files.

Called by `aegis record`, in a process of its own. It attaches read-only, so it cannot disturb: the
feed never waits for it. When the feed laps it, or the disk takes nothing for so long that its
backlog is full, the records that are missing are counted and the file says so in their place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.recorder import layout
from aegis.recorder.pictures import Pictures
from aegis.recorder.segments import Segments
from aegis.shm.instance import InstanceMemory

__all__ = ["Recorder", "Tally"]

_BATCH: Final = 4096
# The most polls of one turn; a feed that never pauses must not keep us from writing.
_POLLS: Final = 16
_FRAME_RECORDS: Final = 8192
_BACKLOG_RECORDS: Final = 1 << 20
_RETRY_S: Final = 1.0
_TABLE_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.25
_IDLE_S: Final = 0.004

Say = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """What has been recorded so far. `lost`: lapped by the feed; `dropped`: the disk was full."""

    records: int = 0
    pictures: int = 0
    lost: int = 0
    laps: int = 0
    dropped: int = 0
    disk_failures: int = 0


@dataclass(slots=True)
class _Missing:
    """Records that are missing at this place of the backlog."""

    lost: int
    laps: int
    reason: int


@dataclass(slots=True)
class _Backlog:
    """What still has to be written, in order: arrays of records, tables, and what is missing."""

    items: list[Any] = field(default_factory=list)
    records: int = 0
    since_s: float = 0.0

    def missing(self, lost: int, laps: int, reason: int) -> None:
        last = self.items[-1] if self.items else None
        if isinstance(last, _Missing) and last.reason == reason:
            last.lost += lost
            last.laps += laps
        else:
            self.items.append(_Missing(lost, laps, reason))

    def given_up(self) -> list[tuple[int, int, int]]:
        """(lost, laps, reason) of all that waits, one for each reason: nothing of it comes more."""
        sums = {layout.RING: _Missing(0, 0, layout.RING)}
        sums[layout.BACKLOG] = _Missing(self.records, 0, layout.BACKLOG)
        for item in self.items:
            if isinstance(item, _Missing):
                sums[item.reason].lost += item.lost
                sums[item.reason].laps += item.laps
        return [(found.lost, found.laps, found.reason) for found in sums.values() if found.lost]


class Recorder:
    """One recording of one attached instance.

    `turn` does one round; `run` does rounds until it is told to end or the instance is gone.
    `backlog_records` bounds the memory that a full disk may cost, 64 bytes each.
    """

    def __init__(
        self,
        memory: InstanceMemory,
        segments: Segments,
        *,
        books_every_s: float = 1.0,
        flush_s: float = 1.0,
        backlog_records: int = _BACKLOG_RECORDS,
        say: Say = lambda text: None,
    ) -> None:
        self.memory = memory
        self.segments = segments
        self.tally = Tally()
        self.trouble = ""
        # Compiling takes a second or two the first time on a box; a reader that waited for it
        # would be lapped, so another one pays.
        memory.ticks.reader(batch=_BATCH).poll()
        self._reader = memory.ticks.reader(batch=_BATCH)
        self._pictures = Pictures(memory.books)
        self._books_every_s = books_every_s
        self._flush_s = flush_s
        self._most = backlog_records
        self._say = say
        self._backlog = _Backlog()
        self._table = b""
        self._due = {"table": 0.0, "books": 0.0, "look": 0.0, "retry": 0.0}

    def run(self, wish: Callable[[], str], watch: Callable[[], None] = lambda: None) -> str:
        """Record until `wish` gives a reason to end or the instance has gone; returns the reason.

        `watch` is called about 250 times a second and must be quick.
        """
        while True:
            reason = wish() or self.gone(time.monotonic())
            busy = self.turn(time.monotonic())
            watch()
            if reason:
                break
            if not busy:
                time.sleep(_IDLE_S)
        self.finish()
        return reason

    def turn(self, now_s: float) -> bool:
        """Take what is new and write what is due; whether more is waiting in the ring already."""
        # The table first: the records that come after may name an instrument that is new in it.
        if now_s >= self._due["table"]:
            self._due["table"] = now_s + _TABLE_EVERY_S
            self._look_at_table()
        busy = self._drain(now_s)
        if self._books_every_s > 0 and now_s >= self._due["books"]:
            self._due["books"] = now_s + self._books_every_s
            for picture in self._pictures.take():
                self._keep(picture, now_s)
                self.tally.pictures += 1
        self._flush_if_due(now_s)
        return busy

    def finish(self) -> None:
        """Take the rest and close the files. A disk that is still full is told, not raised."""
        now_s = time.monotonic()
        # Once takes four rings full; a feed that never pauses must not keep us for ever.
        self._drain(now_s)
        try:
            self._flush()
            self.segments.close()
        except OSError as error:
            self._fail(error, now_s)
            self._give_up()

    def _give_up(self) -> None:
        """The disk is full to the end: what waits is lost, and the file says so or has no END."""
        backlog, self._backlog = self._backlog, _Backlog()
        self.tally.dropped += backlog.records
        said = self.segments.give_up(backlog.given_up())
        where = "the file says so" if said else "there was no room to say so in the file"
        self._say(f"{backlog.records} records were not written; {where}")

    def gone(self, now_s: float) -> str:
        """Why there is nothing more to come; "" while the instance lives."""
        if now_s < self._due["look"]:
            return ""
        self._due["look"] = now_s + _LOOK_EVERY_S
        region = self.memory.regions["ticks.ring"]
        if not region.is_linked():
            return "the instance has stopped"
        pid, started = region.owner
        if pid and not is_alive(ProcessIdentity(pid, started, "")):
            return "the instance's supervisor has died"
        return ""

    def _drain(self, now_s: float) -> bool:
        reader = self._reader
        for _ in range(_POLLS):
            lost, laps = reader.lost, reader.laps
            found = reader.poll()
            if reader.lost != lost:
                missing = reader.lost - lost
                self.tally.lost += missing
                self.tally.laps += reader.laps - laps
                self._backlog.missing(missing, reader.laps - laps, layout.RING)
                self._say(f"lapped by the feed: {missing} records are missing")
            elif found.size == 0:
                return False
            else:
                self._keep(found.copy(), now_s)
        return True

    def _keep(self, records: npt.NDArray[Any], now_s: float) -> None:
        backlog = self._backlog
        if backlog.records + records.size > self._most:
            self.tally.dropped += records.size
            backlog.missing(records.size, 0, layout.BACKLOG)
            return
        if backlog.records == 0:
            backlog.since_s = now_s
        backlog.items.append(records)
        backlog.records += records.size

    def _look_at_table(self) -> None:
        """Take the instruments table when it has changed, and not while the feed is inside."""
        rows = self.memory.instruments.rows
        first = rows.tobytes()
        if first != self._table and first == rows.tobytes():
            self._table = first
            self._backlog.items.append(("table", np.frombuffer(first, rows.dtype)))

    def _flush_if_due(self, now_s: float) -> None:
        backlog = self._backlog
        full = backlog.records >= _FRAME_RECORDS
        old = bool(backlog.items) and now_s - backlog.since_s >= self._flush_s
        if not (full or old) or now_s < self._due["retry"]:
            return
        try:
            self._flush()
        except OSError as error:
            self._fail(error, now_s)
            return
        if self.trouble:
            self.trouble = ""
            self._say("the disk takes records again")

    def _fail(self, error: OSError, now_s: float) -> None:
        self._due["retry"] = now_s + _RETRY_S
        self.tally.disk_failures += 1
        text = f"cannot write to {self.segments.directory}: {error.strerror}"
        if text != self.trouble:
            self.trouble = text
            self._say(f"{text}; trying again every second, {self._most} records wait at the most")

    def _flush(self) -> None:
        """Write the whole backlog. What was written before an OSError is taken off it."""
        backlog = self._backlog
        while backlog.items:
            item = backlog.items[0]
            if isinstance(item, _Missing):
                self.segments.loss(item.lost, item.laps, item.reason)
                del backlog.items[0]
            elif isinstance(item, tuple):
                self.segments.set_instruments(item[1])
                del backlog.items[0]
            else:
                self._flush_frame()
        backlog.since_s = time.monotonic()

    def _flush_frame(self) -> None:
        """One frame of whole arrays: a picture is never cut in two."""
        backlog = self._backlog
        count = size = 0
        for item in backlog.items:
            if not isinstance(item, np.ndarray) or size >= _FRAME_RECORDS:
                break
            count += 1
            size += item.size
        records = np.concatenate(backlog.items[:count])
        if self.segments.write(records) and self.segments.files > 1:
            # A file should not need the one before it: see every book again.
            self._pictures.forget()
        del backlog.items[:count]
        backlog.records -= size
        self.tally.records += size
