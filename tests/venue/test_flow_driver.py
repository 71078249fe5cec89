"""The clock of the synthetic markets: same seed, same tape, however often it comes back."""

from __future__ import annotations

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.digest import EventDigest
from aegis.venue.events import OrderEvent
from aegis.venue.flow_driver import FlowDriver, FlowPace, whole_second
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.matching.layout import STEP_OPEN
from aegis.venue.tape import TRADE, Tape
from tests.venue.desk import CLIENT, START_MS
from tests.venue.flow_desk import FlowDesk


def config(seed: int = 7, universe: int = 2) -> VenueConfig:
    return VenueConfig(seed=seed, universe=universe)


def test_a_million_events_are_the_same_in_every_run() -> None:
    """Twice the same, once in one go and once in turns as a busy machine would take them."""
    whole, parts = FlowDesk(config(universe=20)), FlowDesk(config(universe=20))
    until_s = 0.0
    while whole.digest.records < 1_000_000:
        until_s += 100.0
        whole.driver.run_until(until_s)
    parts.run(until_s, step_s=0.713)
    assert parts.digest.records == whole.digest.records
    assert parts.digest.hex() == whole.digest.hex()
    assert parts.returns > whole.returns
    whole.assert_balanced()


def test_another_seed_is_another_market() -> None:
    first, second = FlowDesk(config(seed=7)), FlowDesk(config(seed=8))
    for desk in (first, second):
        desk.run(5.0)
    assert first.digest.hex() != second.digest.hex()


def test_the_origin_does_not_matter() -> None:
    """Times on the tape are the origin's plus what the seed says."""
    digests = []
    for hour in (0, 1):
        desk = FlowDesk(config())
        before = desk.digest.hex()
        desk.driver.shift(3_600 * hour)
        times: list[int] = []
        desk.each = lambda now_ms, times=times: times.append(now_ms)
        desk.run(5.0, 1.0)
        digests.append([time_ms - 3_600_000 * hour for time_ms in times])
        assert desk.digest.hex() != before
    assert digests[0] == digests[1]


@pytest.mark.parametrize("universe", [1, 20, 60])
def test_every_market_is_sane_and_everything_adds_up(universe: int) -> None:
    desk = FlowDesk(config(universe=universe))

    def look(now_ms: int) -> None:
        assert not desk.core.books.symbols[:, STEP_OPEN].any(), "a step is still open"
        for market in desk.exchange.markets.values():
            top = market.top()
            assert 0 < top.bid_ticks < top.ask_ticks, f"{market.spec.symbol}: {top}"
        desk.assert_balanced()

    desk.each = look
    desk.run(5.0, 0.25)
    assert desk.seconds == [START_MS + 1_000 * second for second in range(1, 6)]
    traded = [market.last_time_ms > 0 for market in desk.exchange.markets.values()]
    assert traded[0]


def test_fills_of_clients_come_back_at_once_and_once() -> None:
    """Orders at the touch are filled by the flow; the desk has the event before the next step."""
    desk = FlowDesk(config())
    filled: list[tuple[int, int]] = []
    prints: dict[int, int] = {}

    def after(now_ms: int) -> None:
        for event in desk.exchange.take_events():
            if isinstance(event, OrderEvent) and event.execution == "TRADE":
                assert event.time_ms == now_ms
                filled.append((event.trade_id, event.last_lots))
        for order in desk.exchange.orders.open_of(CLIENT):
            if order.created_ms < now_ms - 500:
                desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order.order_id)
        if not desk.exchange.orders.open_of(CLIENT):
            for side, name in ((BUY, "BUY"), (SELL, "SELL")):
                price = desk.btc.spec.price_text(desk.btc.book.best(side)[0])
                desk.order(side=name, quantity="0.002", price=price, timeInForce="GTX")

    class Prints(EventDigest):
        """Notes the prints that a client took part in."""

        def consume(self, tape: Tape, origin_ms: int) -> None:
            for record in tape.records[: len(tape)].tolist():
                if record[0] == TRADE and CLIENT in record[8:]:
                    prints[record[4]] = record[6]

    desk.digest = Prints()
    desk.each = after
    desk.run(60.0, 0.25)
    assert len(filled) >= 10
    assert len(dict(filled)) == len(filled), "a trade was reported twice"
    assert dict(filled) == prints
    desk.assert_balanced()


