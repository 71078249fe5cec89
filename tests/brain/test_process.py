"""The process around the duty cycle, in a thread: start, sync, reload, restarts, the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.brain.process import DEGRADED, READY, STARTING, STOPPED, run, warm_up
from aegis.config import Settings, load_config
from aegis.host.clock import monotonic_ns
from aegis.shm.control import DRAIN
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANCEL_ALL, PLACE, RESYNC
from aegis.shm.outcome import OUTCOME, POSITION
from aegis.shm.wiring import Wiring
from aegis.strategies.errors import StrategyError
from tests.brain.harness import outcome, quote
from tests.waiting import eventually

BID = 600_000


class Run:
    """A brain process in a thread; the test plays feed, execution and supervisor."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.settings = settings
        self.memory = InstanceMemory.create("test", shm_dir=folder)
        self.memory.control.next_generation("brain")
        self.memory.control.next_generation("execution")
        self.wiring = Wiring.make("test", self.memory)
        self.counters = self.memory.counters["brain"]
        self.sent: list[Any] = []
        self.code: int | None = None
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.code = run(self.settings, self.memory, self.wiring)
        except StrategyError as error:
            self.error = error

    def add_instrument(self, **fields: Any) -> None:
        row = {"status": 1, "tick_size": 0.1, "step_size": 0.001, "min_qty": 0.001, **fields}
        top = np.array([[BID * 0.1, 1.0]]), np.array([[(BID + 1) * 0.1, 1.0]])
        self.memory.books.write(0, 0, 0, monotonic_ns(), *top)
        self.memory.instruments.set(0, symbol=b"BTCUSDT", **row)

    def wait_for(self, kind: int, count: int = 1) -> list[Any]:
        """Wait until `count` new intents of a kind have come; they are taken out of the lane."""

        def came() -> list[Any]:
            self.sent.extend(self.memory.intents.take().copy())
            found = [intent for intent in self.sent if intent["kind"] == kind]
            return found if len(found) >= count else []

        found = eventually(came, f"{count} intents of kind {kind}")
        self.sent = [intent for intent in self.sent if intent["kind"] != kind]
        return found

    def wait_state(self, state: int) -> None:
        eventually(lambda: self.counters["state"] == state, f"state {state}")

    def answer(self, intent: Any) -> None:
        record = outcome(
            POSITION, 0, epoch=int(intent["epoch"]), intent_id=int(intent["intent_id"])
        )
        assert record.dtype == OUTCOME
        self.memory.outcomes.offer(record)

    def stop(self) -> None:
        self.memory.control.command = DRAIN
        if self.thread.is_alive():
            self.thread.join(timeout=10)
        assert not self.thread.is_alive()


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(**parameters: Any) -> Run:
        text = (repository / "aegis.toml").read_text()
        file = tmp_path / "aegis.toml"
        file.write_text(text)
        settings = Settings.of(load_config(file), "btc", file)
        merged = {**settings.instance.parameters, "volatility_warmup_s": 0.0, **parameters}
        instance = settings.instance.model_copy(update={"parameters": merged})
        settings = Settings.of(
            load_config(file).model_copy(update={"instances": {"btc": instance}}), "btc", file
        )
        warm_up(settings)  # as the supervisor does: nothing is compiled in the thread
        made = Run(tmp_path, settings)
        runs.append(made)
        made.thread.start()
        return made

    yield begin
    for made in runs:
        made.stop()
        made.wiring.close()
        made.memory.close()


