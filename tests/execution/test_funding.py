"""Funding: each payment is booked once, whether the stream told it, the list has it, or both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.execution.errors import RefusedError
from aegis.execution.funding_book import LATE_MS, Change, FundingBook, FundingRow
from aegis.execution.funding_look import FundingLook
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running
from tests.execution.test_recovery import killed, verdicts

MINUTE_MS = 60_000
START_MS = 1_763_700_000_000
DIFFERENT_FUNDING = (4, 2)


class Kept:
    """A book with its journal, and a second book that knows nothing but the journal."""

    def __init__(self) -> None:
        self.book = FundingBook(self._note)
        self.replayed = FundingBook()
        self.total_e8 = 0
        self.book.begin(START_MS)

    def _note(self, change: Change) -> None:
        self.replayed.take(change)

    def _book(self, tran_id: int, time_ms: int, amount_e8: int) -> None:
        self.total_e8 += amount_e8
        self.replayed.take_booking(tran_id, time_ms, amount_e8)

    def hear(self, time_ms: int, amount_e8: int, wallet_e8: int = 0) -> None:
        if self.book.hear(time_ms, amount_e8, wallet_e8):
            self._book(0, time_ms, amount_e8)

    def read(self, rows: list[FundingRow], now_ms: int) -> int:
        booked = 0
        since_ms = self.book.since_ms
        for row in self.book.read([row for row in rows if row.time_ms >= since_ms], now_ms):
            self._book(*row)
            booked += 1
        return booked


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[FundingRow], list[tuple[float, str, int]]]:
    """Payments within an hour, and when each is told (or never) and listed, with reads between."""
    minutes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    rows = [
        # One above a multiple of 13: no twelve of them together are as much as one alone.
        FundingRow(number, START_MS + at * MINUTE_MS, draw(st.sampled_from((-25, -12, 1, 14))))
        for number, at in enumerate(minutes, 1)
    ]
    events: list[tuple[float, str, int]] = []
    for place, at in enumerate(minutes):
        events.append((at + draw(st.floats(0, 10)), "listed", place))
        # Never, once, or more than once: each is told with the wallet after it.
        for _ in range(draw(st.integers(0, 2))):
            events.append((at + draw(st.floats(0, 10)), "told", place))
    events += [(at, "read", -1) for at in draw(st.lists(st.floats(0, 55), max_size=6))]
    return rows, sorted(events)


@given(histories())
def test_every_payment_counts_once(history: tuple[list[FundingRow], Any]) -> None:
    rows, events = history
    kept = Kept()
    listed: list[FundingRow] = []
    for at, what, place in events:
        if what == "told":
            kept.hear(rows[place].time_ms, rows[place].amount_e8, wallet_e8=place)
        elif what == "listed":
            listed.append(rows[place])
        else:
            kept.read(listed, START_MS + int(at * MINUTE_MS))
    kept.read(listed, START_MS + 56 * MINUTE_MS)
    assert kept.total_e8 == sum(row.amount_e8 for row in rows)
    assert kept.read(listed, START_MS + 57 * MINUTE_MS) == 0, "and it stays so"
    assert kept.book.known == kept.replayed.known, "the journal knows as much"
    assert sorted(kept.book.told) == sorted(kept.replayed.told)
    assert sorted(kept.book.listed) == sorted(kept.replayed.listed)
    assert kept.book.heard == kept.replayed.heard


def test_one_sum_of_the_stream_is_found_as_several_rows() -> None:
    kept = Kept()
    at_ms = START_MS + MINUTE_MS
    kept.hear(at_ms + 40_000, -12)
    rows = [FundingRow(1, at_ms, -5), FundingRow(2, at_ms, -7), FundingRow(3, at_ms + 1, 4)]
    assert kept.read(rows, at_ms + MINUTE_MS) == 1
    assert kept.total_e8 == -12 + 4 and kept.book.told == []


def test_rows_that_the_list_told_first_are_found_as_one_sum_of_the_stream() -> None:
    kept = Kept()
    at_ms = START_MS + MINUTE_MS
    rows = [FundingRow(1, at_ms, -5), FundingRow(2, at_ms, -7), FundingRow(3, at_ms + 1, 4)]
    assert kept.read(rows, at_ms + MINUTE_MS) == 3
    kept.hear(at_ms + 40_000, -12)
    assert kept.total_e8 == -12 + 4 and kept.book.listed == [(at_ms + 1, 4)]
    assert kept.book.listed == kept.replayed.listed


def test_what_was_paid_before_the_books_began_is_not_booked() -> None:
    kept = Kept()
    assert kept.read([FundingRow(1, START_MS - 1, 9)], START_MS + MINUTE_MS) == 0
    kept.book.begin(START_MS + MINUTE_MS)
    assert kept.book.since_ms == START_MS, "it begins once"


def test_the_memory_of_payments_is_bounded() -> None:
    kept = Kept()
    for hour in range(1, 200):
        at_ms = START_MS + hour * 60 * MINUTE_MS
        kept.hear(at_ms, hour)
        kept.read([FundingRow(hour, at_ms, hour)], at_ms + MINUTE_MS)
    book = kept.book
    assert len(book.known) <= 2 + LATE_MS // (60 * MINUTE_MS)
    assert not book.told and not book.listed and kept.total_e8 == sum(range(1, 200))


# The process over its journal


def tell(exchange: FakeExchange, at_ms: int, amount: str, wallet: str = "10000.0") -> None:
    balance = {"a": "USDT", "wb": wallet, "bc": amount}
    event = {"m": "FUNDING_FEE", "B": [balance], "P": []}
    exchange.push({"e": "ACCOUNT_UPDATE", "E": at_ms + 5, "T": at_ms, "a": event})


def enlist(exchange: FakeExchange, number: int, at_ms: int, amount: str) -> None:
    exchange.incomes.append(
        {
            "symbol": "BTCUSDT",
            "incomeType": "FUNDING_FEE",
            "income": amount,
            "asset": "USDT",
            "info": "FUNDING_FEE",
            "time": at_ms,
            "tranId": number,
            "tradeId": "",
        }
    )


async def funded(rig: Rig, amount_e8: int) -> None:
    await rig.until(lambda: rig.session.core.funding_e8 == amount_e8, f"funding of {amount_e8}")


def test_funding_that_was_missed_while_dead_is_booked_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                heard_ms = time.time_ns() // 1_000_000
                enlist(exchange, 70, heard_ms - 3_600_000, "99.0")
                tell(exchange, heard_ms, "-1.25")
                await funded(rig, -125_000_000)
            enlist(exchange, 71, heard_ms, "-1.25000000")
            enlist(exchange, 72, heard_ms + 1, "-1.25000000")
            enlist(exchange, 73, heard_ms + 2, "0.5")
            async with killed(tmp_path, exchange) as rig:
                assert rig.session.core.funding_e8 == -200_000_000
                assert rig.session.reconciler.funding.missed == 2
            async with killed(tmp_path, exchange) as rig:
                # The books know the payments by the journal now.
                assert rig.session.core.funding_e8 == -200_000_000
                # The word of the stream comes after all: it is no other payment.
                tell(exchange, heard_ms + 2, "0.5")
                tell(exchange, heard_ms + 9, "0.25")
                await rig.until(lambda: rig.session.core.funding_e8 != -200_000_000, "news")
                assert rig.session.core.funding_e8 == -175_000_000
                enlist(exchange, 74, heard_ms + 9, "0.25")
                assert await rig.session.reconciler.funding.look() == 0
            async with running(tmp_path, exchange) as rig:
                assert rig.session.core.funding_e8 == -175_000_000
                assert rig.session.reconciler.funding.missed == 0
        said = [line for line in capfd.readouterr().err.splitlines() if "funding:" in line]
        text = "funding: 2 payments that nobody had heard of are booked, -0.75000000 USDT in all"
        assert said == [f"aegis t execution: {text}"]
        assert verdicts(tmp_path).count(DIFFERENT_FUNDING) == 1

    run(day())


def test_a_stream_that_was_away_is_made_up_for(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            look = rig.session.reconciler.funding
            enlist(exchange, 7, time.time_ns() // 1_000_000, "-2.0")
            await look.look_if_due(look._looked_ns + 61_000_000_000)
            assert rig.session.core.funding_e8 == 0, "nothing calls for a look"
            for stream in list(exchange.streams):
                await stream.close()
            await rig.until(lambda: look._is_wanted, "the stream's return")
            await look.look_if_due(look._looked_ns + 61_000_000_000)
            assert rig.session.core.funding_e8 == -200_000_000

    run(day())


def test_what_the_stream_repeats_is_one_payment(tmp_path: Path) -> None:
    """Alike in time, amount and the wallet after it; also when a restart is between the two."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                at_ms = time.time_ns() // 1_000_000
                tell(exchange, at_ms, "-1.25", "9998.75")
                tell(exchange, at_ms, "-1.25", "9998.75")
                tell(exchange, at_ms, "-1.25", "9997.50")
                await funded(rig, -250_000_000)
            async with killed(tmp_path, exchange) as rig:
                tell(exchange, at_ms, "-1.25", "9997.50")
                tell(exchange, at_ms + 1, "-0.25", "9997.25")
                await funded(rig, -275_000_000)
            async with running(tmp_path, exchange) as rig:
                assert rig.session.core.funding_e8 == -275_000_000

    run(day())


