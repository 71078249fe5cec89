"""The ledger: averages, realised profit, fees, and that nothing ever appears or vanishes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.ledger import (
    BNB,
    BOTH,
    LONG,
    OWNER_HOUSE,
    OWNER_INSURANCE,
    SHORT,
    USDT,
    Account,
    Ledger,
    margin_asset,
)
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


HEDGED = st.lists(
    st.tuples(
        st.sampled_from((BTC, ETH)),
        st.sampled_from((LONG, SHORT)),
        st.integers(-30, 30).filter(bool),
        st.integers(200_000, 900_000),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(HEDGED, st.booleans(), st.integers(0, 10**11))
def test_hedged_and_isolated_positions_add_up_too(
    trades: list, isolated: bool, wallet: int
) -> None:
    """Both sides of one symbol live side by side; an isolated one pays with its own wallet only."""
    ledger = _ledger()
    account = ledger.add(
        Account(20, "hedged", wallet, taker_rate_e8=50_000, hedged=True,
                isolated={"BTCUSDT": isolated, "ETHUSDT": isolated})
    )  # fmt: skip
    for spec, side, lots, price in trades:
        position = account.position(spec.symbol, side)
        sign = 1 if side == LONG else -1
        # An order of the other direction closes, at most what is held.
        traded = abs(lots) * sign if lots > 0 else -min(abs(lots), abs(position.lots)) * sign
        if traded == 0:
            continue
        cross = account.cross_balance_e8(USDT)
        ledger.book(account, spec, traded, price, maker=False, now_ms=1, side=side)
        ledger.book(ledger.accounts[1], spec, -traded, price, maker=True, now_ms=1)
        assert ledger.imbalances_e8() == {}
        assert ledger.imbalance_lots() == {}
        assert position.lots * sign >= 0
        if isolated:
            assert position.isolated_e8 >= 0
            assert position.lots or position.isolated_e8 == 0
            if traded * sign < 0:
                assert account.cross_balance_e8(USDT) >= cross
        else:
            assert position.isolated_e8 == 0
    held = {key for key, position in account.positions.items() if position.lots}
    assert {(symbol, side) for symbol in ("BTCUSDT", "ETHUSDT") for side, _ in
            account.held(symbol)} == held  # fmt: skip


def _isolated() -> tuple[Ledger, Account]:
    ledger = _ledger()
    account = ledger.accounts[2]
    account.taker_rate_e8 = 0
    account.isolated["BTCUSDT"] = True
    return ledger, account


def test_an_isolated_position_takes_margin_and_gives_it_back() -> None:
    ledger, account = _isolated()
    ledger.book(account, BTC, 1_000, 600_000, maker=False, now_ms=1)
    position = account.position("BTCUSDT")
    assert position.isolated_e8 == 3_000 * 10**8  # a twentieth of 60,000 USDT
    assert account.cross_balance_e8(USDT) == account.wallet_e8 - position.isolated_e8
    # A quarter closed with a profit: a quarter of the margin and the profit are free again.
    ledger.book(account, BTC, -250, 610_000, maker=False, now_ms=1)
    assert position.isolated_e8 == 2_250 * 10**8
    assert account.cross_balance_e8(USDT) == 10**12 - 2_250 * 10**8 + 250 * 10**8
    # A third of the rest closed with a loss beyond its share: the other margin pays for it.
    ledger.book(account, BTC, -250, 560_000, maker=False, now_ms=1)
    assert position.isolated_e8 == 1_250 * 10**8
    assert account.cross_balance_e8(USDT) == 10**12 - 2_250 * 10**8 + 250 * 10**8


def test_a_loss_beyond_the_isolated_wallet_is_the_insurance_fund_s() -> None:
    ledger, account = _isolated()
    account.taker_rate_e8 = 50_000
    ledger.deposit(ledger.insurance, USDT, 10**13)
    ledger.book(account, BTC, 1_000, 600_000, maker=False, now_ms=1)
    free = account.cross_balance_e8(USDT)
    booked = ledger.book(account, BTC, -1_000, 560_000, maker=False, now_ms=1)
    assert (booked.realized_e8, booked.fee_e8) == (-4_000 * 10**8, 0)
    assert booked.covered_e8 == 1_000 * 10**8
    assert account.position("BTCUSDT").isolated_e8 == 0
    assert account.cross_balance_e8(USDT) == free
    assert ledger.insurance.wallet_e8 == 10**13 - 1_000 * 10**8


def test_break_even_charges_follow_the_position() -> None:
    ledger = _ledger()
    account = ledger.accounts[2]
    position = account.position("BTCUSDT")

    def trade(lots: int, price: int) -> int:
        return ledger.book(account, BTC, lots, price, maker=False, now_ms=1).fee_e8

    paid = trade(10, 600_000)
    assert position.charges_e8 == paid
    paid += trade(-5, 600_100)
    assert position.charges_e8 == paid - 5 * 100 * BTC.unit_e8
    flipped = trade(-15, 600_000)
    assert position.lots == -10
    assert position.charges_e8 == flipped * 10 // 15
    trade(10, 600_000)
    assert position.charges_e8 == 0


def test_fees_in_bnb_are_a_tenth_less_as_long_as_there_is_any() -> None:
    ledger = _ledger()
    account = ledger.accounts[2]
    ledger.deposit(account, BNB, 5 * 10**6)  # 0.05 BNB
    free = ledger.book(account, BTC, 1_000, 600_000, maker=False, now_ms=1)
    assert (free.fee_asset, free.fee_e8) == (USDT, 30 * 10**8)  # no price, no burning
    ledger.bnb_e8 = 600 * 10**8
    burnt = ledger.book(account, BTC, 1_000, 600_000, maker=False, now_ms=1)
    assert (burnt.fee_asset, burnt.fee_e8) == (BNB, 4_500_000)  # 30 USDT * 0.9 / 600
    assert account.balance_e8(BNB) == 500_000
    again = ledger.book(account, BTC, -1_000, 600_000, maker=False, now_ms=1)
    assert again.fee_asset == USDT
    account.burns_bnb = False
    ledger.deposit(account, BNB, 10**8)
    assert ledger.book(account, BTC, 1, 600_000, maker=False, now_ms=1).fee_asset == USDT
    ledger.book(ledger.accounts[1], BTC, -1_001, 600_000, maker=True, now_ms=1)
    assert ledger.imbalances_e8() == {} and ledger.imbalance_lots() == {}


def test_contracts_settle_in_their_own_asset() -> None:
    config = VenueConfig().symbols["BTCUSDT"]
    usdc = make_symbol("BTCUSDC", config, 2)
    ledger = _ledger()
    account, other = ledger.accounts[2], ledger.accounts[3]
    for one, lots in ((account, 10), (other, -10)):
        ledger.book(one, usdc, lots, 600_000, maker=False, now_ms=1)
    ledger.book(account, usdc, -10, 600_100, maker=False, now_ms=1)
    ledger.book(other, usdc, 10, 600_100, maker=False, now_ms=1)
    assert account.wallet_e8 == other.wallet_e8 == 10**12
    assert account.balance_e8("USDC") - other.balance_e8("USDC") == 2 * 10 * 100 * usdc.unit_e8
    assert ledger.imbalances_e8() == {}
    assert (margin_asset("BTCUSDC"), margin_asset("ETHUSDT_260327")) == ("USDC", "USDT")


def test_the_exchange_s_own_accounts_are_there_from_the_start() -> None:
    ledger = Ledger()
    assert ledger.house is ledger.accounts[OWNER_HOUSE]
    assert ledger.insurance is ledger.accounts[OWNER_INSURANCE]
    ledger.deposit(ledger.insurance, USDT, 7)
    assert ledger.imbalance_e8() == 0
    ledger.insurance.wallet_e8 += 1
    assert ledger.imbalance_e8() == 1
    assert ledger.insurance.position("BTCUSDT", BOTH).lots == 0
