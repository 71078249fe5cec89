"""Funding payments: who pays whom, from which wallet, what is told, and that nothing is lost."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.events import AccountEvent
from aegis.venue.funding import payment_e8
from aegis.venue.ledger import OWNER_HOUSE
from aegis.venue.marks import HOUR_MS, LAST_RATE, NEXT_MS, RATE
from aegis.venue.matching.interface import OWNER_MAKERS
from aegis.venue.payloads.user import encode
from tests.venue.desk import CLIENT, KEYS, OTHER
from tests.venue.purse import USDT, Purse


@pytest.fixture
def purse() -> Purse:
    purse = Purse()
    purse.second()
    purse.story()
    return purse


def set_rate(purse: Purse, rate_e8: int) -> None:
    words = purse.core.treasury.marks.gauges.words
    words[purse.btc.spec.number, [RATE, LAST_RATE]] = rate_e8


def to_funding(purse: Purse) -> None:
    """Go to the moment at which BTCUSDT funds next."""
    words = purse.core.treasury.marks.gauges.words
    purse.second((int(words[purse.btc.spec.number, NEXT_MS]) - purse.now_ms) / 1_000)


@given(st.integers(-(10**17), 10**17), st.integers(-3_000_000, 3_000_000))
def test_long_pays_when_the_rate_is_positive(value: int, rate: int) -> None:
    paid = payment_e8(value, rate)
    exact = -Fraction(value * rate, 10**8)
    assert abs(paid - exact) < 1 and abs(paid) <= abs(exact)
    assert payment_e8(-value, rate) == -paid == payment_e8(value, -rate)


def test_longs_pay_shorts_at_the_funding_time(purse: Purse) -> None:
    purse.buy("0.3")
    purse.sell("0.1", account=1)
    wallet = purse.account.wallet_e8
    other = purse.exchange.account(OTHER).wallet_e8
    purse.set_mark(60_000)
    set_rate(purse, 10_000)
    purse.second()
    assert purse.account.wallet_e8 == wallet
    to_funding(purse)
    assert purse.account.wallet_e8 - wallet == -180_000_000  # 18,000 USDT at 0.01 %
    assert purse.exchange.account(OTHER).wallet_e8 - other == 60_000_000
    purse.assert_balanced()
    # Once per interval, at eight hours of a day.
    assert purse.now_ms % (8 * HOUR_MS) == 0
    purse.second()
    assert purse.account.wallet_e8 - wallet == -180_000_000
    set_rate(purse, -20_000)
    to_funding(purse)
    assert purse.account.wallet_e8 - wallet == 180_000_000
    fundings = purse.core.treasury.marks.fundings(purse.btc.spec.number, 10)
    assert [funding.rate_e8 for funding in fundings] == [10_000, -20_000]
    purse.assert_balanced()


def test_income_and_event_of_a_cross_position(purse: Purse) -> None:
    purse.buy("0.3")
    purse.set_mark(60_000)
    purse.story()
    to_funding(purse)
    rows = purse.get("/fapi/v1/income", incomeType="FUNDING_FEE")
    assert [(row["symbol"], row["income"], row["asset"]) for row in rows] == [
        ("BTCUSDT", "-1.80000000", "USDT")
    ]
    (event,) = purse.events()
    assert isinstance(event, AccountEvent)
    ((name, payload),) = encode(event, purse.exchange.markets)
    body = json.loads(payload)["a"]
    assert (name, body["m"], body["S"], body["P"]) == (
        "ACCOUNT_UPDATE", "FUNDING_FEE", "BTCUSDT", [],
    )  # fmt: skip
    wallet = f"{purse.account.wallet_e8 / USDT:.8f}"
    assert body["B"] == [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": "-1.80000000"}]


def test_an_isolated_position_pays_from_its_own_wallet(purse: Purse) -> None:
    purse.isolate()
    purse.buy("0.3")
    purse.set_mark(60_000)
    purse.story()
    own, cross = purse.held().isolated_e8, purse.account.cross_balance_e8("USDT")
    to_funding(purse)
    assert purse.held().isolated_e8 == own - 180_000_000
    assert purse.account.cross_balance_e8("USDT") == cross
    (event,) = purse.events()
    assert isinstance(event, AccountEvent)
    assert [(note.symbol, note.isolated_wallet_e8) for note in event.positions] == [
        ("BTCUSDT", own - 180_000_000)
    ]
    # More than it has: the fund pays the rest, not the other money of the account.
    purse.held().isolated_e8 = 100_000_000
    purse.exchange.ledger.reopen()
    purse.set_mark(61_000)  # in profit, so that it is not liquidated first
    cross = purse.account.cross_balance_e8("USDT")
    to_funding(purse)
    assert purse.held().isolated_e8 == 0
    assert purse.account.cross_balance_e8("USDT") == cross
    rows = purse.get("/fapi/v1/income", incomeType="INSURANCE_CLEAR")
    assert [row["income"] for row in rows] == ["0.83000000"]  # of 1.83
    purse.assert_balanced()


def test_hedged_sides_pay_and_get_apart(purse: Purse) -> None:
    purse.hedge()
    purse.buy("0.3", positionSide="LONG")
    purse.sell("0.2", positionSide="SHORT")
    purse.set_mark(60_000)
    to_funding(purse)
    rows = purse.get("/fapi/v1/income", incomeType="FUNDING_FEE")
    assert sorted(row["income"] for row in rows) == ["-1.80000000", "1.20000000"]
    purse.assert_balanced()


def test_the_sum_of_all_payments_is_zero_to_the_last_unit(purse: Purse) -> None:
    purse.buy("0.333")
    purse.sell("0.111", account=1)
    purse.set_mark(60_000.12345677)
    set_rate(purse, 12_347)
    before = {key: account.wallet_e8 for key, account in purse.exchange.ledger.accounts.items()}
    to_funding(purse)
    change = {
        key: account.wallet_e8 - before[key]
        for key, account in purse.exchange.ledger.accounts.items()
    }
    assert sum(change.values()) == 0
    assert change[CLIENT] < 0 < change[OTHER]
    assert change[OWNER_MAKERS] > 0
    assert 0 <= change[OWNER_HOUSE] <= 2  # what rounding leaves over
    purse.assert_balanced()


def test_nobody_pays_without_a_position(purse: Purse) -> None:
    purse.buy("0.3")
    purse.sell("0.3")
    purse.story()
    to_funding(purse)
    assert purse.story() == []
    assert purse.get("/fapi/v1/income", incomeType="FUNDING_FEE") == []
    assert purse.call("GET", "/fapi/v1/income", KEYS[1])[1][0]["incomeType"] == "TRANSFER"


def test_income_is_paged_and_windowed(purse: Purse) -> None:
    for _ in range(4):
        purse.buy("0.001")
        purse.now_ms += 1_000
    rows = purse.get("/fapi/v1/income", incomeType="COMMISSION")
    assert len(rows) == 4
    times = [row["time"] for row in rows]
    assert times == sorted(times)

    def pages(**more: int) -> list[list[int]]:
        found = []
        for page in (1, 2, 3):
            answer = purse.get(
                "/fapi/v1/income", incomeType="COMMISSION", limit=2, page=page, **more
            )
            found.append([row["time"] for row in answer])
        return found

    # Without a start the newest come first, page by page; with one the oldest.
    assert pages() == [times[2:], times[:2], []]
    assert pages(startTime=times[0]) == [times[:2], times[2:], []]
    assert pages(startTime=times[1], endTime=times[2]) == [times[1:3], [], []]
    _, body = purse.call("GET", "/fapi/v1/income", startTime=2, endTime=1)
    assert body["code"] == -1023
    assert purse.call("GET", "/fapi/v1/income", incomeType="GIFT")[1]["code"] == -1130
    assert purse.call("GET", "/fapi/v1/income", limit=1_001)[1]["code"] == -1130