def test_a_list_that_cannot_be_read_is_read_again_soon(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            look = rig.session.reconciler.funding
            look.want()
            enlist(exchange, 7, time.time_ns() // 1_000_000, "-2.0")
            exchange.rest_faults["GET v1/income"] = [(400, '{"code": -1130, "msg": "no"}')]
            with pytest.raises(RefusedError):
                await look.look_if_due(look._looked_ns + 61_000_000_000)
            assert rig.session.core.funding_e8 == 0
            await look.look_if_due(look._looked_ns + 14_000_000_000)
            assert rig.session.core.funding_e8 == 0, "not at once"
            await look.look_if_due(look._looked_ns + 16_000_000_000)
            assert rig.session.core.funding_e8 == -200_000_000
            enlist(exchange, 8, time.time_ns() // 1_000_000, "-2.0")
            await look.look_if_due(look._looked_ns + 61_000_000_000)
            assert rig.session.core.funding_e8 == -200_000_000, "nothing calls for a look any more"

    run(day())


def test_books_begin_no_later_than_the_exchange_says(tmp_path: Path) -> None:
    """The time of the exchange was long under way, and our idea of its clock may be ahead."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            session = rig.session
            session.rest.clock_error_ms = 60_000
            session.core.funding.since_ms = 0
            now_ms = session.rest.now_ms()
            enlist(exchange, 1, now_ms - 30_000, "-1.5")
            enlist(exchange, 2, now_ms - 600_000, "-7")
            assert await session.reconciler.funding.look() == 1
            await funded(rig, -150_000_000)
            assert session.core.funding.since_ms >= now_ms - 60_000
            await session.rest.synchronise()
            assert 0 < session.rest.clock_error_ms < 60_000, "measured, not remembered"

    run(day())


def test_an_exchange_without_the_list_is_no_reason_not_to_start(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            gone = (404, '{"code": -5000, "msg": "Path /fapi/v1/income is invalid"}')
            exchange.rest_faults["GET v1/income"] = [gone]
            async with running(tmp_path, exchange) as rig:
                await rig.placed()
                assert isinstance(rig.session.reconciler.funding, FundingLook)

    run(day())
