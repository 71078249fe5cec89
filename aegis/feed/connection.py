"""One market-data connection for good: connect, subscribe, watch, lose it, connect again.

Run as a task by the process, one per route. It keeps the promise that a book is invalid from the
moment its connection is in doubt: the intake hears of the end before anything else happens. It
decides nothing about data; deadlines that have passed are told to it by `tend`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Callable

from picows import WSMsgType, WSTransport, ws_connect

from aegis.feed.backoff import Backoff
from aegis.feed.deadlines import Deadlines, StreamWatch
from aegis.feed.intake import Intake
from aegis.feed.intake_memory import MAX_FRAME_BYTES
from aegis.feed.listener import DutyCycle, MarketListener
from aegis.feed.streams import StreamPlan, subscribe_frames
from aegis.feed.sync import Reason
from aegis.feed.wire import Reply
from aegis.host.clock import monotonic_ns

__all__ = ["MarketConnection"]

_NS = 1_000_000_000
FIRST_DELAY_S = 0.1
LIMIT_DELAY_S = 10.0
# A connection that has lived so long has proved itself: the next failure starts the backoff anew.
PROVEN_S = 30.0
# How often the address of an exchange that is not up yet is looked up.
_ADDRESS_POLL_S = 0.05
# The exchange takes ten messages a second from a client.
_SUBSCRIBE_GAP_S = 0.15
_READ_BUFFER_BYTES = 64 * 1024
# Unanswered bytes (our pings) may stay on the way so long before the kernel gives the peer up.
_USER_TIMEOUT_MS = 10_000

Say = Callable[[str], None]


class MarketConnection:
    """The connection that a plan asks for.

    `address` gives the exchange's `ws://host:port`, or None while it is not known. `on_change`
    is called whenever `is_up` or `subscribed` has changed.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        plan: StreamPlan,
        intake: Intake,
        address: Callable[[], str | None],
        limits: Deadlines,
        scope: DutyCycle,
        source: random.Random,
        say: Say,
        on_change: Callable[[], None],
    ) -> None:
        self.plan = plan
        self.is_up = False
        self.subscribed = 0
        self.opened = 0
        self.watch: StreamWatch | None = None
        self._intake = intake
        self._address = address
        self._limits = limits
        self._scope = scope
        self._backoff = Backoff(FIRST_DELAY_S, LIMIT_DELAY_S, source)
        self._say = say
        self._on_change = on_change
        self._transport: WSTransport | None = None
        self._listener: MarketListener | None = None
        self._awaited: dict[int, int] = {}
        self._ack_due_ns = 0
        self._pinged_ns = 0
        self._reason = Reason.DISCONNECTED

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        told = ""
        while True:
            opened_ns = monotonic_ns()
            try:
                await self._live()
                told = ""
            except Exception as error:
                # Whatever the peer does to us must end in another attempt.
                text = f"{self.plan.path}: cannot connect: {type(error).__name__}: {error}"
                # Said once, not at every attempt.
                if text != told:
                    self._say(text)
                told = text
            if monotonic_ns() - opened_ns > PROVEN_S * _NS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    def restart(self, why: str, reason: Reason = Reason.STALE) -> None:
        """Give the present connection up; `run` makes another."""
        if self._transport is None:
            return
        self._say(f"{self.plan.path}: {why}; connecting anew")
        self._reason = reason
        self._transport.disconnect(False)

    def tend(self, now_ns: int) -> None:
        """Check what is due: the acknowledgement, and that the peer still answers pings."""
        if self._transport is None or self._listener is None:
            return
        if self._awaited and now_ns > self._ack_due_ns:
            count = sum(self._awaited.values())
            self.restart(f"{count} streams not acknowledged in {self._limits.ack_s:g} s")
            return
        heard_ns = self._listener.last_frame_ns
        if now_ns - heard_ns < self._limits.ping_s * _NS:
            return
        if self._pinged_ns <= heard_ns:
            self._pinged_ns = now_ns
            self._transport.send_ping(b"aegis")
        elif now_ns - self._pinged_ns > self._limits.pong_s * _NS:
            self.restart(f"no answer to a ping in {self._limits.pong_s:g} s")

    async def _live(self) -> None:
        """One connection from its making to its end."""
        address = self._address()
        while address is None:
            await asyncio.sleep(_ADDRESS_POLL_S)
            address = self._address()
        closed = asyncio.get_running_loop().create_future()

        def on_closed() -> None:
            if not closed.done():
                closed.set_result(None)

        listener = MarketListener(self._intake, self._scope, self._on_replies, on_closed)
        async with asyncio.timeout(self._limits.connect_s):
            transport, _ = await ws_connect(
                lambda: listener,
                address + self.plan.path,
                websocket_handshake_timeout=self._limits.connect_s,
                # Both answered by the listener; see there.
                enable_auto_pong=False,
                enable_auto_ping=False,
                max_frame_size=MAX_FRAME_BYTES,
                read_buffer_init_size=_READ_BUFFER_BYTES,
            )
        try:
            _tune_socket(transport)
            self._transport, self._listener = transport, listener
            self._reason = Reason.DISCONNECTED
            self._pinged_ns = 0
            self.is_up = True
            self.opened += 1
            self._on_change()
            await self._subscribe(transport)
            await closed
            self._say(f"{self.plan.path}: connection lost")
        finally:
            self._end(transport)

    async def _subscribe(self, transport: WSTransport) -> None:
        first = next(self._numbers) * 1000
        frames = subscribe_frames(self.plan.names, first)
        self._awaited = {number: count for number, (_, count) in frames.items()}
        self._ack_due_ns = monotonic_ns() + int(self._limits.ack_s * _NS)
        for sent, (text, _) in enumerate(frames.values()):
            if sent:
                await asyncio.sleep(_SUBSCRIBE_GAP_S)
                self._ack_due_ns = monotonic_ns() + int(self._limits.ack_s * _NS)
            transport.send(WSMsgType.TEXT, text)

    def _on_replies(self, replies: list[Reply]) -> None:
        for reply in replies:
            if reply.error_text:
                self.restart(f"the exchange refuses to subscribe: {reply.error_text}")
                return
            count = self._awaited.pop(reply.id, 0) if isinstance(reply.id, int) else 0
            self.subscribed += count
        if self._awaited or self.watch is not None:
            return
        now_ns = monotonic_ns()
        self.watch = StreamWatch(self.plan.symbols, self._limits, now_ns)
        for instrument in self.plan.instruments:
            self._intake.on_subscribed(instrument, now_ns)
        self._on_change()

    def _end(self, transport: WSTransport) -> None:
        """The connection is over, whoever ended it: no book that it fed may be trusted now."""
        self._transport = self._listener = None
        self.watch = None
        self._awaited = {}
        self.is_up = False
        self.subscribed = 0
        self._intake.on_disconnected(list(self.plan.instruments), self._reason, monotonic_ns())
        transport.disconnect(False)
        self._on_change()


def _tune_socket(transport: WSTransport) -> None:
    """No Nagle delay, and a bound on how long the kernel believes in a dead peer."""
    wire = transport.underlying_transport.get_extra_info("socket")
    if wire is None:
        return
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
