"""Forking, reaping and the first lines of a child's life, with real forks of this test process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aegis.supervisor.budget import RestartBudget
from aegis.supervisor.child import Birth, one_line
from aegis.supervisor.children import Child, describe_end
from tests.waiting import eventually


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child("brain", RestartBudget(1, 1))
    yield made
    if made.running:
        made.kill("the test is over")
        eventually(made.reap, "the child to end")


def birth(keep: tuple[int, ...] = (), parent_pid: int | None = None) -> Callable[[int], Birth]:
    # Asked here, in the parent: what is returned runs in the child.
    parent_pid = os.getpid() if parent_pid is None else parent_pid
    return lambda report_to: Birth(
        instance="one",
        process="brain",
        parent_pid=parent_pid,
        report_to=report_to,
        keep=keep,
        memory_directories=(),
    )


def end_of(child: Child) -> str:
    return eventually(child.reap, "the child to end")


def test_the_exit_code_of_the_body_is_the_childs(child: Child) -> None:
    child.fork(birth(), lambda: 7)
    assert child.start_time_ticks > 0
    assert end_of(child) == "exit code 7"
    assert not child.running
    assert child.reap() is None


def test_an_exception_becomes_one_line_with_its_place(
    child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise ValueError("a price of -1\nover two lines")

    child.fork(birth(), fail)
    end = end_of(child)
    assert end.startswith("exit code 1: ValueError: a price of -1 over two lines (at ")
    assert "test_children.py" in end
    shown = capfd.readouterr().err
    assert "Traceback" not in shown
    assert shown.count("\n") == 1
    assert shown.startswith("aegis one brain: ValueError")


def test_a_verdict_is_part_of_the_end(child: Child) -> None:
    child.fork(birth(), _sleep)
    child.kill("stalled: no progress for 3.0 s")
    assert end_of(child) == "stalled: no progress for 3.0 s; killed by SIGKILL"


def test_a_stopped_child_passes_waitpid_and_dies_of_sigkill(child: Child) -> None:
    child.fork(birth(), _sleep)
    os.kill(child.pid, signal.SIGSTOP)
    eventually(lambda: _state(child.pid) == "T", "the child to stop")
    assert child.reap() is None
    child.kill("stopped")
    assert "SIGKILL" in end_of(child)


def test_sigterm_before_the_process_has_its_own_handler_ends_it_quietly(
    child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    child.fork(birth(), _sleep)
    eventually(lambda: _name(child.pid) == "brain@one", "the child to settle")
    child.terminate()
    assert end_of(child) == "exit code 0"
    assert capfd.readouterr().err == ""


def test_sigint_and_sighup_of_the_terminal_do_not_reach_it(child: Child) -> None:
    child.fork(birth(), _sleep)
    eventually(lambda: _name(child.pid) == "brain@one", "the child to settle")
    ignored = int(_status(child.pid)["SigIgn"], 16)
    for number in (signal.SIGINT, signal.SIGHUP):
        assert ignored >> (number - 1) & 1
    assert not int(_status(child.pid)["SigBlk"], 16)


def test_inherited_descriptors_are_closed_but_for_those_it_needs(child: Child) -> None:
    secret, kept = os.pipe()
    os.set_inheritable(secret, True)
    child.fork(birth(keep=(kept,)), _sleep)

    def settled() -> dict[str, str]:
        found = _descriptors(child.pid)
        return {} if str(secret) in found else found

    found = eventually(settled, "the child to close what it must not have")
    assert str(kept) in found
    assert found["0"] == "/dev/null"
    assert found["1"] == found["2"]
    os.close(secret)
    os.close(kept)


def test_a_child_whose_parent_is_gone_leaves_at_once(child: Child) -> None:
    child.fork(birth(parent_pid=1), _sleep)
    assert end_of(child) == "exit code 1"


def test_wait_statuses_in_words() -> None:
    assert describe_end(3 << 8) == "exit code 3"
    assert describe_end(signal.SIGSEGV) == "killed by SIGSEGV"
    assert describe_end(64) == "killed by SIGRTMAX"


def test_one_line_prefers_the_frame_inside_the_package() -> None:
    try:
        RestartBudget(-1, 1)
    except ValueError as error:
        line = one_line(error)
    assert "supervisor/budget.py" in line
    assert line.endswith("in __init__)")
    assert one_line(RuntimeError()) == "RuntimeError"


def _sleep() -> int:
    threading.Event().wait(60)
    return 0


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _descriptors(pid: int) -> dict[str, str]:
    """Open descriptors and what they are; nothing while one vanishes during the look."""
    folder = Path(f"/proc/{pid}/fd")
    try:
        return {entry.name: os.readlink(entry) for entry in folder.iterdir()}
    except FileNotFoundError:
        return {}
