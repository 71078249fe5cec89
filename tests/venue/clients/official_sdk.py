"""A session of the official SDK: market data and limits; ``official_sdk_orders`` has the rest.

Started by ``test_sessions`` with the clients' interpreter. Every reply has to fit the SDK's own
models to the key, and the SDK must have nothing to warn about.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import RateLimitBanError, TooManyRequestsError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from tests.venue.clients import official_sdk_orders as orders
from tests.venue.clients import official_sdk_sweep as sweep
from tests.venue.clients.local_book import LocalBook, compare
from tests.venue.clients.session import Complaints, Figures, Job, Key, all_have_come, run
from tests.venue.clients.shapes import fits
from tests.venue.clients.stage import Stage

TIMEOUT_MS = 10_000
ENOUGH = 700


def connect(url: str, key: Key) -> DerivativesTradingUsdsFutures:
    """The SDK on a venue: HMAC over REST, Ed25519 over the WebSocket API."""
    socket_url = url.replace("http", "ws", 1)
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key=key.api_key, api_secret=key.hmac_secret, base_path=url, timeout=TIMEOUT_MS
        ),
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=key.api_key,
            private_key=key.ed25519_pem,
            stream_url=f"{socket_url}/ws-fapi/v1",
            timeout=TIMEOUT_MS,
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=socket_url),
    )


@dataclass
class Scene:
    """The SDK on both venues, and what its streams have brought."""

    job: Job
    stage: Stage
    lively: DerivativesTradingUsdsFutures
    quiet: DerivativesTradingUsdsFutures
    complaints: Complaints = field(default_factory=Complaints)
    events: list[Any] = field(default_factory=list)

    @property
    def rest(self) -> Any:
        return self.quiet.rest_api

    async def ask(self, method: Any, *, may_lack: tuple[str, ...] = (), **parameters: Any) -> Any:
        """Call a REST method of the SDK in a thread of its own; its typed answer."""
        reply = await asyncio.to_thread(method, **parameters)
        return fits(reply.data(), may_lack)

    def told(self, kind: str) -> list[Any]:
        """The user events of one kind (the name of the SDK's model) since the chapter began."""
        return [event for event in self.events if type(event).__name__ == kind]


@asynccontextmanager
async def open_scene(job: Job) -> AsyncIterator[Scene]:
    scene = Scene(job, Stage.of(job), connect(job.lively, job.key), connect(job.quiet, job.key))
    try:
        yield scene
    finally:
        for client in (scene.lively, scene.quiet):
            for sockets in (client.websocket_streams, client.websocket_api):
                if sockets.connections:
                    await sockets.close_connection()


async def discovery(scene: Scene) -> Figures:
    """What a bot reads before it trades."""
    rest, symbol = scene.lively.rest_api, scene.job.symbol
    info = await scene.ask(rest.exchange_information)
    row = next(row for row in info.symbols if row.symbol == symbol)
    assert (row.status, row.contract_type, row.margin_asset) == ("TRADING", "PERPETUAL", "USDT")
    assert {"LIMIT", "MARKET", "STOP_MARKET", "TRAILING_STOP_MARKET"} <= set(row.order_types)
    kinds = {item.filter_type for item in row.filters}
    assert {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE"} <= kinds
    brackets = (await scene.ask(rest.notional_and_leverage_brackets)).actual_instance
    assert {row.symbol for row in brackets} == {row.symbol for row in info.symbols}
    assert brackets[0].brackets[0].initial_leverage >= 20
    config = await scene.ask(rest.futures_account_configuration)
    assert config.can_trade and config.dual_side_position is False
    (own,) = await scene.ask(rest.symbol_configuration, symbol=symbol)
    assert (own.margin_type, own.is_auto_add_margin) == ("CROSSED", False)
    rate = await scene.ask(rest.user_commission_rate, symbol=symbol)
    assert (rate.maker_commission_rate, rate.taker_commission_rate) == ("0.0002", "0.0005")
    account = await scene.ask(rest.account_information_v3)
    assert float(account.total_wallet_balance) == 1_000_000.0
    (balance,) = await scene.ask(rest.futures_account_balance_v3)
    assert (balance.asset, float(balance.balance)) == ("USDT", 1_000_000.0)
    signed = ConfigurationRestAPI(
        api_key=scene.job.key.api_key, private_key=scene.job.key.ed25519_pem,
        base_path=scene.job.lively, timeout=TIMEOUT_MS,
    )  # fmt: skip
    other = DerivativesTradingUsdsFutures(config_rest_api=signed).rest_api
    same = await scene.ask(other.account_information_v3)
    assert same.total_wallet_balance == account.total_wallet_balance, "by Ed25519"
    time_ms = (await scene.ask(rest.check_server_time)).server_time
    return {"symbols": len(info.symbols), "server_time": time_ms}


async def market_data(scene: Scene) -> Figures:
    """Every public REST endpoint that a symbol has."""
    rest, symbol = scene.lively.rest_api, scene.job.symbol
    await until_traded(scene)
    book = await scene.ask(rest.order_book, symbol=symbol, limit=20)
    assert len(book.bids) == len(book.asks) == 20
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    trades = await scene.ask(rest.recent_trades_list, symbol=symbol, limit=5)
    old = await scene.ask(rest.old_trades_lookup, symbol=symbol, from_id=trades[0].id, limit=5)
    assert old[0].id == trades[0].id
    aggregates = await scene.ask(rest.compressed_aggregate_trades_list, symbol=symbol, limit=5)
    assert aggregates[0].f <= aggregates[0].l
    for method, name in (
        (rest.kline_candlestick_data, "symbol"),
        (rest.mark_price_kline_candlestick_data, "symbol"),
        (rest.premium_index_kline_data, "symbol"),
        (rest.index_price_kline_candlestick_data, "pair"),
    ):
        rows = (await asyncio.to_thread(method, **{name: symbol}, interval="1m")).data()
        assert rows and all(len(row) == 12 for row in rows), method
    rows = (
        await asyncio.to_thread(
            rest.continuous_contract_kline_candlestick_data,
            pair=symbol, contract_type="PERPETUAL", interval="1m",
        )
    ).data()  # fmt: skip
    assert len(rows[0]) == 12
    mark = (await scene.ask(rest.mark_price, symbol=symbol)).actual_instance
    assert mark.symbol == symbol and mark.next_funding_time > mark.time
    for method in (
        rest.ticker24hr_price_change_statistics,
        rest.symbol_price_ticker,
        rest.symbol_price_ticker_v2,
        rest.symbol_order_book_ticker,
    ):
        one = (await scene.ask(method, symbol=symbol)).actual_instance
        every = (await scene.ask(method)).actual_instance
        assert one.symbol == symbol and symbol in {row.symbol for row in every}, method
    interest = await scene.ask(rest.open_interest, symbol=symbol)
    assert float(interest.open_interest) >= 0
    await scene.ask(rest.get_funding_rate_info)
    await scene.ask(rest.get_funding_rate_history, symbol=symbol)
    return {"trades": len(trades), "open_interest": interest.open_interest}


async def until_traded(scene: Scene) -> None:
    """A venue that has just opened has no trades yet."""
    rest = scene.lively.rest_api
    for _ in range(200):
        if len(rest.recent_trades_list(symbol=scene.job.symbol).data()) >= 10:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the lively market does not trade")


STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "aggTrade": ("aggregate_trade_streams", {}),
    "bookTicker": ("individual_symbol_book_ticker_streams", {}),
    "depth": ("diff_book_depth_streams", {}),
    "depth100": ("diff_book_depth_streams", {"update_speed": "100ms"}),
    "depth5": ("partial_book_depth_streams", {"levels": 5, "update_speed": "100ms"}),
    "kline": ("kline_candlestick_streams", {"interval": "1m"}),
    "markPrice": ("mark_price_stream", {"update_speed": "1s"}),
    "ticker": ("individual_symbol_ticker_streams", {}),
    "miniTicker": ("individual_symbol_mini_ticker_stream", {}),
}
EVERY = {
    "!bookTicker": "all_book_tickers_stream",
    "!ticker": "all_market_tickers_streams",
    "!miniTicker": "all_market_mini_tickers_stream",
    "!markPrice": "mark_price_stream_for_all_market",
}


async def streams(scene: Scene) -> Figures:
    """Every kind of market stream brings typed messages, on three routes at once."""
    sockets, symbol = scene.lively.websocket_streams, scene.job.symbol
    await sockets.create_connection()
    assert sorted(one.url_path for one in sockets.connections) == ["market", "private", "public"]
    seen: dict[str, list[Any]] = defaultdict(list)
    for name, (method, parameters) in STREAMS.items():
        handle = await getattr(sockets, method)(symbol=symbol.lower(), **parameters)
        handle.on("message", seen[name].append)
    handle = await sockets.continuous_contract_kline_candlestick_streams(
        pair=symbol.lower(), contract_type="perpetual", interval="1m"
    )
    handle.on("message", seen["continuousKline"].append)
    for name, method in EVERY.items():
        handle = await getattr(sockets, method)()
        handle.on("message", seen[name].append)
    await all_have_come(seen)
    for messages in seen.values():
        fits(messages[-1])
    for stream in list(sockets.stream_connections.stream_connections_map):
        await sockets.unsubscribe(stream)
    return {name: len(messages) for name, messages in seen.items()}


async def book(scene: Scene) -> Figures:
    """A local book from the SDK's diff stream and its snapshot is the venue's book."""
    sockets, rest, symbol = scene.lively.websocket_streams, scene.lively.rest_api, scene.job.symbol
    local = LocalBook()
    handle = await sockets.diff_book_depth_streams(symbol=symbol.lower(), update_speed="100ms")
    handle.on("message", lambda event: local.apply(event.U, event.u, event.pu, event.b, event.a))

    async def snapshot() -> tuple[int, Any, Any]:
        reply = await asyncio.to_thread(rest.order_book, symbol=symbol, limit=1000)
        data = reply.data()
        return data.last_update_id, data.bids, data.asks

    try:
        return await compare(local, snapshot, scene.job.book_seconds)
    finally:
        await handle.unsubscribe()


async def limits(scene: Scene) -> Figures:
    """Too many orders, then too much weight, then a ban: the SDK's own errors, with the wait."""
    rest, symbol = connect(scene.job.limited, scene.job.key).rest_api, scene.job.symbol
    price = round(scene.stage.inside() * 0.99, 1)
    orders_taken = 0
    try:
        while orders_taken < ENOUGH:
            await asyncio.to_thread(
                rest.new_order, symbol=symbol, side="BUY", type="LIMIT", time_in_force="IOC",
                quantity=0.01, price=price,
            )  # fmt: skip
            orders_taken += 1
    except TooManyRequestsError as error:
        assert error.status_code == -1015, error
    assert 300 <= orders_taken < ENOUGH, orders_taken
    refused = used = 0
    for asked in range(1, ENOUGH):
        try:
            reply = await asyncio.to_thread(rest.order_book, symbol=symbol, limit=1000)
        except TooManyRequestsError as error:
            assert error.status_code == -1003 and 0 < error.retry_after <= 60, error
            refused += 1
        except RateLimitBanError as error:
            assert error.status_code == -1003 and error.retry_after > 0, error
            assert refused, "banned without having been told 429"
            return {"orders": orders_taken, "asked": asked, "used": used, "refused": refused,
                    "ban_s": error.retry_after}  # fmt: skip
        else:
            (used,) = (
                row.count for row in reply.rate_limits if row.rateLimitType == "REQUEST_WEIGHT"
            )
    raise AssertionError(f"no ban after {refused} refusals")


CHAPTERS = (
    discovery, market_data, streams, book, orders.user_data, orders.life_of_an_order,
    orders.algo_stop, orders.batch, orders.countdown, orders.settings, orders.hedge,
    orders.money, sweep.every_method, orders.websocket_api, limits,
)  # fmt: skip

if __name__ == "__main__":
    run(open_scene, CHAPTERS)
