"""Run a function in a forked child and get its answer back: for what would change this process."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_child(function: Callable[[], T]) -> T:
    """The function's result, or an AssertionError with its traceback."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer: tuple[bool, object] = (True, function())
        except BaseException:
            answer = (False, traceback.format_exc())
        with open(writer, "wb") as stream:
            pickle.dump(answer, stream)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        content = stream.read()
    os.waitpid(pid, 0)
    assert content, f"child {pid} died without an answer"
    good, value = pickle.loads(content)
    assert good, value
    return value  # type: ignore[no-any-return]
