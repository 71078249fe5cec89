"""Execution as the supervisor forks it, made to die where a round wants it to.

The child runs the product's own `run` over the shared memory and the journal that it inherits.
What is changed is changed in the child alone: times that a round could not wait for, and a task
factory or a wrapped step that counts and, at the chosen count, sends the process SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvloop

from aegis.config.settings import Settings
from aegis.execution import countdown, process, session
from aegis.execution.core import ExecutionCore
from aegis.execution.gateway import OrderGateway
from aegis.execution.intake import Intake
from aegis.execution.journal.journal import Journal
from aegis.execution.rest import RestClient
from aegis.host.prctl import die_with_parent
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.supervisor.seat import reset_gauges
from tests.execution.rounds.awaits import Places, point_at, watch_tasks

# A placement may be under way for so long: what is unknown at a start is known after it and the
# second that the exchange grants to clocks.
RECV_WINDOW_MS = 500
# The calls that an order takes to the exchange and back, in its order.
STEPS: dict[str, tuple[type, str]] = {
    "intake": (Intake, "carry_out"),
    "journal flush": (Journal, "flush"),
    "line send": (OrderGateway, "send"),
    "settle": (ExecutionCore, "settle"),
    "answer": (ExecutionCore, "on_answer"),
    "order update": (ExecutionCore, "on_order_update"),
    "account update": (ExecutionCore, "on_account_update"),
    "outcomes": (ExecutionCore, "publish"),
    "apply": (ExecutionCore, "apply"),
    "order body": (ExecutionCore, "on_order_body"),
    "trade row": (ExecutionCore, "on_trade_row"),
    "stray row": (ExecutionCore, "on_stray_row"),
    "note": (Journal, "note"),
    "journal turn": (Journal, "turn"),
    "REST attempt": (RestClient, "_stay_quiet"),
}


@dataclass(frozen=True, slots=True)
class Death:
    """Die at the `count`-th passage of a place: before it is passed, or after.

    `at` is an await point of execution ("session.py:191") or a step of STEPS. Before and after an
    await are its suspension and its resumption.
    """

    at: str
    count: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.at} ({self.count})"


def _tell_where_it_stands(number: int, frame: FrameType | None) -> None:
    """The stack of every task: the thread's own ends at the loop."""
    with contextlib.suppress(RuntimeError):
        for task in asyncio.all_tasks():
            task.print_stack(file=sys.stderr)
    sys.stderr.flush()


def fork_execution(
    settings: Settings,
    memory: InstanceMemory,
    wiring: Wiring,
    folder: Path,
    prepare: Callable[[], None] = lambda: None,
) -> int:
    """Start execution; its pid. What it says is the file `said` of `folder`.

    `prepare` is called in the child first. The caller is its supervisor: it must reap it.
    """
    control = memory.control
    control.undrain("execution")
    control.next_generation("execution")
    # Here and not in the child: whoever waits for `ready` must not see its predecessor's.
    reset_gauges("execution", memory.counters["execution"])
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        if not die_with_parent(parent).honoured:
            os._exit(code)
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 2)
        # Where it stands, for the report of a round that hangs.
        signal.signal(signal.SIGUSR1, _tell_where_it_stands)
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True, chain=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        prepare()
        code = process.run(settings, memory, wiring)
    except BaseException as error:
        os.write(2, f"execution failed: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def become_victim(death: Death | None, passed: Path) -> None:
    """Be in a hurry, note every await point in the file `passed`, and die if so planned."""
    session.RECV_WINDOW_MS = RECV_WINDOW_MS
    countdown.WEIGHT_A_MINUTE = 100 * countdown.WEIGHT_A_MINUTE
    _plan_death(death, passed)


def die() -> None:
    """The end, now: nothing is flushed, closed or unwound."""
    os.kill(os.getpid(), signal.SIGKILL)


def _plan_death(death: Death | None, passed: Path) -> None:
    step = STEPS.get(death.at) if death is not None else None
    if death is not None and step is not None:
        _wrap_step(*step, death)
    file = os.open(passed, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    chains: dict[Places, frozenset[str]] = {}
    seen: set[str] = set()
    left = death.count if death is not None and step is None else 0
    doomed_at = death.at if left and death is not None else ""
    dies_after = death is not None and death.after

    def names_of(places: Places) -> frozenset[str]:
        names = chains.get(places)
        if names is None:
            points = (point_at(*place) for place in places)
            names = chains[places] = frozenset(str(point) for point in points if point)
            if news := names - seen:
                seen.update(news)
                os.write(file, "".join(f"{name}\n" for name in sorted(news)).encode())
        return names

    def count_down(places: Places) -> None:
        nonlocal left
        if doomed_at in names_of(places):
            left -= 1
            if left == 0:
                die()

    def look_only(places: Places) -> None:
        names_of(places)

    suspended = look_only if dies_after else count_down
    resumed = count_down if dies_after else look_only
    make_loop = uvloop.new_event_loop

    def make_watched_loop() -> Any:
        loop = make_loop()
        watch_tasks(loop, suspended, resumed)
        return loop

    uvloop.new_event_loop = make_watched_loop


def _wrap_step(owner: type, name: str, death: Death) -> None:
    whole: Callable[..., Any] = getattr(owner, name)
    passages = 0

    def step(*arguments: Any, **options: Any) -> Any:
        nonlocal passages
        passages += 1
        if passages == death.count and not death.after:
            die()
        result = whole(*arguments, **options)
        if passages == death.count and death.after:
            die()
        return result

    setattr(owner, name, step)
