"""The network of a trial: lines that keep their order, and HTTP exchanges that do not.

A line (an order line, a private stream) is a TCP connection: what arrives, arrives in order and
once, however late; it can be cut (the rest is lost, each side learns of it in its own time) or fall
half open (nothing passes and nobody says so, until the keep-alive does). An HTTP exchange can lose
the request or the reply. What a process has sent before it was killed still travels.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiohttp
from picows import WSMsgType

from aegis.simulator.agenda import Agenda
from aegis.simulator.faults import Plan
from aegis.simulator.loop import VirtualLoop

__all__ = ["Frame", "HttpSession", "Line", "Network", "Transport"]

_MS = 1_000_000
# picows pings after 10 s of silence and gives up 10 s later.
_KEEP_ALIVE_NS = 20_000 * _MS


class Frame:
    """One whole message, as picows hands it over."""

    __slots__ = ("_payload", "fin", "msg_type")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.msg_type = WSMsgType.TEXT
        self.fin = True

    def get_payload_as_bytes(self) -> bytes:
        return self._payload


class Transport:
    """The client's end of a line, with picows' names."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.is_disconnected = False
        # What picows hands its bytes to; here the two are one.
        self.underlying_transport = self

    def is_closing(self) -> bool:
        """Whether what is sent goes nowhere."""
        return self.is_disconnected

    def send(self, _: Any, data: Any) -> None:
        """Hand bytes to the socket; after the end they go nowhere."""
        if not self.is_disconnected:
            self._line.send_up(bytes(data))

    def disconnect(self, _graceful: bool = True) -> None:
        """Close from our side."""
        if not self.is_disconnected:
            self._line.close_by_client()


