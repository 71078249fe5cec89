"""A session of ccxt.pro's `binanceusdm`: market data, its own order book, limits.

Started by ``test_sessions`` with the clients' interpreter; the orders are in ``ccxt_pro_orders``.
ccxt keeps a book itself and raises ChecksumError at the first event that does not follow.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import ccxt.pro

from tests.venue.clients import ccxt_pro_orders as orders
from tests.venue.clients.session import Complaints, Figures, Job, Key, all_have_come, run
from tests.venue.clients.stage import Stage

UNIFIED = "BTC/USDT:USDT"
REMEMBERED = 400
MEETINGS = 3
COMPARED_LEVELS = 500
ENOUGH = 700


def connect(url: str, key: Key) -> ccxt.pro.binanceusdm:
    """ccxt on a venue; its options keep it away from the spot exchange's addresses."""
    socket_url = url.replace("http", "ws", 1)
    rest = {
        "fapiPublic": "v1", "fapiPublicV2": "v2", "fapiPublicV3": "v3",
        "fapiPrivate": "v1", "fapiPrivateV2": "v2", "fapiPrivateV3": "v3",
    }  # fmt: skip
    addresses: dict[str, Any] = {name: f"{url}/fapi/{version}" for name, version in rest.items()}
    addresses["fapiData"] = f"{url}/futures/data"
    addresses["ws"] = {
        "linear": f"{socket_url}/ws",
        "ws-api": {"linear": f"{socket_url}/ws-fapi/v1"},
    }
    return ccxt.pro.binanceusdm(
        {
            "apiKey": key.api_key,
            "secret": key.hmac_secret,
            "enableRateLimit": False,
            "urls": {"api": addresses},
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }
    )


@dataclass
class Scene:
    """ccxt on both venues, and what it has watched."""

    job: Job
    stage: Stage
    lively: ccxt.pro.binanceusdm
    quiet: ccxt.pro.binanceusdm
    complaints: Complaints = field(default_factory=Complaints)
    seen: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    watchers: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self, name: str, method: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Call one of ccxt's watch methods again and again, keeping what it returns."""
        took = self.seen[name]

        async def loop() -> None:
            while True:
                answer = await method(*arguments)
                # ccxt goes on changing what it has given away.
                took.extend(copy.deepcopy(list(answer) if isinstance(answer, list) else [answer]))

        self.watchers.append(asyncio.create_task(loop()))

    async def hush(self) -> None:
        """End all watching; raises what ended a watcher before."""
        watchers, self.watchers = self.watchers, []
        for watcher in watchers:
            watcher.cancel()
        for outcome in await asyncio.gather(*watchers, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), repr(outcome)
        self.seen.clear()


@asynccontextmanager
async def open_scene(job: Job) -> AsyncIterator[Scene]:
    scene = Scene(job, Stage.of(job), connect(job.lively, job.key), connect(job.quiet, job.key))
    try:
        yield scene
    finally:
        for watcher in scene.watchers:
            watcher.cancel()
        await asyncio.gather(*scene.watchers, return_exceptions=True)
        for client in (scene.lively, scene.quiet):
            await client.close()


async def discovery(scene: Scene) -> Figures:
    """What a bot reads before it trades."""
    client = scene.lively
    markets = await client.load_markets()
    market = markets[UNIFIED]
    assert (market["linear"], market["swap"], market["active"]) == (True, True, True)
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.001, 0.1)
    assert market["limits"]["amount"]["min"] == 0.001
    assert market["limits"]["cost"]["min"] == 50.0
    assert set(scene.lively.currencies) >= {"BTC", "USDT"}
    tiers = await client.fetch_leverage_tiers([UNIFIED])
    assert tiers[UNIFIED][0]["maxLeverage"] >= 20
    balance = await client.fetch_balance()
    assert balance["USDT"]["total"] == 1_000_000.0
    mode = await client.fetch_position_mode()
    assert mode["hedged"] is False
    fee = await client.fetch_trading_fee(UNIFIED)
    assert (fee["maker"], fee["taker"]) == (0.0002, 0.0005)
    signed = {"apiKey": scene.job.key.api_key, "secret": scene.job.key.ed25519_pem}
    other = ccxt.pro.binanceusdm({"urls": client.urls, "options": client.options, **signed})
    other.set_markets(client.markets, client.currencies)
    assert (await other.fetch_balance())["USDT"] == balance["USDT"], "by Ed25519"
    await other.close()
    leverages = await client.fetch_leverages([UNIFIED])
    assert leverages[UNIFIED]["marginMode"] == "cross"
    drift_ms = abs(await client.fetch_time() - client.milliseconds())
    assert drift_ms < 1_000
    return {"markets": len(markets), "tiers": len(tiers[UNIFIED])}


