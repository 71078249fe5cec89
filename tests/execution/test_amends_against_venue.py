"""Amends at the embedded exchange, over its sockets: what it has is what we have, each time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from aegis.execution.errors import OrderLinkError
from aegis.execution.layouts import AMENDING
from aegis.shm.intent import AMEND
from aegis.shm.outcome import AMEND_REFUSED, AMENDED, CANCELED, DENIED, FILL
from aegis.venue.serve import Venue
from tests.execution.rig import Rig, run
from tests.execution.test_against_venue import (
    ENDS,
    assert_books_equal,
    market,
    settled,
    top,
)

ANSWERS = {AMENDED, AMEND_REFUSED, DENIED}


def ours(rig: Rig) -> dict[str, tuple[int, int, int]]:
    """(price, quantity, filled) of every order that we have open, by client id."""
    core = rig.session.core
    rows = {order.client_id: core.tables.rows[order.slot] for order in core.open_orders()}
    names = ("price_ticks", "qty_lots", "filled_lots")
    return {
        client_id: (int(row[names[0]]), int(row[names[1]]), int(row[names[2]]))
        for client_id, row in rows.items()
    }


def theirs(venue: Venue) -> dict[str, tuple[int, int, int]]:
    """The same of the exchange."""
    ledger = venue.core.exchange.ledger
    account = next(a for a in ledger.accounts.values() if a.name == "client-0")
    return {
        order.client_id: (order.price_ticks, order.qty_lots, order.filled_lots)
        for order in venue.core.exchange.orders.open.values()
        if order.account_id == account.account_id
    }


def send_amend(rig: Rig, ref: int, intent_id: int, **terms: int) -> None:
    """An AMEND intent; what is not named stays as it is."""
    whole: dict[str, int] = {"price_ticks": 0, "qty_lots": 0, **terms}
    rig.send(AMEND, order_ref=ref, intent_id=intent_id, flags=0, side=0, **whole)


async def amended(rig: Rig, ref: int, intent_id: int, **terms: int) -> Any:
    """The same, and its outcome."""

    def answer() -> Any:
        told = [o for o in rig.told if o["intent_id"] == intent_id and o["kind"] in ANSWERS]
        return told[0] if told else None

    send_amend(rig, ref, intent_id, **terms)
    return await rig.until(answer, f"an answer to amend {intent_id}")


async def leave_to_rest(rig: Rig) -> None:
    """The order connection is gone, and stays away."""

    async def refuse() -> None:
        raise OrderLinkError("kept down")

    gateway = rig.session.gateway
    gateway.connect = refuse  # type: ignore[method-assign]
    gateway.close()
    rig.session._line_cut()
    await rig.until(lambda: rig.session.routes.is_up, "the line that stands in")


async def partly_filled(venue: Venue, rig: Rig) -> int:
    """An order that was amended to the touch, filled in part there, and amended to 950 lots.

    The market may take the whole of one at once; then the next is tried, of the other side.
    """
    number = 10
    for side in (1, -1, 1, -1, 1, -1, 1, -1):
        touch = top(venue)[side < 0]
        ref = await rig.placed(side=side, price_ticks=touch - side * 400, qty_lots=900)
        while FILL not in rig.of(ref):
            number += 1
            await amended(rig, ref, number, price_ticks=top(venue)[side < 0])
        number += 1
        away = top(venue)[side < 0] - side * 500
        told = await amended(rig, ref, number, price_ticks=away, qty_lots=950)
        if told["kind"] == AMENDED:
            return ref
        await settled(rig)
    raise AssertionError("the market takes all or nothing")


def test_an_order_is_amended_over_both_lines(tmp_path: Path) -> None:
    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bid, _ = top(venue)
            ref = await rig.placed(price_ticks=bid - 400, qty_lots=20)
            told = await amended(rig, ref, 1, price_ticks=bid - 300, qty_lots=30)
            assert (told["kind"], told["price_ticks"], told["qty_lots"]) == (10, bid - 300, 30)
            assert ours(rig) == theirs(venue) and list(ours(rig).values()) == [(bid - 300, 30, 0)]
            told = await amended(rig, ref, 2, price_ticks=top(venue)[1] + 800)
            assert (told["kind"], told["code"]) == (DENIED, -5022), "it would take"
            await leave_to_rest(rig)
            told = await amended(rig, ref, 3, qty_lots=40)
            assert told["kind"] == AMENDED and ours(rig) == theirs(venue)
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)
            ref = await partly_filled(venue, rig)
            await rig.until(lambda: ours(rig) == theirs(venue), "the same orders")
            ((_, whole, part),) = ours(rig).values()
            assert whole == 950 and 0 < part < 950
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)
            await settled(rig)
            assert ours(rig) == theirs(venue) == {}
            assert_books_equal(venue, rig)
            assert rig.counters["amends_sent"] >= 3 and rig.counters["errors"] == 0
        assert rig.exit_code == 0

    run(day())


def test_a_busy_day_of_amends_ends_with_equal_books(tmp_path: Path) -> None:
    async def day() -> None:
        rng = random.Random(5)
        async with market(tmp_path) as (venue, rig):
            refs = []
            for _ in range(6):
                side = rng.choice((1, -1))
                touch = top(venue)[side < 0]
                price = touch - side * rng.randint(0, 40)
                refs.append(rig.send(side=side, price_ticks=price, qty_lots=rng.randint(20, 60)))
            for number in range(1, 200):
                ref = rng.choice(refs)
                side = next((int(o["side"]) for o in rig.told if o["order_ref"] == ref), 1)
                touch = top(venue)[side < 0]
                terms = {"price_ticks": touch - side * rng.randint(-2, 30)}
                if rng.random() < 0.6:
                    terms["qty_lots"] = rng.randint(5, 70)
                send_amend(rig, ref, number, **terms)
                if rng.random() < 0.1:
                    rig.cancel(ref)
                    side = rng.choice((1, -1))
                    touch = top(venue)[side < 0]
                    refs[refs.index(ref)] = rig.send(
                        side=side, price_ticks=touch - side * 20, qty_lots=rng.randint(20, 60)
                    )
                if number % 10 == 0:
                    await rig.until(lambda: not rig.memory.intents.pending_count(), "a turn")
            rows = rig.session.core.tables.rows
            await rig.until(lambda: not (rows["amends"] & AMENDING).any(), "every answer")
            await rig.until(lambda: ours(rig) == theirs(venue), "the same orders")
            for ref in refs:
                rig.cancel(ref)
            await settled(rig)
            await rig.until(lambda: not rig.session.core.positions_differ(), "equal positions")
            assert_books_equal(venue, rig)
            kinds = [int(o["kind"]) for o in rig.told]
            assert kinds.count(AMENDED) > 20, kinds
            for ref in refs:
                assert sum(kind in ENDS - {DENIED} for kind in rig.of(ref)) <= 1
            assert rig.counters["errors"] == 0 and rig.counters["gate_state"] == 1

    run(day())
