"""Lanes that appear while the brain runs: an instance that takes all symbols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.brain.process import READY, STARTING, Brain
from aegis.config import Settings, load_config
from aegis.host.clock import monotonic_ns
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import PLACE, RESYNC
from aegis.shm.outcome import POSITION
from aegis.shm.tick import STATUS
from tests.brain.harness import outcome, quote, tick

BID = 600_000
ROWS = 4


class Desk:
    """A brain of four lanes; the test is the feed and execution."""

    def __init__(self, settings: Settings, memory: InstanceMemory) -> None:
        self.memory = memory
        memory.control.next_generation("brain")
        memory.control.next_generation("execution")
        self.brain = Brain(settings, memory)
        self.sent: list[Any] = []

    def list(self, row: int, status: int = 1) -> None:
        top = np.array([[BID * 0.1, 1.0]]), np.array([[(BID + 1) * 0.1, 1.0]])
        self.memory.books.write(row, 0, 0, monotonic_ns(), *top)
        fields = {"status": status, "tick_size": 0.1, "step_size": 0.001, "min_qty": 0.001}
        self.memory.instruments.set(row, symbol=f"C{row}USDT", **fields)

    def work(self) -> list[Any]:
        """One turn of the brain; the new intents."""
        self.brain.turn()
        self.brain.tend()
        return list(self.memory.intents.take().copy())

    def answer(self, intents: list[Any], rows: int) -> None:
        (question,) = [intent for intent in intents if intent["kind"] == RESYNC]
        for row in range(rows):
            record = outcome(
                POSITION, 0, epoch=int(question["epoch"]), intent_id=int(question["intent_id"])
            )
            record["instrument"] = row
            self.memory.outcomes.offer(record)
        self.work()

    def quotes(self, row: int, at_ms: float) -> list[Any]:
        for number in range(2):
            self.memory.ticks.publish(quote(BID, at_ms + 1_000 * number, instrument=row))
        return [intent for intent in self.work() if intent["kind"] == PLACE]


@pytest.fixture
def desk(tmp_path: Path, repository: Path) -> Iterator[Desk]:
    file = repository / "aegis.toml"
    config = load_config(file)
    instance = config.instances["btc"]
    parameters = {**instance.parameters, "volatility_warmup_s": 0.0}
    changed = {"symbols": [], "max_symbols": ROWS, "parameters": parameters}
    config = config.model_copy(update={"instances": {"btc": instance.model_copy(update=changed)}})
    memory = InstanceMemory.create("lanes", instruments=ROWS, shm_dir=tmp_path)
    made = Desk(Settings.of(config, "btc", file), memory)
    yield made
    del made
    memory.close()
    memory.unlink()


def test_a_lane_without_a_row_hears_nothing_and_is_nobody_s_fault(desk: Desk) -> None:
    assert not desk.brain.has_instruments()
    desk.list(0)
    assert desk.brain.has_instruments()
    desk.brain.start()
    intents = desk.work()
    assert desk.brain.counters["state"] == STARTING
    desk.answer(intents, 1)
    assert desk.brain.counters["state"] == READY, "three empty rows do not degrade it"
    assert desk.quotes(2, 0) == []
    assert desk.brain.core["step_errors"] == 0
    assert desk.brain.desk.markets[2]["valid"] == 0
    assert [int(intent["instrument"]) for intent in desk.quotes(0, 0)] == [0, 0]


def test_a_symbol_listed_later_is_followed_and_traded_once_execution_knows_it(desk: Desk) -> None:
    desk.list(0)
    desk.brain.start()
    desk.answer(desk.work(), 1)
    # Its book became valid before the brain had heard of the instrument.
    desk.memory.ticks.publish(tick(STATUS, instrument=1, a=2.0))
    desk.work()
    desk.list(1)
    desk.work()
    assert desk.quotes(1, 0) == [], "execution has no rules for it yet"
    market = desk.brain.desk.markets[1]
    assert (market["valid"], market["tick_size"]) == (1, 0.1)
    assert desk.brain.core["step_errors"] == 0
    desk.memory.control.next_generation("execution")
    desk.brain.tend()
    desk.answer(desk.work(), 2)
    assert [int(intent["instrument"]) for intent in desk.quotes(1, 5_000)] == [1, 1]


def test_a_halted_symbol_is_closed_without_degrading_the_rest(desk: Desk) -> None:
    desk.list(0)
    desk.list(1)
    desk.brain.start()
    desk.answer(desk.work(), 2)
    desk.list(1, status=4)
    assert desk.quotes(1, 0) == []
    assert desk.brain.counters["state"] == READY
    assert desk.brain.desk.lanes[1]["tradable"] == 0
    assert desk.brain.desk.lanes[0]["tradable"] == 1
