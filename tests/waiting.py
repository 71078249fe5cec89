"""Waiting for a condition in a test, with a bound and a message instead of a guessed sleep.

Tests of real processes and sockets call `eventually`. Tests of rules must not need it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def eventually(
    condition: Callable[[], Answer],
    what: str,
    timeout_s: float = 10.0,
    interval_s: float = 0.01,
) -> Answer:
    """Call `condition` until its answer is true and return that answer.

    Raises AssertionError naming `what` and the last answer once `timeout_s` seconds have gone by.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}; last answer: {answer!r}")
        pause.wait(interval_s)
