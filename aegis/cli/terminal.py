"""Taking the terminal for a foreground run that something else started (`make run`).

Ctrl-C goes to every process of the terminal's foreground group. Under `make` that is make, too,
which then reports an error although the instance ended in good order. With AEGIS_TAKE_TERMINAL=1
the run becomes a group of its own, and the foreground one, so that Ctrl-C reaches it alone; at the
end the terminal goes back to the group that had it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

__all__ = ["own_terminal"]

_STDIN = 0


@contextlib.contextmanager
def own_terminal() -> Iterator[bool]:
    """Hold the terminal inside the `with`. False: not asked for, no terminal, or not possible."""
    former_group = _take()
    try:
        yield former_group is not None
    finally:
        if former_group is not None:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(_STDIN, former_group)


def _take() -> int | None:
    """Become the foreground group; returns the former one, None when nothing was changed."""
    if os.environ.get("AEGIS_TAKE_TERMINAL") != "1" or not os.isatty(_STDIN):
        return None
    try:
        group = os.getpgrp()
        if os.tcgetpgrp(_STDIN) != group or group == os.getpid():
            return None
        # A process of a background group that touches the terminal is stopped by SIGTTOU; and
        # nobody would continue a group that Ctrl-Z has stopped under make.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(_STDIN, os.getpid())
    except OSError:
        return None
    return group
