"""The operator's way into a running execution: one unix socket, one JSON line each way.

`aegis halt|reduce|arm|flatten|cancel-all` connect to `operator.sock` in the instance's directory
(0700, the socket 0600; the peer must be our user or root) and send `{"command": "halt"}`. The
answer comes when the command is carried out and confirmed, or when it cannot be. It goes straight
to the process that holds the orders: a kill switch must not wait for anybody else. Commands are
carried out one after the other; what they do is in `operator_commands`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aegis.shm.operator import MOST_BYTES, SOCKET_NAME, socket_address

__all__ = ["OperatorDesk"]

_PATIENCE_S = 5.0
_CREDENTIALS = struct.Struct("3i")

CarryOut = Callable[[str], Awaitable[dict[str, Any]]]


class OperatorDesk:
    """The socket. `carry_out` gets a command's name and answers with a JSON object."""

    def __init__(self, directory: Path, carry_out: CarryOut) -> None:
        self._directory = directory
        self._carry_out = carry_out
        self._turn = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. What an earlier process left of the name is replaced."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        path = self._directory / SOCKET_NAME
        with suppress(FileNotFoundError):
            path.unlink()
        with socket_address(self._directory) as address:
            before = os.umask(0o177)
            try:
                listener.bind(address)
            finally:
                os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MOST_BYTES)

    async def close(self) -> None:
        """Hear nobody any more; whoever is being served is cut off."""
        if self._server is None:
            return
        self._server.close()
        with suppress(FileNotFoundError):
            (self._directory / SOCKET_NAME).unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, writer)
            writer.write(json.dumps(answer).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), _PATIENCE_S)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            # A caller that went away, or that does not speak our language.
            return
        finally:
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        if not _is_trusted(writer.get_extra_info("socket")):
            return {"ok": False, "refused": True, "text": "only our own user may give commands"}
        line = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
        try:
            command = str(json.loads(line)["command"])
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "refused": True, "text": "no command was understood"}
        async with self._turn:
            return await self._carry_out(command)


def _is_trusted(connection: Any) -> bool:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    return user in (os.geteuid(), 0)
