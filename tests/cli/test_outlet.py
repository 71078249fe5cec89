"""Output that never blocks: full pipes, stopped terminals, slow readers, readers that have gone."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.cli.outlet import Outlet


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """A write that blocks is ended by a signal and fails the test, instead of hanging it."""

    def fail(number: int, frame: object) -> None:
        raise AssertionError("a write blocked")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, 20.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_a_reader_gets_what_is_written(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.line("five € and more")
    assert os.read(reader, 100).decode() == "five € and more\n"
    assert outlet.dropped == 0
    assert not outlet.isatty()
    outlet.release()


def test_a_pipe_that_nobody_reads_never_blocks_us(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    for _ in range(200):
        outlet.line("x" * 5_000)
    assert outlet.dropped > 100
    # Once it reads again, so do we write again.
    while len(os.read(reader, 65_536)) == 65_536:
        continue
    os.set_blocking(reader, False)
    dropped = outlet.dropped
    outlet.line("again")
    assert outlet.dropped == dropped
    assert os.read(reader, 65_536).endswith(b"again\n")
    outlet.release()


def test_the_shared_descriptor_keeps_its_blocking_mode(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1])
    outlet.line("x")
    assert os.get_blocking(pipe[1]), "it belongs to the shell and to make as well"
    outlet.release()
    os.write(pipe[1], b"still open")


def test_a_terminal_that_is_stopped_never_blocks_us() -> None:
    controller, terminal = pty.openpty()
    outlet = Outlet(terminal)
    assert outlet.isatty()
    outlet.line("before")
    termios.tcflow(terminal, termios.TCOOFF)
    for _ in range(50):
        outlet.line("x" * 2_000)
    assert outlet.dropped > 0
    termios.tcflow(terminal, termios.TCOON)
    assert os.read(controller, 100).startswith(b"before")
    outlet.release()
    os.close(terminal)
    os.close(controller)


def test_a_terminal_that_nobody_reads_never_blocks_us() -> None:
    controller, terminal = pty.openpty()
    outlet = Outlet(terminal)
    for _ in range(200):
        outlet.line("x" * 3_000)
    assert outlet.dropped > 0
    outlet.release()
    os.close(terminal)
    os.close(controller)


def test_a_socket_as_the_journal_gives_it() -> None:
    reader, writer = socket.socketpair()
    outlet = Outlet(writer.fileno())
    outlet.line("to the journal")
    assert reader.recv(100) == b"to the journal\n"
    for _ in range(500):
        outlet.line("x" * 3_000)
    assert outlet.dropped > 0
    outlet.release()
    assert writer.fileno() >= 0
    reader.close()
    writer.close()


def test_a_file_is_appended_to_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "output"
    with open(path, "wb") as file:
        file.write(b"first\n")
        file.flush()
        outlet = Outlet(file.fileno())
        outlet.line("second")
        outlet.release()
    assert path.read_text() == "first\nsecond\n"


def test_a_reader_that_has_gone_is_survived(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    os.close(reader)
    outlet.line("nobody")
    outlet.line("nobody again")
    assert outlet.dropped == 2
    outlet.release()
