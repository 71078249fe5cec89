"""Candles from trades: against a slow model of the same rules, and against themselves told anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.feed.candle_desk import SETTLE_MS, Stretch
from aegis.feed.candles import GRACE_MS, JUMP_MS
from aegis.feed.intake import Intake
from aegis.quant.candles import from_trades, with_flat
from aegis.shm.absence import Reason
from aegis.shm.candles import CANDLE as CANDLE_ROW
from aegis.shm.candles import CandlePlan, candles_read
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import CANDLE, CLOSED, CORRECTED, INCOMPLETE, candle_interval_s
from tests.feed.market import frame

INTERVALS_S = (1, 60)
HISTORY = 100
START_MS = 1_700_000_000_000
assert START_MS % 60_000 == 20_000


class Trade(NamedTuple):
    number: int
    time_ms: int
    price: str
    quantity: str


class Tape:
    """An intake with candles at one end and a reader of its records at the other."""

    def __init__(self, folder: Path, update_ms: int = 0, plan: CandlePlan | None = None) -> None:
        plan = plan or CandlePlan(INTERVALS_S, HISTORY)
        self.memory = InstanceMemory.create("candles", kept=plan, shm_dir=folder)
        self.intake = Intake(
            ["BTCUSDT"],
            self.memory.ticks,
            self.memory.books,
            self.memory.counters["feed"],
            candles=self.memory.candles,
            candle_update_ms=update_ms,
        )
        self.reader = self.memory.ticks.reader(batch=16_384)

    def close(self) -> None:
        self.memory.close()
        self.memory.unlink()

    def send(self, payload: dict[str, Any]) -> None:
        text = frame(payload)
        self.intake.take(text, len(text), 1)

    def trade(self, trade: Trade, kind: str = "MARKET") -> None:
        self.send(
            {
                "e": "trade",
                "E": trade.time_ms + 3,
                "T": trade.time_ms,
                "s": "BTCUSDT",
                "t": trade.number,
                "p": trade.price,
                "q": trade.quantity,
                "X": kind,
                "m": False,
            }
        )

    def quote(self, time_ms: int) -> None:
        self.send(
            {
                "e": "bookTicker",
                "u": time_ms,
                "s": "BTCUSDT",
                "b": "1.0",
                "B": "1",
                "a": "1.5",
                "A": "1",
                "T": time_ms,
                "E": time_ms + 1,
            }
        )

    def subscribe(self) -> None:
        self.intake.candles.on_subscribed([0])

    def told(self) -> list[tuple[int, int, int, list[float]]]:
        """(interval, open time, flags without the code, the five numbers) of CANDLE records."""
        found = self.reader.poll().copy()
        assert self.reader.lost == 0
        return [
            (
                candle_interval_s(int(one["flags"])),
                int(one["ts_event_ns"]) // 1_000_000,
                int(one["flags"]) & 0xFF,
                [float(one[name]) for name in "abcde"],
            )
            for one in found[found["kind"] == CANDLE]
        ]

    def kept(self, interval_s: int) -> Any:
        return self.memory.candles.read(0, interval_s)

    def count(self, name: str) -> int:
        return self.intake.total(name)


@pytest.fixture
def make_tape(tmp_path: Path) -> Iterator[Callable[..., Tape]]:
    made: list[Tape] = []

    def make(**options: Any) -> Tape:
        made.append(Tape(tmp_path, **options))
        return made[-1]

    yield make
    for tape in made:
        tape.close()


@pytest.fixture
def tape(make_tape: Callable[..., Tape]) -> Tape:
    return make_tape()


def model(trades: list[Trade], interval_s: int) -> dict[int, tuple[str, ...]]:
    """Open time to the five numbers, as decimals; only intervals with trades."""
    found: dict[int, list[Trade]] = {}
    for trade in trades:
        found.setdefault(trade.time_ms - trade.time_ms % (1000 * interval_s), []).append(trade)
    return {
        open_ms: tuple(
            map(
                str,
                (
                    float(inside[0].price),
                    max(float(one.price) for one in inside),
                    min(float(one.price) for one in inside),
                    float(inside[-1].price),
                    float(sum(Decimal(one.quantity) for one in inside)),
                ),
            )
        )
        for open_ms, inside in found.items()
    }


def rows(candles: Any) -> dict[int, tuple[str, ...]]:
    names = ("open", "high", "low", "close", "volume")
    return {int(one["open_ms"]): tuple(str(float(one[n])) for n in names) for one in candles}


def of(interval_s: int, told: list[tuple[int, int, int, list[float]]]) -> list[tuple[int, int]]:
    return [
        (open_ms - START_MS, flags) for length, open_ms, flags, _ in told if length == interval_s
    ]


trades = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 400), st.integers(0, 3_000), st.sampled_from([1000, 7_000])),
        st.integers(1, 10**9),
        st.integers(1, 10**12),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=60,
).map(
    lambda steps: [
        Trade(
            7 + number,
            START_MS + sum(step[0] for step in steps[: number + 1]),
            f"{price / 10**4:.4f}",
            str(Decimal(quantity % 10**6 + 1).scaleb(-decimals).normalize()),
        )
        for number, (_, price, quantity, decimals) in enumerate(steps)
    ]
)


@settings(max_examples=40, deadline=None)
@given(trades)
def test_every_candle_is_what_its_trades_say(tmp_path_factory: Any, made: list[Trade]) -> None:
    """Exactly, as decimals; flat ones between; the arrays' kernel agrees."""
    tape = Tape(tmp_path_factory.mktemp("tape"))
    made = [one._replace(quantity=f"{Decimal(one.quantity):f}") for one in made]
    try:
        tape.subscribe()
        tape.quote(START_MS - 39_000)
        for trade in made:
            tape.trade(trade)
        tape.quote(made[-1].time_ms + 1_000 + GRACE_MS)
        for interval_s in (1,):
            kept = tape.kept(interval_s)
            expected = model(made, interval_s)
            traded = kept[kept["trades"] > 0]
            assert rows(traded) == dict(list(expected.items())[-len(traded) :])
            assert (kept["flags"] & 0xFF == CLOSED).all()
            assert (np.diff(kept["open_ms"]) == 1000).all()
            arrays = from_trades(
                [one.time_ms for one in made],
                [float(one.price) for one in made],
                [float(one.quantity) for one in made],
                interval_s,
            )
            flat = with_flat(arrays, interval_s)[-len(kept) :]
            assert rows(flat) == rows(kept[-len(flat) :])
        told = [one for one in tape.told() if one[0] == 1]
        assert [one[1] for one in told] == sorted({one[1] for one in told}), "each is told once"
    finally:
        tape.close()


