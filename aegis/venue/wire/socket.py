"""One WebSocket connection of the server: an asyncio protocol around websockets' Sans-I/O core.

``wire.door`` hands over a connection whose request asks for an upgrade. Handshake, inbound frames
and control frames go through ``websockets``; outgoing data frames come encoded, are queued and
written in one go. A reader that lets more than `max_buffer_bytes` pile up is cut, not buffered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast

from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from aegis.venue.gateway.calls import Reply
from aegis.venue.wire.frames import text_frame

HEAD_END: Final = b"\r\n\r\n"
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_FRAGMENTS: Final = 1_024
CLOSE_PATIENCE_S: Final = 5.0
GOING_AWAY: Final = 1001
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009

log = logging.getLogger("aegis.venue.socket")
log.setLevel(logging.WARNING)


class Session(Protocol):
    """What speaks over a connection: the WebSocket API or a stream subscription."""

    def opened(self) -> None:
        """The handshake is done."""

    def allows(self, control: bool, now_s: float) -> bool:
        """May the client send this message (or ping or pong) now, or has it sent too many?"""

    def received(self, text: str) -> None:
        """A text message has come."""

    def closed(self) -> None:
        """The connection is gone; called once, however it ended."""


# A session, or the HTTP answer that refuses the handshake.
SessionFactory = Callable[["Socket", str], Session | Reply]


class Socket(asyncio.Protocol):
    """A connection. It is also a hub's Subscriber."""

    def __init__(
        self,
        make_session: SessionFactory,
        on_close: Callable[[Socket], None],
        max_buffer_bytes: int,
    ) -> None:
        self._make_session = make_session
        self._on_close = on_close
        self._max_buffer_bytes = max_buffer_bytes
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES, logger=log)
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._parts: list[bytes] = []
        self._pending: list[bytes] = []
        self._silent = False
        self.address = ""
        self.last_pong_s = 0.0
        self.last_ping_s = 0.0
        self.cut_for_slowness = False

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.last_pong_s = self.last_ping_s = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        if self._protocol.state is State.CONNECTING:
            # What comes with the head is no frame before the handshake is answered.
            head, end, data = data.partition(HEAD_END)
            self._protocol.receive_data(head + end)
            self._process()
            if not data or not self.is_open:
                return
        self._protocol.receive_data(data)
        self._process()

    def eof_received(self) -> None:
        if self._silent:
            return
        self._protocol.receive_eof()
        self._process()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pending.clear()
        session, self._session = self._session, None
        if session is not None:
            session.closed()
        self._on_close(self)

    # --- a hub's subscriber ---

    def enqueue(self, frame: bytes) -> None:
        self._pending.append(frame)

    def flush(self) -> None:
        transport = self._transport
        pending = self._pending
        if transport is None or self._silent or self._protocol.state is not State.OPEN:
            pending.clear()
            return
        if not pending:
            return
        transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
        pending.clear()
        if transport.get_write_buffer_size() > self._max_buffer_bytes:
            self.cut_for_slowness = True
            transport.abort()

    def backlog(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # --- what sessions, the keeper of connections and faults ask for ---

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._protocol.state is State.OPEN

    def send_text(self, message: bytes) -> None:
        """Send one message now, behind what is queued."""
        self._pending.append(text_frame(message))
        self.flush()

    def ping(self, payload: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(payload)
            self._write_out()

    def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake; who does not answer it in time is cut."""
        if self._protocol.state is State.OPEN:
            self.flush()
            self._protocol.send_close(code, reason)
            self._write_out()
            self._abort_later()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def cut(self, piece: bytes) -> None:
        """Write `piece`, such as a part of a frame, and end the connection without a goodbye."""
        transport = self._transport
        if transport is None or self._silent:
            return
        self.flush()
        transport.write(piece)
        self._silent = True
        transport.close()
        self._abort_later()

    def fall_silent(self) -> None:
        """Neither read nor write any more, and do not say so: the wire is dead in both ways.

        The connection stays until the client ends it or the keeper misses its pong.
        """
        if self._transport is not None and not self._silent:
            self._silent = True
            self._pending.clear()
            self._transport.pause_reading()

    # --- inside ---

    def _abort_later(self) -> None:
        asyncio.get_running_loop().call_later(CLOSE_PATIENCE_S, self.abort)

    def _process(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._write_out()

    def _handshake(self, request: Request) -> None:
        session = self._make_session(self, request.path)
        if isinstance(session, Reply):
            self._protocol.send_response(self._refused(session))
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._write_out()
        if response.status_code == 101:
            self._session = session
            session.opened()

    def _refused(self, reply: Reply) -> Response:
        response = self._protocol.reject(reply.status, reply.body.decode())
        for name, value in reply.headers.items():
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        return response

    def _frame(self, frame: Frame) -> None:
        session = self._session
        if session is None or self._protocol.state is not State.OPEN:
            return
        control = frame.opcode in (Opcode.PING, Opcode.PONG)
        if control or frame.fin:
            now_s = asyncio.get_running_loop().time()
            if not session.allows(control, now_s):
                self.close(POLICY_VIOLATION, "Too many requests")
                return
            if frame.opcode is Opcode.PONG:
                self.last_pong_s = now_s
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._data(session, frame)

    def _data(self, session: Session, frame: Frame) -> None:
        # ServerProtocol has checked sizes, masks and the order of fragments, not their number.
        self._parts.append(bytes(frame.data))
        if len(self._parts) > MAX_FRAGMENTS:
            self.close(TOO_BIG, "Too many fragments")
        if not frame.fin:
            return
        message = b"".join(self._parts)
        self._parts.clear()
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self.close(INVALID_DATA, "Invalid UTF-8")
            return
        session.received(text)

    def _write_out(self) -> None:
        transport = self._transport
        waiting = self._protocol.data_to_send()
        if transport is None or self._silent:
            return
        try:
            for data in waiting:
                if data:
                    transport.write(data)
                elif transport.can_write_eof():
                    transport.write_eof()
        except ConnectionClosed:
            transport.close()
        if self._protocol.close_expected():
            transport.close()
