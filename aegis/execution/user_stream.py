"""The private stream: our own orders, fills and balances as the exchange tells them.

`run` keeps it up for as long as the process lives: a listen key over REST, a connection to
/private, the key's care, and all of it again after a loss. It decides nothing: every event goes to
`on_event`, a loss at once to `on_down` (no new risk from then on), and each new connection to
`on_up`, which reconciles before anything is trusted again. Silence is no proof of life: a key is
extended well before its hour ends, and a refused extension is a loss.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from aegis.execution.errors import ExchangeError
from aegis.execution.rest import RestClient
from aegis.execution.user_events import (
    AccountUpdate,
    ListenKeyExpired,
    OrderUpdate,
    decode_event,
)
from aegis.host.clock import monotonic_ns

__all__ = ["UserStream"]

_EXTEND_EVERY_S = 20 * 60.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_MOST_BYTES = 4 * 1024 * 1024


class _Session(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection to /private."""

    def __init__(self, stream: UserStream) -> None:
        self._stream = stream
        self._parts: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            transport.disconnect()
            return
        if kind not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._stream.receive(whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._stream.lost(transport)


class UserStream:
    """One account's private stream."""

    def __init__(
        self,
        rest: RestClient,
        stream_url: Callable[[], str | None],
        on_event: Callable[[OrderUpdate | AccountUpdate, int], None],
        on_taken: Callable[[], None],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[], None],
        *,
        seed: int = 0,
    ) -> None:
        """`stream_url` gives ws://host:port, or None while the exchange has no address.

        `on_taken` is called after every event, also those that ask for nothing.
        """
        self._rest = rest
        self._stream_url = stream_url
        self._on_event = on_event
        self._on_taken = on_taken
        self._on_up = on_up
        self._on_down = on_down
        self._jitter = random.Random(seed)
        self._transport: WSTransport | None = None
        self._ended: asyncio.Event | None = None
        self.events = 0
        self.undecodable = 0
        self.losses = 0

    @property
    def is_connected(self) -> bool:
        """Whether the stream is up (it may not have been reconciled yet)."""
        return self._transport is not None

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    async with asyncio.timeout(5.0):
                        await self._open()
                    pause_s = _FIRST_PAUSE_S
                    await self._on_up()
                    await self._care()
                except (ExchangeError, OSError, TimeoutError, WSError):
                    # Counted, not told: the state is in the counters, the reason in the gate.
                    self.losses += 1
                self._drop()
                await asyncio.sleep(pause_s * (0.5 + self._jitter.random()))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            self._drop()

    async def _open(self) -> None:
        base = self._stream_url()
        if base is None:
            raise OSError("the exchange has no address yet")
        key = await self._rest.open_listen_key()
        self._ended = asyncio.Event()
        self._transport, _ = await ws_connect(
            lambda: _Session(self),
            f"{base}/private/ws/{key}",
            max_frame_size=_MOST_BYTES,
            enable_auto_ping=True,
            auto_ping_idle_timeout=10,
            auto_ping_reply_timeout=10,
            logger_name="aegis",
        )
        if self._transport.is_disconnected:
            raise OSError("closed at once")

    async def _care(self) -> None:
        """Extend the key now and then until the connection ends or the key does."""
        assert self._ended is not None
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(_EXTEND_EVERY_S):
                    await self._ended.wait()
            except TimeoutError:
                await self._rest.extend_listen_key()
        self.losses += 1

    def _drop(self) -> None:
        """Take the stream for lost, once, whatever ended it."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.disconnect()
            self._on_down()

    def lost(self, transport: WSTransport) -> None:
        """The connection has ended."""
        if transport is self._transport:
            self._transport = None
            self._on_down()
        if self._ended is not None:
            self._ended.set()

    def receive(self, payload: bytes) -> None:
        """One whole event."""
        now_ns = monotonic_ns()
        self.events += 1
        try:
            event = decode_event(payload)
            if isinstance(event, ListenKeyExpired):
                # The socket would stay open and silent.
                if self._ended is not None:
                    self._ended.set()
                self._drop()
            elif event is not None:
                self._on_event(event, now_ns)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            # An event that cannot be read may have been a fill: the picture is suspect.
            self.undecodable += 1
            if self._ended is not None:
                self._ended.set()
            self._drop()
        self._on_taken()
