"""A brain without processes: its rings over real regions, driven one turn at a time.

`Harness` plays feed and execution: it publishes ticks and outcomes, runs the compiled duty cycle
until both are consumed, and collects the intents. Time is what the records say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aegis.brain.layout import make_desk, make_wires
from aegis.brain.load import compiled_cycle, fit_parameters
from aegis.host.clock import monotonic_ns
from aegis.shm.candles import CandlePlan
from aegis.shm.instance import NO_CANDLES, InstanceMemory
from aegis.shm.intent import CANCEL, PLACE
from aegis.shm.outcome import ACCEPTED, CANCELED, FILL, OUTCOME, POSITION
from aegis.shm.tick import QUOTE, TICK
from aegis.shm.wait import SPIN
from aegis.strategies.registry import load_strategy, validate_parameters

TICK_SIZE, STEP_SIZE = 0.1, 0.001
MS = 1_000_000
START_NS = 1_723_161_256_000 * MS
EPOCH = 3
PARAMETERS: dict[str, Any] = {
    "order_qty": 0.002,
    "max_inventory_qty": 0.01,
    "risk_aversion": 0.002,
    "min_requote_ms": 100,
    "refresh_tolerance_ticks": 5,
    "volatility_warmup_s": 0.0,
    "volatility_sample_ms": 10,
    "fair_price": "mid",
}


def tick(kind: int = QUOTE, *, at_ms: float = 0.0, instrument: int = 0, **fields: Any) -> Any:
    """One TICK record; unnamed fields are zero."""
    record = np.zeros(1, TICK)
    record["instrument"], record["kind"] = instrument, kind
    record["ts_event_ns"] = START_NS + round(at_ms * MS)
    record["ts_recv_ns"] = monotonic_ns()
    for name, value in fields.items():
        record[name] = value
    return record


def quote(
    bid_ticks: int, at_ms: float, *, update_id: int = 0, spread: int = 1, **fields: Any
) -> Any:
    """A QUOTE whose update id follows its time unless it is given."""
    return tick(
        QUOTE,
        at_ms=at_ms,
        a=bid_ticks * TICK_SIZE,
        b=1.0,
        c=(bid_ticks + spread) * TICK_SIZE,
        d=1.0,
        e=float(update_id or round(at_ms * 1000) + 1),
        **fields,
    )


def outcome(kind: int, order_ref: int, **fields: Any) -> Any:
    """One OUTCOME record of the harness's epoch."""
    record = np.zeros(1, OUTCOME)
    record["kind"], record["order_ref"], record["epoch"] = kind, order_ref, EPOCH
    record["ts_recv_ns"] = monotonic_ns()
    for name, value in fields.items():
        record[name] = value
    return record


class Harness:
    """One brain over regions below `folder`; `intents` holds everything it has sent."""

    def __init__(
        self,
        folder: Path,
        *,
        instruments: int = 1,
        strategy: str = "avellaneda_stoikov",
        parameters: dict[str, Any] | None = None,
        synced: bool = True,
        base: dict[str, Any] | None = None,
        kept: CandlePlan = NO_CANDLES,
    ) -> None:
        self.memory = InstanceMemory.create(
            "harness", instruments=instruments, shm_dir=folder, kept=kept
        )
        for index in range(instruments):
            self.memory.instruments.set(
                index,
                symbol=f"TEST{index}USDT".encode(),
                status=1,
                tick_size=TICK_SIZE,
                step_size=STEP_SIZE,
                min_qty=STEP_SIZE,
                max_qty=1000.0,
                min_notional=5.0,
            )
        self.strategy = load_strategy(strategy)
        self.base = PARAMETERS if base is None else base
        self.desk = make_desk(instruments, EPOCH)
        self.desk.markets["book_usable"] = 1  # the feed has synced its books
        self.wires = make_wires(self.memory)
        self.params = np.zeros(instruments, self.strategy.parameters_dtype)
        self.states = np.zeros(instruments, self.strategy.state_dtype)
        self.cycle = compiled_cycle(self.strategy)
        self.set_parameters(**(parameters or {}))
        self.intents: list[Any] = []
        self.turn()
        if synced:
            self.sync()

    @property
    def core(self) -> Any:
        return self.desk.core[0]

    def set_parameters(self, **changes: Any) -> None:
        """Pack the default parameters with some changed."""
        given = {**self.base, **changes}
        model = validate_parameters(self.strategy.parameters_model, self.strategy.name, given)
        problems = fit_parameters(
            self.strategy, model, self.desk, self.params, self.states, self.memory.instruments
        )
        assert not problems, problems

    def turn(self) -> list[Any]:
        """Run the duty cycle until nothing is pending; returns the new intents."""
        new: list[Any] = []
        while True:
            self.cycle(self.desk, self.wires, self.params, self.states, SPIN, 0)
            taken = self.memory.intents.take()
            new.extend(taken.copy())
            behind = self.memory.ticks.published - int(self.desk.cursor[0])
            if behind == 0 and self.memory.outcomes.pending_count() == 0 and taken.size == 0:
                break
        self.intents.extend(new)
        return new

    def feed(self, *records: Any) -> list[Any]:
        """Publish ticks together, then let the brain work."""
        self.memory.ticks.publish(np.concatenate(records))
        return self.turn()

    def tell(self, *records: Any) -> list[Any]:
        """Publish outcomes together, then let the brain work."""
        assert self.memory.outcomes.offer(np.concatenate(records)) == len(records)
        return self.turn()

    def sync(self, **fields: Any) -> None:
        """Answer the RESYNC: flat everywhere unless told otherwise."""
        intent_id = int(self.core["resync_intent_id"])
        for index in range(self.desk.lanes.size):
            self.tell(outcome(POSITION, 0, instrument=index, intent_id=intent_id, **fields))

    def accept(self, intents: Iterable[Any]) -> None:
        """Execution accepts every PLACE and confirms every CANCEL."""
        answers = []
        for intent in intents:
            if intent["kind"] == PLACE:
                answers.append(answer(ACCEPTED, intent))
            elif intent["kind"] == CANCEL:
                answers.append(answer(CANCELED, intent))
        if answers:
            self.tell(*answers)

    def fill(self, intent: Any, position: int, lots: int | None = None) -> list[Any]:
        """The order of a PLACE is filled, by default completely."""
        quantity = int(intent["qty_lots"]) if lots is None else lots
        return self.tell(
            answer(FILL, intent, qty_lots=quantity, cum_qty_lots=quantity, position_lots=position)
        )

    def close(self) -> None:
        self.memory.close()


def answer(kind: int, intent: Any, **fields: Any) -> Any:
    """An outcome about an intent's order."""
    given = {
        "instrument": int(intent["instrument"]),
        "side": int(intent["side"]),
        "intent_id": int(intent["intent_id"]),
        "price_ticks": int(intent["price_ticks"]),
        "qty_lots": int(intent["qty_lots"]),
        **fields,
    }
    return outcome(kind, int(intent["order_ref"]), **given)


def of_kind(intents: Sequence[Any], kind: int) -> list[Any]:
    """The intents of one kind, in order."""
    return [intent for intent in intents if intent["kind"] == kind]


def by_side(intents: Sequence[Any], side: int) -> list[Any]:
    """The intents of one side, in order."""
    return [intent for intent in intents if intent["side"] == side]
