"""The feed's candles against the exchange's own: every number of every candle, as decimals."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.config.models import VenueConfig
from aegis.shm.candles import CandlePlan
from aegis.shm.tick import CLOSED, CORRECTED, INCOMPLETE
from tests.feed.candle_exchange import CandleExchange, decimals, numbers, rows_of

INTERVALS = {1: "1s", 60: "1m", 300: "5m"}


@pytest.mark.parametrize(
    "minutes", [pytest.param(11), pytest.param(60, marks=pytest.mark.long)], ids=str
)
def test_every_candle_equals_the_exchanges_own(tmp_path: Path, minutes: int) -> None:
    """1 s, 1 m and 5 m of several symbols; the history in shared memory holds the same."""
    exchange = CandleExchange(
        tmp_path, VenueConfig(seed=3, universe=3), CandlePlan(tuple(INTERVALS), 4_000)
    )
    compared = dict.fromkeys(INTERVALS, 0)
    exchange.connect()
    # In parts: the exchange keeps an hour of seconds.
    for part_s in range(600, minutes * 60 + 601, 600):
        # Two seconds more: the last candle has to close.
        exchange.flow.run(min(part_s, minutes * 60 + 2), 1.0)
        exchange.drain()
    for instrument, symbol in enumerate(exchange.symbols):
        for interval_s, name in INTERVALS.items():
            ours = exchange.closed(instrument, interval_s)
            kept = rows_of(exchange.memory.candles.read(instrument, interval_s))
            opened = min(ours)
            newest = max(ours)
            theirs = []
            is_whole = False
            while not theirs or theirs[-1][0] < newest:
                after_ms = theirs[-1][0] + 1 if theirs else opened
                theirs += exchange.klines(symbol, name, after_ms)
            for row in theirs:
                if row[0] > newest:
                    continue
                flags, values = ours[row[0]]
                if flags != CLOSED:
                    # The first ones: nobody had listened yet when they began.
                    assert flags == CLOSED | INCOMPLETE
                    assert not is_whole
                    continue
                is_whole = True
                assert decimals(values) == numbers(row), f"{symbol} {name} {row}"
                assert kept[row[0]] == values
                compared[interval_s] += 1
            assert newest >= exchange.flow.now_ms - 2_000 * interval_s - 2_000
    assert exchange.intake.total("candle_gaps") == 0
    seconds = len(exchange.symbols) * 60 * minutes
    assert compared[1] > 0.95 * seconds
    assert compared[60] >= len(exchange.symbols) * (minutes - 2)
    assert compared[300] >= len(exchange.symbols) * (minutes // 5 - 1)
    print(f"{minutes} min, {exchange.messages} messages: {compared} candles equal")
    exchange.close()


def test_what_was_missed_is_flagged_and_then_right(tmp_path: Path) -> None:
    """Trades lost in the middle of candles, found in the exchange's history afterwards."""
    exchange = CandleExchange(
        tmp_path, VenueConfig(seed=4, universe=2), CandlePlan((60, 90), 12), update_ms=0
    )
    exchange.flow.run(1_150.0, 1.0)
    exchange.connect()

    async def settle() -> None:
        for _ in range(200):
            exchange.history.send(2**62)
            exchange.history._look_ns = 0
            await asyncio.sleep(0)

    exchange.flow.run(1_152.0, 1.0)
    exchange.history.follow(range(2))
    asyncio.run(settle())
    assert exchange.counters["history_done"] == exchange.counters["history_total"] == 4
    for instrument in range(2):
        for interval_s in (60, 90):
            kept = exchange.memory.candles.read(instrument, interval_s)
            assert len(kept) == 12, "the history reaches back as far as it can"
            assert (kept["flags"] & 0xFF == CLOSED).all()
    seen = [0]

    def loses(payload: bytes) -> bool:
        seen[0] += 1
        return b"@trade" in payload and seen[0] % 3_000 < 40

    exchange.loses = loses
    exchange.flow.run(1_500.0, 1.0)
    exchange.loses = lambda payload: False
    exchange.flow.run(1_700.0, 1.0)
    exchange.drain()
    assert exchange.intake.total("candle_gaps") > 3
    wrong_but_valid = 0
    for instrument, symbol in enumerate(exchange.symbols):
        theirs = {row[0]: numbers(row) for row in exchange.klines(symbol, "1m", 0)}
        for open_ms, (flags, values) in exchange.closed(instrument, 60).items():
            wrong_but_valid += flags == CLOSED and decimals(values) != theirs[open_ms]
    assert wrong_but_valid == 0
    asyncio.run(settle())
    exchange.drain()
    for instrument, symbol in enumerate(exchange.symbols):
        theirs = {row[0]: numbers(row) for row in exchange.klines(symbol, "1m", 0)}
        told = exchange.closed(instrument, 60)
        assert any(flags == CLOSED | CORRECTED for flags, _ in told.values())
        for open_ms, (flags, values) in told.items():
            if flags & INCOMPLETE:
                assert open_ms > exchange.flow.now_ms - 130_000, "too young to be asked for"
            else:
                assert decimals(values) == theirs[open_ms]
    assert exchange.budget.under_way == 0
    exchange.close()