def test_from_the_start_to_the_last_cancellation(start: Callable[..., Run]) -> None:
    brain = start()
    eventually(lambda: brain.counters["loop_seq"] > 2, "heartbeats while there is no instrument")
    assert brain.counters["state"] == STARTING
    brain.add_instrument()
    question = brain.wait_for(RESYNC)[0]
    assert question["epoch"] == 1
    brain.answer(question)
    brain.wait_state(READY)
    assert brain.counters["synced"] == 1
    brain.memory.ticks.publish(quote(BID, 0))
    brain.memory.ticks.publish(quote(BID, 1_000))
    assert [int(intent["side"]) for intent in brain.wait_for(PLACE, 2)] == [1, -1]
    beats = brain.counters["loop_seq"]
    eventually(lambda: brain.counters["loop_seq"] > beats + 2, "heartbeats while idle")
    assert brain.counters["gc_collections_in_cycle"] == 0
    brain.memory.control.command = DRAIN
    assert len(brain.wait_for(CANCEL_ALL)) == 1
    brain.stop()
    assert brain.code == 0
    assert brain.counters["state"] == STOPPED


def test_told_to_stop_before_there_is_anything_to_do(start: Callable[..., Run]) -> None:
    brain = start()
    brain.stop()
    assert brain.code == 0


def test_a_reload_is_taken_over_and_a_bad_one_is_not(
    start: Callable[..., Run], capfd: pytest.CaptureFixture[str]
) -> None:
    brain = start()
    brain.add_instrument()
    brain.answer(brain.wait_for(RESYNC)[0])
    brain.wait_state(READY)
    good = {**brain.settings.instance.parameters, "order_qty": 0.005}
    version = brain.memory.control.write_text(json.dumps({"parameters": good, "limits": {}}))
    eventually(lambda: brain.counters["parameters_version"] == version, "the reload in force")
    bad = {**good, "order_qty": -1.0}
    brain.memory.control.write_text(json.dumps({"parameters": bad, "limits": {}}))
    eventually(lambda: brain.counters["errors"] == 1, "the refusal")
    assert brain.counters["parameters_version"] == version
    assert "order_qty = -1.0" in capfd.readouterr().err
    brain.memory.ticks.publish(quote(BID, 0))
    brain.memory.ticks.publish(quote(BID, 1_000))
    placed = brain.wait_for(PLACE, 2)
    assert [int(i["qty_lots"]) for i in placed] == [5, 5]
    assert [int(i["config_version"]) for i in placed] == [version, version]


def test_a_new_execution_is_asked(start: Callable[..., Run]) -> None:
    brain = start()
    brain.add_instrument()
    brain.answer(brain.wait_for(RESYNC)[0])
    brain.wait_state(READY)
    brain.memory.control.next_generation("execution")
    question = brain.wait_for(RESYNC)[0]
    brain.wait_state(STARTING)
    brain.answer(question)
    brain.wait_state(READY)


def test_a_ready_execution_that_does_not_answer_is_asked_again(start: Callable[..., Run]) -> None:
    brain = start()
    brain.add_instrument()
    first = brain.wait_for(RESYNC)[0]
    asked_ns = monotonic_ns()
    brain.memory.counters["execution"]["ready"] = 1
    second = brain.wait_for(RESYNC)[0]
    assert monotonic_ns() - asked_ns > 1_000_000_000
    assert second["intent_id"] > first["intent_id"]
    brain.answer(second)
    brain.wait_state(READY)


def test_an_instrument_that_does_not_fit_closes_its_lane(
    start: Callable[..., Run], capfd: pytest.CaptureFixture[str]
) -> None:
    brain = start()
    brain.add_instrument(min_qty=1.0)
    brain.answer(brain.wait_for(RESYNC)[0])
    brain.wait_state(DEGRADED)
    assert "BTCUSDT: order_qty 0.002 is below" in capfd.readouterr().err
    # The exchange changes its mind; the next tick shows it.
    brain.add_instrument(min_qty=0.001)
    brain.memory.ticks.publish(quote(BID, 0))
    brain.wait_state(READY)


def test_parameters_that_are_wrong_at_the_start_end_it(start: Callable[..., Run]) -> None:
    brain = start(order_levels=99)
    brain.add_instrument()
    brain.thread.join(timeout=10)
    assert "order_levels = 99" in str(brain.error)
