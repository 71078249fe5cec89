"""Taking the terminal, on a real pseudo-terminal with a parent in the foreground group."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import textwrap

# The parent plays make: it leads the session and holds the terminal. The child asks for it, says
# who is in the foreground now, and gives it back.
PARENT = """
import os, subprocess, sys
child = subprocess.run([sys.executable, "-c", sys.argv[1]])
print("after", os.tcgetpgrp(0) == os.getpgrp(), child.returncode, flush=True)
"""
CHILD = """
import os
from aegis.cli.terminal import own_terminal
group = os.getpgrp()
with own_terminal() as taken:
    print("taken", taken, os.getpgrp() == os.getpid(), os.tcgetpgrp(0) == os.getpid(), flush=True)
print("back", os.tcgetpgrp(0) == group, flush=True)
"""


def on_a_terminal(environment: dict[str, str]) -> str:
    """What parent and child print on a terminal of their own."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), textwrap.dedent(CHILD)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
        preexec_fn=lambda: _adopt(0),
        text=True,
    )
    os.close(terminal)
    output, _ = process.communicate(timeout=60)
    os.close(controller)
    return output


def _adopt(descriptor: int) -> None:
    """Make the terminal the controlling one of this new session (TIOCSCTTY)."""
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def test_the_terminal_is_taken_and_given_back() -> None:
    output = on_a_terminal({"AEGIS_TAKE_TERMINAL": "1"})
    assert "taken True True True" in output
    assert "back True" in output
    assert "after True 0" in output


def test_nothing_happens_unasked() -> None:
    output = on_a_terminal({"AEGIS_TAKE_TERMINAL": ""})
    assert "taken False False False" in output
    assert "after True 0" in output


def test_without_a_terminal_nothing_happens() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD).replace("os.tcgetpgrp(0)", "0")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "AEGIS_TAKE_TERMINAL": "1"},
        check=False,
    )
    assert "taken False" in done.stdout
