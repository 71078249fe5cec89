"""Asking the exchange for the doctor: names, certificates, the clock, the account, the streams.

Uses the clients that trading uses: the feed's for market data, execution's for the account, with
the keys where the configuration says they are. It asks, and changes nothing: the one command is a
countdown of nought where nothing rests, no key of the private stream is ended (the exchange has one
an account, and another program may use it), and the order line logs on and leaves. What it spends
is told to the box's rate ledger, and in a pause that the exchange asked for nothing is asked.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import zlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
import websockets

from aegis.config.environments import ENVIRONMENTS, environment_of, market_of
from aegis.doctor.exchange_look import Failure, Look, OpenOrder
from aegis.doctor.names import certificate_of, host_of, resolver_text, resolvers_of
from aegis.doctor.visit import Visit
from aegis.execution.client_id import ClientIds
from aegis.execution.credentials import DIRECTORY_VARIABLE, load_keys
from aegis.execution.dispatcher import Dispatcher
from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.errors import ExchangeError, ExecutionError, OrderLinkError
from aegis.execution.gateway import OrderGateway
from aegis.execution.replies import Answer as OrderAnswer
from aegis.execution.rest import RestClient
from aegis.feed.endpoints import Endpoints as MarketEndpoints
from aegis.feed.errors import FeedError
from aegis.feed.gate import AddressGate
from aegis.feed.rest import MarketRest
from aegis.feed.streams import ShardPlan
from aegis.shm.instance import directory_of
from aegis.shm.rate_ledger import WEIGHT, RateLedger, ledger_path

__all__ = ["look_at_exchange"]

T = TypeVar("T")

_ROUND_TRIPS: Final = 20
_DEADLINE_S: Final = 10.0
_FIRST_MESSAGE_S: Final = 10.0
_CLOSE_S: Final = 1.0
_NO_ACCOUNT: Final = "on paper no key is read and no order leaves"
# The account's key is described by the exchange's wallet service, which has an address of its own.
_WALLET_URL: Final = "https://api.binance.com"
_SYMBOLS_PER_STREAM: Final = 8
_LISTED: Final = "BTCUSDT"


def look_at_exchange(visit: Visit) -> Look:
    """Ask everything once; blocks for some seconds. What fails is told in the answer's place."""
    config = visit.config
    market = market_of(config.venue, config.feed)
    if market is None:
        return Look(absent='mode = "embedded": the exchange is a process of the instance')
    look = Look()
    orders = environment_of(config.venue)
    urls = [market.rest_url, market.stream_url]
    urls += [] if orders is None else [orders.rest_url, orders.stream_url, orders.order_url]
    try:
        market_endpoints = MarketEndpoints.named(config.feed, config.venue)
        order_endpoints = Endpoints.of(next(iter(visit.settings.values())), lambda _: None)
    except (FeedError, ExecutionError) as error:
        look.offset_ms = look.info = Failure(str(error))
        look.keys = Failure(str(error))
        return look
    places = {_place(url): url for url in urls}
    look.hosts = [host_of(name) for name in sorted({place[0] for place in places})]
    asked = next((host.name for host in look.hosts if not host.is_numeric), None)
    look.resolvers = resolvers_of(resolver_text(visit.box.text), asked) if asked else []
    for place, url in places.items():
        if urlsplit(url).scheme in ("https", "wss"):
            is_market = url in (market.rest_url, market.stream_url)
            trust = market_endpoints.tls if is_market else order_endpoints.tls
            look.certificates.append(certificate_of(*place, trust, time.time()))
    try:
        asyncio.run(_ask(visit, look, market_endpoints, order_endpoints))
    except Exception as error:
        # An answer of another shape than any known: what came until then is judged all the same.
        look.keys = Failure(f"the exchange could not be asked to the end ({type(error).__name__})")
    return look


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in ("https", "wss") else 80)


