"""Execution against the embedded exchange: the same process, a peer written by other hands.

Orders rest, fill against a real order book, cancel and cross; whatever happens, positions, profit
and fees must equal the exchange's own books to the last unit.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from aegis.config.models import FlowConfig, VenueConfig
from aegis.host.clock import monotonic_ns
from aegis.shm.intent import IOC, MARKET, POST_ONLY
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED, EXPIRED, FILL, REJECTED
from aegis.shm.wiring import Credentials
from aegis.venue.build import VenueOptions
from aegis.venue.credentials import mint
from aegis.venue.serve import Venue
from aegis.venue.serve import running as venue_running
from tests.execution.rig import Rig, run, running

ENDS = {CANCELED, EXPIRED, REJECTED, DENIED}
SYMBOL = "BTCUSDT"


class Peer:
    """What the rig needs of an exchange: its port and its keys."""

    def __init__(self, venue: Venue, credentials: Credentials) -> None:
        self.port = venue.port
        self.credentials = credentials


def top(venue: Venue) -> tuple[int, int]:
    """Best bid and ask in ticks."""
    book = venue.core.exchange.markets[SYMBOL].book
    return book.depth(1, 1)[0][0], book.depth(-1, 1)[0][0]


async def follow_book(venue: Venue, rig: Rig) -> None:
    """The feed's part: keep the shared book at the exchange's top."""
    while True:
        bid, ask = (np.array([[ticks / 10, 1.0]]) for ticks in top(venue))
        rig.memory.books.write(0, 1, 0, monotonic_ns(), bid, ask)
        mid = float(bid[0, 0] + ask[0, 0]) / 2
        rig.memory.marks.write(0, 0, monotonic_ns(), mid, mid)
        await asyncio.sleep(0.005)


@asynccontextmanager
async def exchange_at_work() -> AsyncIterator[tuple[Venue, Any]]:
    """A venue with a seeded flow, and what a rig needs of it."""
    pair = mint()
    credentials = Credentials(
        pair.api_key, pair.hmac_secret, pair.ed25519_private_pem, pair.ed25519_public_pem
    )
    config = VenueConfig(flow=FlowConfig(trades_per_s=100.0, book_updates_per_s=50.0), seed=7)
    options = VenueOptions(config=config, keys=(credentials,))
    async with venue_running(options) as venue:
        yield venue, Peer(venue, credentials)


@asynccontextmanager
async def trading(folder: Path, venue: Venue, peer: Any, **options: Any) -> AsyncIterator[Rig]:
    """Execution trading on a venue, with a book that follows it."""
    async with running(folder, peer, **options) as rig:
        rig.beating.discard("book")
        following = asyncio.create_task(follow_book(venue, rig))
        await rig.until(lambda: rig.memory.books.is_valid(0), "a book")
        try:
            yield rig
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def market(folder: Path, **options: Any) -> AsyncIterator[tuple[Venue, Rig]]:
    """A venue, and execution trading on it."""
    async with (
        exchange_at_work() as (venue, peer),
        trading(folder, venue, peer, **options) as rig,
    ):
        yield venue, rig


def assert_books_equal(venue: Venue, rig: Rig) -> None:
    """Position, cost, realised profit and fees: ours are the exchange's."""
    ledger = venue.core.exchange.ledger
    account = next(a for a in ledger.accounts.values() if a.name == "client-0")
    position = account.position(SYMBOL)
    held = rig.session.gate.exposure[0]
    ours = (int(held["position_lots"]), int(held["cost_e8"]), int(held["realized_e8"]))
    assert ours == (position.lots, position.cost_e8, position.realized_e8)
    balance_e8 = round(venue.options.config.balance_usdt * 1e8)
    assert account.wallet_e8 == balance_e8 + ours[2] - int(held["fees_e8"])
    assert rig.session.core.pnl_differences == 0


async def settled(rig: Rig) -> None:
    """Wait until nothing is under way."""
    core = rig.session.core
    await rig.until(
        lambda: rig.memory.intents.pending_count() == 0 and not core.open_orders(), "every end"
    )


def test_each_kind_of_order(tmp_path: Path) -> None:
    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bid, ask = top(venue)
            resting = await rig.placed(price_ticks=bid - 200)
            crossing = rig.send(price_ticks=ask + 500)
            assert (await rig.outcome(crossing, REJECTED))["code"] == -5022
            taking = rig.send(flags=MARKET, price_ticks=0, qty_lots=20)
            await rig.outcome(taking, FILL)
            aside = rig.send(flags=IOC, price_ticks=bid - 300)
            await rig.outcome(aside, EXPIRED)
            rig.cancel(resting)
            await rig.outcome(resting, CANCELED)
            await settled(rig)
            assert rig.of(resting) == [ACCEPTED, CANCELED]
            assert rig.of(aside) == [ACCEPTED, EXPIRED]
            held = rig.session.gate.exposure[0]
            assert held["position_lots"] == 20 and held["fees_e8"] > 0
            assert_books_equal(venue, rig)
        assert rig.exit_code == 0

    run(day())


def test_a_busy_day_ends_with_equal_books(tmp_path: Path) -> None:
    async def day() -> None:
        rng = random.Random(11)
        async with market(tmp_path) as (venue, rig):
            refs: list[int] = []
            for _ in range(120):
                bid, ask = top(venue)
                side = rng.choice((1, -1))
                flags = rng.choice((POST_ONLY, POST_ONLY, 0, IOC, MARKET))
                base = bid if side > 0 else ask
                price = 0 if flags == MARKET else base - side * rng.randint(-3, 2)
                refs.append(
                    rig.send(side=side, flags=flags, price_ticks=price, qty_lots=rng.randint(1, 30))
                )
                if rng.random() < 0.5:
                    rig.cancel(rng.choice(refs))
                await asyncio.sleep(0.01)
            for ref in refs:
                rig.cancel(ref)
            await settled(rig)
            await rig.until(lambda: not rig.session.core.positions_differ(), "equal positions")
            assert_books_equal(venue, rig)
            await rig.until(lambda: all(rig.of(ref) for ref in refs), "an outcome of every intent")
            for ref in refs:
                kinds = rig.of(ref)
                assert sum(kind in ENDS for kind in kinds if kind != DENIED) <= 1
            assert rig.counters["fills"] > 20
            # The stream may tell of an end before the answer to its cancel has come.
            await rig.until(
                lambda: rig.counters["responses"] == venue.core.tally.ws_answers, "every answer"
            )
            sent = rig.counters["orders_sent"] + rig.counters["cancels_sent"]
            assert sent == venue.core.tally.ws_requests
            assert rig.counters["errors"] == 0 and rig.counters["gate_state"] == 1

    run(day())


def test_the_end_leaves_nothing_at_the_exchange(tmp_path: Path) -> None:
    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bid, _ = top(venue)
            for level in range(20):
                await rig.placed(price_ticks=bid - 2_000 - level)
            assert len(venue.core.exchange.orders.open) > 10
        assert rig.exit_code == 0
        assert venue.core.exchange.orders.open == {}

    run(day())
