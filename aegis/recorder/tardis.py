"""Tardis.dev's downloadable CSV files to records: trades, quotes, and both kinds of book.

Called by `aegis data import`. Times are microseconds, `timestamp` the exchange's and
`local_timestamp` that of receipt. book_snapshot_5 and _25 give a picture for each row,
incremental_book_L2 changes, and pictures where it says is_snapshot.
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
from aegis.recorder.csv_tables import Columns, Layout, columns_of
from aegis.recorder.input_files import Advance, InputReport, lines
from aegis.shm.tick import QUOTE, TICK, TRADE

__all__ = ["KINDS", "import_file"]

_US: Final = 1_000
_HEAD: Final = (("symbol", "s"), ("timestamp", "u"), ("local_timestamp", "u"))
_COMMON: Final = ("exchange", "symbol", "timestamp", "local_timestamp")
# Sides in words; a trade whose taker the exchange did not name is "unknown".
_SIDES: Final = {"buy": 1.0, "bid": 1.0, "sell": -1.0, "ask": -1.0, "unknown": 0.0}
_LEVEL: Final = re.compile(r"asks\[(\d+)\]\.price")

_TRADES: Final = Layout(
    (*_COMMON, "id", "side", "price", "amount"),
    (*_HEAD, ("id", "d"), ("side", "s"), ("price", "f"), ("amount", "f")),
    positive=("price", "amount"),
    finite=("price", "amount"),
    words=(("side", frozenset(_SIDES)),),
)
_QUOTES: Final = Layout(
    (*_COMMON, "ask_amount", "ask_price", "bid_price", "bid_amount"),
    (*_HEAD, ("ask_amount", "f"), ("ask_price", "f"), ("bid_price", "f"), ("bid_amount", "f")),
    positive=("ask_amount", "ask_price", "bid_price", "bid_amount"),
    finite=("ask_amount", "ask_price", "bid_price", "bid_amount"),
)
_CHANGES: Final = Layout(
    (*_COMMON, "is_snapshot", "side", "price", "amount"),
    (*_HEAD, ("is_snapshot", "b"), ("side", "s"), ("price", "f"), ("amount", "f")),
    positive=("price",),
    finite=("price", "amount"),
    words=(("side", frozenset(_SIDES)),),
)

Build = Callable[[Columns, Output], npt.NDArray[Any]]


def _records(found: Columns, output: Output, kind: int) -> npt.NDArray[Any]:
    records = np.zeros(found["timestamp"].size, TICK)
    used = np.unique(found["symbol"])
    numbers = np.zeros(found["symbol#"].size, np.uint32)
    numbers[used] = [output.number(str(found["symbol#"][code])) for code in used]
    records["instrument"] = numbers[found["symbol"]]
    records["kind"] = kind
    records["ts_event_ns"] = found["timestamp"] * _US
    records["ts_recv_ns"] = found["local_timestamp"] * _US
    return records


def _sides(found: Columns) -> npt.NDArray[np.float64]:
    # Words that are none were refused with their rows, yet stand among the words still.
    signs = np.array([_SIDES.get(str(word), 0.0) for word in found["side#"]], np.float64)
    sides: npt.NDArray[np.float64] = signs[found["side"]]
    return sides


def _trades(found: Columns, output: Output) -> npt.NDArray[Any]:
    records = _records(found, output, TRADE)
    records["a"], records["b"], records["c"] = found["price"], found["amount"], _sides(found)
    records["d"] = found["id"]
    return records


def _quotes(found: Columns, output: Output) -> npt.NDArray[Any]:
    records = _records(found, output, QUOTE)
    records["a"], records["b"] = found["bid_price"], found["bid_amount"]
    records["c"], records["d"] = found["ask_price"], found["ask_amount"]
    return records


class _Changes:
    """incremental_book_L2: rows of one message share their times; blocks may cut it in two."""

    def __init__(self) -> None:
        self._last: tuple[int, ...] | None = None

    def __call__(self, found: Columns, output: Output) -> npt.NDArray[Any]:
        records = _records(found, output, records_layout.LEVEL)
        if records.size == 0:
            return records
        records["a"], records["b"], records["c"] = found["price"], found["amount"], _sides(found)
        picture = found["is_snapshot"].astype(np.int64)
        keys = np.stack(
            [records["instrument"].astype(np.int64), found["timestamp"], found["local_timestamp"],
             picture], axis=1,
        )  # fmt: skip
        first = np.ones(records.size, bool)
        first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        first[0] = self._last != tuple(keys[0].tolist())
        self._last = tuple(keys[-1].tolist())
        records["flags"] = picture * records_layout.PICTURE + first * records_layout.FIRST
        return records


class _Pictures:
    """book_snapshot_N: N levels a side in each row, blank where the side has no more."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.places = [
            (side, level, f"{name}[{level}].price", f"{name}[{level}].amount")
            for side, name in ((1.0, "bids"), (-1.0, "asks"))
            for level in range(depth)
        ]

    @property
    def layout(self) -> Layout:
        """The file's columns; levels may be blank."""
        levels = [column for _, _, *pair in self.places for column in pair]
        return Layout(
            (*_COMMON, *levels),
            (*_HEAD, *((name, "n") for name in levels)),
        )

    def __call__(self, found: Columns, output: Output) -> npt.NDArray[Any]:
        heads = _records(found, output, records_layout.LEVEL)
        rows = np.repeat(heads, len(self.places)).reshape(heads.size, len(self.places))
        rows["flags"] = records_layout.PICTURE
        for place, (side, level, price, amount) in enumerate(self.places):
            rows["a"][:, place], rows["b"][:, place] = found[price], found[amount]
            rows["c"][:, place], rows["e"][:, place] = side, level
        filled = np.isfinite(rows["a"]) & (rows["a"] > 0) & (rows["b"] > 0)
        with_any = filled.any(axis=1)
        first = filled.argmax(axis=1)
        rows["flags"][np.flatnonzero(with_any), first[with_any]] |= records_layout.FIRST
        kept: npt.NDArray[Any] = rows[filled]
        return kept


KINDS: Final = ("tardis-trades", "tardis-quotes", "tardis-book")


def _format(kind: str, path: Path) -> tuple[Layout, Build]:
    if kind == "tardis-trades":
        return _TRADES, _trades
    if kind == "tardis-quotes":
        return _QUOTES, _quotes
    header = next(lines(path, InputReport(path), lambda size: None), (0, b""))[1]
    levels = [int(found) for found in _LEVEL.findall(header.decode("utf-8", "replace"))]
    if levels:
        pictures = _Pictures(max(levels) + 1)
        return pictures.layout, pictures
    return _CHANGES, _Changes()


def import_file(
    kind: str, path: Path, output: Output, report: InputReport, advance: Advance
) -> None:
    """Add one file's rows to `output`. Raises RecorderError; bad rows are refused and counted."""
    layout, build = _format(kind, path)
    for found in columns_of(path, layout, report, advance):
        output.add(build(found, output))
