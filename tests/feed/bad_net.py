"""A net between the feed and its exchange that goes bad on order: no RST, no FIN, only trouble.

A relay on loopback for drills. Connections that are open when it goes bad stay open and carry
nothing, or next to nothing; those made afterwards are good again, as after a change of route.
"""

from __future__ import annotations

import asyncio

_CHUNK = 1 << 16
_SLICE_S = 0.1
RIGHT_ROUTE, WRONG_ROUTE = b"GET /public/stream", b"GET /market/stream"


class _Way:
    """Both directions of one connection. `bytes_per_s` bounds what comes from the exchange."""

    def __init__(self) -> None:
        self.is_dead = asyncio.Event()
        self.is_over = asyncio.Event()
        self.bytes_per_s = 0


class BadNet:
    """Use as `async with BadNet(port) as net`; the feed connects to `net.port`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.misroutes = False
        self.made = 0
        # The port that the exchange knows a connection by, by the feed's own.
        self.far_ports: dict[int, int] = {}
        self._ways: set[_Way] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> BadNet:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    def swallow(self) -> int:
        """From now on every open connection carries nothing, either way; returns how many."""
        for way in self._ways:
            way.is_dead.set()
        return len(self._ways)

    def throttle(self, bytes_per_s: int) -> int:
        """From now on the open connections bring so little; returns how many."""
        for way in self._ways:
            way.bytes_per_s = bytes_per_s
        return len(self._ways)

    def bury(self) -> None:
        """Let the exchange know of the connections that carry nothing: close its ends of them."""
        for way in self._ways:
            if way.is_dead.is_set():
                way.is_over.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers += [writer, far_writer]
        near_port = writer.get_extra_info("peername")[1]
        self.far_ports[near_port] = far_writer.get_extra_info("sockname")[1]
        head = await reader.readuntil(b"\r\n\r\n")
        far_writer.write(head.replace(RIGHT_ROUTE, WRONG_ROUTE) if self.misroutes else head)
        way = _Way()
        self._ways.add(way)
        both = (self._carry(reader, far_writer, way, is_down=False),)
        both += (self._carry(far_reader, writer, way, is_down=True),)
        for one in both:
            task = asyncio.create_task(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: _Way,
        *,
        is_down: bool,
    ) -> None:
        try:
            while True:
                size = _CHUNK
                if is_down and way.bytes_per_s:
                    await asyncio.sleep(_SLICE_S)
                    size = max(int(way.bytes_per_s * _SLICE_S), 1)
                data = await reader.read(size)
                if way.is_dead.is_set():
                    # Read no more and say nothing: whoever waits for an answer waits for ever.
                    await way.is_over.wait()
                    return
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._ways.discard(way)
            writer.close()