def test_a_trade_on_the_boundary_belongs_to_the_next_candle(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 999, "12", "1"))
    tape.trade(Trade(3, START_MS + 1000, "11", "2"))
    # The first began before anybody listened.
    assert tape.told() == [(1, START_MS, CLOSED | INCOMPLETE, [10.0, 12.0, 10.0, 12.0, 2.0])]
    tape.trade(Trade(4, START_MS + 2000, "9", "1"))
    assert tape.told() == [(1, START_MS + 1000, CLOSED, [11.0, 11.0, 11.0, 11.0, 2.0])]


def test_without_trades_the_clock_closes_and_candles_are_flat(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS + 500, "10", "1"))
    tape.quote(START_MS + 999 + GRACE_MS)
    assert tape.told() == []
    tape.quote(START_MS + 1000 + GRACE_MS)
    assert of(1, tape.told()) == [(0, CLOSED | INCOMPLETE)]
    tape.quote(START_MS + 4000 + GRACE_MS)
    # What they repeat is the close of a candle that may have missed trades: not sure either.
    assert of(1, tape.told()) == [(1000 * n, CLOSED | INCOMPLETE) for n in (1, 2, 3)]
    tape.trade(Trade(2, START_MS + 4200, "11", "1"))
    tape.quote(START_MS + 7000 + GRACE_MS)
    told = tape.told()
    assert of(1, told) == [(1000 * n, CLOSED) for n in (4, 5, 6)]
    assert told[-1][3] == [11.0, 11.0, 11.0, 11.0, 0.0]