class Line:
    """One WebSocket: its two directions, and what stands at both ends."""

    def __init__(self, network: Network, url: str, loop: VirtualLoop) -> None:
        self.network = network
        self.url = url
        self.loop = loop
        self.transport = Transport(self)
        self.listener: Any = None
        self.logged_on = False
        self.key = ""
        self._up_free_ns = 0
        self.down_free_ns = 0
        # Until when each direction passes anything.
        self.up_ends_ns = self.down_ends_ns = 1 << 62

    @property
    def is_open(self) -> bool:
        """Whether the exchange takes it for open."""
        return self.network.now_ns <= self.up_ends_ns

    def send_up(self, data: bytes) -> None:
        network = self.network
        network.on_send(self, data)
        due = max(self._up_free_ns, network.arrival_ns())
        self._up_free_ns = due
        network.agenda.at(due, self._arrive_up, data)

    def _arrive_up(self, data: bytes) -> None:
        if self.network.now_ns <= self.up_ends_ns:
            self.network.server.on_line_message(self, data)

    def send_down(self, payload: bytes, extra_ns: int = 0) -> None:
        """The exchange sends one message."""
        network = self.network
        due = max(self.down_free_ns, network.arrival_ns() + extra_ns)
        self.down_free_ns = due
        network.agenda.at(due, self._arrive_down, payload)

    def _arrive_down(self, payload: bytes) -> None:
        if self.network.now_ns <= self.down_ends_ns and self.loop is self.network.loop:
            self.loop.call_soon(self._hand_over, payload)

    def _hand_over(self, payload: bytes) -> None:
        if not self.transport.is_disconnected:
            self.network.note("down", self.url[:8], payload)
            self.listener.on_ws_frame(self.transport, Frame(payload))

    def close_by_client(self) -> None:
        """The client closes; the exchange hears of it after what was sent before."""
        self.transport.is_disconnected = True
        self.up_ends_ns = min(self.up_ends_ns, max(self._up_free_ns, self.network.arrival_ns()))
        self.down_ends_ns = min(self.down_ends_ns, self.network.now_ns)
        self.loop.call_soon(self.listener.on_ws_disconnected, self.transport)

    def cut(self, rng: random.Random, *, silently: bool) -> None:
        """The connection ends; each side learns of it in its own time."""
        network = self.network
        now = network.now_ns
        spread = network.plan.latency_ns + network.plan.jitter_ns + 1
        self.up_ends_ns = min(self.up_ends_ns, now + rng.randrange(spread))
        self.down_ends_ns = min(self.down_ends_ns, now + rng.randrange(spread))
        wait = rng.randrange(_KEEP_ALIVE_NS // 2, _KEEP_ALIVE_NS) if silently else spread
        network.agenda.after(wait, self._tell_client)

    def close_by_server(self) -> None:
        """The exchange closes, after what it has sent."""
        self.up_ends_ns = min(self.up_ends_ns, self.network.now_ns)
        self.network.agenda.at(max(self.down_free_ns, self.network.arrival_ns()), self._tell_client)

    def _tell_client(self) -> None:
        if not self.transport.is_disconnected and self.loop is self.network.loop:
            self.loop.call_soon(self._ended)

    def _ended(self) -> None:
        if not self.transport.is_disconnected:
            self.transport.is_disconnected = True
            self.listener.on_ws_disconnected(self.transport)


class _Reply:
    """An HTTP reply, with aiohttp's names."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        return self._body


class _Request:
    """`async with session.request(...) as reply`."""

    def __init__(self, session: HttpSession, method: str, url: str, data: Any, headers: Any):
        self._session = session
        self._what = (method, str(url), data or "", headers or {})

    async def __aenter__(self) -> _Reply:
        loop = self._session.loop
        future: asyncio.Future[_Reply] = loop.create_future()
        self._session.network.http(loop, future, *self._what)
        timer = loop.call_later(self._session.timeout_s, _time_out, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def __aexit__(self, *_: object) -> None:
        return None


def _time_out(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class HttpSession:
    """In aiohttp.ClientSession's place."""

    def __init__(self, network: Network, timeout: Any) -> None:
        self.network = network
        self.loop = network.loop
        self.timeout_s = float(timeout.total or 60.0)

    def request(self, method: str, url: Any, **rest: Any) -> _Request:
        return _Request(self, method, url, rest.get("data"), rest.get("headers"))

    async def close(self) -> None:
        return None


class Network:
    """All lines and requests of one trial."""

    def __init__(
        self,
        agenda: Agenda,
        plan: Plan,
        rng: random.Random,
        on_send: Callable[[Line, bytes], None],
        note: Callable[..., None],
    ) -> None:
        self.agenda = agenda
        self.plan = plan
        self.rng = rng
        self.on_send = on_send
        self.note = note
        self.server: Any = None
        self.loop: Any = None
        self.lines: list[Line] = []
        self.pipes: list[Pipe] = []
        self.shut_until_ns = 0
        self.rest_shut_until_ns = 0
        self.longest_trip_ns = 0

    @property
    def now_ns(self) -> int:
        """The true time."""
        return self.agenda.timeline.now_ns

    def arrival_ns(self) -> int:
        """When something that leaves now arrives: latency, jitter, clogs, partitions."""
        plan, rng = self.plan, self.rng
        due = self.now_ns + plan.latency_ns
        if plan.jitter_ns:
            due += int(rng.random() * plan.jitter_ns)
        if plan.clog and rng.random() < plan.clog:
            due += int(rng.random() * plan.clog_ns)
        now_ns = self.now_ns
        if self.shut_until_ns > now_ns:
            due = max(due, self.shut_until_ns + plan.latency_ns)
        self.longest_trip_ns = max(self.longest_trip_ns, due - now_ns)
        return due

    def heal(self) -> None:
        """End partitions."""
        self.shut_until_ns = self.rest_shut_until_ns = 0

    async def connect(self, factory: Callable[[], Any], url: str, **_: Any) -> Any:
        """In picows.ws_connect's place."""
        loop = self.loop
        future = loop.create_future()
        line = Line(self, url.partition("://")[2].partition("/")[2], loop)
        if self.shut_until_ns <= self.now_ns:
            self.agenda.at(self.arrival_ns(), self._accept, line, future, factory)
        await future
        self.lines = [known for known in self.lines if known.is_open]
        self.lines.append(line)
        return line.transport, line.listener

    async def open_pipe(self, factory: Callable[[], Any], *_: Any, **__: Any) -> Any:
        """In the place of the loop's create_connection."""
        loop = self.loop
        future = loop.create_future()
        if self.shut_until_ns <= self.now_ns:
            self.agenda.at(self.arrival_ns() + self.plan.latency_ns, _let_go, future)
        await future
        pipe = Pipe(self, loop)
        pipe.protocol = factory()
        pipe.protocol.connection_made(pipe)
        self.pipes = [known for known in self.pipes if not known.is_closing()]
        self.pipes.append(pipe)
        return pipe, pipe.protocol

    def _accept(self, line: Line, future: asyncio.Future[None], factory: Callable[[], Any]) -> None:
        welcome = self.server.on_line_open(line)
        # What the server sends at once comes after its welcome.
        line.down_free_ns = self.arrival_ns()
        self.agenda.at(line.down_free_ns, self._connected, line, future, factory, welcome)

    def _connected(
        self,
        line: Line,
        future: asyncio.Future[None],
        factory: Callable[[], Any],
        welcome: bool,
    ) -> None:
        if line.loop is not self.loop or future.done():
            # Nobody waits for it any more: nothing passes, also not at this very moment.
            line.up_ends_ns = line.down_ends_ns = self.now_ns - 1
            return
        if welcome:
            line.listener = factory()
            future.set_result(None)
        else:
            future.set_exception(ConnectionRefusedError("refused"))

    def http(
        self,
        loop: VirtualLoop,
        future: asyncio.Future[_Reply],
        method: str,
        url: str,
        data: str,
        headers: dict[str, str],
    ) -> None:
        """One request on its way."""
        path, _, query = url.partition("://")[2].partition("/")[2].partition("?")
        text = data or query
        self.on_http(method, path, text)
        self.note("http", method, path)
        if self.now_ns < self.rest_shut_until_ns:
            return
        if self.rng.random() < self.plan.rest_lost:
            if self.rng.random() < 0.5:
                self.agenda.at(self.arrival_ns(), _break, future)
            return
        self.agenda.at(self.arrival_ns(), self._serve, loop, future, method, path, text)

    on_http: Callable[[str, str, str], None]

    def _serve(
        self, loop: VirtualLoop, future: asyncio.Future[_Reply], method: str, path: str, text: str
    ) -> None:
        status, body, headers = self.server.on_http(method, path, text)
        if self.rng.random() < self.plan.reply_lost:
            if self.rng.random() < 0.5:
                self.agenda.at(self.arrival_ns(), _break, future)
            return
        self.agenda.at(self.arrival_ns(), self._return, loop, future, status, body, headers)

    def _return(
        self,
        loop: VirtualLoop,
        future: asyncio.Future[_Reply],
        status: int,
        body: bytes,
        headers: dict[str, str],
    ) -> None:
        if loop is self.loop and not future.done():
            self.note("reply", status, body)
            future.set_result(_Reply(status, body, headers))


class Pipe:
    """One kept-alive HTTP connection, with the names of asyncio.Transport."""

    def __init__(self, network: Network, loop: VirtualLoop) -> None:
        self._network = network
        self._loop = loop
        self.protocol: Any = None
        self._is_closed = False
        self._free_ns = 0

    def write(self, data: bytes) -> None:
        """One whole request."""
        if self._is_closed:
            return
        network = self._network
        head, _, body = data.decode().partition("\r\n\r\n")
        method, target, _ = head.partition("\r\n")[0].split(" ")
        path, _, query = target.lstrip("/").partition("?")
        text = body or query
        network.on_http(method, path, text)
        network.note("pipe", method, path, text)
        if network.now_ns < network.rest_shut_until_ns:
            return
        if network.rng.random() < network.plan.rest_lost:
            self._end_some_time()
            return
        self._free_ns = max(self._free_ns, network.arrival_ns())
        network.agenda.at(self._free_ns, self._serve, method, path, text)

    def _end_some_time(self) -> None:
        if self._network.rng.random() < 0.5:
            self._network.agenda.at(self._network.arrival_ns(), self.cut)

    def _serve(self, method: str, path: str, text: str) -> None:
        network = self._network
        status, body, headers = network.server.on_http(method, path, text)
        if network.rng.random() < network.plan.reply_lost:
            self._end_some_time()
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reply = f"HTTP/1.1 {status} x\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
        network.agenda.at(network.arrival_ns(), self._arrive, reply + body)

    def _arrive(self, data: bytes) -> None:
        if not self._is_closed and self._loop is self._network.loop:
            self._network.note("reply", data[-300:])
            self._loop.call_soon(self._hand_over, data)

    def _hand_over(self, data: bytes) -> None:
        if not self._is_closed:
            self.protocol.data_received(data)

    def cut(self) -> None:
        """The other side is gone."""
        if not self._is_closed and self._loop is self._network.loop:
            self._is_closed = True
            self._loop.call_soon(self.protocol.connection_lost, ConnectionResetError("reset"))

    def abort(self) -> None:
        """Close at once from our side."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.call_soon(self.protocol.connection_lost, None)

    close = abort

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._is_closed


def _let_go(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _break(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(aiohttp.ClientError("reset"))
