"""The WebSocket API: one request per text frame, one session per connection.

``wire.endpoints`` feeds it the texts of a connection to /ws-fapi/v1 and sends back what it returns.
A session may log on once with an Ed25519 key; after that its requests need no key and no signature.
Signatures are over the parameters sorted by name, each value as the very characters that were sent:
a number is never parsed and written again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.gateway import market_data
from aegis.venue.gateway.access import check_timestamp
from aegis.venue.gateway.calls import (
    UNREADABLE,
    Call,
    Caller,
    Endpoint,
    Facts,
    Reply,
    Security,
)
from aegis.venue.gateway.market_data import by_symbol
from aegis.venue.gateway.money import MONEY_METHODS
from aegis.venue.gateway.ordering import ORDER_METHODS

SESSION_WEIGHT: Final = 2
HANDSHAKE_WEIGHT: Final = 5
UNKNOWN_WEIGHT: Final = 1

METHODS: Final[dict[str, Endpoint]] = {
    "ping": Endpoint(market_data.ping, 1),
    "time": Endpoint(market_data.server_time, 1),
    "depth": Endpoint(market_data.depth, market_data.depth_weight, depth=True),
    "ticker.price": Endpoint(market_data.price_ticker, by_symbol(1, 2)),
    "ticker.book": Endpoint(market_data.book_ticker, by_symbol(2, 5)),
    **ORDER_METHODS,
    **MONEY_METHODS,
}
SESSION_METHODS: Final = frozenset({"session.logon", "session.status", "session.logout"})


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(b"null")
    params: dict[str, msgspec.Raw] = {}


@dataclass(slots=True)
class _Admitted:
    """A request on its way through the checks."""

    request_id: msgspec.Raw
    shows_limits: bool
    account_id: int = 0
    is_order: bool = False
    is_tallied: bool = False


class WsApiSession:
    """One connection's state. `shows_limits` is false with ?returnRateLimits=false."""

    def __init__(self, core: Core, address: str, shows_limits: bool = True) -> None:
        self._core = core
        self._address = address
        self._shows_limits = shows_limits
        self._connected_ms = core.wall_ms()
        self._api_key: str | None = None
        self._authorized_ms: int | None = None

    def receive(self, text: str | bytes) -> Call | Reply:
        """Answer one request, or say when it may be carried out."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except UNREADABLE:
            unread = _Admitted(msgspec.Raw(b"null"), self._shows_limits)
            return self._failure(unread, reject(-1102, "method"))
        state = _Admitted(request.id, self._shows_limits)
        try:
            return self._admit(request, state)
        except RejectError as error:
            self._core.tally.ws_answers += state.is_tallied
            return self._failure(state, error)

    @property
    def account_id(self) -> int:
        """The account that is logged on, 0 if none is."""
        keys = self._core.keys
        return keys.account_of(self._api_key) if self._is_logged_on else 0

    def revoked(self) -> bytes | None:
        """The message for a session whose key is gone, once; None if it has its key, or none."""
        if self._api_key is None or self._core.keys.knows(self._api_key):
            return None
        self._api_key = self._authorized_ms = None
        error = reject(-2015)
        body = {"error": {"code": error.code, "msg": error.message}}
        return msgspec.json.encode({"id": None, "status": error.status, **body})

    @property
    def _is_logged_on(self) -> bool:
        return self._api_key is not None and self._core.keys.knows(self._api_key)

    def _admit(self, request: _Request, state: _Admitted) -> Call | Reply:
        core = self._core
        if core.outage is not None:
            raise core.outage
        core.limiter.check_ban(self._address, core.wall_ms())
        method = request.method.removeprefix("v1/")
        endpoint = METHODS.get(method)
        if endpoint is not None and endpoint.tallied:
            state.is_tallied = True
            core.tally.ws_requests += 1
        parameters = {name: _lexeme(name, raw) for name, raw in request.params.items()}
        if parameters.get("returnRateLimits", "true") == "false":
            state.shows_limits = False
        if method in SESSION_METHODS:
            core.limiter.charge_weight(self._address, SESSION_WEIGHT, core.wall_ms())
            if method == "session.logon":
                self._logon(parameters)
            elif method == "session.logout":
                self._api_key = self._authorized_ms = None
            return self._success(state, self._status())
        if endpoint is None:
            core.limiter.charge_weight(self._address, UNKNOWN_WEIGHT, core.wall_ms())
            raise reject(-1020)
        cost = endpoint.cost(parameters)
        core.limiter.charge_weight(self._address, cost, core.wall_ms())
        api_key, good_until = self._authenticate(endpoint, parameters)
        state.account_id = core.keys.account_of(api_key) if api_key else 0
        state.is_order = endpoint.order
        caller = Caller(self._address, state.account_id, api_key, parameters)
        if endpoint.order:
            endpoint.count(core, state.account_id, caller)

        def refuse(error: RejectError) -> Reply:
            return self._failure(state, error)

        def accept(result: Any) -> Reply:
            return self._success(state, result)

        def run() -> Reply:
            try:
                return accept(endpoint.carry_out(core, caller, good_until))
            except RejectError as error:
                return refuse(error)
            finally:
                core.tally.ws_answers += endpoint.tallied

        symbol = parameters.get("symbol", "")
        facts = Facts(method, symbol, caller, accept, refuse, endpoint.order, endpoint.tallied)
        return Call(endpoint.kind(core, parameters), run, facts)

    def _authenticate(self, endpoint: Endpoint, parameters: dict[str, str]) -> tuple[str, int]:
        """The key a request acts for, and until when it is good. Raises RejectError."""
        if endpoint.security is Security.NONE:
            return "", 0
        core = self._core
        api_key = parameters.get("apiKey") or self._api_key or ""
        core.keys.account_of(api_key)
        if endpoint.security is Security.KEY:
            return api_key, 0
        longest_ms = core.limiter.limits.max_recv_window_ms
        good_until = check_timestamp(parameters, core.server_ms(), longest_ms)
        signature = parameters.get("signature")
        if signature:
            core.keys.check_signature(api_key, _payload(parameters), signature)
        elif api_key != self._api_key:
            raise reject(-1102, "signature")
        return api_key, good_until

    def _logon(self, parameters: dict[str, str]) -> None:
        core = self._core
        api_key = parameters.get("apiKey", "")
        core.keys.account_of(api_key)
        check_timestamp(parameters, core.server_ms(), core.limiter.limits.max_recv_window_ms)
        signature = parameters.get("signature")
        if not signature:
            raise reject(-1102, "signature")
        if len(signature) == 64:
            # An HMAC signature: only Ed25519 keys can log on.
            raise reject(-4056)
        core.keys.check_ed25519(api_key, _payload(parameters), signature)
        self._api_key = api_key
        self._authorized_ms = core.wall_ms()

    def _status(self) -> dict[str, Any]:
        return {
            "apiKey": self._api_key,
            "authorizedSince": self._authorized_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._shows_limits,
            "serverTime": self._core.server_ms(),
        }

    def _success(self, state: _Admitted, result: Any) -> Reply:
        return self._reply(state, 200, {"result": result})

    def _failure(self, state: _Admitted, error: RejectError) -> Reply:
        body = {"error": {"code": error.code, "msg": error.message}}
        return self._reply(state, error.status, body)

    def _reply(self, state: _Admitted, status: int, content: dict[str, Any]) -> Reply:
        body: dict[str, Any] = {"id": state.request_id, "status": status, **content}
        if state.shows_limits:
            body["rateLimits"] = self._rate_limits(state)
        return Reply(status, msgspec.json.encode(body), {})

    def _rate_limits(self, state: _Admitted) -> list[dict[str, Any]]:
        limiter = self._core.limiter
        limits = limiter.limits
        rows = []
        if state.is_order:
            counts = limiter.order_counts(state.account_id, self._core.event_ms())
            rows.append(_row("ORDERS", "SECOND", 10, limits.orders_per_10s, counts.ten_seconds))
            rows.append(_row("ORDERS", "MINUTE", 1, limits.orders_per_minute, counts.minute))
        used = limiter.used_weight(self._address, self._core.wall_ms())
        rows.append(_row("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute, used))
        return rows


def _row(kind: str, interval: str, number: int, limit: int, count: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
        "count": count,
    }


def _lexeme(name: str, raw: msgspec.Raw) -> str:
    """A parameter's text: a string's content, anything else as the characters that were sent."""
    content = bytes(raw)
    if content[:1] == b'"':
        try:
            return msgspec.json.decode(content, type=str)
        except UNREADABLE as error:
            raise reject(-1102, name) from error
    if content[:1] in (b"{", b"[") or content == b"null":
        raise reject(-1102, name)
    return content.decode("ascii", "replace")


def _payload(parameters: dict[str, str]) -> bytes:
    """What is signed: name=value, sorted by name, joined by "&", not percent-encoded."""
    pairs = sorted(item for item in parameters.items() if item[0] != "signature")
    return "&".join([f"{name}={value}" for name, value in pairs]).encode()
