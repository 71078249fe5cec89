"""The operator's commands where no appliance runs: what can still be done is done, and said."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from aegis.cli.arm import arm
from aegis.cli.cancel_all import cancel_all
from aegis.cli.flatten import flatten
from aegis.cli.halt import halt
from aegis.cli.reduce import reduce
from aegis.risk import latch_record
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.risk.latch_record import LatchRecord, read_record, record_file, write_record

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def call(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """A command with --json, on the shipped file and a shared-memory directory of its own."""
    text = (repository / "aegis.toml").read_text()
    file = tmp_path / "aegis.toml"
    file.write_text(text.replace('shm_dir = "/dev/shm"', f'shm_dir = "{tmp_path}"'))

    def run(command: Callable[..., None], instance: str | None = "btc", **more: Any) -> Any:
        with pytest.raises(typer.Exit) as ended:
            command(instance, config=file, timeout_s=1.0, as_json=True, **more)
        out = capsys.readouterr().out
        return ended.value.exit_code, json.loads(out) if out else {}

    return run


def test_a_halt_reaches_the_next_start(call: Call) -> None:
    code, answer = call(halt)
    assert code == 0 and answer["ok"] and answer["resting"] == 0
    assert "next start will be HALTED" in answer["text"] and "embedded" in answer["text"]
    record = read_record(record_file("btc"))
    assert (record.state, record.control) == (LatchState.HALTED, Control.OPERATOR)
    assert call(reduce)[1]["state"] == "HALTED", "a weaker word changes nothing"
    code, answer = call(arm)
    assert code == 0 and "it was HALTED because of OPERATOR" in answer["text"]
    assert read_record(record_file("btc")).state is LatchState.ACTIVE


@pytest.mark.parametrize("command", [halt, reduce])
def test_a_latch_that_cannot_be_written_leaves_no_order_at_the_exchange(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    asked = []

    def clear(name: str, *_: Any, keeps_stops: bool, **__: Any) -> dict[str, Any]:
        asked.append(name)
        assert keeps_stops, "nobody is left to mind a position"
        return {"ok": True, "is_known": True, "resting": 0, "text": "0 rest"}

    monkeypatch.setattr(latch_record, "write_record", full)
    monkeypatch.setattr("aegis.cli.cancel_all.clear_directly", clear)
    code, answer = call(command)
    assert asked == ["btc"] and answer["resting"] == 0
    assert code == 1 and not answer["ok"], "the next start is not halted"
    assert "cannot be written: No space left on device; 0 rest" in answer["text"]


def test_arming_forgets_no_pilot(call: Call) -> None:
    write_record(record_file("btc"), LatchRecord(LatchState.REDUCING, 16, 5, "glft", 7))
    assert call(arm)[0] == 0
    record = read_record(record_file("btc"))
    assert (record.state, record.strategy, record.first_ms) == (LatchState.ACTIVE, "glft", 7)


def test_an_unreadable_record_is_armed_by_a_person_only(call: Call) -> None:
    record_file("btc").parent.mkdir(parents=True)
    record_file("btc").write_text("{")
    code, answer = call(arm)
    assert code == 0 and "LATCH_RECORD" in answer["text"]


@pytest.mark.parametrize("command", [halt, reduce])
def test_a_record_that_makes_no_sense_is_not_taken_for_a_halt_of_ours(
    call: Call, command: Callable[..., None]
) -> None:
    """It may be whole, and only we may not read it: then the next start is what it says."""
    record_file("btc").parent.mkdir(parents=True)
    record_file("btc").write_text("{")
    code, answer = call(command)
    assert code == 0 and answer["state"] == "HALTED"
    record = read_record(record_file("btc"))
    assert (record.state, record.control) == (LatchState.HALTED, Control.OPERATOR)


def test_a_broken_configuration_keeps_nobody_from_a_halt(call: Call, tmp_path: Path) -> None:
    (tmp_path / "aegis.toml").write_text("[hardware\n")
    code, answer = call(halt)
    assert code == 3 and not record_file("btc").exists(), "nothing known of any btc"
    assert "aegis.toml cannot be used: aegis check says why" in answer["text"]
    write_record(record_file("btc"), LatchRecord())
    code, answer = call(halt)
    assert code == 1 and "next start will be HALTED" in answer["text"]
    assert "NOT DONE" in answer["text"] and answer["resting"] is None
    assert read_record(record_file("btc")).state is LatchState.HALTED
    assert call(arm)[0] == 3, "what is armed must be known"
    assert read_record(record_file("btc")).state is LatchState.HALTED


def test_an_arm_that_was_not_answered_may_still_be_carried_out(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = SimpleNamespace(directory=tmp_path)
    monkeypatch.setattr("aegis.cli.running.find_running", lambda *_: running)
    monkeypatch.setattr("aegis.cli.operator_request._ask", lambda *_: None)
    code, answer = call(arm)
    assert code == 1 and "aegis status btc tells whether it is armed" in answer["text"]
    assert not record_file("btc").exists(), "a living appliance is not armed behind its back"


def test_nothing_can_be_flattened_without_an_appliance(call: Call) -> None:
    code, answer = call(flatten)
    assert code == 1 and "no position was closed" in answer["text"]
    assert read_record(record_file("btc")).state is LatchState.REDUCING


@pytest.mark.parametrize("independent", [False, True])
def test_at_the_embedded_exchange_nothing_can_rest(call: Call, independent: bool) -> None:
    code, answer = call(cancel_all, independent=independent)
    assert code == 0 and answer["resting"] == 0
    assert "ends with its appliance" in answer["text"]


@pytest.mark.parametrize("command", [halt, reduce, arm, flatten, cancel_all])
def test_a_stranger_is_not_running(call: Call, command: Callable[..., None]) -> None:
    code, answer = call(command, "stranger")
    assert code == 3 and not answer["ok"]
    assert not record_file("stranger").exists()


def test_one_or_all_but_not_neither(call: Call) -> None:
    assert call(halt, None)[0] == 2
    assert call(halt, "btc", every=True)[0] == 2
    assert call(halt, None, every=True) == (3, {"ok": True, "instances": []})