def test_a_missing_id_makes_incomplete_what_it_may_belong_to(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.quote(START_MS + 3000 + GRACE_MS)
    tape.told()
    # Trade 3 is lost: it was in one of the candles from the second to the fourth.
    tape.trade(Trade(4, START_MS + 3600, "10", "1"))
    assert tape.count("candle_gaps") == 1
    assert of(1, tape.told()) == [(1000, CLOSED | INCOMPLETE), (2000, CLOSED | INCOMPLETE)]
    tape.trade(Trade(5, START_MS + 4000, "10", "1"))
    tape.trade(Trade(6, START_MS + 5000, "10", "1"))
    assert of(1, tape.told()) == [(3000, CLOSED | INCOMPLETE), (4000, CLOSED)]
    (broken,) = [one for one in tape.intake.candles.broken() if one.place == 0]
    assert broken == Stretch(0, 0, START_MS, START_MS + 2000)
    tape.quote(START_MS + 4000 + SETTLE_MS)
    (broken,) = [one for one in tape.intake.candles.broken() if one.place == 0]
    assert broken == Stretch(0, 0, START_MS, START_MS + 3000)


def test_void_ids_are_no_gap(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS, "0", "0"), "NA")
    tape.trade(Trade(3, START_MS + 1000, "10", "1"))
    tape.trade(Trade(4, START_MS + 2000, "10", "1"))
    assert tape.count("candle_gaps") == 0
    assert of(1, tape.told())[-1] == (1000, CLOSED)


