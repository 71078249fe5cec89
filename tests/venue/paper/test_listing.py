"""Contracts out of the instruments table: the live exchange's filters, in the venue's integers."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from aegis.feed.exchange_info import read_listing
from aegis.shm.instance import InstanceMemory
from aegis.shm.instruments import UNCONFIRMED
from aegis.venue.errors import OptionsError
from aegis.venue.matching.layout import MAX_TURNOVER
from aegis.venue.paper.listing import contract_of, contracts_of, is_told, market_status
from tests.venue.paper.desk import BTC, ETH, list_contracts


def test_a_row_is_a_contract_with_its_filters(memory: InstanceMemory) -> None:
    spec = contract_of(memory.instruments.row(0), 3)
    assert (spec.symbol, spec.base, spec.quote, spec.number) == ("BTCUSDT", "BTC", "USDT", 3)
    assert (spec.tick_e8, spec.min_price_ticks, spec.max_price_ticks) == (10**7, 5568, 45297640)
    assert (spec.min_qty_lots, spec.max_qty_lots) == (1, 1_000_000)
    assert spec.min_notional_e8 == 50 * 10**8
    assert (spec.multiplier_up_e4, spec.multiplier_down_e4) == (10_500, 9_500)
    assert (spec.price_text(600_001), spec.qty_text(50)) == ("60000.10", "0.050")


def test_contracts_keep_the_number_of_their_row(memory: InstanceMemory) -> None:
    list_contracts(memory, {"symbol": b"XUSDT", "status": UNCONFIRMED}, ETH)
    (eth,) = contracts_of(memory.instruments, takes_all=True)
    assert (eth.instrument, eth.spec.number, eth.spec.symbol) == (1, 0, "ETHUSDT")


def test_what_cannot_be_counted_exactly_is_refused_or_left_out(memory: InstanceMemory) -> None:
    list_contracts(memory, {**BTC, "tick_size": 1e-7, "step_size": 1e-3, "price_precision": 7}, ETH)
    with pytest.raises(OptionsError, match="BTCUSDT: tick 1e-07 times step"):
        contracts_of(memory.instruments, takes_all=False)
    found = contracts_of(memory.instruments, takes_all=True)
    assert [one.spec.symbol for one in found] == ["ETHUSDT"]


def test_a_table_without_a_contract_is_refused(memory: InstanceMemory) -> None:
    list_contracts(memory, {"symbol": b"XUSDT", "tick_size": 0.0})
    with pytest.raises(OptionsError, match="no contract"):
        contracts_of(memory.instruments, takes_all=True)


def test_stand_ins_for_a_list_are_no_contracts() -> None:
    assert [is_told(source) for source in range(4)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("code", "status"), [(1, "TRADING"), (9, "TRADING_HALT"), (8, "CLOSE"), (97, "CLOSE")]
)
def test_the_status_of_a_row_is_the_market_s(code: int, status: str) -> None:
    assert market_status(code) == status


def test_every_perpetual_of_the_real_list_can_be_traded(shared_data: Path, tmp_path: Path) -> None:
    """Those that cannot are named here: their money would have parts of 1e-8."""
    body = gzip.decompress((shared_data / "usdm" / "exchangeInfo_20260331.json.gz").read_bytes())
    listing = read_listing(body)
    names = [name for name in listing.perpetuals if listing.is_trading(name)]
    rows: list[dict[str, Any]] = [listing.fields(name) for name in names]
    memory = InstanceMemory.create("all", instruments=len(rows), shm_dir=tmp_path)
    try:
        list_contracts(memory, *rows)
        found = contracts_of(memory.instruments, takes_all=True)
        missing = set(names) - {one.spec.symbol for one in found}
        assert len(names) > 300
        assert missing == set()
        for one in found:
            assert one.spec.max_price_ticks * one.spec.max_qty_lots < MAX_TURNOVER
    finally:
        memory.close()
        memory.unlink()
