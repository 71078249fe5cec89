"""The receiving end of one market-data socket: frames into the intake, at the speed of arrival.

Made by `connection` for each WebSocket, called by picows for every frame. All frames of one socket
read are staged and processed together when the last of them has been seen, so a lone message waits
for nothing and a burst pays for one kernel call in 16 frames. It answers pings itself: picows would
answer them unseen, and a read that ends in a ping would leave its frames unprocessed. Exceptions
must not leave it: picows would close the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from aegis.feed.handover import Handover
from aegis.feed.intake import Intake
from aegis.feed.intake_memory import MAX_FRAME_BYTES
from aegis.feed.wire import Reply
from aegis.host.clock import monotonic_ns

__all__ = ["DutyCycle", "MarketListener"]

_TEXT, _CONTINUATION = WSMsgType.TEXT, WSMsgType.CONTINUATION
_PING, _CLOSE = WSMsgType.PING, WSMsgType.CLOSE
# No control frame is longer (RFC 6455, 5.5), and every market message is: a look at the size saves
# the look at the opcode, which picows wraps into an enumeration.
_CONTROL_BYTES = 125
# How every event of a combined connection begins, and no reply.
_EVENT_START = b'{"stream"'


class DutyCycle(Protocol):
    """What the collector's regime wants to know (aegis.host.gc_scope.GcScope)."""

    def cycle_begin(self) -> None:
        """From here on no collection."""

    def cycle_end(self) -> None:
        """The cycle is over."""


class MarketListener(WSListener):
    """Frames of one connection. `on_replies` gets control replies, `on_closed` the end."""

    def __init__(
        self,
        intake: Intake,
        scope: DutyCycle,
        on_replies: Callable[[list[Reply]], None],
        on_closed: Callable[[], None],
    ) -> None:
        self.last_frame_ns = monotonic_ns()
        # The last frame that was no data: pings, pongs, replies. Proof of the socket only.
        self.last_control_ns = self.last_frame_ns
        self._intake = intake
        self._stage: Callable[[bytes, int], None] = intake.stage
        self._take: Callable[[bytes, int, int], None] = intake.take
        self._begin = scope.cycle_begin
        self._end = scope.cycle_end
        self._on_replies = on_replies
        self._on_closed = on_closed
        self._reading = False
        self._partial = bytearray()
        self._is_partial = False

    def hold(self, handover: Handover) -> None:
        """Keep market frames in `handover` from here on; replies still reach the intake."""

        def stage(payload: bytes, size: int) -> None:
            self._hold_or_stage(handover, payload, size)

        def take(payload: bytes, size: int, recv_ns: int) -> None:
            self._intake.recv_ns = recv_ns
            self._hold_or_stage(handover, payload, size)
            self._intake.flush()

        self._stage, self._take = stage, take

    def copy_to(self, handover: Handover) -> None:
        """Remember what this connection brings in `handover`, and process it as before."""
        intake, heard = self._intake, handover.heard

        def stage(payload: bytes, size: int) -> None:
            heard.add(payload)
            intake.stage(payload, size)

        def take(payload: bytes, size: int, recv_ns: int) -> None:
            heard.add(payload)
            intake.take(payload, size, recv_ns)

        self._stage, self._take = stage, take

    def release(self) -> None:
        """Process frames at the speed of arrival again."""
        self._stage, self._take = self._intake.stage, self._intake.take

    def _hold_or_stage(self, handover: Handover, payload: bytes, size: int) -> None:
        if payload.startswith(_EVENT_START):
            handover.hold(payload, self.last_frame_ns)
        else:
            self._intake.stage(payload, size)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; `last_in_buffer` marks the end of a socket read."""
        # The first line that runs after the bytes were read: their time of arrival.
        now_ns = monotonic_ns()
        # A bytes copy is cheaper than a memoryview and its release.
        payload = frame.get_payload_as_bytes()
        size = len(payload)
        is_plain = size > _CONTROL_BYTES and frame.fin and not self._is_partial
        if is_plain and not self._reading and frame.last_in_buffer:
            self.last_frame_ns = now_ns
            self._begin()
            self._take(payload, size, now_ns)
            self._end()
            if self._intake.replies:
                self._on_replies(self._intake.take_replies())
            return
        if not self._reading:
            self._intake.recv_ns = self.last_frame_ns = now_ns
            self._reading = True
            self._begin()
        if is_plain:
            self._stage(payload, size)
        else:
            self._on_other(transport, frame, payload)
        if frame.last_in_buffer:
            self._end_read()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone; a read that broke off in the middle is finished first."""
        self._end_read()
        self._on_closed()

    def _end_read(self) -> None:
        intake = self._intake
        intake.flush()
        self._end()
        self._reading = False
        if intake.replies:
            self._on_replies(intake.take_replies())

    def _on_other(self, transport: WSTransport, frame: WSFrame, payload: bytes) -> None:
        """Short frames, pings and closes among them, and text in fragments."""
        kind = frame.msg_type
        if kind not in (_TEXT, _CONTINUATION) or not payload.startswith(_EVENT_START):
            self.last_control_ns = self.last_frame_ns
        if kind is _PING:
            transport.send_pong(payload)
        elif kind is _CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind is _TEXT and frame.fin:
            self._stage(payload, len(payload))
        elif kind is _TEXT or (kind is _CONTINUATION and self._is_partial):
            self._add_fragment(transport, frame, payload, is_first=kind is _TEXT)

    def _add_fragment(
        self, transport: WSTransport, frame: WSFrame, payload: bytes, *, is_first: bool
    ) -> None:
        """Part of a message; the exchange does not send such, but a proxy between us might."""
        if is_first:
            self._partial.clear()
        self._is_partial = not frame.fin
        self._partial += payload
        if len(self._partial) > MAX_FRAME_BYTES:
            self._is_partial = False
            self._partial.clear()
            transport.disconnect(False)
        elif frame.fin:
            self._stage(bytes(self._partial), len(self._partial))
            self._partial.clear()
