"""The instruments table: whole rows, exact symbols, versions that only go up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aegis.shm import instruments
from aegis.shm.instruments import INSTRUMENT, TRADING, Instruments
from aegis.shm.region import Region


@pytest.fixture
def table(shm_dir: Path) -> Instruments:
    region = Region.create(
        shm_dir / "instruments",
        kind=instruments.KIND,
        capacity=3,
        record_bytes=INSTRUMENT.itemsize,
        body_bytes=3 * INSTRUMENT.itemsize,
        owner=(os.getpid(), 0),
    )
    return Instruments(region)


def test_a_row_is_found_by_its_symbol(table: Instruments) -> None:
    table.set(0, symbol="BTCUSDT", status=TRADING, tick_size=0.1, step_size=0.001)
    table.set(2, symbol="ETHUSDT", status=TRADING, tick_size=0.01, max_qty=1e6)
    assert (table.index("BTCUSDT"), table.index("ETHUSDT")) == (0, 2)
    assert (table.symbol(2), table.symbol(1)) == ("ETHUSDT", "")
    row = table.row(2)
    assert (float(row["tick_size"]), float(row["max_qty"]), int(row["status"])) == (0.01, 1e6, 1)
    with pytest.raises(KeyError, match="BTC"):
        table.index("BTC")


def test_each_write_raises_the_version_and_keeps_the_rest(table: Instruments) -> None:
    assert int(table.row(1)["version"]) == 0
    table.set(1, symbol="BTCUSDT", tick_size=0.1, min_notional=5.0)
    table.set(1, tick_size=0.01)
    row = table.row(1)
    assert int(row["version"]) == 2
    assert (float(row["tick_size"]), float(row["min_notional"])) == (0.01, 5.0)
    assert table.symbol(1) == "BTCUSDT"


@pytest.mark.parametrize("symbol", ["币安人生USDT", "X" * 32])
def test_any_symbol_that_fits_comes_back(table: Instruments, symbol: str) -> None:
    table.set(1, symbol=symbol)
    assert table.symbol(1) == symbol
    assert table.index(symbol) == 1


@pytest.mark.parametrize("fields", [{"symbol": "X" * 33}, {"tick_size": 9.0, "colour": 1}])
def test_nothing_is_written_of_a_row_with_a_mistake(
    table: Instruments, fields: dict[str, object]
) -> None:
    table.set(0, symbol="BTCUSDT", tick_size=0.1)
    before = table.row(0).tolist()
    with pytest.raises(ValueError, match=r"33 bytes|colour"):
        table.set(0, **fields)
    assert table.row(0).tolist() == before


@pytest.mark.parametrize("instrument", [-1, 3])
def test_a_row_that_is_not_there_is_an_index_error(table: Instruments, instrument: int) -> None:
    with pytest.raises(IndexError, match=r"holds 0\.\.2"):
        table.set(instrument, symbol="BTCUSDT")
