"""Binance's public files (data.binance.vision, futures/um) to records.

Called by `aegis data import`. Layouts with and without the header line, as the exchange has changed
its mind over the years; the names are those of its headers. The files know no receipt time:
`ts_recv_ns` is the exchange's time too (of a candle: its close, the first moment it was known).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.recorder import layout as records_layout
from aegis.recorder.converting import Output
from aegis.recorder.csv_tables import Columns, Layout, columns_of, unix_ns
from aegis.recorder.errors import RecorderError
from aegis.recorder.input_files import Advance, InputReport
from aegis.shm.tick import CANDLE, QUOTE, TICK, TRADE

__all__ = ["FORMATS", "import_file", "symbol_in_name"]

_MS: Final = 1_000_000
_NAME: Final = re.compile(
    r"([^-]+)-(?:trades|aggTrades|bookTicker|bookDepth|[0-9]+(?:mo|[smhdw]))(?:-\d{4}|\.)"
)

_TRADES: Final = Layout(
    ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"),
    (("id", "i"), ("price", "f"), ("qty", "f"), ("time", "m"), ("is_buyer_maker", "b")),
    positive=("price", "qty"),
    finite=("price", "qty"),
)
_AGGREGATES: Final = Layout(
    ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
     "is_buyer_maker"),
    (("agg_trade_id", "i"), ("price", "f"), ("quantity", "f"), ("first_trade_id", "i"),
     ("last_trade_id", "i"), ("transact_time", "m"), ("is_buyer_maker", "b")),
    positive=("price", "quantity"),
    finite=("price", "quantity"),
)  # fmt: skip
_TICKERS: Final = Layout(
    ("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty",
     "transaction_time", "event_time"),
    (("update_id", "i"), ("best_bid_price", "f"), ("best_bid_qty", "f"), ("best_ask_price", "f"),
     ("best_ask_qty", "f"), ("transaction_time", "m"), ("event_time", "m")),
    positive=("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty"),
    finite=("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty"),
)  # fmt: skip
_CANDLES: Final = Layout(
    ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
     "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
    (("open_time", "m"), ("open", "f"), ("high", "f"), ("low", "f"), ("close", "f"),
     ("volume", "f"), ("close_time", "m")),
    positive=("open", "high", "low", "close"),
    finite=("open", "high", "low", "close", "volume"),
)  # fmt: skip
_BANDS: Final = Layout(
    ("timestamp", "percentage", "depth", "notional"),
    (("timestamp", "t"), ("percentage", "f"), ("depth", "f"), ("notional", "f")),
    finite=("percentage", "depth", "notional"),
)


def _records(count: int, kind: int, event_ns: Any, recv_ns: Any) -> npt.NDArray[Any]:
    records = np.zeros(count, TICK)
    records["kind"] = kind
    records["ts_event_ns"] = event_ns
    records["ts_recv_ns"] = recv_ns
    return records


def _sides(buyer_was_maker: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.where(buyer_was_maker, -1.0, 1.0)


def _trades(found: Columns) -> npt.NDArray[Any]:
    time_ns = unix_ns(found["time"])
    records = _records(time_ns.size, TRADE, time_ns, time_ns)
    records["a"], records["b"] = found["price"], found["qty"]
    records["c"], records["d"] = _sides(found["is_buyer_maker"]), found["id"]
    return records


def _aggregates(found: Columns) -> npt.NDArray[Any]:
    time_ns = unix_ns(found["transact_time"])
    records = _records(time_ns.size, TRADE, time_ns, time_ns)
    records["flags"] = records_layout.AGGREGATE
    records["a"], records["b"] = found["price"], found["quantity"]
    records["c"], records["d"] = _sides(found["is_buyer_maker"]), found["agg_trade_id"]
    records["e"] = found["last_trade_id"] - found["first_trade_id"] + 1
    return records


def _tickers(found: Columns) -> npt.NDArray[Any]:
    time_ns = unix_ns(found["transaction_time"])
    # The event time is when the exchange sent it, the nearest there is to a receipt.
    records = _records(time_ns.size, QUOTE, time_ns, unix_ns(found["event_time"]))
    records["a"], records["b"] = found["best_bid_price"], found["best_bid_qty"]
    records["c"], records["d"] = found["best_ask_price"], found["best_ask_qty"]
    records["e"] = found["update_id"]
    return records


def _candles(found: Columns) -> npt.NDArray[Any]:
    close_ns = unix_ns(found["close_time"])
    # Its last millisecond or microsecond, whichever the file counts in, has to pass as well.
    unit = np.where(found["close_time"] * _MS == close_ns, _MS, 1_000)
    open_ns = unix_ns(found["open_time"])
    records = _records(open_ns.size, CANDLE, open_ns, close_ns + unit)
    for place, name in zip("abcde", ("open", "high", "low", "close", "volume"), strict=True):
        records[place] = found[name]
    return records


def _bands(found: Columns) -> npt.NDArray[Any]:
    time_ns = found["timestamp"] * 1_000_000_000
    records = _records(time_ns.size, records_layout.BAND, time_ns, time_ns)
    for place, name in zip("abc", ("percentage", "depth", "notional"), strict=True):
        records[place] = found[name]
    return records


Build = Callable[[Columns], npt.NDArray[Any]]
FORMATS: Final[dict[str, tuple[Layout, Build]]] = {
    "binance-trades": (_TRADES, _trades),
    "binance-aggtrades": (_AGGREGATES, _aggregates),
    "binance-bookticker": (_TICKERS, _tickers),
    "binance-klines": (_CANDLES, _candles),
    "binance-bookdepth": (_BANDS, _bands),
}


def symbol_in_name(path: Path) -> str:
    """The symbol that a public file's name begins with. Raises RecorderError when it has none."""
    found = _NAME.match(path.name)
    if found is None:
        raise RecorderError(
            f"{path}: its name does not tell the symbol (BTCUSDT-trades-2024-08-08.zip does); "
            "name it with --symbol"
        )
    return found.group(1)


def import_file(
    kind: str, path: Path, symbol: str, output: Output, report: InputReport, advance: Advance
) -> None:
    """Add one file's rows to `output`. Raises RecorderError; bad rows are refused and counted."""
    layout, build = FORMATS[kind]
    number = output.number(symbol or symbol_in_name(path))
    for found in columns_of(path, layout, report, advance):
        records = build(found)
        records["instrument"] = number
        output.add(records)
