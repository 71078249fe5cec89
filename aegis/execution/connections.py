"""The real lines of a trading session: WebSocket, REST and the private stream, to one exchange.

Made once per attempt at a session by the process; `rest` is shared with the queries, whose clock
stamps the order connection's log-on as well.
"""

from __future__ import annotations

from collections.abc import Callable

from aegis.execution.dispatcher import Dispatcher
from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.gateway import OrderGateway
from aegis.execution.replies import Answer
from aegis.execution.rest import RestClient
from aegis.execution.rest_line import RestOrderLine
from aegis.execution.transports import StreamListener
from aegis.execution.user_stream import UserStream

__all__ = ["NetworkConnections"]


class NetworkConnections:
    """Lines over sockets."""

    def __init__(
        self,
        endpoints: Endpoints,
        keys: Keys,
        rest: RestClient,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        """`dispatcher` hears what REST replies say of the limits."""
        self._dispatcher = dispatcher
        self._endpoints = endpoints
        self._keys = keys
        self._rest = rest

    def order_line(
        self, on_answer: Callable[[Answer, int], None], on_cut: Callable[[], None]
    ) -> OrderGateway:
        """The WebSocket order API."""
        return OrderGateway(self._endpoints, self._keys, self._rest.now_ms, on_answer, on_cut)

    def fallback_line(
        self, on_answer: Callable[[Answer, int], None], on_change: Callable[[], None]
    ) -> RestOrderLine:
        """Order commands over REST."""
        return RestOrderLine(self._endpoints, self._keys, on_answer, on_change, self._note_headers)

    def _note_headers(self, headers: dict[str, str]) -> None:
        if self._dispatcher is not None:
            self._dispatcher.on_headers(headers, self._rest.now_ms())

    def private_stream(self, listener: StreamListener, seed: int) -> UserStream:
        """The user data stream."""
        return UserStream(self._rest, self._endpoints, listener, seed=seed)