async def market_data(scene: Scene) -> Figures:
    """The public endpoints in ccxt's unified words."""
    client = scene.lively
    trades: list[Any] = []
    for _ in range(200):
        trades = await client.fetch_trades(UNIFIED, limit=10)
        if len(trades) == 10:
            break
        await asyncio.sleep(0.05)
    assert all(trade["price"] * trade["amount"] > 0 for trade in trades)
    book = await client.fetch_order_book(UNIFIED, 20)
    assert book["bids"][0][0] < book["asks"][0][0]
    bars = await client.fetch_ohlcv(UNIFIED, "1m")
    assert bars and len(bars[0]) == 6
    for price in ("mark", "index", "premiumIndex"):
        assert await client.fetch_ohlcv(UNIFIED, "1m", params={"price": price}), price
    ticker = await client.fetch_ticker(UNIFIED)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert set(await client.fetch_tickers()) >= {UNIFIED}
    assert (await client.fetch_bids_asks())[UNIFIED]["bid"] > 0
    assert (await client.fetch_last_prices())[UNIFIED]["price"] > 0
    funding = await client.fetch_funding_rate(UNIFIED)
    assert funding["fundingTimestamp"] > client.milliseconds() - 1_000
    assert funding["markPrice"] > 0 and funding["indexPrice"] > 0
    await client.fetch_funding_rates()
    await client.fetch_funding_rate_history(UNIFIED)
    await client.fetch_funding_intervals()
    interest = await client.fetch_open_interest(UNIFIED)
    assert interest["openInterestAmount"] >= 0
    history = await client.fetch_open_interest_history(UNIFIED, "5m")
    ratios = await client.fetch_long_short_ratio_history(UNIFIED, "5m")
    return {"bars": len(bars), "interests": len(history), "ratios": len(ratios)}


async def streams(scene: Scene) -> Figures:
    """Every public watch method that the exchange has for a contract."""
    client = scene.lively
    scene.watch("trades", client.watch_trades, UNIFIED)
    scene.watch("aggTrades", client.watch_trades, UNIFIED, None, None, {"name": "aggTrade"})
    scene.watch("ticker", client.watch_ticker, UNIFIED)
    scene.watch("mark price", client.watch_mark_price, UNIFIED)
    scene.watch("mark prices", client.watch_mark_prices)
    scene.watch("bids and asks", client.watch_bids_asks, [UNIFIED])
    scene.watch("bars", client.watch_ohlcv, UNIFIED, "1m")
    scene.watch("book", client.watch_order_book, UNIFIED)
    await all_have_come(scene.seen)
    assert scene.seen["trades"][0]["symbol"] == UNIFIED
    assert scene.seen["ticker"][0]["last"] > 0
    assert scene.seen["mark price"][0]["markPrice"] > 0
    counts = {name: len(messages) for name, messages in scene.seen.items()}
    await scene.hush()
    return counts


async def book(scene: Scene) -> Figures:
    """The book that ccxt keeps is the venue's, whenever their update ids are equal."""
    client = scene.lively
    past: OrderedDict[int, tuple[Any, Any]] = OrderedDict()

    async def follow() -> None:
        while True:
            local = await client.watch_order_book(UNIFIED)
            past[local["nonce"]] = (_rows(local["bids"]), _rows(local["asks"]))
            if len(past) > REMEMBERED:
                past.popitem(last=False)

    follower = asyncio.create_task(follow())
    began_s = time.monotonic()
    met = asked = 0
    try:
        while met < MEETINGS or time.monotonic() - began_s < scene.job.book_seconds:
            assert not follower.done(), follower.exception()
            assert asked < 4_000, f"{met} of {asked} snapshots met an event of the stream"
            snapshot = await client.fetch_order_book(UNIFIED, 1000)
            asked += 1
            await asyncio.sleep(0.11)
            local = past.get(snapshot["nonce"])
            if local is not None:
                assert (_rows(snapshot["bids"]), _rows(snapshot["asks"])) == local
                met += 1
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    return {"met": met, "asked": asked, "levels": len(snapshot["bids"]) + len(snapshot["asks"])}


def _rows(side: Any) -> list[tuple[float, float]]:
    """The levels that both can know: a snapshot ends at 1000, and what was beyond it is unknown."""
    return [(float(price), float(amount)) for price, amount, *_ in side[:COMPARED_LEVELS]]


async def limits(scene: Scene) -> Figures:
    """Beyond the weight of a minute ccxt raises DDoSProtection: status 429, and at last 418."""
    client = connect(scene.job.limited, scene.job.key)
    refused: list[str] = []
    try:
        await client.load_markets()
        for asked in range(1, ENOUGH):
            try:
                await client.fetch_order_book(UNIFIED, 1000)
            except ccxt.DDoSProtection as error:
                assert "-1003" in str(error), error
                refused.append(str(error).split()[1])
                if refused[-1] == "418":
                    return {"asked": asked, "refused": len(refused), "message": str(error)[:120]}
    finally:
        await client.close()
    raise AssertionError(f"no ban after {refused}")


CHAPTERS = (
    discovery, market_data, streams, book, orders.user_data, orders.life_of_an_order,
    orders.algo_stop, orders.batch, orders.countdown, orders.settings, orders.hedge,
    orders.money, orders.websocket_api, limits,
)  # fmt: skip

if __name__ == "__main__":
    run(open_scene, CHAPTERS)
