"""A thin signed REST client: the queries, cancels and keys that the order connection has not.

Used by the start-up, the resolver, the drain and the user stream; never on the way of an order. One
attempt per call and no hidden retry (but for a question or a cancel that was refused for its
timestamp, once): whoever asks knows whether asking again is safe. Every error becomes one of
`aegis.execution.errors`; a time-out or a cut connection is a FateUnknownError. A 429 or 418 makes
the client quiet for the time the exchange asked for, and it says so.

No exception, log or repr holds a parameter, a signature, a key or a URL's query.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from aegis.execution.dispatcher import Dispatcher, Share
from aegis.execution.errors import (
    BannedError,
    BlockedError,
    ClockSkewError,
    CredentialsError,
    ExchangeError,
    FateUnknownError,
    RateLimitedError,
    RefusedError,
)
from aegis.execution.replies import LimitCount, OrderBody, error_of
from aegis.execution.signing import Signer, signed_query

__all__ = ["IncomeRow", "RestClient", "UserTrade"]

T = TypeVar("T")

# The path does not exist at this exchange.
_NO_SUCH_PATH = -5000
_NS_PER_MS = 1_000_000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REPEATABLE = ("GET", "DELETE")
_ORDER = msgspec.json.Decoder(OrderBody)
_ORDERS = msgspec.json.Decoder(list[OrderBody])


class UserTrade(msgspec.Struct, rename="camel"):
    """A row of userTrades, as far as it is used."""

    id: int
    order_id: int
    side: str
    price: str
    qty: str
    time: int
    commission: str = "0"
    commission_asset: str = ""
    realized_pnl: str = ""
    maker: bool = False


class IncomeRow(msgspec.Struct, rename="camel"):
    """A row of income, as far as it is used."""

    tran_id: int
    time: int
    income: str
    asset: str = ""


class _ListenKey(msgspec.Struct, rename="camel"):
    listen_key: str = ""


class _Limits(msgspec.Struct, rename="camel"):
    rate_limits: list[LimitCount] = []


_LIMITS = msgspec.json.Decoder(_Limits)
# What a request is for, and its weight; source: exchange document, "weight" of each endpoint.
_COSTS = {
    "GET /fapi/v1/openOrders": (Share.RECONCILE, 1),
    "GET /fapi/v1/userTrades": (Share.RECONCILE, 5),
    "GET /fapi/v1/income": (Share.RECONCILE, 30),
    "GET /fapi/v1/accountConfig": (Share.RECONCILE, 5),
    "GET /fapi/v1/exchangeInfo": (Share.RECONCILE, 1),
    "GET /fapi/v3/positionRisk": (Share.RECONCILE, 5),
    "GET /fapi/v3/balance": (Share.RECONCILE, 5),
    "GET /fapi/v1/symbolConfig": (Share.STEADY, 5),
    "POST /fapi/v1/countdownCancelAll": (Share.RECONCILE, 10),
    "DELETE /fapi/v1/order": (Share.KILL, 1),
    "DELETE /fapi/v1/allOpenOrders": (Share.KILL, 1),
}
_ALL_SYMBOLS_WEIGHT = 40
_TRADES = msgspec.json.Decoder(list[UserTrade])
# A number in quotes is the same number.
_INCOME = msgspec.json.Decoder(list[IncomeRow], strict=False)
_MOST_INCOME = 1_000
_KEY = msgspec.json.Decoder(_ListenKey)


class RestClient:
    """One account at one base URL. `close` it when done."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        signer: Signer,
        *,
        tls: ssl.SSLContext | None = None,
        recv_window_ms: int = 5_000,
        timeout_s: float = 2.0,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        """`tls` verifies encrypted addresses; without it the system's authorities do.

        `dispatcher` keeps the exchange's limits; without one only the pauses it asks for.
        """
        self.rate_limits: list[LimitCount] = []
        self._dispatcher = dispatcher
        # Hears of a key, an address or a box that is refused for good, and when (CLOCK_MONOTONIC).
        self.on_refused: Callable[[ExchangeError, int], None] = lambda error, now_ns: None
        # What is asked to see that nothing rests has the weight that is kept for cancels.
        self.is_last_look = False
        self.base_url = base_url.rstrip("/")
        # Between CLOCK_MONOTONIC and the exchange's clock: a step of the wall clock is no step of
        # ours, and must neither expire an order's window nor keep it open.
        self.offset_ms = (time.time_ns() - time.monotonic_ns()) // _NS_PER_MS
        if dispatcher is not None:
            dispatcher.on_clock(self.offset_ms)
        self.used_weight = 0
        self._headers = {"X-MBX-APIKEY": api_key}
        self._signer = signer
        self._recv_window_ms = recv_window_ms
        self._quiet_until_s = 0.0
        self.clock_error_ms = 0
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            connector=aiohttp.TCPConnector(limit=8, ssl=tls or ssl.create_default_context()),
            # No proxy and no password file from the environment.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def __repr__(self) -> str:
        return f"RestClient({self.base_url})"

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def now_ms(self) -> int:
        """The exchange's clock, by the last `synchronise`."""
        return time.monotonic_ns() // _NS_PER_MS + self.offset_ms

    async def synchronise(self) -> int:
        """Learn the exchange's clock; returns its offset to CLOCK_MONOTONIC in ms.

        Half the trip is deducted; `clock_error_ms` is how wrong that can be (one way took all).
        """
        before = time.monotonic_ns()
        reply = await self._call("GET", "/fapi/v1/time", {}, signed=False)
        after = time.monotonic_ns()
        server_ms = _object(reply).get("serverTime")
        if not isinstance(server_ms, int):
            raise RefusedError("GET /fapi/v1/time", 200, 0, "no serverTime in the answer")
        offset_ms = server_ms - (before + after) // (2 * _NS_PER_MS)
        self.offset_ms = offset_ms
        self.clock_error_ms = (after - before) // (2 * _NS_PER_MS) + 1
        if self._dispatcher is not None:
            self._dispatcher.on_clock(offset_ms)
        return self.offset_ms

    async def exchange_info(self) -> dict[str, Any]:
        """All symbols with their filters."""
        body = await self._call("GET", "/fapi/v1/exchangeInfo", {}, signed=False)
        self.rate_limits = _decoded(_LIMITS, body).rate_limits
        return _object(body)

    async def order(self, symbol: str, client_id: str) -> OrderBody:
        """One order by client id, open or not; RefusedError with code -2013 when there is none."""
        parameters = {"symbol": symbol, "origClientOrderId": client_id}
        return _decoded(_ORDER, await self._call("GET", "/fapi/v1/order", parameters))

    async def open_orders(self, symbol: str | None = None) -> list[OrderBody]:
        """Open orders, of one symbol or of all."""
        parameters = {"symbol": symbol} if symbol is not None else {}
        return _decoded(_ORDERS, await self._call("GET", "/fapi/v1/openOrders", parameters))

    async def user_trades(self, symbol: str, order_id: int) -> list[UserTrade]:
        """The trades of one order."""
        parameters: dict[str, str | int] = {"symbol": symbol, "orderId": order_id, "limit": 1000}
        return _decoded(_TRADES, await self._call("GET", "/fapi/v1/userTrades", parameters))

    async def user_trades_since(self, symbol: str, first_id: int) -> list[UserTrade]:
        """The account's trades from a trade id on, oldest first, at most 1,000."""
        parameters: dict[str, str | int] = {"symbol": symbol, "fromId": first_id, "limit": 1000}
        return _decoded(_TRADES, await self._call("GET", "/fapi/v1/userTrades", parameters))

    async def newest_trades(self, symbol: str) -> list[UserTrade]:
        """The account's newest trades of the last seven days."""
        parameters: dict[str, str | int] = {"symbol": symbol, "limit": 1000}
        return _decoded(_TRADES, await self._call("GET", "/fapi/v1/userTrades", parameters))

    async def funding_since(self, start_ms: int) -> list[IncomeRow]:
        """Every funding payment of the account from then on (at most three months), oldest first.

        RefusedError with status 404 where there is no such list.
        """
        found: list[IncomeRow] = []
        parameters: dict[str, str | int] = {"incomeType": "FUNDING_FEE", "startTime": start_ms}
        while True:
            page = len(found) // _MOST_INCOME + 1
            asked = {**parameters, "limit": _MOST_INCOME, "page": page}
            rows = _decoded(_INCOME, await self._call("GET", "/fapi/v1/income", asked))
            found += rows
            if len(rows) < _MOST_INCOME:
                return found

    async def cancel(self, symbol: str, client_id: str) -> OrderBody:
        """Cancel by client id; RefusedError with code -2011 when no such order is open."""
        parameters = {"symbol": symbol, "origClientOrderId": client_id}
        return _decoded(_ORDER, await self._call("DELETE", "/fapi/v1/order", parameters))

    async def cancel_all(self, symbol: str) -> None:
        """Cancel every open order of a symbol, whoever placed it."""
        await self._call("DELETE", "/fapi/v1/allOpenOrders", {"symbol": symbol})

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None:
        """Have the exchange cancel a symbol's orders unless called again in time; 0 stops it."""
        parameters: dict[str, str | int] = {"symbol": symbol, "countdownTime": countdown_ms}
        await self._call("POST", "/fapi/v1/countdownCancelAll", parameters)

    async def open_algo_orders(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Conditional orders that wait, of one symbol or of all; none where there is no service."""
        parameters = {"symbol": symbol} if symbol is not None else {}
        try:
            return _list(await self._call("GET", "/fapi/v1/openAlgoOrders", parameters))
        except RefusedError as error:
            if error.code == _NO_SUCH_PATH or error.status == 404:
                # The dialect of 2024 has them among the other orders.
                return []
            raise

    async def place_algo(self, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        """Place a conditional order. Parameters as the exchange's."""
        return _object(await self._call("POST", "/fapi/v1/algoOrder", parameters))

    async def cancel_algo(self, client_id: str) -> None:
        """Cancel a conditional order by its client id; RefusedError when none waits."""
        await self._call("DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": client_id})

    async def cancel_all_algo(self, symbol: str) -> None:
        """Cancel every conditional order of a symbol, whoever placed it."""
        await self._call("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": symbol})

    async def place(self, parameters: Mapping[str, str | int]) -> OrderBody:
        """Place an order: the fallback of the order connection. Parameters as the exchange's."""
        return _decoded(_ORDER, await self._call("POST", "/fapi/v1/order", parameters))

    async def positions(self) -> list[dict[str, Any]]:
        """positionRisk v3: a row for each symbol with a position or an open order."""
        return _list(await self._call("GET", "/fapi/v3/positionRisk", {}))

    async def balances(self) -> list[dict[str, Any]]:
        """Balances by asset."""
        return _list(await self._call("GET", "/fapi/v3/balance", {}))

    async def account_config(self) -> dict[str, Any]:
        """Position mode, margin mode, whether the account may trade."""
        return _object(await self._call("GET", "/fapi/v1/accountConfig", {}))

    async def symbol_config(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Margin type and leverage, one row for each symbol, of one or of all."""
        parameters = {"symbol": symbol} if symbol is not None else {}
        return _list(await self._call("GET", "/fapi/v1/symbolConfig", parameters))

    async def key_restrictions(self) -> dict[str, Any]:
        """What the API key may do; RefusedError with status 404 where nobody tells.

        Only at the address of the exchange's wallet service.
        """
        return _object(await self._call("GET", "/sapi/v1/account/apiRestrictions", {}))

    async def open_listen_key(self) -> str:
        """A key for the private stream, valid for 60 minutes."""
        reply = await self._call("POST", "/fapi/v1/listenKey", {}, signed=False)
        key = _decoded(_KEY, reply).listen_key
        if not key:
            raise RefusedError("POST /fapi/v1/listenKey", 200, 0, "no listenKey in the answer")
        return key

    async def extend_listen_key(self) -> None:
        """Another 60 minutes; RefusedError with code -1125 when the key has ended."""
        await self._call("PUT", "/fapi/v1/listenKey", {}, signed=False)

    async def close_listen_key(self) -> None:
        """End the key."""
        await self._call("DELETE", "/fapi/v1/listenKey", {}, signed=False)

    async def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int],
        *,
        signed: bool = True,
    ) -> bytes:
        """One request; the body of a 200. Raises an ExchangeError for everything else.

        What the exchange refused for its timestamp and may be repeated (a question, a cancel) is
        asked once more after a look at the clock. A placement never is: it needs a new decision.
        """
        try:
            return await self._attempt(method, path, parameters, signed)
        except ClockSkewError:
            if method not in _REPEATABLE:
                raise
        await self.synchronise()
        return await self._attempt(method, path, parameters, signed)

    async def _attempt(
        self, method: str, path: str, parameters: Mapping[str, str | int], signed: bool
    ) -> bytes:
        action = f"{method} {path}"
        self._stay_quiet(action)
        self._ask_for_room(action, parameters)
        if signed:
            stamped = {
                **parameters,
                "recvWindow": self._recv_window_ms,
                "timestamp": self.now_ms(),
            }
            query = signed_query(stamped, self._signer)
        else:
            query = urlencode(parameters)
        url = f"{self.base_url}{path}"
        data = None
        headers = self._headers
        if method == "POST":
            data, headers = query, {**self._headers, **_FORM}
        elif query:
            url = f"{url}?{query}"
        try:
            async with self._session.request(
                method, _encoded(url), data=data, headers=headers, allow_redirects=False
            ) as reply:
                body = await reply.read()
                status = reply.status
                retry_after = reply.headers.get("Retry-After")
                self._note_weight(reply.headers.get("X-MBX-USED-WEIGHT-1M"))
                if self._dispatcher is not None:
                    headers = {name.lower(): value for name, value in reply.headers.items()}
                    self._dispatcher.on_headers(headers, self.now_ms())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            # The library's text may hold the URL with the signature: keep the kind only.
            raise FateUnknownError(action, 0, 0, f"no answer ({type(error).__name__})") from None
        if status == 200:
            return body
        raised = error_of(action, status, body, retry_after, self.now_ms())
        if isinstance(raised, RateLimitedError | BannedError):
            self._quiet_until_s = time.monotonic() + raised.retry_after_s
            self._tell_dispatcher(raised)
        if isinstance(raised, CredentialsError | BannedError | BlockedError):
            self.on_refused(raised, time.monotonic_ns())
        raise raised

    def _stay_quiet(self, action: str) -> None:
        """Refuse to send while the exchange wants silence: going on turns a 429 into a ban."""
        if self._dispatcher is not None:
            # It knows what must go on, and what the other processes were told.
            return
        left_s = self._quiet_until_s - time.monotonic()
        if left_s > 0:
            raised = RateLimitedError(action, 429, 0, f"not sent: quiet for another {left_s:.1f} s")
            raised.retry_after_s = left_s
            raise raised

    def _ask_for_room(self, action: str, parameters: Mapping[str, str | int]) -> None:
        """Refuse to send what the limits have no room for: asked again later, it costs nothing."""
        if self._dispatcher is None:
            return
        share, weight = _COSTS.get(action, (Share.STEADY, 1))
        if self.is_last_look:
            share = Share.KILL
        if action == "GET /fapi/v1/openOrders" and "symbol" not in parameters:
            weight = _ALL_SYMBOLS_WEIGHT
        if not self._dispatcher.admit_query(share, weight, self.now_ms()):
            raise RateLimitedError(action, 429, 0, "not sent: no room within the request weight")

    def _tell_dispatcher(self, raised: RateLimitedError | BannedError) -> None:
        if self._dispatcher is None:
            return
        now_ms, pause_ms = self.now_ms(), int(raised.retry_after_s * 1000)
        if isinstance(raised, BannedError):
            self._dispatcher.on_banned(now_ms + pause_ms, now_ms)
        else:
            # Where the exchange told no time, the dispatcher knows how long is long enough.
            is_told = "retry_after_s" in vars(raised)
            self._dispatcher.on_rate_limited(raised.code, pause_ms if is_told else None, now_ms)

    def _note_weight(self, text: str | None) -> None:
        if text is not None and text.isascii() and text.isdigit():
            self.used_weight = int(text)


def _encoded(url: str) -> URL:
    """Keep aiohttp from re-encoding what has been signed."""
    return URL(url, encoded=True)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = "the body is not what it should be"
        raise FateUnknownError("reading an answer", 200, 0, text) from None


def _object(body: bytes) -> dict[str, Any]:
    found = _decoded(msgspec.json.Decoder(), body)
    if not isinstance(found, dict):
        raise ExchangeError("reading an answer", 200, 0, "the body is not an object")
    return found


def _list(body: bytes) -> list[dict[str, Any]]:
    found = _decoded(msgspec.json.Decoder(), body)
    if not isinstance(found, list):
        raise ExchangeError("reading an answer", 200, 0, "the body is not a list")
    return found
