"""The private stream: our own orders, fills and balances as the exchange tells them.

`run` keeps it up for as long as the process lives: a listen key over REST, a connection to the
private route, the key's care, and all of it again after a loss. It decides nothing: every event
goes to the listener, a loss at once (no new risk from then on), and so does each new connection,
which is reconciled before anything is trusted again. Silence is no proof of life: a key is extended
well before its hour ends, and a refused extension is a loss. Before the exchange cuts a connection
after 24 h a second one takes over: for `overlap_s` both speak, and what comes twice counts once.
"""

from __future__ import annotations

import asyncio
import random

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from aegis.execution.endpoints import Endpoints
from aegis.execution.errors import ExchangeError
from aegis.execution.rest import RestClient
from aegis.execution.transports import StreamListener
from aegis.execution.user_events import ListenKeyExpired, decode_event
from aegis.host.clock import monotonic_ns

__all__ = ["UserStream"]

# A key lives for an hour, a connection for a day.
_EXTEND_EVERY_S = 30 * 60.0
_LIFETIME_S = 23.5 * 3600
_OVERLAP_S = 2.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_OPEN_TIMEOUT_S = 5.0
# How soon a replacement that failed is tried again; the current connection is still good.
_AGAIN_S = 60.0
_MOST_BYTES = 4 * 1024 * 1024


class _Session(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection to the private route."""

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
        endpoints: Endpoints,
        listener: StreamListener,
        *,
        seed: int = 0,
        extend_every_s: float = _EXTEND_EVERY_S,
        lifetime_s: float = _LIFETIME_S,
        overlap_s: float = _OVERLAP_S,
    ) -> None:
        """`lifetime_s` after it was made a connection is replaced."""
        self._rest = rest
        self._endpoints = endpoints
        self._listener = listener
        self._extend_every_s = extend_every_s
        self._lifetime_s = lifetime_s
        self._overlap_s = overlap_s
        self._jitter = random.Random(seed)
        self._transport: WSTransport | None = None
        self._ended = asyncio.Event()
        self.events = 0
        self.undecodable = 0
        self.losses = 0
        self.replacements = 0

    @property
    def is_connected(self) -> bool:
        """Whether the stream is up (it may not have been reconciled yet)."""
        return self._transport is not None

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                silence_s = 0.0
                try:
                    self._ended = asyncio.Event()
                    self._transport = await self._open()
                    pause_s = _FIRST_PAUSE_S
                    await self._listener.on_stream_up()
                    await self._care()
                except (ExchangeError, OSError, TimeoutError, WSError) as error:
                    # Counted, not told: the state is in the counters, the reason in the gate.
                    self.losses += 1
                    silence_s = error.pause_s if isinstance(error, ExchangeError) else 0.0
                self._drop()
                jittered_s = pause_s * (0.5 + self._jitter.random())
                await asyncio.sleep(max(jittered_s, silence_s))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            self._drop()

    async def _open(self) -> WSTransport:
        """A new connection; asking for the key makes one, or gives the living one its full hour."""
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            key = await self._rest.open_listen_key()
            url = self._endpoints.private_url(key)
            if url is None:
                raise OSError("the exchange has no address yet")
            transport, _ = await ws_connect(
                lambda: _Session(self),
                url,
                ssl_context=self._endpoints.trust(url),
                max_frame_size=_MOST_BYTES,
                enable_auto_ping=True,
                auto_ping_idle_timeout=10,
                auto_ping_reply_timeout=10,
                logger_name="aegis",
            )
        if transport.is_disconnected:
            raise OSError("closed at once")
        return transport

    async def _care(self) -> None:
        """Extend the key and replace the connection in time, until either ends by itself."""
        loop = asyncio.get_running_loop()
        extend_at = loop.time() + self._extend_every_s
        replace_at = loop.time() + self._lifetime_s
        while not self._ended.is_set():
            try:
                async with asyncio.timeout_at(min(extend_at, replace_at)):
                    await self._ended.wait()
                break
            except TimeoutError:
                if loop.time() >= replace_at:
                    pause_s = self._lifetime_s if await self._replace() else _AGAIN_S
                    replace_at = loop.time() + pause_s
                else:
                    await self._rest.extend_listen_key()
                    extend_at = loop.time() + self._extend_every_s
        self.losses += 1

    async def _replace(self) -> bool:
        """Let a second connection take over; False when there was none to be had yet."""
        try:
            successor = await self._open()
        except (ExchangeError, OSError, TimeoutError, WSError):
            return False
        try:
            await asyncio.sleep(self._overlap_s)
        except asyncio.CancelledError:
            successor.disconnect()
            raise
        if self._ended.is_set() or successor.is_disconnected:
            # One of the two is gone, and nobody knows what was told on it last: begin anew.
            successor.disconnect()
            self._ended.set()
            return False
        predecessor, self._transport = self._transport, successor
        if predecessor is not None:
            predecessor.disconnect()
        self.replacements += 1
        return True

    def _drop(self) -> None:
        """Take the stream for lost, once, whatever ended it."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.disconnect()
            self._listener.on_stream_down()

    def distrust(self) -> None:
        """It has not told what the exchange lists: take it for lost, and make another."""
        self._ended.set()
        self._drop()

    def lost(self, transport: WSTransport) -> None:
        """A connection has ended. One that was replaced, or is not yet current, is no loss."""
        if transport is self._transport:
            self._transport = None
            self._listener.on_stream_down()
            self._ended.set()

    def receive(self, payload: bytes) -> None:
        """One whole event."""
        now_ns = monotonic_ns()
        self.events += 1
        try:
            event = decode_event(payload)
            if isinstance(event, ListenKeyExpired):
                # The socket would stay open and silent.
                self._ended.set()
                self._drop()
            elif event is not None:
                self._listener.on_event(event, now_ns)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            # An event that cannot be read may have been a fill: the picture is suspect.
            self.undecodable += 1
            self._ended.set()
            self._drop()
        self._listener.on_event_taken()
