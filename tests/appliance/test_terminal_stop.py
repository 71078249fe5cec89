"""Ctrl-C on a real pseudo-terminal, the way `make run` has it: all ends well, exit code 0."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import START_S, Appliance
from tests.conftest import REPOSITORY

# Plays make: holds the terminal, runs the command in its own group, and would die of SIGINT.
PARENT = """
import subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("the command ended with", code, flush=True)
sys.exit(code)
"""


def _sit_down() -> None:
    """In the child: the terminal is its own, and a closed one is heard of.

    Tests that were started with nohup ignore the signal, and so would everything they start.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Session:
    """A command on a terminal of its own; `shown` is everything it printed."""

    def __init__(self, one: Appliance) -> None:
        self.controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, b"\x32\x00\x8c\x00\x00\x00\x00\x00")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, *one.command("run", one.name)],
            cwd=REPOSITORY,
            env={**one.environment, "AEGIS_TAKE_TERMINAL": "1", "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=_sit_down,
        )
        os.close(terminal)
        self.shown = ""

    def read_until(self, text: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in\n{self.shown}"
            if select.select([self.controller], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.controller, 65_536).decode(errors="replace")
                except OSError:
                    break
        assert text in self.shown, self.shown

    def type(self, keys: bytes) -> None:
        os.write(self.controller, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.controller)


@pytest.fixture
def session(stand_ins: MakeAppliance) -> Iterator[tuple[Appliance, Session]]:
    one = stand_ins(changes={"drain_timeout_ms": "2000"})
    made = Session(one)
    yield one, made
    made.close()


def test_ctrl_c_ends_it_with_zero_and_leaves_nothing(session: tuple[Appliance, Session]) -> None:
    one, terminal = session
    terminal.read_until("healthy", START_S)
    one.notes()
    for piece in ("SIMULATED", "BTCUSDT", "execution"):
        terminal.read_until(piece, 10)
    terminal.type(b"\x03")
    terminal.read_until("the command ended with 0", 20)
    assert terminal.process.wait(10) == 0, "the parent must not have died of SIGINT"
    assert "a stop was asked for" in terminal.shown
    assert "Traceback" not in terminal.shown
    one.gone()


def test_a_terminal_that_is_stopped_does_not_stop_the_supervisor(
    session: tuple[Appliance, Session],
) -> None:
    one, terminal = session
    terminal.read_until("healthy", START_S)
    terminal.type(b"\x13")
    first = one.view().counters["supervisor"]["loop_seq"]
    one.until(
        "fifty turns with a stopped terminal",
        lambda: one.view().counters["supervisor"]["loop_seq"] > first + 50,
    )
    assert one.view().healthy
    terminal.type(b"\x11\x03")
    terminal.read_until("the command ended with 0", 20)
    one.gone()


def test_a_terminal_that_is_closed_ends_it(session: tuple[Appliance, Session]) -> None:
    one, terminal = session
    terminal.read_until("healthy", START_S)
    one.notes()
    supervisor = one.pid("supervisor")
    os.close(terminal.controller)
    terminal.controller = os.open(os.devnull, os.O_RDWR)
    one.until("it to notice", lambda: one.view().state != "running")
    one.until("all to end", lambda: not one.survivors())
    assert supervisor
    assert not one.directory.exists()