async def _ask(visit: Visit, look: Look, market: MarketEndpoints, endpoints: Endpoints) -> None:
    """All of it, unless the exchange wants silence: a question inside a ban makes it longer."""
    gate = AddressGate()
    known = market_of(visit.config.venue, visit.config.feed)
    assert known is not None, "who asks has an address"
    folder = directory_of(visit.instances[0], visit.config.hardware.shm_dir)
    path = ledger_path(folder, known.host)
    gate.ledger = RateLedger.open(path, 0)
    try:
        if gate.left_s > 0.0:
            text = f"the exchange wants silence for another {gate.left_s:.0f} s: it was not asked"
            look.keys = look.offset_ms = look.info = Failure(text)
            look.account = look.orders = look.countdown = look.restrictions = Failure(text)
            return
        await _ask_market(look, market, gate)
        await _ask_streams(visit, look, market)
        await _ask_as_owner(visit, look, endpoints, path)
    finally:
        gate.ledger.close()


async def _ask_as_owner(visit: Visit, look: Look, endpoints: Endpoints, path: Path) -> None:
    """What takes the account's keys."""
    environment = environment_of(visit.config.venue)
    if environment is None:
        look.no_account = _NO_ACCOUNT
        return
    directory = visit.box.environment.get(DIRECTORY_VARIABLE)
    try:
        keys, _ = load_keys(visit.config.venue, environment, directory)
        url = endpoints.rest_url()
    except ExecutionError as error:
        look.keys = look.account = look.orders = look.countdown = Failure(str(error))
        return
    assert url is not None, "every environment has an address"
    ledger = RateLedger.open(path, zlib.crc32(keys.api_key.encode()))
    made: dict[str, Any] = {"tls": endpoints.tls, "timeout_s": _DEADLINE_S}
    rest = RestClient(url, keys.api_key, keys.signer, dispatcher=Dispatcher(ledger), **made)
    is_ours = environment.rest_url == ENVIRONMENTS["live"].rest_url
    wallet = RestClient(_WALLET_URL if is_ours else url, keys.api_key, keys.signer, **made)
    try:
        await _ask_account(visit, look, rest)
        await _ask_lines(visit, look, rest, endpoints, keys)
        wallet.offset_ms = rest.offset_ms
        look.restrictions = await _tried(wallet.key_restrictions())
    finally:
        await wallet.close()
        await rest.close()
        ledger.close()


