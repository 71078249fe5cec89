"""An order request as `order_messages` wrote it, made into what another line must send.

The kernel writes requests for a logged-on session: no key, no signature. A key that cannot log on
(HMAC) signs each request instead, and REST wants the same parameters as a signed form. Both are
made from the written bytes, so that whatever the line, the exchange is asked for exactly what the
gate passed and the journal holds. Costs a few microseconds an order; the logged-on session does
not come here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from aegis.execution.signing import Signer, session_payload, signed_query

__all__ = ["HttpRequest", "RequestText", "read_request", "rest_request", "signed_request"]

_REST_METHODS = {"order.place": "POST", "order.cancel": "DELETE", "order.modify": "PUT"}
ORDER_PATH = "/fapi/v1/order"


class RequestText(msgspec.Struct):
    """A request of the WebSocket API."""

    id: int
    method: str
    params: dict[str, str | int]


_DECODER = msgspec.json.Decoder(RequestText)


class HttpRequest(NamedTuple):
    """The same over REST: `query` is signed and goes into the body of a POST or PUT."""

    request_id: int
    method: str
    query: str


def read_request(raw: Any) -> RequestText:
    """The request in its parts; `raw` is bytes-like."""
    return _DECODER.decode(raw)


def signed_request(raw: Any, api_key: str, signer: Signer) -> bytes:
    """The request with key and signature in it, for a session that is not logged on."""
    request = _DECODER.decode(raw)
    request.params["apiKey"] = api_key
    request.params["signature"] = signer.sign(session_payload(request.params))
    return msgspec.json.encode(request)


def rest_request(raw: Any, signer: Signer) -> HttpRequest:
    """The request as REST wants it."""
    request = _DECODER.decode(raw)
    return HttpRequest(
        request.id, _REST_METHODS[request.method], signed_query(request.params, signer)
    )
