"""Random streams of commands, prices, fundings and liquidations: nothing appears, nothing is lost.

Two clients trade two symbols in every mode while the market jumps about. After every command all
money and all positions add up, and what can never be holds.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.ledger import HEDGE_SIDES
from aegis.venue.matching.interface import BUY, OWNER_MAKERS, OWNER_TAKERS, SELL
from tests.venue.desk import KEYS
from tests.venue.purse import Purse

SYMBOLS = {"BTCUSDT": (600_000, "0.1"), "ETHUSDT": (260_000, "2")}
ACCOUNT = st.sampled_from((0, 1))
SYMBOL = st.sampled_from(sorted(SYMBOLS))
SHIFT = st.sampled_from((-4_000, -1_000, -100, -1, 0, 1, 100, 1_000, 4_000))  # of the price, in bps

ORDER = st.tuples(
    st.just("order"),
    ACCOUNT,
    SYMBOL,
    st.sampled_from(("BUY", "SELL")),
    st.integers(1, 30),
    st.sampled_from((None, None, -50, -1, 1, 50)),
    st.sampled_from(("LONG", "SHORT")),
    st.sampled_from((False, False, False, True)),
)
SETTING = st.one_of(
    st.tuples(st.just("leverage"), ACCOUNT, SYMBOL, st.sampled_from((5, 20, 75, 125))),
    st.tuples(st.just("isolate"), ACCOUNT, SYMBOL, st.booleans()),
    st.tuples(st.just("margin"), ACCOUNT, SYMBOL, st.integers(1, 2_000), st.sampled_from((1, 2))),
    st.tuples(st.just("hedge"), ACCOUNT, st.booleans()),
    st.tuples(st.just("multi"), ACCOUNT, st.booleans()),
    st.tuples(st.just("cancel"), ACCOUNT, SYMBOL),
)
MARKET = st.one_of(
    st.tuples(st.just("market"), SYMBOL, SHIFT, st.integers(1, 3_000)),
    st.tuples(st.just("crash"), SYMBOL, SHIFT, st.integers(1, 3_000)),
    st.tuples(st.just("hours"), st.integers(1, 9)),
)
# A day at the exchange: settings, then orders, then something happens.
ROUND = st.tuples(
    st.lists(SETTING, max_size=2), st.lists(ORDER, min_size=2, max_size=5), MARKET
).map(lambda parts: [*parts[0], *parts[1], parts[2]])
STREAM = st.lists(ROUND, min_size=5, max_size=15).map(
    lambda rounds: [command for commands in rounds for command in commands]
)


class Story(Purse):
    """A purse with two symbols, and the commands of the stream."""

    def __init__(self, fund: float = 20_000.0) -> None:
        super().__init__(lots=3_000, config=VenueConfig(insurance_fund_usdt=fund))
        self.market("ETHUSDT", 0, 60_000)

    def run(self, command: tuple[Any, ...]) -> None:
        name, *arguments = command
        getattr(self, name)(*arguments)

    def order(self, *arguments: Any, **more: Any) -> Any:
        if more:
            return super().order(*arguments, **more)
        account, symbol, side, units, away, position_side, reduces = arguments
        middle, unit = SYMBOLS[symbol]
        hedged = self.exchange.account(16 + account).hedged
        parameters: dict[str, Any] = {
            "symbol": symbol, "side": side, "quantity": f"{units * float(unit):.3f}",
            "positionSide": position_side if hedged else "BOTH",
        }  # fmt: skip
        if reduces and not hedged:
            parameters["reduceOnly"] = "true"
        if away is None:
            parameters["type"] = "MARKET"
        else:
            spec = self.exchange.markets[symbol].spec
            parameters["price"] = spec.price_text(middle + away)
        return super().order(KEYS[account], **parameters)

    def _post(self, account: int, path: str, **parameters: Any) -> None:
        self.call("POST", f"/fapi/v1/{path}", KEYS[account], **parameters)

    def leverage(self, account: int, symbol: str, leverage: int) -> None:
        self._post(account, "leverage", symbol=symbol, leverage=leverage)

    def isolate(self, account: int = 0, symbol: str = "BTCUSDT", isolated: bool = True) -> None:
        kind = "ISOLATED" if isolated else "CROSSED"
        self._post(account, "marginType", symbol=symbol, marginType=kind)

    def margin(self, account: int, symbol: str, amount: int, kind: int) -> None:
        hedged = self.exchange.account(16 + account).hedged
        side = HEDGE_SIDES[amount % 2] if hedged else "BOTH"
        self._post(
            account, "positionMargin", symbol=symbol, amount=amount, type=kind, positionSide=side
        )

    def hedge(self, account: int = 0, hedged: bool = True) -> None:
        self._post(account, "positionSide/dual", dualSidePosition=str(hedged).lower())

    def multi(self, account: int, wanted: bool) -> None:
        self._post(account, "multiAssetsMargin", multiAssetsMargin=str(wanted).lower())

    def cancel(self, account: int, symbol: str) -> None:
        self.call("DELETE", "/fapi/v1/allOpenOrders", KEYS[account], symbol=symbol)

    def market(self, symbol: str, shift: int, lots: int) -> None:
        """Take everything on the way to another price, and quote there."""
        market = self.exchange.markets[symbol]
        middle = SYMBOLS[symbol][0] * (10_000 + shift) // 10_000
        for side, price in ((SELL, middle), (BUY, middle + 1)):
            for owner, own_side, rest in ((OWNER_TAKERS, side, False), (OWNER_MAKERS, -side, True)):
                self.exchange.market_order_flow(
                    market, owner, own_side, price, 10**7 if not rest else lots, rest, self.now_ms
                )

    def mark(self, symbol: str, shift: int) -> None:
        price = self.exchange.markets[symbol].spec.tick_e8 * SYMBOLS[symbol][0] / 1e8
        self.set_mark(price * (10_000 + shift) / 10_000, symbol)

    def crash(self, symbol: str, shift: int, lots: int) -> None:
        self.market(symbol, shift, lots)
        self.mark(symbol, shift)
        self.second()

    def hours(self, hours: int) -> None:
        self.second(3_600 * hours)

    def assert_sound(self) -> None:
        ledger = self.exchange.ledger
        assert ledger.imbalances_e8() == {}
        assert ledger.imbalance_lots() == {}
        for account_id in (16, 17):
            account = ledger.accounts[account_id]
            for (symbol, side), position in account.positions.items():
                assert position.isolated_e8 >= 0
                assert position.isolated_e8 == 0 or account.isolated[symbol]
                assert side != "LONG" or position.lots >= 0
                assert side != "SHORT" or position.lots <= 0
                assert side in account.sides or position.lots == 0
                if position.lots == 0:
                    assert (position.isolated_e8, position.cost_e8) == (0, 0)
        assert ledger.insurance.position("BTCUSDT").isolated_e8 == 0


@settings(max_examples=40, deadline=None)
@given(STREAM, st.sampled_from((0.0, 2e4, 1e6)))
def test_everything_adds_up_whatever_happens(commands: list[tuple[Any, ...]], fund: float) -> None:
    story = Story(fund)
    for command in commands:
        story.run(command)
        story.assert_sound()
    story.second()
    story.assert_sound()
    # Whoever is still there has been left with enough: liquidation leaves no debt behind.
    for account_id in (16, 17):
        account = story.exchange.account(account_id)
        if not any(position.lots for position in account.positions.values()):
            assert account.cross_balance_e8("USDT") >= 0


ISOLATED = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.just(0), SYMBOL, st.sampled_from(("BUY", "SELL")),
            st.integers(1, 30), st.none(), st.sampled_from(("LONG", "SHORT")), st.booleans(),
        ),
        st.tuples(st.just("market"), SYMBOL, SHIFT, st.integers(1, 3_000)),
        st.tuples(st.just("mark"), SYMBOL, SHIFT),
    ),
    min_size=5,
    max_size=40,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(ISOLATED, st.booleans())
def test_no_second_costs_an_isolated_account_more_than_its_positions(
    commands: list[tuple[Any, ...]], hedged: bool
) -> None:
    """Fundings, liquidations and deleveraging never reach what was not put into a position."""
    story = Story(fund=5_000.0)
    if hedged:
        story.hedge()
    for symbol in SYMBOLS:
        story.isolate(0, symbol)
        story.leverage(0, symbol, 75)
    for command in commands:
        story.run(command)
        free = story.account.cross_balance_e8("USDT")
        story.second(1_000)
        assert story.account.cross_balance_e8("USDT") >= free
        story.assert_sound()