async def _ask_market(look: Look, endpoints: MarketEndpoints, gate: AddressGate) -> None:
    """The clock, over and over on one connection, and exchangeInfo."""
    url = endpoints.rest()
    best_ms = float("inf")

    def observe(used: int) -> None:
        gate.ledger.tell(WEIGHT, used, time.time_ns() // 1_000_000)

    async with MarketRest(_DEADLINE_S, endpoints.tls, endpoints.proxy, observe, gate) as rest:
        for turn in range(_ROUND_TRIPS + 1):
            before_ns, wall_ns = time.monotonic_ns(), time.time_ns()
            try:
                reply = json.loads(await rest.get(f"{url}/fapi/v1/time"))
                server_ms = int(reply["serverTime"])
            except (FeedError, ValueError, KeyError, TypeError) as error:
                look.offset_ms = Failure(_words(error))
                break
            trip_ms = (time.monotonic_ns() - before_ns) / 1e6
            if turn == 0:
                continue  # It made the connection.
            look.round_trips_ms.append(trip_ms)
            if trip_ms < best_ms:
                best_ms = trip_ms
                # Positive: our clock is behind.
                look.offset_ms = server_ms - (wall_ns / 1e6 + trip_ms / 2)
        try:
            look.info = json.loads(await rest.get(f"{url}/fapi/v1/exchangeInfo"))
        except (FeedError, ValueError) as error:
            look.info = Failure(_words(error))


async def _ask_streams(visit: Visit, look: Look, endpoints: MarketEndpoints) -> None:
    """The first message of each kind of market stream that the feed subscribes to."""
    symbols = list(
        dict.fromkeys(s for name in visit.instances for s in visit.config.instances[name].symbols)
    )
    plan = ShardPlan(visit.config.venue.dialect, _SYMBOLS_PER_STREAM, with_marks=True)
    shards = plan.add(enumerate(symbols[:_SYMBOLS_PER_STREAM] or [_LISTED]))
    base = endpoints.stream()
    for shard in shards:
        url = f"{base}{shard.path}?streams={'/'.join(shard.names)}"
        trust = endpoints.tls if url.startswith("wss:") else None
        look.streams[shard.label] = await _first_message(url, trust, endpoints.proxy)


async def _first_message(
    url: str, trust: ssl.SSLContext | None, proxy: str | None, waits: bool = True
) -> Failure | None:
    """None once a message has come; without `waits` once the connection is there."""
    line = None
    try:
        async with asyncio.timeout(_FIRST_MESSAGE_S):
            line = await websockets.connect(url, ssl=trust, proxy=proxy, close_timeout=_CLOSE_S)
            if waits:
                await line.recv()
    except TimeoutError:
        what = "message" if line is not None else "connection"
        return Failure(f"no {what} within {_FIRST_MESSAGE_S:.0f} s")
    except (OSError, websockets.WebSocketException) as error:
        # Its text may hold the address, and that a key of the private stream.
        return Failure(f"no connection ({type(error).__name__})")
    finally:
        # Outside of the deadline: behind a busy stream the farewell may take its time.
        if line is not None:
            await line.close()
    return None


async def _ask_account(visit: Visit, look: Look, rest: RestClient) -> None:
    clock = await _tried(rest.synchronise())
    if isinstance(clock, Failure):
        look.account = look.orders = look.symbol_rows = look.countdown = clock
        return
    look.account = await _tried(rest.account_config())
    if isinstance(look.account, Failure):
        # The others would be refused for the same reason.
        look.orders = look.symbol_rows = look.countdown = look.account
        return
    if any(visit.config.instances[name].leverage for name in visit.instances):
        look.symbol_rows = await _tried(rest.symbol_config())
    look.orders = await _tried(_open_orders(visit, rest))
    look.countdown = await _countdown(visit, look, rest)


async def _open_orders(visit: Visit, rest: RestClient) -> list[OpenOrder]:
    """All that rests on the account, conditional orders as well."""
    ids = [ClientIds(name, 1) for name in visit.config.instances]
    found = [(order.symbol, order.client_order_id) for order in await rest.open_orders()]
    found += [
        (str(row.get("symbol")), str(row.get("clientAlgoId")))
        for row in await rest.open_algo_orders()
    ]
    return [
        OpenOrder(symbol, name, any(own.parse(name) is not None for own in ids))
        for symbol, name in found
    ]


async def _countdown(visit: Visit, look: Look, rest: RestClient) -> str | Failure:
    """A countdown of nought on a symbol: it ends one that runs, so only where nothing rests."""
    if visit.config.supervisor.countdown_s == 0.0:
        return Failure("[supervisor] countdown_s = 0.0", is_left_out=True)
    if visit.running:
        return Failure("the running instance refreshes its countdown", is_left_out=True)
    if isinstance(look.orders, Failure):
        return look.orders
    taken = {order.symbol for order in look.orders}
    symbols = [s for name in visit.instances for s in visit.config.instances[name].symbols]
    free = next((symbol for symbol in symbols if symbol not in taken), None)
    if free is None:
        reason = "orders rest on every symbol" if symbols else "the symbols are the exchange's"
        return Failure(reason, is_left_out=True)
    answer = await _tried(rest.countdown_cancel_all(free, 0))
    return answer if isinstance(answer, Failure) else free


async def _ask_lines(
    visit: Visit, look: Look, rest: RestClient, endpoints: Endpoints, keys: Keys
) -> None:
    """The private stream and the order line: connected, and left again."""
    if isinstance(look.account, Failure):
        look.streams["private stream"] = look.streams["order line"] = look.account
        return
    key = await _tried(rest.open_listen_key())
    if isinstance(key, Failure):
        look.streams["private stream"] = key
    else:
        url = endpoints.private_url(key)
        assert url is not None, "every environment has an address"
        answer = await _first_message(url, endpoints.trust(url), None, waits=False)
        look.streams["private stream"] = answer
    line = OrderGateway(endpoints, keys, rest.now_ms, _unheard, lambda: None)
    try:
        await line.connect()
        look.streams["order line"] = None if line.is_ready else Failure("is not ready")
    except OrderLinkError as error:
        look.streams["order line"] = Failure(str(error))
    finally:
        line.close()


def _unheard(answer: OrderAnswer, now_ns: int) -> None:
    """No order was sent, so no answer is awaited."""


async def _tried(answer: Awaitable[T]) -> T | Failure:
    """The answer, or what went wrong. The texts of execution's errors hold no key."""
    try:
        return await answer
    except ExchangeError as error:
        return Failure(str(error), error.status, error.code)
    except (ExecutionError, msgspec.MsgspecError, aiohttp.ClientError, OSError) as error:
        return Failure(_words(error))


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
