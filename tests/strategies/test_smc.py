"""Trading by structure: the feed's candles, sane plans, exits that only reduce, the same again."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.host.jit import kernel
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.intent import IOC, POST_ONLY, REDUCE_ONLY
from aegis.shm.tick import (
    CANDLE,
    CLOSED,
    CORRECTED,
    HISTORY,
    INCOMPLETE,
    QUOTE,
    TICK,
    candle_code,
)
from aegis.strategies.contract import EVENT_FILL, MARKET, MAX_WISHES, NO_OPINION, POSITION, WISH
from aegis.strategies.errors import StrategyError, UnusableInstrumentError
from aegis.strategies.registry import read_parameters
from aegis.strategies.smc.records import (
    CAUSE_INHERITED,
    CAUSE_STOP,
    CAUSE_TARGET,
    CAUSE_TIME,
)
from aegis.strategies.smc.strategy import STRATEGY, pack, step

MINUTE_NS = 60_000_000_000
TICK_SIZE, STEP_SIZE = 0.1, 0.001
GIVEN: dict[str, Any] = {"risk_quote": 50.0, "max_notional_quote": 50_000.0, "swing_length": 3}


def instrument(**fields: Any) -> Any:
    row = np.zeros(1, INSTRUMENT)
    row["symbol"], row["tick_size"], row["step_size"] = b"TEST", TICK_SIZE, STEP_SIZE
    row["min_qty"] = STEP_SIZE
    for name, value in fields.items():
        row[name] = value
    return row[0]


@kernel
def decide(events: Any, markets: Any, positions: Any, params: Any, states: Any, wishes: Any) -> Any:
    """The step on arrays of one, which cost Python less to hand over than records."""
    return step(events[0], markets[0], positions[0], params[0], states[0], wishes)


class Desk:
    """One instrument and a market that fills what it trades through."""

    def __init__(self, **changes: Any) -> None:
        self.params = np.zeros(1, STRATEGY.parameters_dtype)
        self.params[0] = pack(read_parameters(STRATEGY.name, {**GIVEN, **changes}), instrument())
        self.state = np.zeros(1, STRATEGY.state_dtype)
        self.market = np.zeros(1, MARKET)
        self.market["tick_size"], self.market["step_size"] = TICK_SIZE, STEP_SIZE
        self.position = np.zeros(1, POSITION)
        self.position["known"] = 1
        self.wishes = np.zeros(MAX_WISHES, WISH)
        self.event = np.zeros(1, TICK)
        self.wish: Any = None
        self.plans: list[Any] = []
        self.fills: list[tuple[int, int, float, int]] = []
        self.now_ns = 0

    @property
    def plan(self) -> Any:
        return self.state[0]["plan"]

    def call(self, kind: int, flags: int = 0, **fields: float) -> int:
        event = self.event
        event["kind"], event["ts_event_ns"], event["flags"] = kind, self.now_ns, flags
        for name in "abcde":
            event[name] = fields.get(name, 0.0)
        signals = int(self.state[0]["signals"])
        count = decide(event, self.market, self.position, self.params, self.state, self.wishes)
        if self.state[0]["signals"] > signals:
            self.plans.append(self.plan.copy())
        if count != NO_OPINION:
            assert count <= 1
            self.wish = self.wishes[0].copy() if count else None
        return count

    def quote(self, price: float) -> int:
        bid = round(price / TICK_SIZE)
        self.market["valid"], self.market["bid_ticks"], self.market["ask_ticks"] = 1, bid, bid + 1
        return self.call(QUOTE, a=bid * TICK_SIZE, b=1.0, c=(bid + 1) * TICK_SIZE, d=1.0)

    def fill(self, price_ticks: int, lots: int, side: int) -> None:
        self.position["lots"] += side * lots
        self.fills.append((price_ticks, lots, side, int(self.wish["cause"])))
        self.call(EVENT_FILL, a=price_ticks, b=lots, c=side, d=float(self.position["lots"][0]))

    def meet(self, price: float) -> None:
        """Fill what is wished if the market has come to it, and check what an order may be."""
        wish = self.wish
        if wish is None:
            return
        held = int(self.position["lots"][0])
        assert wish["price_ticks"] > 0 and wish["qty_lots"] > 0
        if held == 0:
            assert wish["flags"] == POST_ONLY
        else:
            assert wish["flags"] in (REDUCE_ONLY | POST_ONLY, REDUCE_ONLY | IOC)
            assert wish["side"] * held < 0 and wish["qty_lots"] == abs(held)
        if wish["flags"] & IOC:
            self.fill(round(price / TICK_SIZE), int(wish["qty_lots"]), int(wish["side"]))
        elif wish["side"] * price < wish["side"] * wish["price_ticks"] * TICK_SIZE:
            self.fill(int(wish["price_ticks"]), int(wish["qty_lots"]), int(wish["side"]))

    def candle(self, number: int, prices: list[float]) -> None:
        """One minute: its prices in order as tops of book, then the candle that they make."""
        for place, price in enumerate(prices):
            self.now_ns = number * MINUTE_NS + (place + 1) * 10_000_000_000
            self.quote(price)
            self.meet(price)
        self.tell(number, prices)

    def tell(self, number: int, prices: list[float], flags: int = 0, length_s: int = 60) -> int:
        """A closed candle as the feed tells it: its time is that of its opening."""
        self.now_ns = number * length_s * 1_000_000_000
        return self.call(
            CANDLE, CLOSED | candle_code(length_s) | flags,
            a=prices[0], b=max(prices), c=min(prices), d=prices[-1], e=4.0,
        )  # fmt: skip


def klines(shared_data: Path, count: int) -> list[list[float]]:
    with gzip.open(shared_data / "klines" / "BTCUSDT_1m_2021.csv.gz", "rt") as text:
        rows = []
        for row in csv.DictReader(text):
            open_, high, low, close = (float(row[n]) for n in ("open", "high", "low", "close"))
            inner = [low, high] if close > open_ else [high, low]
            rows.append([open_, *inner, close])
            if len(rows) == count:
                break
    return rows


def trade(desk: Desk, candles: list[list[float]]) -> Desk:
    for number, prices in enumerate(candles):
        desk.candle(1_000_000 + number, prices)
    return desk


def test_real_minutes_give_sane_plans_and_round_trips(shared_data: Path) -> None:
    desk = trade(Desk(), klines(shared_data, 4_000))
    assert len(desk.plans) >= 10
    assert {int(plan["side"]) for plan in desk.plans} == {1, -1}
    for plan in desk.plans:
        side, entry = plan["side"], plan["entry_ticks"] * TICK_SIZE
        assert side * plan["stop"] < side * entry < side * plan["target"]
        risk = abs(entry - plan["stop"])
        assert abs(plan["target"] - plan["entry"]) >= 1.5 * abs(plan["entry"] - plan["stop"])
        assert 0.6 < plan["confidence"] <= 1.0 + 1e-9
        assert 0 < plan["lots"] * STEP_SIZE * risk <= 50.0 + 1e-9
        assert plan["lots"] * STEP_SIZE * entry <= 50_000.0 + 1e-6
    causes = {cause for _, _, _, cause in desk.fills}
    assert {CAUSE_STOP, CAUSE_TARGET} <= causes
    assert CAUSE_INHERITED not in causes
    # Every entry is followed by exits of the same size before the next one.
    held = 0
    for _, lots, side, _ in desk.fills:
        assert held == 0 or side * held < 0
        held += side * lots
    assert desk.state[0]["engine"]["refused"] == 0
    assert desk.state[0]["engine"]["lost"] == 0


def test_the_same_events_give_the_same_decisions(shared_data: Path) -> None:
    candles = klines(shared_data, 800)
    first, again = trade(Desk(), candles), trade(Desk(), candles)
    assert first.state.tobytes() == again.state.tobytes()
    assert first.fills == again.fills


def test_a_higher_gate_lets_fewer_through(shared_data: Path) -> None:
    candles = klines(shared_data, 1_200)
    counts = [len(trade(Desk(min_confidence=gate), candles).plans) for gate in (0.0, 0.6, 1.0)]
    assert counts[0] > counts[1] > counts[2] == 0


def engine(desk: Desk) -> Any:
    return desk.state[0]["engine"]


def events(desk: Desk) -> tuple[Any, ...]:
    """What the engine has come to: everything but the event scratch space."""
    return tuple(desk.state[0][name].tobytes() for name in ("engine", "sweeps", "blocks", "gaps"))


def test_candles_of_other_intervals_are_not_its_own(shared_data: Path) -> None:
    desk = Desk()
    assert desk.tell(1_000_000, [1.0, 2.0], length_s=1) == NO_OPINION
    assert engine(desk)["candles"] == 0
    desk.tell(1_000_000, [1.0, 2.0])
    assert engine(desk)["candles"] == 1


def test_the_history_teaches_and_is_not_traded(shared_data: Path) -> None:
    candles = klines(shared_data, 1_200)
    live, taught = trade(Desk(), candles), Desk()
    for number, prices in enumerate(candles):
        assert taught.tell(1_000_000 + number, prices, HISTORY) == NO_OPINION
    assert live.plans and not taught.plans
    for name in ("engine", "blocks", "gaps", "breaks"):
        assert taught.state[0][name].tobytes() == live.state[0][name].tobytes()


def test_what_is_told_again_changes_nothing_that_was_said(shared_data: Path) -> None:
    rows = klines(shared_data, 60)
    desk = trade(Desk(), rows[:40])
    before = events(desk)
    desk.tell(1_000_020, rows[20], CORRECTED)
    assert desk.state[0]["corrected"] == 0
    assert desk.tell(1_000_021, [price + 50.0 for price in rows[21]], CORRECTED) == NO_OPINION
    assert desk.state[0]["corrected"] == 1
    assert desk.state[0]["doubt_at"] == 21
    assert events(desk) == before
    assert engine(desk)["candles"] == 40


def test_a_candle_that_may_be_wrong_is_taken_and_not_traded_upon(shared_data: Path) -> None:
    candles = klines(shared_data, 1_200)
    place = 0
    desk = Desk()
    while not desk.plans:
        desk.candle(1_000_000 + place, candles[place])
        place += 1
    # The same, its last candle incomplete: no plan, until the exchange says that it was right.
    other = trade(Desk(), candles[: place - 1])
    other.tell(1_000_000 + place - 1, candles[place - 1], INCOMPLETE)
    assert not other.plans
    assert events(other)[0] == events(desk)[0]
    assert other.state[0]["doubt_at"] == place - 1
    other.tell(1_000_000 + place - 1, candles[place - 1], CORRECTED)
    assert other.state[0]["doubt_at"] == -1


def test_after_a_gap_the_engine_begins_anew(shared_data: Path) -> None:
    rows = klines(shared_data, 40)
    desk = Desk()
    for number, prices in enumerate(rows):
        if number != 20:
            desk.candle(1_000_000 + number, prices)
    assert engine(desk)["candles"] == 19
    assert engine(desk)["ts_ns"] == (1_000_000 + 39) * MINUTE_NS


def test_a_reload_with_other_candles_listens_anew(shared_data: Path) -> None:
    rows = klines(shared_data, 60)
    desk = trade(Desk(), rows[:30])
    assert engine(desk)["candles"] == 30
    desk.params["interval_ns"] = 2 * MINUTE_NS
    desk.params["interval_code"] = candle_code(120) >> 8
    desk.tell(500_015, rows[30] + rows[31], length_s=120)
    assert engine(desk)["candles"] == 1
    assert desk.tell(1_000_031, rows[31]) == NO_OPINION


def held(side: int = 1, **plan: Any) -> Desk:
    """A position of ten lots from 1000.0, its stop ten below and its target twenty above."""
    desk = Desk()
    fields = {
        "side": side, "lots": 10, "entry_ticks": 10_000, "entry": 1_000.0,
        "stop": 1_000.0 - 10.0 * side, "target": 1_000.0 + 20.0 * side,
        "target_ticks": 10_000 + 200 * side, "confidence": 0.8, **plan,
    }  # fmt: skip
    for name, value in fields.items():
        desk.plan[name] = value
    desk.now_ns = MINUTE_NS
    desk.quote(1_001.0 if side > 0 else 999.0)
    assert desk.wish["side"] == side
    assert desk.wish["flags"] == POST_ONLY
    desk.fill(10_000, 10, side)
    return desk


@pytest.mark.parametrize("side", [1, -1])
def test_from_the_first_fill_on_only_reducing_orders_are_wished(side: int) -> None:
    desk = held(side)
    desk.quote(1_000.0)
    assert (desk.wish["side"], desk.wish["qty_lots"], desk.wish["cause"]) == (-side, 10, 3)
    assert desk.wish["stop_price"] == 1_000.0 - 10.0 * side
    assert desk.wish["target_price"] == 1_000.0 + 20.0 * side
    assert desk.wish["price_ticks"] == 10_000 + 200 * side
    assert desk.wish["flags"] == REDUCE_ONLY | POST_ONLY


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_takes_what_the_book_offers_until_nothing_is_held(side: int) -> None:
    desk = held(side)
    desk.quote(1_000.0 - 11.0 * side)
    assert desk.wish["flags"] == REDUCE_ONLY | IOC
    assert desk.wish["cause"] == CAUSE_STOP
    slip = -20 if side > 0 else 21
    assert desk.wish["price_ticks"] == round((1_000.0 - 11.0 * side) / TICK_SIZE) + slip
    desk.fill(9_890, 4, -side)
    assert (desk.wish["qty_lots"], desk.wish["cause"]) == (6, CAUSE_STOP)
    desk.quote(1_000.0)  # a price that comes back does not call the stop off
    assert desk.wish["cause"] == CAUSE_STOP
    desk.fill(9_890, 6, -side)
    assert desk.wish is None
    assert desk.plan["side"] == 0


def test_a_market_beyond_the_target_is_taken() -> None:
    desk = held()
    desk.quote(1_025.0)
    assert (desk.wish["cause"], desk.wish["flags"]) == (CAUSE_TARGET, REDUCE_ONLY | IOC)


def test_an_entry_is_given_up_when_the_stop_is_passed_first() -> None:
    desk = Desk()
    for name, value in (("side", 1), ("lots", 5), ("entry_ticks", 10_000), ("stop", 990.0)):
        desk.plan[name] = value
    desk.quote(1_001.0)
    assert desk.wish is not None
    desk.quote(989.0)
    assert desk.wish is None


def test_time_closes_a_position() -> None:
    desk = held()
    desk.params["max_hold"] = 3
    for number in range(8):
        desk.candle(10 + number, [1_000.0])
        if desk.position["lots"][0] == 0:
            break
    assert desk.fills[-1][3] == CAUSE_TIME


@pytest.mark.parametrize("lots", [7, -7])
def test_a_position_without_a_plan_is_closed(lots: int) -> None:
    desk = Desk()
    desk.position["lots"] = lots
    desk.quote(1_000.0)
    assert (desk.wish["cause"], desk.wish["qty_lots"]) == (CAUSE_INHERITED, 7)
    assert desk.wish["side"] * lots < 0
    assert desk.wish["flags"] == REDUCE_ONLY | IOC


def test_without_market_or_position_nothing_is_wished() -> None:
    desk = held()
    desk.market["valid"] = 0
    assert desk.call(QUOTE) == 0
    other = held()
    other.position["known"] = 0
    assert other.quote(1_000.0) == 0


def test_pack_wants_an_instrument_and_parameters_that_make_sense() -> None:
    model = read_parameters(STRATEGY.name, GIVEN)
    with pytest.raises(UnusableInstrumentError, match="step_size nan"):
        pack(model, instrument(step_size=math.nan))
    with pytest.raises(StrategyError, match="risk_quote"):
        read_parameters(STRATEGY.name, {"max_notional_quote": 1.0})
    assert pack(model, instrument(min_qty=0.005))["min_lots"] == 5
