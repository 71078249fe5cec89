"""The order connection: one WebSocket to the exchange's order API, logged on once.

`connect` opens it, signs one session.logon with Ed25519, and from then on `send` hands order
requests over as they are: the bytes are in the kernel's socket buffer when it returns. With an HMAC
key, which cannot log on, every request is signed instead. Answers go to `on_answer` as they come,
the loss of the line to `on_cut`, once. It keeps no order state, retries nothing and reconnects only
when told: what was under way on a lost line is the core's to resolve.

The protocol object lives in an event loop and is not thread-safe. Secrets are in the signer alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.errors import OrderLinkError
from aegis.execution.order_signing import signed_request
from aegis.execution.replies import ANSWER_DECODER, Answer
from aegis.execution.signing import session_payload
from aegis.host.clock import monotonic_ns

__all__ = ["OrderGateway"]

_TEXT = WSMsgType.TEXT
_LOGON_ID = "logon"
_MOST_BYTES = 1024 * 1024


class _Session(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection; frames and its end are passed on while it is the gateway's current one."""

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._parts: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            transport.disconnect()
            return
        if kind not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return
        if frame.fin and not self._parts:
            self._gateway.receive(frame.get_payload_as_bytes())
            return
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts = []
            self._gateway.receive(whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._gateway.lost(transport)


class OrderGateway:
    """The order connection of one account."""

    def __init__(
        self,
        endpoints: Endpoints,
        keys: Keys,
        exchange_ms: Callable[[], int],
        on_answer: Callable[[Answer, int], None],
        on_cut: Callable[[], None],
        *,
        recv_window_ms: int = 5_000,
        timeout_s: float = 3.0,
    ) -> None:
        """`exchange_ms` is the exchange's clock."""
        self._endpoints = endpoints
        self._keys = keys
        self._exchange_ms = exchange_ms
        self._on_answer = on_answer
        self._on_cut = on_cut
        self._recv_window_ms = recv_window_ms
        self._timeout_s = timeout_s
        self._transport: WSTransport | None = None
        self._dropped: WSTransport | None = None
        self._logon: asyncio.Future[Answer] | None = None
        self.undecodable = 0

    def __repr__(self) -> str:
        return f"OrderGateway(connected={self.is_connected})"

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent: connected, logged on, and nobody has begun to close it.

        A transport tells of its end a turn of the loop later than it begins to throw away what it
        is given: after a failed write, a farewell of the exchange, or the end of its bytes.
        """
        transport = self._transport
        if transport is None or self._logon is not None or transport.is_disconnected:
            return False
        return not transport.underlying_transport.is_closing()

    @property
    def is_ready(self) -> bool:
        """Whether a request can be sent at once; this line takes any number."""
        return self.is_connected

    async def connect(self) -> None:
        """Open the connection and log on; raises OrderLinkError, and leaves nothing open then.

        A former connection whose end has not been told yet is told of now.
        """
        is_untold = self._transport is not None
        self.close()
        if is_untold:
            self._on_cut()
        url = self._endpoints.order_url()
        if url is None:
            raise OrderLinkError("the exchange has no address yet")
        loop = asyncio.get_running_loop()
        self._logon = loop.create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._transport, _ = await ws_connect(
                    lambda: _Session(self),
                    f"{url}?returnRateLimits=true",
                    ssl_context=self._endpoints.trust(url),
                    max_frame_size=_MOST_BYTES,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=10,
                    auto_ping_reply_timeout=10,
                    logger_name="aegis",
                )
                answer = await self._log_on()
        except (OSError, TimeoutError, asyncio.CancelledError, WSError) as error:
            self.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            text = f"no order connection ({type(error).__name__})"
            raise OrderLinkError(text) from None
        finally:
            self._logon = None
        if answer.status != 200:
            self.close()
            code, text = (answer.error.code, answer.error.msg) if answer.error else (0, "")
            raise OrderLinkError(f"the exchange refused the log-on: code {code}: {text[:200]}")

    def send(self, request: Any) -> None:
        """Hand one request (bytes-like) to the socket. Only while `is_connected`."""
        transport = self._transport
        assert transport is not None
        if not self._keys.can_log_on:
            request = signed_request(request, self._keys.api_key, self._keys.order_signer)
        transport.send(_TEXT, request)

    def close(self) -> None:
        """Close the line, if there is one; `on_cut` is not called for it."""
        transport, self._transport = self._transport, None
        if transport is not None:
            self._dropped = transport
            transport.disconnect()

    def receive(self, payload: bytes) -> None:
        """One whole message."""
        now_ns = monotonic_ns()
        try:
            answer = ANSWER_DECODER.decode(payload)
            if self._logon is None or self._logon.done():
                self._on_answer(answer, now_ns)
            elif answer.id in (_LOGON_ID, None):
                self._logon.set_result(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            # An answer that cannot be read is a lost one: its order is asked about in time.
            self.undecodable += 1

    def lost(self, transport: WSTransport) -> None:
        """The connection has ended, by whoever's doing."""
        if transport is self._dropped:
            # Its end was our doing, and says nothing of the one that is being made meanwhile.
            self._dropped = None
            return
        if self._logon is not None and not self._logon.done():
            self._logon.set_exception(ConnectionResetError("closed during the log-on"))
        if transport is self._transport:
            self._transport = None
            if self._logon is None:
                self._on_cut()

    async def _log_on(self) -> Answer:
        """The exchange's answer to the log-on; with a key that signs each request there is none."""
        assert self._logon is not None and self._transport is not None
        if not self._keys.can_log_on:
            return Answer(status=200)
        parameters: dict[str, str | int] = {
            "apiKey": self._keys.api_key,
            "recvWindow": self._recv_window_ms,
            "timestamp": self._exchange_ms(),
        }
        parameters["signature"] = self._keys.order_signer.sign(session_payload(parameters))
        request = {"id": _LOGON_ID, "method": "session.logon", "params": parameters}
        self._transport.send(_TEXT, msgspec.json.encode(request))
        return await self._logon
