"""Where a running execution listens for its operator, and the call that asks it.

The socket stands among the regions in the instance's directory. Both sides reach it through a
descriptor of that directory, because a socket's path has room for 107 bytes only.

Raises: OSError when nobody listens; TimeoutError when no answer comes in time.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["COMMANDS", "MOST_BYTES", "SOCKET_NAME", "ask_operator_desk", "socket_address"]

SOCKET_NAME = "operator.sock"
COMMANDS = ("halt", "reduce", "arm", "flatten", "cancel-all")
MOST_BYTES = 1 << 20


@contextmanager
def socket_address(directory: Path) -> Iterator[str]:
    """A short path to the instance's socket, good while the context lasts."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def ask_operator_desk(directory: Path, command: str, timeout_s: float) -> dict[str, Any]:
    """Give one command and wait for its answer, blocking."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        with socket_address(directory) as address:
            connection.connect(address)
        connection.sendall(json.dumps({"command": command}).encode() + b"\n")
        raw = b""
        while not raw.endswith(b"\n"):
            piece = connection.recv(65_536)
            if not piece or len(raw) > MOST_BYTES:
                raise ConnectionError("execution closed the connection without an answer")
            raw += piece
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ConnectionError("execution answered with something that is no object")
    return found
