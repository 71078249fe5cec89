"""A soak of execution: 200 orders a second at the embedded exchange, every connection closed often.

`test_soak` runs this module as a process of its own, because it forks: the exchange and execution
are its children, itself it is supervisor, feed and brain. Prints one JSON object at its end.

    python -m tests.execution.soak_stand --seconds 1800 --folder DIR
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from aegis.config.limits import LimitsConfig
from aegis.config.models import (
    CoresConfig,
    FlowConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.settings import Settings
from aegis.execution.process import warm_up
from aegis.host.resources import read_resources
from aegis.risk.controls import OWN_FAULTS, control_name
from aegis.shm.control import RUN
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import IOC, MARKET, POST_ONLY
from aegis.shm.outcome import CANCELED, DENIED, EXPIRED, FILL, REJECTED
from aegis.shm.wiring import Wiring
from aegis.venue.faults.schema import Fault, Schedule
from tests.execution.harness import BTC, LIMITS
from tests.execution.rounds.brain import WORTH_NS, Brain, Wanted
from tests.execution.rounds.exchange import (
    BALANCE_USDT,
    SYMBOL,
    Account,
    Exchange,
    exact_e8,
    pause,
)
from tests.execution.rounds.victim import fork_execution
from tests.execution.soak_heap import growth, read_heap, trend, watch_heap

ORDERS_PER_S = 200
CLOSE_EVERY_MS = 20_000
FLOW = FlowConfig(trades_per_s=60.0, book_updates_per_s=20.0)
INSTANCE = "soak"
# Orders that rest at a time; the oldest is cancelled when there is one more.
_MOST_RESTING = 30
_SIDE_NS = 2_000_000_000
_LOTS = range(2, 40)
# An order is judged while it is worth something, and is then remembered for the gate's 50 ms.
_REPETITION_NS = WORTH_NS + 100_000_000
_CANCEL_AGAIN_NS = 2_000_000_000
_ENDS = (REJECTED, DENIED, CANCELED, EXPIRED)
_SAMPLE_S = 0.5
_START_S = 60.0
_EQUAL_S = 60.0
# The heap begins without a hole and what fills up to a bound is empty: both take a quarter of an
# hour. What is looked at is the end of a run, after this share of it.
SETTLED_SHARE = 0.6


class SteadyBrain(Brain):
    """Places at an even pace, cancels what has rested the longest, and leans towards flat.

    It behaves as the gate's controls ask a strategy to. It knows by the outcomes that it hears what
    may still rest, and prices an order so that it meets none of that; and it does not want the
    same order again within the time in which that is a repetition.
    """

    def __init__(self, memory: InstanceMemory, account: Account) -> None:
        super().__init__(memory, account, random.Random(1), ORDERS_PER_S)
        self._counters = memory.counters["execution"]
        # What may rest of each side, oldest first: reference -> price in ticks.
        self._resting: dict[int, dict[int, int]] = {1: {}, -1: {}}
        # What is being cancelled: reference -> when that was last asked for.
        self._cancelled: dict[int, int] = {}
        # (price, signed lots, when) of the orders of late.
        self._recently: deque[tuple[int, int, int]] = deque()
        self._turn_no, self._side = -1, 1

    def pace(self, missing: float) -> None:
        """Want so many orders within the next two seconds."""
        self.pause_ns = int(2e9 / min(max(missing, ORDERS_PER_S), 3 * ORDERS_PER_S))

    def act(self, now_ns: int) -> None:
        """One placement, and the cancel of the oldest."""
        held, turn = self._counters["position_lots"], now_ns // _SIDE_NS
        if turn != self._turn_no:
            self._turn_no = turn
            leans = held != 0 and self.source.random() < 0.6
            self._side = (-1 if held > 0 else 1) if leans else self.source.choice((1, -1))
        wanted = self._unlike_any(self._apart(self.want(self._side)), now_ns)
        if wanted is not None:
            ref, is_taken = self.publish(wanted, now_ns)
            if not is_taken:
                del self.wanted[self.epoch, ref]
            elif not wanted.flags & (IOC | MARKET):
                self._resting[wanted.side][ref] = wanted.price_ticks
        self._cancel_oldest(now_ns)

    def _apart(self, wanted: Wanted) -> Wanted:
        """The same order, or one that rests just short of our best on the other side."""
        side, others = wanted.side, self._resting[-wanted.side].values()
        if not others:
            return wanted
        best = min(others) if side > 0 else max(others)
        if wanted.flags & MARKET or side * (wanted.price_ticks - best) >= 0:
            return wanted._replace(price_ticks=best - side, flags=POST_ONLY)
        return wanted

    def _unlike_any(self, wanted: Wanted, now_ns: int) -> Wanted | None:
        """The same order in a quantity that none like it has had of late, None if all have."""
        recently = self._recently
        while recently and now_ns - recently[0][2] > _REPETITION_NS:
            recently.popleft()
        taken = {lots for price, lots, _ in recently if price == wanted.price_ticks}
        free = [lots for lots in _LOTS if wanted.side * lots not in taken]
        if not free:
            return None
        wanted = wanted._replace(qty_lots=self.source.choice(free))
        recently.append((wanted.price_ticks, wanted.side * wanted.qty_lots, now_ns))
        return wanted

    def _cancel_oldest(self, now_ns: int) -> None:
        """Cancel what is one too many, and again what a cancel has not ended for a while."""
        for ref, asked_ns in list(self._cancelled.items()):
            if now_ns - asked_ns > _CANCEL_AGAIN_NS:
                self._cancelled[ref] = now_ns
                self.cancel(ref, now_ns)
        alive = [ref for side in self._resting.values() for ref in side]
        alive = sorted(ref for ref in alive if ref not in self._cancelled)
        for ref in alive[: max(len(alive) - _MOST_RESTING, 0)]:
            self._cancelled[ref] = now_ns
            self.cancel(ref, now_ns)

    def hear(self, told: np.ndarray[Any, Any]) -> None:
        """Outcomes: what has ended rests no more."""
        super().hear(told)
        for kind, ref, cum_lots in told[["kind", "order_ref", "cum_qty_lots"]].tolist():
            wanted = self.wanted.get((self.epoch, ref))
            if wanted is None:
                continue
            if kind in _ENDS or (kind == FILL and cum_lots >= wanted.qty_lots):
                del self.wanted[self.epoch, ref]
                self._resting[wanted.side].pop(ref, None)
                self._cancelled.pop(ref, None)


def make_settings(folder: Path) -> Settings:
    """An instance as it is shipped, but for limits that nothing here may meet."""
    limits = LIMITS | {"max_stale_ms": 20_000, "max_position_qty": 50.0}
    del limits["duplicate_window_ms"]
    # A process that a busy machine lets stand for a moment finds all that was wanted meanwhile.
    limits |= {"max_orders_per_s": 5_000.0, "max_open_orders": 3_000}
    limits |= {"max_order_notional": 1e6, "max_daily_loss": 9e5, "max_drawdown": 9e5}
    return Settings(
        name=INSTANCE,
        instance=InstanceConfig(symbols=[SYMBOL], strategy="none", limits=LimitsConfig(**limits)),
        hardware=HardwareConfig(cores=CoresConfig(feed=0, brain=0, execution=0, venue=0)),
        venue=VenueConfig(),
        supervisor=SupervisorConfig(),
        source=Path("aegis.toml"),
        journal=JournalConfig(
            dir=str(folder / "journal"), segment_bytes=4 << 20, keep_bytes=64 << 20
        ),
    )


class Soak:
    """One run. Use it as a context: it leaves no process and no memory."""

    def __init__(self, folder: Path) -> None:
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        close = Fault(
            kind="day_close", connection="*", at_ms=CLOSE_EVERY_MS, every_ms=CLOSE_EVERY_MS
        )
        settings = make_settings(folder)
        warm_up(settings)
        self.exchange = Exchange.open(1, 1, FLOW, Schedule(1, (close,)))
        self.account = Account(self.exchange, 0)
        self._shm = Path(tempfile.mkdtemp(prefix="aegis.soak-", dir="/dev/shm"))
        self.memory = InstanceMemory.create(INSTANCE, shm_dir=self._shm, owner=(os.getpid(), 1))
        self.memory.instruments.set(
            0, symbol=BTC.symbol.encode(), status=1, tick_size=0.1, step_size=0.001
        )
        self.memory.control.command = RUN
        self.memory.counters["venue"]["port"] = self.exchange.port
        self._wiring = Wiring.make(INSTANCE, self.memory, self.account.keys)
        self.counters = self.memory.counters["execution"]
        self.brain = SteadyBrain(self.memory, self.account)
        self.brain.turn()
        self.heap = folder / "heap"
        self.pid = fork_execution(
            settings, self.memory, self._wiring, folder, lambda: watch_heap(self.heap)
        )
        self.code: int | None = None
        self.samples: list[tuple[float, int, int, int]] = []
        self.most_unknown = 0
        self.began_s = 0.0

    def turn(self) -> None:
        self.brain.turn()
        pid, status = os.waitpid(self.pid, os.WNOHANG) if self.code is None else (0, 0)
        if pid:
            self.code = os.waitstatus_to_exitcode(status)
        assert self.code is None, f"execution left with {self.code}"
        self.most_unknown = max(self.most_unknown, self.counters["orders_unknown"])
        pause(0.001)

    def wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.turn()

    def trade(self, seconds: float) -> None:
        """Trade for so long, and look at the process's memory now and then."""
        while not self.counters["ready"]:
            self.turn()
        self.brain.is_trading = True
        self.began_s = began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < seconds:
            used = read_resources(self.pid)
            assert used is not None, "execution is gone"
            # What is denied, or not wanted while no line is up, is made up for later.
            self.brain.pace(ORDERS_PER_S * (now_s + 2.0) - self.counters["orders_sent"])
            self.samples.append((now_s, used.own_bytes, used.rss_bytes, used.descriptors))
            self.wait(_SAMPLE_S)
        self.brain.is_trading = False

    def differences(self) -> dict[str, tuple[int, int]]:
        """What is not equal: ours and the exchange's, in lots and 1e-8 USDT."""
        counters, account = self.counters, self.account
        income = account.ask("/fapi/v1/income", incomeType="FUNDING_FEE", limit=1000)
        funding_e8 = sum(exact_e8(row["income"]) for row in income)
        begun_e8 = round(BALANCE_USDT * 1e8)
        pnl_e8 = counters["realized_pnl_e8"] - counters["fees_e8"]
        both = {
            "position_lots": (counters["position_lots"], account.position_lots()),
            "pnl_e8": (pnl_e8, account.wallet_e8() - begun_e8 - funding_e8),
            "open": (counters["open_orders"], len(account.open_orders())),
            "unknown": (counters["orders_unknown"], 0),
        }
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

    def settle(self) -> dict[str, tuple[int, int]]:
        """Cancel everything; what is still not equal after a minute."""
        until_s = time.monotonic() + _EQUAL_S
        while True:
            self.brain.resync()
            self.wait(1.0)
            differences = self.differences()
            if not differences or time.monotonic() > until_s:
                return differences

    def end(self) -> int:
        """Ask execution to end; its exit code."""
        self.memory.control.drain("execution")
        until_s = time.monotonic() + _START_S
        while True:
            self.brain.turn()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                return self.code
            assert time.monotonic() < until_s, "execution does not end"
            pause(0.002)

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.account.close()
        self.exchange.close()
        self._wiring.close()
        self.memory.close()
        self.memory.unlink()
        shutil.rmtree(self._shm, ignore_errors=True)


