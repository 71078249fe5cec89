"""The REST side of the gateway: one table of endpoints, one way in.

``wire.http`` hands over what it read from a request and sends back what it is told. `admit` parses,
charges and authenticates; the Call it returns does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.gateway.access import check_timestamp
from aegis.venue.gateway.calls import Call, Caller, Endpoint, Facts, Reply, Security
from aegis.venue.gateway.money import MONEY
from aegis.venue.gateway.ordering import ORDERS
from aegis.venue.gateway.public import PUBLIC
from aegis.venue.limits import BANNED_STATUS

SIGNED: Final = Security.SIGNED
KEY: Final = Security.KEY
UNKNOWN_WEIGHT: Final = 1
SHOWN_CHARACTERS: Final = 200
RETRY_STATUSES: Final = (429, BANNED_STATUS)

ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    **PUBLIC,
    **ORDERS,
    **MONEY,
}


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request as it was transmitted; `query` still percent-encoded, without the "?"."""

    method: str
    path: str
    query: str
    body: str
    api_key: str | None
    address: str


@dataclass(frozen=True, slots=True)
class _Read:
    """Decoded parameters, the text that was signed, and the signature."""

    parameters: dict[str, str]
    payload: str
    signature: str | None


def admit(core: Core, request: RestRequest) -> Call | Reply:
    """Let a request in, or refuse it with the documented error."""
    core.tally.rest_requests += 1
    try:
        if core.outage is not None:
            raise core.outage
        return _admit(core, request)
    except RejectError as error:
        return refusal(core, request.address, error)


def _admit(core: Core, request: RestRequest) -> Call:
    endpoint = ENDPOINTS.get((request.method, request.path))
    if endpoint is None:
        core.limiter.charge_weight(request.address, UNKNOWN_WEIGHT, core.wall_ms())
        raise reject(-5000, _shown(request.path), request.method)
    read = _read(request.query, request.body)
    cost = endpoint.cost(read.parameters)
    core.limiter.charge_weight(request.address, cost, core.wall_ms())
    good_until = account_id = 0
    if endpoint.security is not Security.NONE:
        account_id = core.keys.account_of(request.api_key)
    if endpoint.security is Security.SIGNED:
        good_until = _check_signed(core, request.api_key or "", read)
    caller = Caller(request.address, account_id, request.api_key or "", read.parameters)
    if endpoint.order:
        endpoint.count(core, account_id, caller)

    def refuse(error: RejectError) -> Reply:
        return refusal(core, caller.address, error)

    def accept(result: Any) -> Reply:
        headers = _headers(core, caller.address, caller.account_id if endpoint.order else 0)
        return Reply(200, msgspec.json.encode(result), headers)

    def run() -> Reply:
        try:
            return accept(endpoint.carry_out(core, caller, good_until))
        except RejectError as error:
            return refuse(error)

    symbol = read.parameters.get("symbol", "")
    name = f"{request.method} {request.path}"
    facts = Facts(name, symbol, caller, accept, refuse, endpoint.order)
    return Call(endpoint.kind(core, read.parameters), run, facts)


def _read(query: str, body: str) -> _Read:
    """Split the parameters; what stands in both places is taken from the query."""
    signature: str | None = None
    payload = ""
    parameters: dict[str, str] = {}
    for text in (body, query):
        if not text:
            continue
        kept, found = _without_signature(text)
        signature = found if found is not None else signature
        payload = kept + payload
        pairs = parse_qsl(kept, keep_blank_values=True, errors="replace")
        values = dict(pairs)
        if len(values) != len(pairs):
            raise reject(-1101)
        parameters.update(values)
    return _Read(parameters, payload, signature)


def _without_signature(text: str) -> tuple[str, str | None]:
    """Take the signature parameter out of an encoded text, leaving the rest byte for byte."""
    if "signature=" not in text:
        return text, None
    signature: str | None = None
    kept = []
    for part in text.split("&"):
        if part.startswith("signature="):
            signature = unquote(part.removeprefix("signature="))
        else:
            kept.append(part)
    return "&".join(kept), signature


def _shown(path: str) -> str:
    """As much of a path as fits into an error text."""
    return path if len(path) <= SHOWN_CHARACTERS else path[:SHOWN_CHARACTERS]


def _check_signed(core: Core, api_key: str, read: _Read) -> int:
    longest_ms = core.limiter.limits.max_recv_window_ms
    good_until = check_timestamp(read.parameters, core.server_ms(), longest_ms)
    if not read.signature:
        raise reject(-1102, "signature")
    core.keys.check_signature(api_key, read.payload.encode(), read.signature)
    return good_until


def refusal(core: Core, address: str, error: RejectError) -> Reply:
    """A refusal as REST says it; also the answer to a handshake that is refused."""
    body: dict[str, Any] = {"code": error.code, "msg": error.message}
    headers = _headers(core, address, 0)
    if error.status in RETRY_STATUSES:
        wait_s = core.limiter.retry_after_s(address, error, core.wall_ms())
        headers["Retry-After"] = str(wait_s)
    return Reply(error.status, msgspec.json.encode(body), headers)


def _headers(core: Core, address: str, account_id: int) -> dict[str, str]:
    headers = {"X-MBX-USED-WEIGHT-1M": str(core.limiter.used_weight(address, core.wall_ms()))}
    if account_id:
        counts = core.limiter.order_counts(account_id, core.event_ms())
        headers["X-MBX-ORDER-COUNT-10S"] = str(counts.ten_seconds)
        headers["X-MBX-ORDER-COUNT-1M"] = str(counts.minute)
    return headers