def test_repeated_and_overtaken_trades_never_count_twice(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    for number, time_ms in ((2, 1000), (4, 1200), (3, 1100), (4, 1200), (5, 1300), (2, 1000)):
        tape.trade(Trade(number, START_MS + time_ms, "10", "1"))
    tape.trade(Trade(6, START_MS + 2000, "10", "1"))
    # Number 3 came too late to be counted: three trades of four, and it says so.
    told = tape.told()
    assert of(1, told)[-1] == (1000, CLOSED | INCOMPLETE)
    assert told[-1][3][4] == 3.0


def test_a_trade_of_a_closed_candle_is_told(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.trade(Trade(3, START_MS + 2000, "10", "1"))
    tape.told()
    tape.trade(Trade(4, START_MS + 1999, "99", "1"))
    assert of(1, tape.told()) == [(1000, CLOSED | INCOMPLETE)]
    tape.trade(Trade(5, START_MS + 3000, "10", "1"))
    told = tape.told()
    assert of(1, told) == [(2000, CLOSED)]
    assert told[0][3] == [10.0, 10.0, 10.0, 10.0, 1.0]


def test_a_reconnect_without_a_loss_costs_nothing(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.intake.on_disconnected([0], Reason.DISCONNECTED, 1)
    tape.subscribe()
    tape.trade(Trade(3, START_MS + 1900, "12", "1"))
    tape.trade(Trade(4, START_MS + 2000, "10", "1"))
    told = tape.told()
    assert of(1, told)[-1] == (1000, CLOSED)
    assert told[-1][3] == [10.0, 12.0, 10.0, 12.0, 2.0]


def test_a_candle_that_closes_while_the_stream_is_cut_is_incomplete(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.intake.on_disconnected([0], Reason.DISCONNECTED, 1)
    tape.told()
    tape.quote(START_MS + 2000 + GRACE_MS)
    assert of(1, tape.told()) == [(1000, CLOSED | INCOMPLETE)]
    tape.subscribe()
    tape.quote(START_MS + 4000)
    # Trusted a second after the acknowledgement, when the chain of ids has been seen to go on.
    tape.trade(Trade(3, START_MS + 5200, "10", "1"))
    tape.trade(Trade(4, START_MS + 6200, "10", "1"))
    assert of(1, tape.told())[-1] == (5000, CLOSED)


def test_the_exchanges_history_puts_right_what_was_incomplete(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS + 300, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.quote(START_MS + 1000 + SETTLE_MS)
    assert of(1, tape.told())[0] == (0, CLOSED | INCOMPLETE)
    desk = tape.intake.candles
    (asked,) = [one for one in desk.broken() if one.place == 0]
    found = np.zeros(3, CANDLE_ROW)
    found["open_ms"] = START_MS + np.array([-2000, -1000, 0])
    for name, value in (("open", 9.0), ("high", 12.0), ("low", 8.0), ("close", 10.0)):
        found[name] = value
    found["volume"], found["trades"] = 7.5, 3
    assert desk.take(asked, found, 2) == 3
    assert tape.told() == [(1, START_MS, CLOSED | CORRECTED, [9.0, 12.0, 8.0, 10.0, 7.5])]
    assert rows(tape.kept(1))[START_MS - 2000] == ("9.0", "12.0", "8.0", "10.0", "7.5")
    assert [one for one in desk.broken() if one.place == 0] == []
    assert desk.take(asked, found, 3) == 0, "what is right already is left alone"
    assert tape.count("candles_corrected") == 1


def test_a_time_that_jumps_is_believed_when_a_second_message_agrees(tape: Tape) -> None:
    tape.trade(Trade(1, START_MS, "10", "1"))
    tape.trade(Trade(2, START_MS + 1000, "10", "1"))
    tape.told()
    far_ms = START_MS + 10 * JUMP_MS
    tape.quote(far_ms)
    tape.trade(Trade(3, START_MS + 1500, "10", "1"))
    assert tape.told() == []
    tape.trade(Trade(4, START_MS + 2000, "10", "1"))
    assert of(1, tape.told()) == [(1000, CLOSED)]
    tape.quote(far_ms + 1)
    tape.quote(far_ms + 2)
    told = of(1, tape.told())
    assert told[0] == (2000, CLOSED)
    assert len(told) <= HISTORY + 1
    assert tape.kept(1)["open_ms"][-1] > far_ms - 3000


def test_a_clock_that_goes_back_begins_anew(tape: Tape) -> None:
    tape.trade(Trade(1001, START_MS, "10", "1"))
    tape.trade(Trade(1002, START_MS + 1000, "10", "1"))
    tape.told()
    tape.intake.on_disconnected([0], Reason.DISCONNECTED, 1)
    earlier_ms = START_MS - 100 * JUMP_MS
    tape.subscribe()
    for number in range(1, 6):
        tape.trade(Trade(number, earlier_ms + number * 1000, "20", "1"))
    told = tape.told()
    # The first of them is not believed alone, so the second opens the first candle.
    assert [one[1] - earlier_ms for one in told if one[0] == 1] == [2000, 3000, 4000]
    assert told[-1][2:] == (CLOSED, [20.0, 20.0, 20.0, 20.0, 1.0])
    assert rows(tape.kept(1)).keys() == {earlier_ms + 1000 * n for n in (2, 3, 4)}


def test_updates_of_an_open_candle_are_bounded(make_tape: Callable[..., Tape]) -> None:
    tape = make_tape(update_ms=250, plan=CandlePlan((60,), 10))
    for number in range(100):
        tape.trade(Trade(number + 1, START_MS + 20 * number, "10", "0.1"))
    told = tape.told()
    assert [one[1] for one in told] == [START_MS - START_MS % 60_000] * 8
    assert {one[2] for one in told} == {INCOMPLETE}
    assert [one[3][4] for one in told[:3]] == [0.1, 1.4, 2.7]


def test_sums_are_exact_where_doubles_are_not(tape: Tape) -> None:
    tape.subscribe()
    tape.quote(START_MS - 50_000)
    for number in range(10):
        tape.trade(Trade(number + 1, START_MS + number, "10", "0.1"))
    tape.trade(Trade(11, START_MS + 20, "10", "0.00000001"))
    tape.trade(Trade(12, START_MS + 1000, "10", "0.1"))
    (told,) = tape.told()
    assert told[2] == CLOSED
    assert sum([0.1] * 10) != 1.0
    assert told[3][4] == 1.00000001


def test_a_quantity_beyond_exactness_is_told(tape: Tape) -> None:
    tape.subscribe()
    tape.quote(START_MS - 50_000)
    tape.trade(Trade(1, START_MS, "10", "0.00000001"))
    tape.trade(Trade(2, START_MS + 1, "10", "9007199254740991"))
    tape.trade(Trade(3, START_MS + 1000, "10", "1"))
    assert of(1, tape.told()) == [(0, CLOSED | INCOMPLETE)]


def test_a_lapsed_reader_finds_the_candles_in_the_history(tape: Tape) -> None:
    tape.subscribe()
    tape.quote(START_MS - 50_000)
    for number in range(HISTORY + 30):
        tape.trade(Trade(number + 1, START_MS + 1000 * number, "10", "0.1"))
    candles = tape.memory.candles
    out = np.zeros(HISTORY, CANDLE_ROW)
    ring = candles.ring(0, 1)
    count = candles_read(candles.words, candles.values, ring, candles.history, 50, out)
    assert count == 50
    assert out[:50].tolist() == tape.kept(1)[-50:].tolist()
    assert out[49]["open_ms"] == START_MS + 1000 * (HISTORY + 28)
    assert len(tape.kept(1)) == HISTORY
