"""The ledger: averages, realised profit, fees, and that nothing ever appears or vanishes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.ledger import Account, Ledger
from aegis.venue.symbols import make_symbol

BTC = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
ETH = make_symbol("ETHUSDT", VenueConfig().symbols["ETHUSDT"])


def _ledger() -> Ledger:
    ledger = Ledger()
    ledger.add(Account(1, "makers", maker_rate_e8=-1_000))
    ledger.add(Account(2, "client", 10**12, maker_rate_e8=20_000, taker_rate_e8=50_000))
    ledger.add(Account(3, "other", 10**12, maker_rate_e8=20_000, taker_rate_e8=50_000))
    return ledger


TRADES = st.lists(
    st.tuples(
        st.sampled_from((BTC, ETH)),
        st.permutations((1, 2, 3)),
        st.integers(-40, 40).filter(bool),
        st.integers(500_000, 700_000),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(TRADES)
def test_everything_adds_up_after_every_trade(trades: list) -> None:
    ledger = _ledger()
    for spec, (taker, maker, _), lots, price in trades:
        ledger.book(ledger.accounts[taker], spec, lots, price, maker=False, now_ms=1)
        ledger.book(ledger.accounts[maker], spec, -lots, price, maker=True, now_ms=1)
        assert ledger.imbalance_e8() == 0
        assert ledger.imbalance_lots() == {}
        for account in ledger.accounts.values():
            for position in account.positions.values():
                # A flat position has no cost; an open one has a cost of its own sign.
                assert (position.cost_e8 > 0) == (position.lots > 0)
                assert (position.cost_e8 < 0) == (position.lots < 0)


def test_average_entry_stays_on_a_reduction_and_starts_anew_on_a_flip() -> None:
    ledger = _ledger()
    account = ledger.accounts[2]

    def trade(lots: int, price: int) -> int:
        booked = ledger.book(account, BTC, lots, price, maker=True, now_ms=1)
        ledger.book(ledger.accounts[3], BTC, -lots, price, maker=False, now_ms=1)
        return booked.realized_e8

    def entry() -> int:
        position = account.position("BTCUSDT")
        return BTC.price_e8(position.cost_e8, position.lots) // BTC.tick_e8

    assert trade(10, 600_000) == 0
    assert trade(10, 600_100) == 0
    assert entry() == 600_050
    assert trade(-5, 600_150) == 5 * 100 * BTC.unit_e8
    assert entry() == 600_050
    assert trade(-20, 600_000) == 15 * -50 * BTC.unit_e8
    assert account.position("BTCUSDT").lots == -5
    assert entry() == 600_000
    assert trade(5, 600_010) == 5 * -10 * BTC.unit_e8
    assert account.position("BTCUSDT").cost_e8 == 0


def test_fees_by_role_and_rebates() -> None:
    ledger = _ledger()
    taken = ledger.book(ledger.accounts[2], BTC, 1_000, 600_000, maker=False, now_ms=1)
    made = ledger.book(ledger.accounts[1], BTC, -1_000, 600_000, maker=True, now_ms=1)
    assert taken.fee_e8 == 30 * 10**8  # 5 bps of 60,000 USDT
    assert made.fee_e8 == -6 * 10**7  # a rebate of 0.1 bps
    assert ledger.fees_e8 == taken.fee_e8 + made.fee_e8
