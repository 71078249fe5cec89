"""How the last run ended, for whoever looks when nothing runs."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aegis.monitor import last_run
from aegis.monitor.last_run import FILE_NAME, LastRun, read_last_run
from aegis.monitor.problems import find_problems
from aegis.monitor.reading import read_instance
from aegis.monitor.view import InstanceView
from aegis.risk.latch_record import state_directory


def told(instance: str = "btc") -> tuple[str, str]:
    """Why and what to do, of an instance of which nothing is in memory."""
    view = InstanceView(instance, directory="/dev/shm/aegis-btc", last_run=read_last_run(instance))
    (problem,) = find_problems(view)
    return problem.why, problem.do


def test_a_run_that_ended_in_order() -> None:
    LastRun.begun("live").ended(0, "a stop was asked for", 0, ["execution: ready"]).write("btc")
    why, do = told()
    assert "with exit code 0: a stop was asked for; no order rested" in why
    assert "last words" not in why and do == "aegis run btc"


def test_a_run_that_failed_tells_its_last_words_and_what_to_look_at() -> None:
    words = [f"execution: {number}" for number in range(9)]
    LastRun.begun("live").ended(1, "failed: not ready", -1, words).write("btc")
    why, do = told()
    assert "with exit code 1: failed: not ready; open orders at the end not known" in why
    assert why.endswith("last words: execution: 6; execution: 7; execution: 8")
    assert do.startswith("aegis cancel-all btc; ")
    LastRun.begun("embedded").ended(1, "failed: not ready", 2, words).write("btc")
    why, do = told()
    assert "2 ORDERS RESTED" in why and "cancel-all" not in do


def test_a_start_that_was_stopped_at_once_knows_nothing_of_what_rests() -> None:
    """What the run before it, killed perhaps, has left at the exchange is still there."""
    LastRun.begun("live").ended(0, "stopped before it started", -1, []).write("btc")
    assert told()[1] == "aegis cancel-all btc; aegis run btc"


def test_an_end_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    LastRun.begun("testnet").write("btc")
    assert "did not end in order: it was killed whole" in told()[0]
    monkeypatch.setattr(last_run, "read_boot_id", lambda: "another boot")
    assert "did not end in order: the machine went down with it" in told()[0]
    assert "cancel-all" in told()[1]


def test_starts_that_fail_do_not_hide_the_run_that_was_killed() -> None:
    LastRun.begun("live").write("btc")
    for reason in ("the port is taken", "no memory"):
        LastRun.begun("live").not_started(2, reason, read_last_run("btc")).write("btc")
    why, do = told()
    assert "with exit code 2: it could not start: no memory" in why
    assert why.count("did not end in order: it was killed whole") == 1 and "port" not in why
    assert do.startswith("aegis cancel-all btc; ")
    LastRun.begun("live").ended(0, "a stop was asked for", 0, []).write("btc")
    LastRun.begun("live").not_started(2, "no memory", read_last_run("btc")).write("btc")
    assert "before it" not in told()[0]


def test_nothing_is_known_of_a_first_run() -> None:
    assert told("never") == (
        "/dev/shm/aegis-btc does not exist; no earlier run is known of",
        "aegis run never",
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"started_unix_ms": 1}', b"\xff", b"[" * 100_000, b"null"],
)
def test_what_cannot_be_read_is_not_known(content: bytes) -> None:
    folder = state_directory("btc")
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(content)
    assert read_last_run("btc") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("started_unix_ms", 1e300),
        ("words", [1]),
        ("words", "a"),
        ("more", 1),
        ("mode", ["live"]),
        ("open_orders", [1]),
        ("exit_code", "1"),
    ],
)
def test_a_field_of_another_kind_is_not_known(name: str, value: object) -> None:
    LastRun.begun("live").write("btc")
    file = state_directory("btc") / FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert read_last_run("btc") is None


def test_the_newer_of_a_run_by_hand_and_one_of_systemd_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_run, "INSTALLED", tmp_path)
    by_hand = LastRun.begun("embedded")
    by_hand.write("btc")
    assert read_last_run("btc") == by_hand
    of_systemd = replace(by_hand, started_unix_ms=by_hand.started_unix_ms + 1, mode="live")
    with monkeypatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(tmp_path / "btc"))
        of_systemd.write("btc")
    assert read_last_run("btc") == of_systemd


def test_a_disk_that_cannot_take_it_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/proc/self/nowhere")
    LastRun.begun("live").write("btc")
    assert read_last_run("btc") is None


def test_a_run_below_another_directory_is_not_this_one(tmp_path: Path) -> None:
    """It may be running right now: nobody has killed it."""
    there, here = tmp_path / "there" / "aegis-btc", tmp_path / "here" / "aegis-btc"
    LastRun.begun("live", there).write("btc")
    assert read_instance("btc", tmp_path / "here").last_run is None
    assert read_last_run("btc", here) is None
    assert read_last_run("btc", there) is not None


def test_a_run_that_may_not_be_read_does_not_pass_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of systemd's instances is for their user and root alone."""
    monkeypatch.setattr(last_run, "INSTALLED", tmp_path)
    really_open = os.open

    def guarded(path: Any, *rest: Any) -> int:
        if str(path).startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_open(path, *rest)

    monkeypatch.setattr(os, "open", guarded)
    view = read_instance("btc", tmp_path / "shm")
    (problem,) = find_problems(view)
    assert f"{tmp_path / 'btc'} this user must not read" in problem.why
    assert "sudo aegis status btc" in problem.why


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's, say, of which no file of users knows."""

    def homeless(*_: Any) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(last_run, "state_directory", homeless)
    LastRun.begun("live").write("btc")
    assert read_last_run("btc") is None