def figures(soak: Soak, seconds: float) -> dict[str, Any]:
    """What the samples say, sizes in KiB."""
    times, own, rss, descriptors = (
        np.array(column, float) for column in zip(*soak.samples, strict=True)
    )
    settled = times > SETTLED_SHARE * times[-1]
    sizes = own[settled] / 1024
    counters = soak.counters
    inside = np.array(read_heap(soak.heap), float)
    inside = inside[(inside[:, 0] - soak.began_s > times[settled][0])]
    inside_min = (inside[:, 0] - soak.began_s) / 60.0
    return {
        "seconds": seconds,
        "orders_per_s": counters["orders_sent"] / seconds,
        "orders": counters["orders_sent"],
        "cancels": counters["cancels_sent"],
        "denied": {
            control_name(reason) if reason else "too late": count
            for reason, count in soak.brain.denied.most_common()
        },
        # What no strategy of good behaviour is denied.
        "own_faults": sorted(
            control_name(reason) for reason in soak.brain.denied if reason in OWN_FAULTS
        ),
        "rejected": counters["orders_rejected"],
        "fills": counters["fills"],
        "duplicates": counters["duplicates"],
        "disconnects": soak.account.struck().total(),
        "errors": counters["errors"],
        "gate": (counters["gate_state"], counters["gate_reason"]),
        "most_unknown": soak.most_unknown,
        "rss_mib": rss[-1] / 2**20,
        "own_mib": own[-1] / 2**20,
        # Each a slope and its standard error.
        "own_kib_per_min": trend(times[settled] / 60.0, sizes),
        "in_use_kib_per_min": trend(inside_min, inside[:, 1] / 1024),
        "growth_kib": growth(sizes),
        "blocks_grown": growth(inside[:, 2]),
        "descriptors": (int(descriptors[settled].min()), int(descriptors[settled].max())),
        "pnl_e8": counters["realized_pnl_e8"] - counters["fees_e8"],
        "position_lots": counters["position_lots"],
    }


def leave(number: int, frame: object) -> None:
    """Told to end: clean up once, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.execution.soak_stand")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    soak = Soak(asked.folder)
    try:
        soak.trade(asked.seconds)
        # Time in s, own and resident bytes, descriptors: for whoever wants to see the curve.
        np.savetxt(asked.folder / "samples", soak.samples, fmt="%d")
        told = figures(soak, asked.seconds)
        told["differences"] = soak.settle()
        told["exit_code"] = soak.end()
        told["resting"] = len(soak.account.open_orders())
        told["said"] = (asked.folder / "said").read_text().splitlines()[-20:]
    finally:
        soak.close()
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
