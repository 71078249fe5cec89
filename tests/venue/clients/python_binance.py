"""A session of python-binance: market data and limits; ``python_binance_orders`` has the rest.

Started by ``test_sessions`` with the clients' interpreter. The client has no models, so every value
is compared; what it logs as a warning fails the chapter.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from tests.venue.clients import python_binance_orders as orders
from tests.venue.clients.local_book import LocalBook, compare
from tests.venue.clients.session import Complaints, Figures, Job, Key, all_have_come, run
from tests.venue.clients.stage import Stage

QUEUE = 100_000
ENOUGH = 700


async def connect(url: str, key: Key) -> AsyncClient:
    """The client on a venue: all of its addresses are class attributes, read when it is made."""
    socket_url = url.replace("http", "ws", 1)
    AsyncClient.API_URL = f"{url}/api"
    AsyncClient.FUTURES_URL = f"{url}/fapi"
    AsyncClient.FUTURES_DATA_URL = f"{url}/futures/data"
    AsyncClient.WS_FUTURES_URL = f"{socket_url}/ws-fapi/v1"
    BinanceSocketManager.FSTREAM_URL = f"{socket_url}/"
    return await AsyncClient.create(key.api_key, key.hmac_secret)


@dataclass
class Scene:
    """The client on both venues, and what its user socket has brought."""

    job: Job
    stage: Stage
    lively: AsyncClient
    lively_sockets: BinanceSocketManager
    quiet: AsyncClient
    quiet_sockets: BinanceSocketManager
    complaints: Complaints = field(default_factory=Complaints)
    events: list[dict[str, Any]] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    hushed: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The user events of one kind since the chapter began."""
        return [event for event in self.events if event["e"] == kind]

    async def read(self, socket: Any, take: Callable[[Any], None]) -> None:
        """Open one of the client's sockets and hand over what it receives, until the end."""
        ready, hushed = asyncio.Event(), self.hushed

        async def loop() -> None:
            async with socket as open_one:
                ready.set()
                while not hushed.is_set():
                    take(await open_one.recv())

        self.readers.append(asyncio.create_task(loop()))
        await asyncio.wait_for(ready.wait(), 10)

    async def hush(self) -> None:
        """Close all sockets that were opened with `read`.

        A cancellation that meets a message is lost: asyncio.wait_for, by which the client waits,
        returns the message instead. That reader sees that it is over with the message.
        """
        readers, self.readers = self.readers, []
        self.hushed.set()
        self.hushed = asyncio.Event()
        for reader in readers:
            reader.cancel()
        for outcome in await asyncio.gather(*readers, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), repr(outcome)


@asynccontextmanager
async def open_scene(job: Job) -> AsyncIterator[Scene]:
    # The addresses are the class's, so that each client has to be made before the next.
    lively = await connect(job.lively, job.key)
    lively_sockets = BinanceSocketManager(lively, max_queue_size=QUEUE)
    quiet = await connect(job.quiet, job.key)
    quiet_sockets = BinanceSocketManager(quiet, max_queue_size=QUEUE)
    scene = Scene(job, Stage.of(job), lively, lively_sockets, quiet, quiet_sockets)
    try:
        yield scene
    finally:
        # An idle socket of this client takes up to ten seconds to close.
        await asyncio.gather(scene.hush(), quiet.ws_future.close())
        for client in (lively, quiet):
            await client.close_connection()