def test_a_watched_price_brings_the_flow_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = FlowDesk(config())
    left: list[tuple[int, int, int]] = []
    last = desk.btc.last_ticks
    low, high = last - 20, last + 20
    monkeypatch.setattr(desk.exchange, "on_prints", lambda market, *prints: left.append(prints))
    desk.btc.watch(low, high)
    while not left:
        desk.driver.run_until(desk.driver.next_s + 0.001)
    lowest, highest, now_ms = left[0]
    assert lowest < low or highest > high
    assert now_ms == desk.btc.last_time_ms == desk.now_ms
    # Nobody watches any more: the rest is told to nobody.
    desk.btc.watch()
    desk.run(20.0)
    assert len(left) == 1


def test_what_was_due_before_a_command_happens_before_it() -> None:
    """Commands at given event times make the same tape, whatever the turns around them are."""

    def run(turns_s: float) -> str:
        desk = FlowDesk(config())
        for second in range(1, 11):
            desk.run(second + 0.5, turns_s)
            desk.now_ms = desk.wall_ms = START_MS + second * 1_000 + 500
            side = "BUY" if second % 2 else "SELL"
            assert desk.order(side=side, type="MARKET", quantity="0.050")[0] == 200
        desk.run(12.0)
        return desk.digest.hex()

    assert run(0.05) == run(7.0)


def test_a_halted_symbol_stands_still_and_goes_on() -> None:
    desk = FlowDesk(config())
    number = desk.btc.spec.number
    desk.run(5.0)
    desk.driver.halt(number, True)
    book, before = desk.btc.book, desk.btc.book.last_update_id()
    others = [one for one in desk.exchange.markets.values() if one is not desk.btc]
    ids = [one.book.last_update_id() for one in others]
    desk.driver.run_until(15.0)
    assert book.last_update_id() == before
    assert all(one.book.last_update_id() > old for one, old in zip(others, ids, strict=True))
    desk.driver.halt(number, False)
    steps = desk.driver.steps
    desk.driver.run_until(15.001)
    # It does not make up for the ten seconds all at once.
    assert desk.driver.steps - steps < 50
    desk.driver.run_until(25.0)
    assert book.last_update_id() > before


class TestPace:
    """The driver against a clock that is late, that jumps, or that runs faster."""

    def pace(self, speed: float = 1.0) -> tuple[FlowDriver, FlowPace]:
        driver = FlowDesk(config()).driver
        return driver, FlowPace(driver, START_MS / 1e3 + 0.25, speed)

    def test_event_time_is_the_clocks(self) -> None:
        driver, pace = self.pace()
        now_s = START_MS / 1e3 + 0.25
        assert pace.now_ms(now_s) == START_MS + 250
        assert pace.reach(now_s + 0.5) == pytest.approx(0.75)
        driver.run_until(0.75)
        assert pace.now_ms(now_s + 0.5) == START_MS + 750

    def test_a_factor_makes_it_faster(self) -> None:
        _, pace = self.pace(speed=10.0)
        now_s = START_MS / 1e3 + 0.25
        assert pace.now_ms(now_s) == START_MS + 250
        assert pace.reach(now_s + 0.5) == pytest.approx(5.25)
        assert pace.now_ms(now_s + 0.5) == START_MS + 5_250

    @pytest.mark.parametrize("jump_s", [3_600.0, -3_600.0])
    def test_it_goes_on_from_where_it_stands(self, jump_s: float) -> None:
        """After a stop, or when the clock was set: no backlog, no waiting, and whole seconds."""
        driver, pace = self.pace()
        now_s = START_MS / 1e3 + 0.25
        for turn in range(200):
            driver.run_until(pace.reach(now_s + turn * 0.01))
        reached_s = pace.reach(now_s + 2.0)
        steps = driver.steps
        until_s = pace.reach(now_s + 2.0 + jump_s)
        assert abs(until_s - reached_s) < 2.0
        driver.run_until(until_s)
        assert driver.steps - steps < 400
        assert driver.origin_ms % 1_000 == 0
        assert abs(pace.now_ms(now_s + 2.0 + jump_s) - (now_s + 2.0 + jump_s) * 1e3) <= 1.0

    def test_an_origin_is_a_whole_second(self) -> None:
        assert whole_second(1_234_567) == 1_234_000
