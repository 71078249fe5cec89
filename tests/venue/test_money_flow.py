"""Overleveraged clients in a wild synthetic market: fundings, liquidations, and every unit kept.

The agents' books, the fund's sales and the liquidation orders all meet in the same machine code
here, which keeps the participants' sums to itself until somebody looks.
"""

from __future__ import annotations

import random
from collections import Counter

from aegis.config.models import VenueConfig
from aegis.venue.events import OrderEvent
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from tests.venue.desk import KEYS, START_MS, Desk

USDT = 10**8
STEP_S = 5.0


class Wild(Desk):
    """Three symbols, and agents whose fair price moves by twenty basis points a second."""

    def __init__(self, seed: int) -> None:
        config = VenueConfig(universe=3, balance_usdt=20_000.0, insurance_fund_usdt=100_000.0)
        super().__init__(config)
        self.specs = [market.spec for market in self.exchange.markets.values()]
        flow = config.flow.model_copy(update={"volatility_bps_per_sqrt_s": 20.0})
        agents = make_agents(self.specs, flow, seed)
        self.core.treasury.marks.follow(agents.fair_ticks)
        # Funding falls due within the first minutes.
        self.driver = FlowDriver(self.core, agents, START_MS - 60_000, self._after)
        self.driver.open_markets()

    def _after(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.flush()


def test_a_wild_market_loses_nobody_s_money() -> None:
    wild = Wild(7)
    ledger, liquidator = wild.exchange.ledger, wild.core.treasury.liquidator
    dice = random.Random(3)
    executions: Counter[str] = Counter()
    for key in KEYS:
        for spec in wild.specs:
            wild.call("POST", "/fapi/v1/leverage", key, symbol=spec.symbol, leverage=50)
    for step in range(1, 250):
        wild.driver.run_until(step * STEP_S)
        key, spec = dice.choice(KEYS), dice.choice(wild.specs)
        notional = dice.uniform(0.05, 1.0) * 600_000 * USDT
        lots = int(notional / spec.notional_e8(spec.start_price_ticks, 1))
        wild.order(
            key,
            symbol=spec.symbol,
            side=dice.choice(("BUY", "SELL")),
            type="MARKET",
            quantity=spec.qty_text(min(lots, spec.max_qty_lots)),
        )
        for event in wild.exchange.take_events():
            if isinstance(event, OrderEvent):
                executions[event.execution] += 1
        if step % 10 == 0:
            wild.assert_balanced()
        for number in range(len(KEYS)):
            account = wild.exchange.account(16 + number)
            assert account.wallet_e8 >= 0 or any(p.lots for p in account.positions.values())
            if account.wallet_e8 < 1_000 * USDT:
                ledger.deposit(account, "USDT", 20_000 * USDT)
    wild.assert_balanced()
    kinds = Counter(entry.kind for entry in wild.exchange.income.incomes())
    # The dice have reached everything.
    assert executions["CALCULATED"] > 10 and liquidator.deleveragings > 0
    assert kinds["FUNDING_FEE"] > 0 and kinds["INSURANCE_CLEAR"] > 0
    fundings = [wild.core.treasury.marks.fundings(spec.number, 9) for spec in wild.specs]
    assert [len(each) for each in fundings] == [1, 1, 1]