async def discovery(scene: Scene) -> Figures:
    """What a bot reads before it trades."""
    client, symbol = scene.lively, scene.job.symbol
    assert await client.futures_ping() == {}
    info = await client.futures_exchange_info()
    row = next(row for row in info["symbols"] if row["symbol"] == symbol)
    assert (row["status"], row["contractType"]) == ("TRADING", "PERPETUAL")
    filters = {item["filterType"]: item for item in row["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"
    brackets = await client.futures_leverage_bracket()
    assert {row["symbol"] for row in brackets} == {row["symbol"] for row in info["symbols"]}
    config = await client.futures_account_config()
    assert (config["canTrade"], config["dualSidePosition"]) == (True, False)
    (own,) = await client.futures_symbol_config(symbol=symbol)
    assert own["marginType"] == "CROSSED"
    (balance,) = await client.futures_account_balance()
    assert (balance["asset"], float(balance["balance"])) == ("USDT", 1_000_000.0)
    account = await client.futures_account()
    assert float(account["totalWalletBalance"]) == 1_000_000.0
    other = await AsyncClient.create(scene.job.key.api_key, private_key=scene.job.key.ed25519_pem)
    other.FUTURES_URL = client.FUTURES_URL
    assert await other.futures_account_balance() == [balance], "by Ed25519"
    await other.close_connection()
    rate = await client.futures_commission_rate(symbol=symbol)
    assert rate["takerCommissionRate"] == "0.0005"
    return {"symbols": len(info["symbols"]), "offset_ms": client.timestamp_offset}


async def market_data(scene: Scene) -> Figures:
    """The public endpoints, and a walk through the bars."""
    client, symbol = scene.lively, scene.job.symbol
    for _ in range(200):
        trades = await client.futures_recent_trades(symbol=symbol, limit=10)
        if len(trades) == 10:
            break
        await asyncio.sleep(0.05)
    assert [trade["id"] for trade in trades] == sorted(trade["id"] for trade in trades)
    old = await client.futures_historical_trades(symbol=symbol, fromId=trades[0]["id"], limit=3)
    assert [trade["id"] for trade in old] == [trade["id"] for trade in trades[:3]]
    aggregates = await client.futures_aggregate_trades(symbol=symbol, limit=5)
    assert all(one["f"] <= one["l"] for one in aggregates)
    bars = await client.futures_historical_klines(symbol, "1m", "1 hour ago UTC")
    assert bars and all(len(bar) == 12 for bar in bars)
    for method in (
        client.futures_mark_price_klines,
        client.futures_premium_index_klines,
    ):
        assert len((await method(symbol=symbol, interval="1m"))[0]) == 12
    index = await client.futures_index_price_klines(pair=symbol, interval="1m")
    continuous = await client.futures_continuous_klines(
        pair=symbol, contractType="PERPETUAL", interval="1m"
    )
    assert len(index[0]) == len(continuous[0]) == 12
    mark = await client.futures_mark_price(symbol=symbol)
    assert 0.9 < float(mark["markPrice"]) / float(mark["indexPrice"]) < 1.1
    ticker = await client.futures_ticker(symbol=symbol)
    assert float(ticker["lowPrice"]) <= float(ticker["lastPrice"]) <= float(ticker["highPrice"])
    assert len(await client.futures_orderbook_ticker()) >= 2
    assert (await client.futures_symbol_ticker(symbol=symbol))["symbol"] == symbol
    assert float((await client.futures_open_interest(symbol=symbol))["openInterest"]) >= 0
    await client.futures_funding_rate(symbol=symbol)
    await client.futures_v1_get_funding_info()
    return {"bars": len(bars), "trades_24h": ticker["count"]}


async def streams(scene: Scene) -> Figures:
    """Every socket of the socket manager that a futures symbol has."""
    sockets, symbol = scene.lively_sockets, scene.job.symbol
    lower = symbol.lower()
    seen: dict[str, list[Any]] = defaultdict(list)
    for name, socket in {
        "aggTrade": sockets.aggtrade_futures_socket(symbol),
        "bookTicker": sockets.symbol_ticker_futures_socket(symbol),
        "ticker": sockets.individual_symbol_ticker_futures_socket(symbol),
        "markPrice": sockets.symbol_mark_price_socket(symbol),
        "!markPrice": sockets.all_mark_price_socket(),
        "!ticker": sockets.futures_ticker_socket(),
        "depth10": sockets.futures_depth_socket(symbol),
        "kline": sockets.kline_futures_socket(symbol),
        "trade": sockets.futures_multiplex_socket([f"{lower}@trade"], category="public"),
        "several": sockets.futures_multiplex_socket([f"{lower}@aggTrade", f"{lower}@kline_5m"]),
    }.items():
        await scene.read(socket, seen[name].append)
    await all_have_come(seen)
    await scene.hush()
    kinds = {name: _kind(messages[0]) for name, messages in seen.items()}
    assert kinds["kline"] == "continuous_kline", kinds
    assert kinds["depth10"] == "depthUpdate", kinds
    assert kinds["!markPrice"] == "markPriceUpdate", kinds
    return {name: len(messages) for name, messages in seen.items()}


def _kind(message: Any) -> str:
    data = message.get("data", message) if isinstance(message, dict) else message
    return str((data[0] if isinstance(data, list) else data)["e"])


async def book(scene: Scene) -> Figures:
    """A local book from the client's multiplex socket and its snapshots is the venue's book."""
    client, symbol = scene.lively, scene.job.symbol
    local = LocalBook()
    stream = f"{symbol.lower()}@depth@100ms"
    socket = scene.lively_sockets.futures_multiplex_socket([stream], category="public")

    def take(message: dict[str, Any]) -> None:
        event = message["data"]
        local.apply(event["U"], event["u"], event["pu"], event["b"], event["a"])

    async def snapshot() -> tuple[int, Any, Any]:
        reply = await client.futures_order_book(symbol=symbol, limit=1000)
        return reply["lastUpdateId"], reply["bids"], reply["asks"]

    await scene.read(socket, take)
    try:
        return await compare(local, snapshot, scene.job.book_seconds)
    finally:
        await scene.hush()


async def limits(scene: Scene) -> Figures:
    """Beyond the weight of a minute the client raises its own error: status 429, at last 418."""
    client = await connect(scene.job.limited, scene.job.key)
    refused: list[int] = []
    try:
        for asked in range(1, ENOUGH):
            try:
                await client.futures_order_book(symbol=scene.job.symbol, limit=1000)
            except BinanceAPIException as error:
                assert error.code == -1003, error
                refused.append(error.status_code)
                if refused[-1] == 418:
                    return {"asked": asked, "refused": len(refused), "message": error.message}
    finally:
        await client.close_connection()
    raise AssertionError(f"no ban after {refused}")


CHAPTERS = (
    discovery, market_data, streams, book, orders.user_data, orders.life_of_an_order,
    orders.algo_stop, orders.batch, orders.countdown, orders.settings, orders.hedge,
    orders.money, orders.websocket_api, limits,
)  # fmt: skip

if __name__ == "__main__":
    run(open_scene, CHAPTERS)
