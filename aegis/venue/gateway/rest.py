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
from aegis.venue.gateway import accounts, market_data, trading
from aegis.venue.gateway.access import check_timestamp
from aegis.venue.gateway.calls import Call, Caller, Endpoint, Reply, Security
from aegis.venue.gateway.market_data import by_symbol

SIGNED: Final = Security.SIGNED
KEY: Final = Security.KEY

ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "/fapi/v1/ping"): Endpoint(market_data.ping, 1),
    ("GET", "/fapi/v1/time"): Endpoint(market_data.server_time, 1),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(market_data.exchange_info, 1),
    ("GET", "/fapi/v1/depth"): Endpoint(market_data.depth, market_data.depth_weight, depth=True),
    ("GET", "/fapi/v1/trades"): Endpoint(market_data.trades, 5),
    ("GET", "/fapi/v1/klines"): Endpoint(market_data.klines, market_data.klines_weight),
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(market_data.premium_index, by_symbol(1, 10)),
    ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(market_data.book_ticker, by_symbol(2, 5)),
    ("GET", "/fapi/v1/ticker/price"): Endpoint(market_data.price_ticker, by_symbol(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): Endpoint(market_data.price_ticker, by_symbol(1, 2)),
    ("POST", "/fapi/v1/order"): Endpoint(
        trading.place, 0, SIGNED, command=True, order=True, tallied=True
    ),
    ("PUT", "/fapi/v1/order"): Endpoint(
        trading.amend, 0, SIGNED, command=True, order=True, tallied=True
    ),
    ("DELETE", "/fapi/v1/order"): Endpoint(trading.cancel, 1, SIGNED, command=True, tallied=True),
    ("GET", "/fapi/v1/order"): Endpoint(trading.query, 1, SIGNED),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(trading.cancel_all, 1, SIGNED, command=True),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(trading.countdown, 10, SIGNED),
    ("GET", "/fapi/v1/openOrder"): Endpoint(trading.query_open, 1, SIGNED),
    ("GET", "/fapi/v1/openOrders"): Endpoint(trading.open_orders, by_symbol(1, 40), SIGNED),
    ("GET", "/fapi/v1/allOrders"): Endpoint(trading.all_orders, 5, SIGNED),
    ("GET", "/fapi/v1/userTrades"): Endpoint(trading.user_trades, 5, SIGNED),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(trading.order_rate_limit, 1, SIGNED),
    ("GET", "/fapi/v2/balance"): Endpoint(accounts.balance, 5, SIGNED),
    ("GET", "/fapi/v3/balance"): Endpoint(accounts.balance, 5, SIGNED),
    ("GET", "/fapi/v2/account"): Endpoint(accounts.account_v2, 5, SIGNED),
    ("GET", "/fapi/v3/account"): Endpoint(accounts.account_v3, 5, SIGNED),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(accounts.position_risk_v2, 5, SIGNED),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(accounts.position_risk_v3, 5, SIGNED),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(accounts.account_config, 5, SIGNED),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(accounts.symbol_config, 5, SIGNED),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(accounts.commission_rate, 20, SIGNED),
    ("POST", "/fapi/v1/leverage"): Endpoint(accounts.set_leverage, 1, SIGNED, command=True),
    ("POST", "/fapi/v1/marginType"): Endpoint(accounts.set_margin_type, 1, SIGNED, command=True),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(accounts.position_mode, 30, SIGNED),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(accounts.set_position_mode, 1, SIGNED),
    ("POST", "/fapi/v1/listenKey"): Endpoint(accounts.open_listen_key, 1, KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(accounts.extend_listen_key, 1, KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(accounts.close_listen_key, 1, KEY),
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
    account_id = 0
    try:
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            raise reject(-5000, request.path, request.method)
        core.tally.rest_order_requests += endpoint.tallied
        read = _read(request.query, request.body)
        cost = endpoint.cost(read.parameters)
        core.limiter.charge_weight(request.address, cost, core.wall_ms())
        good_until = 0
        if endpoint.security is not Security.NONE:
            account_id = core.keys.account_of(request.api_key)
        if endpoint.security is Security.SIGNED:
            good_until = _check_signed(core, request.api_key or "", read)
        if endpoint.order:
            core.limiter.charge_order(account_id, core.event_ms())
    except RejectError as error:
        return _refusal(core, request.address, account_id, error)
    caller = Caller(request.address, account_id, request.api_key or "", read.parameters)

    def run() -> Reply:
        try:
            result = endpoint.carry_out(core, caller, good_until)
        except RejectError as error:
            return _refusal(core, caller.address, caller.account_id, error)
        headers = _headers(core, caller.address, caller.account_id if endpoint.order else 0)
        return Reply(200, msgspec.json.encode(result), headers)

    return Call(endpoint.kind(core, read.parameters), run)


def _read(query: str, body: str) -> _Read:
    """Split the parameters; what stands in both places is taken from the query."""
    signature: str | None = None
    payload = ""
    parameters: dict[str, str] = {}
    for text in (body, query):
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


def _check_signed(core: Core, api_key: str, read: _Read) -> int:
    good_until = check_timestamp(read.parameters, core.wall_ms())
    if not read.signature:
        raise reject(-1102, "signature")
    core.keys.check_signature(api_key, read.payload.encode(), read.signature)
    return good_until


def _refusal(core: Core, address: str, account_id: int, error: RejectError) -> Reply:
    body: dict[str, Any] = {"code": error.code, "msg": error.message}
    headers = _headers(core, address, 0)
    if error.status == 429:
        # The windows are a minute long and aligned to the clock.
        headers["Retry-After"] = str(60 - core.wall_ms() // 1000 % 60)
    return Reply(error.status, msgspec.json.encode(body), headers)


def _headers(core: Core, address: str, account_id: int) -> dict[str, str]:
    headers = {"X-MBX-USED-WEIGHT-1M": str(core.limiter.used_weight(address, core.wall_ms()))}
    if account_id:
        counts = core.limiter.order_counts(account_id, core.event_ms())
        headers["X-MBX-ORDER-COUNT-10S"] = str(counts.ten_seconds)
        headers["X-MBX-ORDER-COUNT-1M"] = str(counts.minute)
    return headers
