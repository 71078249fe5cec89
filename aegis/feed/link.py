"""One WebSocket to the exchange from its making to its end: subscribe, acknowledge, answer, close.

Made by `connection` for each attempt and for each planned replacement. It knows which streams it
has asked for and which were granted, sends control messages no faster than the exchange takes them,
and tells its owner when something is due that did not come. What ends it is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import deque
from collections.abc import Callable, Iterable

from picows import WSMsgType, WSTransport, ws_connect

from aegis.feed.deadlines import Deadlines
from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import FeedError
from aegis.feed.intake import Intake
from aegis.feed.intake_memory import MAX_FRAME_BYTES
from aegis.feed.listener import DutyCycle, MarketListener
from aegis.feed.streams import control_frames
from aegis.feed.wire import Reply
from aegis.host.clock import monotonic_ns

__all__ = ["Link"]

_NS = 1_000_000_000
# The exchange takes ten messages a second from a client, pings and pongs included.
_CONTROL_GAP_S = 0.15
_READ_BUFFER_BYTES = 16 * 1024
# Unanswered bytes (our pings) may stay on the way so long before the kernel gives the peer up.
_USER_TIMEOUT_MS = 10_000
_KEEPALIVE_IDLE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_PROBES = 30, 10, 3


class Link:
    """One socket. `granted` are the streams acknowledged, `asked` those that should be.

    `on_granted` is called with the streams of each acknowledgement; `ended` is set at the end,
    whoever ended it.
    """

    _numbers = itertools.count(1000, 1000)

    def __init__(
        self,
        path: str,
        intake: Intake,
        limits: Deadlines,
        scope: DutyCycle,
        on_granted: Callable[[Link, tuple[str, ...]], None],
    ) -> None:
        self.path = path
        self.asked: set[str] = set()
        self.granted: set[str] = set()
        self.ended = asyncio.Event()
        self.opened_ns = 0
        self.last_data_ns = 0
        self.refusal = ""
        self.listener = MarketListener(intake, scope, self._on_replies, self.ended.set)
        self._limits = limits
        self._on_granted = on_granted
        self._transport: WSTransport | None = None
        self._queue: deque[tuple[int, bytes]] = deque()
        self._awaited: dict[int, tuple[bool, tuple[str, ...]]] = {}
        self._due_ns: dict[int, int] = {}
        self._sending: asyncio.Task[None] | None = None
        self._pinged_ns = 0
        self._missed = False

    async def open(self, endpoints: Endpoints) -> None:
        """Connect. Raises whatever a connection can fail with; FeedError without an address."""
        address = endpoints.stream()
        if address is None:
            raise FeedError("the exchange has no address")
        async with asyncio.timeout(self._limits.connect_s):
            transport, _ = await ws_connect(
                lambda: self.listener,
                address + self.path,
                ssl_context=endpoints.tls if address.startswith("wss:") else None,
                proxy=endpoints.proxy,
                max_redirects=0,
                websocket_handshake_timeout=self._limits.connect_s,
                # Both answered by the listener; see there.
                enable_auto_pong=False,
                enable_auto_ping=False,
                max_frame_size=MAX_FRAME_BYTES,
                read_buffer_init_size=_READ_BUFFER_BYTES,
            )
        self._transport = transport
        self.opened_ns = self.last_data_ns = monotonic_ns()
        _tune_socket(transport)

    def ask(self, names: Iterable[str]) -> None:
        """Be subscribed to exactly these streams: ask for what is missing, give back the rest."""
        wanted = dict.fromkeys(names)
        missing = [name for name in wanted if name not in self.asked]
        surplus = [name for name in self.asked if name not in wanted]
        self.asked = set(wanted)
        self.granted -= set(surplus)
        self._enqueue("UNSUBSCRIBE", surplus)
        self._enqueue("SUBSCRIBE", missing)

    def ask_again(self, names: Iterable[str]) -> None:
        """Give streams back that were granted and are silent, and ask for them anew."""
        again = [name for name in names if name in self.granted]
        self.granted -= set(again)
        self._enqueue("UNSUBSCRIBE", again)
        self._enqueue("SUBSCRIBE", again)

    def complaint(self, now_ns: int) -> str:
        """What was due and did not come, in words; empty while all is well. Sends pings."""
        if self.refusal:
            return f"the exchange refuses to subscribe: {self.refusal}"
        late = [number for number, due_ns in self._due_ns.items() if now_ns > due_ns]
        if late:
            count = sum(len(self._awaited[number][1]) for number in late)
            return f"{count} streams not acknowledged in {self._limits.ack_s:g} s"
        heard_ns = self.listener.last_frame_ns
        if heard_ns != self.listener.last_control_ns:
            self.last_data_ns = heard_ns
        if self._transport is None or now_ns - heard_ns < self._limits.ping_s * _NS:
            return ""
        if self._pinged_ns <= heard_ns:
            self._pinged_ns = now_ns
            self._missed = False
            self._transport.send_ping(b"aegis")
        elif now_ns - self._pinged_ns > self._limits.pong_s * _NS:
            # At the first look after a pause of ours the answer may lie unread in the socket.
            if self._missed:
                return f"no answer to a ping in {self._limits.pong_s:g} s"
            self._missed = True
        return ""

    def close(self) -> None:
        """End it; nothing of it is processed after this."""
        if self._sending is not None:
            self._sending.cancel()
        self._due_ns = {}
        if self._transport is not None:
            self._transport.disconnect(False)

    # ---- control messages

    def _enqueue(self, method: str, names: list[str]) -> None:
        frames = control_frames(method, names, next(self._numbers))
        for number, (text, part) in frames.items():
            self._awaited[number] = (method == "SUBSCRIBE", part)
            self._queue.append((number, text))
        if self._queue and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Send what is queued, no faster than the exchange takes it."""
        while self._queue and self._transport is not None:
            number, text = self._queue.popleft()
            self._due_ns[number] = monotonic_ns() + int(self._limits.ack_s * _NS)
            self._transport.send(WSMsgType.TEXT, text)
            await asyncio.sleep(_CONTROL_GAP_S)

    def _on_replies(self, replies: list[Reply]) -> None:
        for reply in replies:
            number = reply.id if isinstance(reply.id, int) else -1
            is_grant, names = self._awaited.pop(number, (False, ()))
            self._due_ns.pop(number, None)
            if reply.error_text:
                self.refusal = reply.error_text
                return
            # What was given back meanwhile is not wanted any more.
            granted = tuple(name for name in names if name in self.asked) if is_grant else ()
            self.granted.update(granted)
            if granted:
                self._on_granted(self, granted)


def _tune_socket(transport: WSTransport) -> None:
    """No Nagle delay, and a bound on how long the kernel believes in a dead peer."""
    wire = transport.underlying_transport.get_extra_info("socket")
    if wire is None:
        return
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
