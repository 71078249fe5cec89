"""The same seed, the same schedule: the same market, however often its clock comes back."""

from __future__ import annotations

from aegis.config.models import VenueConfig
from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.markets import MarketActions
from aegis.venue.faults.schema import Fault
from aegis.venue.wire.hub import Hub
from tests.venue.desk import START_MS
from tests.venue.flow_desk import FlowDesk

SCHEDULE = (
    Fault("price_spike", symbol="BTCUSDT", at_ms=300, every_ms=2_100, times=3, bps=40.0),
    Fault("symbol_status", symbol="ETH*", at_ms=1_500, for_ms=1_250, status="TRADING_HALT"),
    Fault("price_spike", symbol="*", at_ms=4_000, bps=-25.0),
)


class Drill:
    """A moving market with a schedule, without sockets: as ``serve`` drives it."""

    def __init__(self, *faults: Fault) -> None:
        self.desk = FlowDesk(VenueConfig(seed=12))
        desk, driver = self.desk, self.desk.driver
        desk.core.halt = driver.halt
        self.board = FaultBoard(1)
        actions = MarketActions(desk.core, Hub(), lambda: max(self.board.now_ms, desk.now_ms))
        self.board.actions = actions.table()
        self.board.open(driver.origin_ms, faults)

    def run(self, until_s: float, step_s: float) -> str:
        reached_s = 0.0
        while reached_s < until_s:
            reached_s = min(until_s, reached_s + step_s)
            self._catch_up(reached_s)
        return self.desk.digest.hex()

    def _catch_up(self, until_s: float) -> None:
        driver, board = self.desk.driver, self.board
        until_ms = driver.origin_ms + int(until_s * 1000)
        while (edge_ms := board.next_edge_ms()) <= until_ms:
            driver.run_until((edge_ms - driver.origin_ms) / 1000)
            board.advance(edge_ms)
        driver.run_until(until_s)
        board.advance(until_ms)


def test_the_market_under_faults_follows_from_seed_and_schedule_alone() -> None:
    digests = {Drill(*SCHEDULE).run(8.0, step_s) for step_s in (8.0, 1.0, 0.037)}
    assert len(digests) == 1
    assert Drill().run(8.0, 1.0) not in digests


def test_a_halted_symbol_stands_still_and_the_other_does_not() -> None:
    drill = Drill(Fault("symbol_status", symbol="BTCUSDT", at_ms=1_000, status="SETTLING"))
    btc, eth = drill.desk.exchange.markets["BTCUSDT"], drill.desk.exchange.markets["ETHUSDT"]
    drill.run(1.5, 0.1)
    before = btc.last_time_ms, eth.last_time_ms
    assert before[0] <= START_MS + 1_000
    drill._catch_up(10.0)
    assert (btc.status, btc.last_time_ms) == ("SETTLING", before[0])
    assert eth.last_time_ms > before[1]
    drill.board.remove(list(drill.board.armed.values()))
    drill._catch_up(20.0)
    assert (btc.status, btc.last_time_ms > START_MS + 10_000) == ("TRADING", True)
    drill.desk.assert_balanced()
