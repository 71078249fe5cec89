"""The history against a model of plain lists: bars, trades, aggregates, tickers, marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.history.history import History
from aegis.venue.history.intervals import CODE_OF, DAY_MS, MINUTE_MS, opens_after, opens_at
from aegis.venue.history.layout import CLOSED_ROWS, INDEX, MARK, PREMIUM, Rows, make_tables
from aegis.venue.history.rows import Bar, PublicTrade
from aegis.venue.symbols import make_symbol
from aegis.venue.tape import LEVEL, TRADE, Tape

BTC = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
SMALL = Rows(40, 1_500, 60, 64, 64, 50, 50)
START_MS = 1_800_000_000_000
EVER = 2**62


class Step(NamedTuple):
    """How the next trade differs from the one before."""

    later_ms: int
    ticks: int
    lots: int
    sold: bool
    number: int


steps = st.lists(
    st.builds(
        Step,
        later_ms=st.one_of(
            st.integers(0, 60),
            st.integers(0, 5_000),
            st.sampled_from([30_000, 61_000, 3_599_999, 3_600_000, 7_777_777]),
        ),
        ticks=st.integers(599_990, 600_010),
        lots=st.integers(1, 1_000_000),
        sold=st.booleans(),
        number=st.integers(0, 1),
    ),
    min_size=1,
    max_size=120,
)


def trades_of(given_steps: Sequence[Step]) -> list[tuple[int, PublicTrade]]:
    time_ms = START_MS
    made = []
    for trade_id, step in enumerate(given_steps, 7):
        time_ms += step.later_ms
        made.append((step.number, PublicTrade(trade_id, step.ticks, step.lots, step.sold, time_ms)))
    return made


def fed(trades: Sequence[tuple[int, PublicTrade]], rows: Rows = SMALL) -> History:
    """A history that has read these trades from a tape, among records of other kinds."""
    history = History([BTC, BTC], rows)
    tape = Tape()
    for number, trade in trades:
        for kind in (LEVEL, TRADE):
            record = tape.records[tape.cursor[0]]
            record["kind"] = kind
            record["symbol"] = number
            record["time_ms"] = trade.time_ms
            record["a"] = trade.trade_id
            record["b"] = trade.price_ticks
            record["c"] = trade.qty_lots
            record["d"] = -1 if trade.buyer_is_maker else 1
            tape.cursor[0] += 1
    history.consume(tape)
    return history


def bar_of(code: int, open_ms: int, before: int, inside: Sequence[PublicTrade]) -> Bar:
    """The bar as one would write it down by hand."""
    prices = [trade.price_ticks for trade in inside] or [before]
    bought = [trade for trade in inside if not trade.buyer_is_maker]
    return Bar(
        open_ms=open_ms,
        close_ms=opens_after(code, open_ms) - 1,
        open_ticks=prices[0],
        high_ticks=max(prices),
        low_ticks=min(prices),
        close_ticks=prices[-1],
        lots=sum(trade.qty_lots for trade in inside),
        quote_e8=sum(BTC.notional_e8(trade.price_ticks, trade.qty_lots) for trade in inside),
        trades=len(inside),
        taker_buy_lots=sum(trade.qty_lots for trade in bought),
        taker_buy_quote_e8=sum(
            BTC.notional_e8(trade.price_ticks, trade.qty_lots) for trade in bought
        ),
        first_id=inside[0].trade_id if inside else -1,
        last_id=inside[-1].trade_id if inside else -1,
    )


def expected_bars(interval: str, trades: Sequence[PublicTrade], end_ms: int) -> list[Bar]:
    """All bars from the first trade on, without gaps."""
    code = CODE_OF[interval]
    bars: list[Bar] = []
    open_ms = opens_at(code, trades[0].time_ms)
    while open_ms <= end_ms:
        next_ms = opens_after(code, open_ms)
        inside = [trade for trade in trades if open_ms <= trade.time_ms < next_ms]
        bars.append(bar_of(code, open_ms, bars[-1].close_ticks if bars else 0, inside))
        open_ms = next_ms
    return bars


@settings(max_examples=60, deadline=None)
@given(
    given_steps=steps,
    interval=st.sampled_from(["1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1M"]),
    limit=st.integers(1, 30),
    later_ms=st.integers(0, 400_000),
    from_bar=st.integers(0, 40),
)
def test_bars_are_the_sums_of_their_trades(
    given_steps: list[Step], interval: str, limit: int, later_ms: int, from_bar: int
) -> None:
    made = trades_of(given_steps)
    history = fed(made)
    now_ms = made[-1][1].time_ms + later_ms
    for number in (0, 1):
        trades = [trade for owner, trade in made if owner == number]
        if not trades:
            assert history.bars(number, interval, limit, None, EVER, now_ms) == []
            assert history.open_bar(number, interval, now_ms) is None
            continue
        wanted = expected_bars(interval, trades, now_ms)
        span_ms = now_ms - trades[0].time_ms
        if CODE_OF[interval] < CODE_OF["1h"] and span_ms > 1_000 * MINUTE_MS:
            continue  # further back than these short rings promise
        assert history.bars(number, interval, limit, None, EVER, now_ms) == wanted[-limit:]
        assert history.open_bar(number, interval, now_ms) == wanted[-1]
        if from_bar < len(wanted):
            start_ms = wanted[from_bar].open_ms
            got = history.bars(number, interval, limit, start_ms, EVER, now_ms)
            assert got == wanted[from_bar : from_bar + limit]
            assert history.bar(number, interval, start_ms) == wanted[from_bar]
            # A start inside a bar leaves that bar out, an end inside one lets it in.
            got = history.bars(number, interval, limit, start_ms + 1, EVER, now_ms)
            assert got == wanted[from_bar + 1 : from_bar + 1 + limit]
            got = history.bars(number, interval, limit, None, start_ms, now_ms)
            assert got == wanted[: from_bar + 1][-limit:]


def test_a_ring_that_has_wrapped_shows_no_bar_in_part() -> None:
    history = History([BTC])
    rows = history.tables.minutes.shape[1]
    minutes = rows + 7
    for minute in range(minutes):
        time_ms = START_MS + minute * MINUTE_MS
        history.record(0, PublicTrade(minute + 1, 600_000 + minute % 5, 1, False, time_ms))
    now_ms = START_MS + (minutes - 1) * MINUTE_MS
    bars = history.bars(0, "15m", 1_500, 0, EVER, now_ms)
    assert [bar.trades for bar in bars[:-1]] == [15] * (len(bars) - 1)
    assert bars[0].first_id >= 7
    assert sum(bar.trades for bar in bars) > rows - 15


def test_seconds_reach_back_as_far_as_promised() -> None:
    history = History([BTC])
    for second in range(5_000):
        time_ms = START_MS + second * 1_000
        history.record(0, PublicTrade(second, 600_000 + second, 2, second % 2 == 0, time_ms))
    bars = history.bars(0, "1s", 1_500, None, EVER, START_MS + 4_999_999)
    assert [bar.close_ticks for bar in bars] == [603_500 + place for place in range(1_500)]
    oldest = history.bars(0, "1s", 1, 0, EVER, START_MS + 4_999_999)[0]
    assert oldest.open_ms == START_MS + (5_000 - 3_600) * 1_000


def test_a_late_trade_counts_into_the_newest_bar() -> None:
    history = History([BTC])
    history.record(0, PublicTrade(1, 600_000, 1, False, START_MS + MINUTE_MS))
    history.record(0, PublicTrade(2, 600_005, 1, False, START_MS))
    (bar,) = history.bars(0, "1m", 5, None, EVER, START_MS + MINUTE_MS)
    assert (bar.trades, bar.close_ticks, bar.open_ms) == (2, 600_005, START_MS + MINUTE_MS)


def test_volumes_stay_exact_beyond_64_bits() -> None:
    """A day at the largest order size the kernels could meet: the sum passes 2**63."""
    history = History([BTC])
    lots, ticks = 10**9, 4_000_000_000
    for minute in range(1_440):
        time_ms = START_MS + minute * MINUTE_MS
        history.record(0, PublicTrade(minute, ticks, lots, False, time_ms))
    ticker = history.ticker(0, START_MS + 1_439 * MINUTE_MS)
    assert ticker is not None
    assert ticker.quote_e8 == BTC.notional_e8(ticks, lots) * 1_440
    assert ticker.quote_e8 // BTC.unit_e8 > 2**62
    assert ticker.vwap_e8 == ticks * BTC.tick_e8


@settings(max_examples=60, deadline=None)
@given(given_steps=steps, limit=st.integers(1, 100), skip=st.integers(0, 60))
def test_trades_and_aggregates(given_steps: list[Step], limit: int, skip: int) -> None:
    made = trades_of(given_steps)
    history = fed(made)
    now_ms = made[-1][1].time_ms + 100
    history.close_due(now_ms)
    closed, seen = history.closed_aggregates(0)
    assert seen == history.closed_count == len(closed)
    assert history.closed_aggregates(seen) == ([], seen)
    for number in (0, 1):
        trades = [trade for owner, trade in made if owner == number]
        kept = trades[-SMALL.trades :]
        assert history.trades(number, limit) == kept[-limit:]
        if skip < len(kept):
            first = kept[skip].trade_id
            assert history.trades(number, limit, from_id=first) == kept[skip : skip + limit]
        groups = [group for group in closed if group.symbol_number == number]
        check_groups(groups, trades)
        newest = groups[-SMALL.groups :]
        assert history.aggregates(number, limit) == newest[-limit:]
        if skip < len(newest):
            first_id, time_ms = newest[skip].aggregate_id, newest[skip].time_ms
            by_id = history.aggregates(number, limit, from_id=first_id)
            assert by_id == newest[skip : skip + limit]
            by_time = history.aggregates(number, limit, start_ms=time_ms, end_ms=time_ms + 50)
            wanted = [group for group in newest if time_ms <= group.time_ms <= time_ms + 50]
            assert by_time == wanted[:limit]


def check_groups(groups: Sequence, trades: Sequence[PublicTrade]) -> None:  # type: ignore[type-arg]
    """Every trade is in exactly one aggregate, as early as the rule allows."""
    assert [group.aggregate_id for group in groups] == list(range(1, len(groups) + 1))
    rest = list(trades)
    for group in groups:
        inside = [trade for trade in rest if group.first_id <= trade.trade_id <= group.last_id]
        assert rest[: len(inside)] == inside
        rest = rest[len(inside) :]
        assert {(trade.price_ticks, trade.buyer_is_maker) for trade in inside} == {
            (group.price_ticks, group.buyer_is_maker)
        }
        assert sum(trade.qty_lots for trade in inside) == group.qty_lots
        assert group.time_ms == inside[0].time_ms
        assert inside[-1].time_ms < group.time_ms + 100
    assert rest == []
    for one, next_one in pairwise(groups):
        same = (one.price_ticks, one.buyer_is_maker) == (
            next_one.price_ticks,
            next_one.buyer_is_maker,
        )
        assert not same or next_one.time_ms >= one.time_ms + 100


def test_an_open_aggregate_waits_for_its_100_ms() -> None:
    history = History([BTC])
    history.record(0, PublicTrade(1, 600_000, 3, True, START_MS))
    history.close_due(START_MS + 99)
    assert history.closed_count == 0
    history.close_due(START_MS + 100)
    ((group,), _) = history.closed_aggregates(0)
    assert (group.aggregate_id, group.qty_lots, group.buyer_is_maker) == (1, 3, True)


def test_a_reader_that_sleeps_gets_what_is_left() -> None:
    history = History([BTC])
    for number in range(CLOSED_ROWS + 50):
        history.record(0, PublicTrade(number, 600_000 + number % 2, 1, False, START_MS))
    groups, seen = history.closed_aggregates(0)
    assert seen == CLOSED_ROWS + 49
    assert [group.aggregate_id for group in groups] == list(range(50, CLOSED_ROWS + 50))


@settings(max_examples=60, deadline=None)
@given(given_steps=steps, later_ms=st.sampled_from([0, 59_999, 3_600_000, 80_000_000, 90_000_000]))
def test_the_ticker_is_the_last_24_hours(given_steps: list[Step], later_ms: int) -> None:
    made = trades_of(given_steps)
    history = fed(made)
    for asked_ms in (made[-1][1].time_ms, made[-1][1].time_ms + later_ms):
        window_ms = asked_ms - asked_ms % MINUTE_MS - DAY_MS
        for number in (0, 1):
            trades = [trade for owner, trade in made if owner == number]
            ticker = history.ticker(number, asked_ms)
            if not trades:
                assert ticker is None
                continue
            assert ticker is not None
            inside = [trade for trade in trades if trade.time_ms >= window_ms]
            earlier = trades[: len(trades) - len(inside)]
            prices = [trade.price_ticks for trade in inside] or [trades[-1].price_ticks]
            assert ticker.open_ticks == prices[0]
            assert ticker.high_ticks == max(prices)
            assert ticker.low_ticks == min(prices)
            assert ticker.last_ticks == trades[-1].price_ticks
            assert ticker.last_lots == trades[-1].qty_lots
            assert ticker.trades == len(inside)
            assert ticker.lots == sum(trade.qty_lots for trade in inside)
            assert ticker.quote_e8 == sum(
                BTC.notional_e8(trade.price_ticks, trade.qty_lots) for trade in inside
            )
            ids = [trade.trade_id for trade in inside] or [-1]
            assert (ticker.first_id, ticker.last_id) == (ids[0], ids[-1])
            before = earlier[-1].price_ticks if earlier else prices[0]
            assert ticker.previous_close_ticks == before
            assert (ticker.open_ms, ticker.close_ms) == (window_ms, trades[-1].time_ms)


def test_marks_become_candles() -> None:
    history = History([BTC, BTC])
    rng = np.random.default_rng(3)
    noted: list[tuple[int, list[int]]] = []
    for second in range(200):
        now_ms = START_MS + second * 1_000
        drift = [int(value) for value in rng.integers(-1_000, 1_000, 3)]
        row = [6 * 10**12 + drift[0], 6 * 10**12 + drift[1], drift[2]]
        noted.append((now_ms, row))
        history.note_marks(now_ms, *(np.array([value, 0], np.int64) for value in row))
    for kind in (MARK, INDEX, PREMIUM):
        bars = history.mark_bars(0, kind, "1m", 10, None, EVER, noted[-1][0])
        assert [bar.samples for bar in bars] == [60, 60, 60, 20]
        for place, bar in enumerate(bars):
            values = [row[kind] for _, row in noted[place * 60 : place * 60 + 60]]
            assert (bar.open_e8, bar.high_e8) == (values[0], max(values))
            assert (bar.low_e8, bar.close_e8) == (min(values), values[-1])
            assert bar.close_ms == bar.open_ms + MINUTE_MS - 1
        (hour,) = history.mark_bars(0, kind, "1h", 10, 0, EVER, noted[-1][0])
        assert hour.samples == 200
        assert history.mark_bars(1, kind, "1m", 10, None, EVER, noted[-1][0]) == []
        second_bar = history.mark_bars(0, kind, "1m", 1, START_MS + 1, EVER, noted[-1][0])
        assert second_bar == bars[1:2]


def test_an_unknown_interval_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        History([BTC]).bars(0, "7m", 1, None, EVER, START_MS)


@pytest.mark.parametrize(("symbols", "megabytes"), [(1, 3), (20, 40), (50, 100), (400, 220)])
def test_the_memory_is_what_the_layout_says(symbols: int, megabytes: int) -> None:
    """And no more, whatever is fed: it is all taken at once."""
    tables = make_tables(symbols)
    assert sum(table.nbytes for table in tables) < megabytes * 1_000_000


def test_touching_keeps_the_tables_empty_and_their_addresses() -> None:
    history = History([BTC], SMALL)
    before = [table.ctypes.data for table in history.tables]
    history.touch()
    assert [table.ctypes.data for table in history.tables] == before
    assert history.trades(0, 10) == []
    assert history.closed_count == 0
