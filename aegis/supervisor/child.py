"""The first lines of a forked process's life: who it is, what it may hold, when it must die.

Called by `children.py` between fork and the process's own `run`; never returns. It must not let an
exception reach the user as a traceback: whatever ends the process becomes one line on standard
error and in the pipe to the supervisor, which shows it in `aegis status`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from aegis.host.prctl import die_with_parent, set_process_name

__all__ = ["Birth", "one_line", "start_life"]

_STANDARD_DESCRIPTORS = (0, 1, 2)
_STANDARD_ERROR = 2
# A line that fits into a pipe in one piece (PIPE_BUF).
LINE_BYTES = 4096
FAILED = 1
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Birth:
    """What a child is told before it begins.

    `keep` are descriptors it needs besides those of the files below `memory_directories`. A process
    that others need to finish their work (the embedded venue: execution cancels its orders there)
    has `needed`: when the supervisor dies it goes on while that is true, at most `patience_s`.
    """

    instance: str
    process: str
    parent_pid: int
    report_to: int
    keep: Collection[int]
    memory_directories: Collection[Path]
    needed: Callable[[], bool] | None = None
    patience_s: float = 0.0


def start_life(birth: Birth, body: Callable[[], int]) -> NoReturn:
    """Set the process up, run `body`, and leave with its exit code without unwinding the parent."""
    code = FAILED
    try:
        _settle(birth)
        code = body()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else FAILED
    except BaseException as error:
        _report(birth, one_line(error))
        if os.environ.get("AEGIS_DEBUG"):
            traceback.print_exc()
    finally:
        # The parent's buffers and exit handlers were copied by the fork; they are not ours to run.
        try:
            sys.stderr.flush()
        finally:
            os._exit(code)


def one_line(error: BaseException) -> str:
    """Type, message and place of an error, the place being the last frame inside the package."""
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).parent.parent)
    # The two frames that every child has in common tell nothing.
    inside = [
        frame
        for frame in frames
        if frame.filename.startswith(package) and frame.name not in ("start_life", "body")
    ]
    place = ""
    if frames:
        frame = (inside or frames)[-1]
        name = frame.filename.removeprefix(package).lstrip("/")
        place = f" (at {name}:{frame.lineno} in {frame.name})"
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}{place}" if message else type(error).__name__ + place


def _settle(birth: Birth) -> None:
    _follow_parent(birth)
    set_process_name(f"{birth.process}@{birth.instance}")
    # Until the process puts its own handler in place: nothing is under way yet, so just leave.
    signal.signal(signal.SIGTERM, _leave)
    # A terminal sends these to the whole group; the supervisor alone decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.environ.pop("NOTIFY_SOCKET", None)
    _close_descriptors(birth)
    faulthandler.enable(_STANDARD_ERROR)


def _follow_parent(birth: Birth) -> None:
    """Have the kernel tell us when the supervisor dies, and then finish as if by SIGTERM."""
    last_signal = signal.SIGTERM
    needed = birth.needed
    if needed is not None:
        last_signal = signal.SIGUSR1
        deadline_s = 0.0

        def look(number: int, frame: FrameType | None) -> None:
            if not needed() or time.monotonic() > deadline_s:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                os.kill(os.getpid(), signal.SIGTERM)

        def outlive(number: int, frame: FrameType | None) -> None:
            nonlocal deadline_s
            deadline_s = time.monotonic() + birth.patience_s
            signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_S, _LOOK_EVERY_S)

        signal.signal(signal.SIGALRM, look)
        signal.signal(signal.SIGUSR1, outlive)
    if not die_with_parent(birth.parent_pid, last_signal).honoured:
        os._exit(FAILED)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _close_descriptors(birth: Birth) -> None:
    """Close everything that was open in the parent and is not this process's business.

    The lock on the instance, the notify socket, the signal pipe, the other children's pipes, and
    whatever the caller's shell left open: a child that kept them would keep them alive.
    """
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nowhere, 0)
    # Standard output belongs to the answer of `--json`; what a child says goes to standard error.
    os.dup2(2, 1)
    keep = {*_STANDARD_DESCRIPTORS, birth.report_to, *birth.keep}
    regions = tuple(f"{directory}/" for directory in birth.memory_directories)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor in keep:
            continue
        try:
            # mmap keeps a descriptor of its file; closing it behind its back would let a later
            # open take the number and be closed by the mapping's end.
            if not os.readlink(f"/proc/self/fd/{name}").startswith(regions):
                os.close(descriptor)
        except OSError:
            continue


def _report(birth: Birth, line: str) -> None:
    raw = line.encode("utf-8", "replace")[:LINE_BYTES]
    shown = f"aegis {birth.instance} {birth.process}: {line}\n".encode("utf-8", "replace")
    for descriptor, text in ((birth.report_to, raw), (_STANDARD_ERROR, shown)):
        # Whoever does not read any more is gone; the other one still has the line.
        with contextlib.suppress(OSError):
            os.write(descriptor, text)
