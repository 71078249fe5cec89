"""Public CSV files, written by hand after their layouts, to records: each field in its place."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest

from aegis.recorder import binance, tardis
from aegis.recorder.converting import Output
from aegis.recorder.errors import RecorderError
from aegis.recorder.header import own_header
from aegis.recorder.input_files import InputReport
from aegis.recorder.layout import AGGREGATE, BAND, FIRST, LEVEL, PICTURE
from aegis.recorder.reading import RecordingFile
from aegis.shm.tick import CANDLE, QUOTE, TRADE

MS = 1_000_000
T0 = 1_723_161_256_298

TRADES = (
    "id,price,qty,quote_qty,time,is_buyer_maker\n",
    f"5240315851,61800.30,0.010,618.00300,{T0},false\n"
    f"5240315852,61800.20,1.5,92700.3,{T0 + 1},true\n",
)
AGGREGATES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n",
    f"2345,61800.30,0.010,100,100,{T0},False\n2346,61800.20,1.5,101,107,{T0 + 1},True\n",
)
TICKERS = (
    "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,"
    "event_time\n",
    f"5123107832006,61800.20,2.507,61800.30,3.330,{T0},{T0 + 3}\n",
)
CANDLES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n",
    "1723161240000,61790.1,61810,61780.5,61800.3,12.345,1723161299999,762894.1,321,6.1,"
    "376994.2,0\n",
)
BANDS = (
    "timestamp,percentage,depth,notional\n",
    "2024-08-08 23:54:16,-5.00,8123.456,489123456.78\n2024-08-08 23:54:16,1,2000.5,123500000\n",
)


def load(kind: str, path: Path, symbol: str = "") -> tuple[Any, InputReport, RecordingFile]:
    """(records, what was wrong, the recording) of one file."""
    report = InputReport(path)
    out = path.parent / f"{path.name}.out.rec"
    with Output(out, own_header(kind)) as output:
        if kind.startswith("tardis"):
            tardis.import_file(kind, path, output, report, lambda size: None)
        else:
            binance.import_file(kind, path, symbol, output, report, lambda size: None)
    found = RecordingFile(out)
    return found.read_all(), report, found


def values(record: Any) -> list[float]:
    return [float(record[name]) for name in "abcde"]


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
def test_trades(tmp_path: Path, header: bool, packed: str) -> None:
    text = (TRADES[0] if header else "") + TRADES[1]
    path = tmp_path / f"BTCUSDT-trades-2024-08-08{packed or '.csv'}"
    if packed == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif packed == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("BTCUSDT-trades-2024-08-08.csv", text)
    else:
        path.write_text(text)
    records, report, file = load("binance-trades", path)
    assert report.is_whole, report.sentences()
    assert records["kind"].tolist() == [TRADE, TRADE]
    assert records["ts_event_ns"].tolist() == [T0 * MS, (T0 + 1) * MS]
    assert values(records[0]) == [61800.3, 0.01, 1.0, 5240315851.0, 0.0]
    assert values(records[1]) == [61800.2, 1.5, -1.0, 5240315852.0, 0.0]
    assert file.symbol(0) == "BTCUSDT"


@pytest.mark.parametrize("header", [0, 1])
def test_aggregates(tmp_path: Path, header: int) -> None:
    path = tmp_path / "ETHUSDT-aggTrades-2024-08.csv"
    path.write_text(AGGREGATES[0] * header + AGGREGATES[1])
    records, report, file = load("binance-aggtrades", path)
    assert report.is_whole
    assert records["flags"].tolist() == [AGGREGATE, AGGREGATE]
    assert values(records[0]) == [61800.3, 0.01, 1.0, 2345.0, 1.0]
    assert values(records[1]) == [61800.2, 1.5, -1.0, 2346.0, 7.0]
    assert file.symbol(0) == "ETHUSDT"


@pytest.mark.parametrize("header", [0, 1])
def test_tickers(tmp_path: Path, header: int) -> None:
    path = tmp_path / "BTCUSDT-bookTicker-2024-08-08.csv"
    path.write_text(TICKERS[0] * header + TICKERS[1])
    records, report, _ = load("binance-bookticker", path)
    assert report.is_whole
    assert records["kind"].tolist() == [QUOTE]
    assert values(records[0]) == [61800.2, 2.507, 61800.3, 3.33, 5123107832006.0]
    assert int(records["ts_event_ns"][0]) == T0 * MS
    assert int(records["ts_recv_ns"][0]) == (T0 + 3) * MS


@pytest.mark.parametrize("header", [0, 1])
@pytest.mark.parametrize("unit", [1, 1000])
def test_candles_are_known_when_they_have_closed(tmp_path: Path, header: int, unit: int) -> None:
    path = tmp_path / "BTCUSDT-1m-2024-08-08.csv"
    row = CANDLES[1]
    if unit == 1000:
        row = row.replace("1723161240000", "1723161240000000")
        row = row.replace("1723161299999", "1723161299999999")
    path.write_text(CANDLES[0] * header + row)
    records, report, _ = load("binance-klines", path)
    assert report.is_whole, report.sentences()
    assert records["kind"].tolist() == [CANDLE]
    assert values(records[0]) == [61790.1, 61810.0, 61780.5, 61800.3, 12.345]
    assert int(records["ts_event_ns"][0]) == 1723161240000 * MS
    assert int(records["ts_recv_ns"][0]) == 1723161300000 * MS


@pytest.mark.parametrize("header", [0, 1])
def test_bands(tmp_path: Path, header: int) -> None:
    path = tmp_path / "BTCUSDT-bookDepth-2024-08-08.csv"
    path.write_text(BANDS[0] * header + BANDS[1])
    records, report, _ = load("binance-bookdepth", path)
    assert report.is_whole
    assert records["kind"].tolist() == [BAND, BAND]
    assert values(records[0])[:3] == [-5.0, 8123.456, 489123456.78]
    assert int(records["ts_event_ns"][0]) == 1723161256 * 10**9


def test_a_torn_file_is_named_and_its_whole_lines_are_kept(tmp_path: Path) -> None:
    text = "".join(TRADES)
    for name, content in (
        ("BTCUSDT-trades-2024.csv", text.encode()[:-3]),
        ("BTCUSDT-trades-2025.gz", gzip.compress((text + TRADES[1] * 900).encode())[:-30]),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        records, report, _ = load("binance-trades", path)
        assert report.cut
        assert name in report.sentences()[0]
        assert records["d"].tolist()[0] == 5240315851.0
        assert set(records["a"].tolist()) <= {61800.3, 61800.2}
    assert len(records) > 100


def test_a_torn_zip_gives_what_had_come(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades-2024-08-08.zip"
    rows = "".join(f"{n},{60000 + n * 7 % 997}.5,0.01,600,{T0 + n},true\n" for n in range(20_000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTCUSDT-trades-2024-08-08.csv", rows)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    records, report, _ = load("binance-trades", path)
    assert "cut short" in report.cut
    assert 5_000 < len(records) < 20_000
    assert records["d"].tolist() == list(range(len(records)))


@pytest.mark.parametrize(
    "bad",
    [
        "5240315853,nan,0.010,618.0,1723161256298,false",
        "5240315853,-1,0.010,618.0,1723161256298,false",
        "5240315853,inf,0.010,618.0,1723161256298,false",
        "5240315853,61800.30,,618.0,1723161256298,false",
        "5240315853,61800.30,0.010,618.0,17231612,false",
        "5240315853,61800.30,0.010,618.0,1723161256298,perhaps",
        "5240315853,61800.30,0.010",
        "garbage",
        "",
    ],
)
def test_a_bad_row_costs_that_row_and_is_named_with_its_line(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "BTCUSDT-trades-2024-08-08.csv"
    path.write_text(TRADES[0] + TRADES[1] + bad + "\n" + TRADES[1])
    records, report, _ = load("binance-trades", path)
    assert records["d"].tolist() == [5240315851.0, 5240315852.0] * 2
    assert report.refused == 1
    assert report.first.startswith("line 4:")


def test_another_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades-2024-08-08.csv"
    path.write_text("".join(TICKERS))
    with pytest.raises(RecorderError, match="has no column id"):
        load("binance-trades", path)
    path.write_text("1,2,3\n")
    with pytest.raises(RecorderError, match="3 columns and no header"):
        load("binance-trades", path)
    path.write_text("1,x,3,4,5,6\n" * 500)
    with pytest.raises(RecorderError, match="none of its first 100 lines"):
        load("binance-trades", path)
    assert not [left for left in tmp_path.iterdir() if "partial" in left.name]


def test_the_symbol_comes_from_the_name_or_from_the_person(tmp_path: Path) -> None:
    path = tmp_path / "download.csv"
    path.write_text("".join(TRADES))
    with pytest.raises(RecorderError, match="--symbol"):
        load("binance-trades", path)
    assert load("binance-trades", path, "XRPUSDT")[2].symbol(0) == "XRPUSDT"
    for name, symbol in (
        ("BTCUSDT-1m-2024-08.zip", "BTCUSDT"),
        ("BTCUSDT_240927-1mo-2024-08.zip", "BTCUSDT_240927"),
        ("1000SHIBUSDT-bookDepth-2024-08-08.csv", "1000SHIBUSDT"),
    ):
        assert binance.symbol_in_name(Path(name)) == symbol


US = 1_000
HEAD = "binance-futures,BTCUSDT,1723161256298000,1723161256301123"
OTHER = "binance-futures,ETHUSDT,1723161256298000,1723161256301123"


def test_tardis_trades(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv.gz"
    text = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    text += f"{HEAD},5240315851,buy,61800.3,0.01\n{OTHER},a-b,sell,2600.5,2\n"
    text += f"{HEAD},5240315852,unknown,61800.3,0.02\n{HEAD},1,sideways,61800.3,0.02\n"
    path.write_bytes(gzip.compress(text.encode()))
    records, report, file = load("tardis-trades", path)
    assert report.refused == 1
    assert report.first.startswith("line 5:")
    assert [values(record) for record in records] == [
        [61800.3, 0.01, 1.0, 5240315851.0, 0.0],
        [2600.5, 2.0, -1.0, 0.0, 0.0],
        [61800.3, 0.02, 0.0, 5240315852.0, 0.0],
    ]
    assert [file.symbol(number) for number in records["instrument"]] == [
        "BTCUSDT", "ETHUSDT", "BTCUSDT",
    ]  # fmt: skip
    assert records["ts_event_ns"].tolist() == [1723161256298000 * US] * 3
    assert records["ts_recv_ns"].tolist() == [1723161256301123 * US] * 3


def test_tardis_quotes(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
        f"{HEAD},3.33,61800.3,61800.2,2.507\n{HEAD},,,61800.2,2.507\n"
    )
    records, report, _ = load("tardis-quotes", path)
    assert report.refused == 1
    assert [values(record) for record in records] == [[61800.2, 2.507, 61800.3, 3.33, 0.0]]


def test_tardis_changes_and_their_pictures(tmp_path: Path) -> None:
    path = tmp_path / "incremental_book_L2.csv"
    later = HEAD.replace("301123", "401123")
    path.write_text(
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
        f"{HEAD},true,bid,61800.2,1\n{HEAD},true,ask,61800.3,2\n"
        f"{later},false,bid,61800.2,0\n{later},false,bid,61800.1,5\n"
    )
    records, report, _ = load("tardis-book", path)
    assert report.is_whole, report.sentences()
    assert records["kind"].tolist() == [LEVEL] * 4
    assert records["flags"].tolist() == [PICTURE | FIRST, PICTURE, FIRST, 0]
    assert [values(record)[:3] for record in records] == [
        [61800.2, 1.0, 1.0], [61800.3, 2.0, -1.0], [61800.2, 0.0, 1.0], [61800.1, 5.0, 1.0],
    ]  # fmt: skip


def test_tardis_snapshots_with_blank_levels(tmp_path: Path) -> None:
    path = tmp_path / "book_snapshot_25.csv"
    names, cells = [], []
    for level in range(25):
        for side in ("asks", "bids"):
            names += [f"{side}[{level}].price", f"{side}[{level}].amount"]
            shown = level < (3 if side == "asks" else 2)
            price = 100 + level if side == "asks" else 99 - level
            cells += [str(price), str(level + 1)] if shown else ["", ""]
    path.write_text(
        "exchange,symbol,timestamp,local_timestamp," + ",".join(names) + "\n"
        + f"{HEAD},{','.join(cells)}\n" * 2
    )  # fmt: skip
    records, report, _ = load("tardis-book", path)
    assert report.is_whole, report.sentences()
    assert len(records) == 10
    assert records["flags"].tolist() == [PICTURE | FIRST, *[PICTURE] * 4] * 2
    assert [values(record) for record in records[:5]] == [
        [99.0, 1.0, 1.0, 0.0, 0.0],
        [98.0, 2.0, 1.0, 0.0, 1.0],
        [100.0, 1.0, -1.0, 0.0, 0.0],
        [101.0, 2.0, -1.0, 0.0, 1.0],
        [102.0, 3.0, -1.0, 0.0, 2.0],
    ]
