"""What a restart must not change: modes, isolated wallets, incomes, and the insurance fund."""

from __future__ import annotations

from pathlib import Path

from aegis.venue.journal import Journal
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.memory import Memory
from tests.venue.purse import Purse


def remembered(tmp_path: Path) -> tuple[Purse, Memory]:
    purse = Purse()
    memory = Memory(purse.core, Journal(tmp_path, "me"))
    memory.restore()
    return purse, memory


def test_modes_positions_and_histories_come_back(tmp_path: Path) -> None:
    purse, memory = remembered(tmp_path)
    purse.hedge()
    purse.isolate()
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=40)
    purse.post("/fapi/v1/feeBurn", feeBurn="false")
    purse.buy("0.100", positionSide="LONG")
    purse.sell("0.040", positionSide="SHORT")
    purse.post(
        "/fapi/v1/positionMargin", symbol="BTCUSDT", amount="50", type=1, positionSide="LONG"
    )
    purse.order(quantity="0.5", price="59000", positionSide="LONG")
    purse.second()
    purse.second(8 * 3_600)  # a funding
    memory.commit()
    again, _ = remembered(tmp_path)
    assert again.account == purse.account
    assert again.held("LONG").isolated_e8 > 0
    paths = (
        "/fapi/v1/income", "/fapi/v1/positionMargin/history", "/fapi/v2/account",
        "/fapi/v1/symbolConfig", "/fapi/v1/positionSide/dual", "/fapi/v1/feeBurn",
    )  # fmt: skip
    for path in paths:
        assert again.get(path, symbol="BTCUSDT") == purse.get(path, symbol="BTCUSDT"), path
    # The resting order still holds its margin.
    assert again.exchange.open_notional(again.account.account_id, "BTCUSDT", "LONG")[0] > 0
    again.assert_balanced()


def test_the_fund_keeps_what_it_has_taken_over(tmp_path: Path) -> None:
    purse, memory = remembered(tmp_path)
    purse.buy("3")
    purse.take(SELL, 400_000, 10**9)
    purse.quote(BUY, 400_000, 1_000)
    purse.set_mark(55_000)
    purse.second()
    fund = purse.exchange.ledger.insurance
    assert fund.position("BTCUSDT").lots == 3_000
    memory.commit()
    again, _ = remembered(tmp_path)
    assert again.exchange.ledger.insurance == fund
    assert again.account.wallet_e8 == purse.account.wallet_e8
    again.assert_balanced()
