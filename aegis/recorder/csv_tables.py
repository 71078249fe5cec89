"""CSV text to columns: typed, with or without a header, refusing bad rows one by one.

Called by `binance` and `tardis`. Arrow parses a block at once, with correctly rounded decimals; a
block that it refuses is halved until the bad rows stand alone: a spoiled row costs that row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from aegis.recorder.errors import RecorderError
from aegis.recorder.input_files import Advance, InputReport, blocks

__all__ = ["Columns", "Layout", "columns_of", "unix_ns"]

Columns = dict[str, npt.NDArray[Any]]

# Letter of a column: how Arrow reads it, and what stands in for a blank (whose row is refused,
# except of "n" and "d").
_TYPES: Final[dict[str, tuple[Any, Any]]] = {
    "i": (pa.int64(), 0),
    "m": (pa.int64(), 0),  # a time in milliseconds or microseconds since 1970
    "u": (pa.int64(), 0),  # a time in microseconds since 1970
    "f": (pa.float64(), 0.0),
    "n": (pa.float64(), math.nan),  # may be blank
    "b": (pa.bool_(), False),
    "s": (pa.string(), ""),  # one of few words: codes under its name, the words under "name#"
    "d": (pa.string(), "0"),  # a number if it is one, else 0
    "t": (pa.timestamp("s"), None),
}
_BLANK_ALLOWED: Final = "nd"
# Years 2001 to 2255 in milliseconds; above that it is microseconds.
_LEAST_MS: Final = 1_000_000_000_000
_MOST_MS: Final = 9_000_000_000_000
_MOST_US: Final = _MOST_MS * 1000
_TIME_RANGES: Final = {
    "m": (_LEAST_MS, _MOST_US),
    "u": (_LEAST_MS * 1000, _MOST_US),
    "t": (_LEAST_MS // 1000, _MOST_MS // 1000),
}
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Layout:
    """Column names in the order of a file without a header; `wanted` are (name, type letter).

    A row is refused unless its `positive` columns are above 0, its `finite` ones finite, its times
    between the years 2001 and 2255, and its texts (name, words) among the words.
    """

    names: tuple[str, ...]
    wanted: tuple[tuple[str, str], ...]
    positive: tuple[str, ...] = ()
    finite: tuple[str, ...] = ()
    words: tuple[tuple[str, frozenset[str]], ...] = ()


def columns_of(
    path: Path, layout: Layout, report: InputReport, advance: Advance
) -> Iterator[Columns]:
    """The wanted columns, block by block. Raises RecorderError for a file of another layout."""
    names: Sequence[str] | None = None
    line = 1
    for block in blocks(path, report, advance):
        if names is None:
            first = block[: block.index(b"\n")].decode("utf-8", "replace").strip("\r\ufeff \t")
            names, has_header = _names_of(path, layout, first)
            if has_header:
                block = block[block.index(b"\n") + 1 :]
                line += 1
        for start, table in _tables(block, names, layout, line, report):
            found = _good_rows(table, layout, start, report)
            report.good += len(next(iter(found.values())))
            yield found
        line += block.count(b"\n")


def _names_of(path: Path, layout: Layout, first: str) -> tuple[Sequence[str], bool]:
    cells = [cell.strip().strip('"') for cell in first.split(",")]
    if not any(cell[:1].isalpha() for cell in cells[:1]):
        if len(cells) < len(layout.names):
            raise RecorderError(
                f"{path}: {len(cells)} columns and no header; expected {','.join(layout.names)}"
            )
        extra = [f"extra {number}" for number in range(len(cells) - len(layout.names))]
        return [*layout.names, *extra], False
    missing = [name for name, _ in layout.wanted if name not in cells]
    if missing:
        raise RecorderError(
            f"{path}: has no column {', '.join(missing)}; its header is {first[:_SHOWN]!r}"
        )
    return cells, True


def _tables(
    block: bytes, names: Sequence[str], layout: Layout, line: int, report: InputReport
) -> Iterator[tuple[int, Any]]:
    """(number of its first line, table) of the parts of a block that can be parsed."""
    if not block:
        return
    try:
        yield line, _parse(block, names, layout)
        return
    except pa.ArrowInvalid as error:
        rows = block.split(b"\n")[:-1]
        if len(rows) == 1:
            shown = rows[0][:_SHOWN].decode("utf-8", "replace")
            report.refuse(line, f"{shown!r}: {str(error).splitlines()[0]}")
            return
    half = len(rows) // 2
    for start, part in ((0, rows[:half]), (half, rows[half:])):
        text = b"\n".join(part) + b"\n"
        yield from _tables(text, names, layout, line + start, report)


def _parse(block: bytes, names: Sequence[str], layout: Layout) -> Any:
    # One quoted newline would shift every line number; none of these formats quotes.
    parse = arrow_csv.ParseOptions(quote_char=False, ignore_empty_lines=False)
    read = arrow_csv.ReadOptions(
        column_names=list(names), use_threads=False, block_size=len(block) + 1
    )
    convert = arrow_csv.ConvertOptions(
        column_types={name: _TYPES[letter][0] for name, letter in layout.wanted},
        include_columns=[name for name, _ in layout.wanted],
        null_values=[""],
        strings_can_be_null=True,
    )
    return arrow_csv.read_csv(pa.BufferReader(block), read, parse, convert)


def _good_rows(table: Any, layout: Layout, line: int, report: InputReport) -> Columns:
    """The columns as arrays, without the rows that hold what cannot be."""
    good = np.ones(table.num_rows, bool)
    found: Columns = {}
    words: Columns = {}
    for name, letter in layout.wanted:
        column = table.column(name)
        if letter not in _BLANK_ALLOWED:
            good &= ~np.asarray(column.is_null())
        if letter == "s":
            encoded = column.fill_null("").combine_chunks().dictionary_encode()
            found[name] = encoded.indices.to_numpy(zero_copy_only=False)
            words[f"{name}#"] = np.asarray(encoded.dictionary.to_pylist(), object)
        else:
            found[name] = _numbers(column, letter)
            if letter in _TIME_RANGES:
                least, most = _TIME_RANGES[letter]
                good &= (found[name] >= least) & (found[name] <= most)
    for name in layout.finite:
        good &= np.isfinite(found[name])
    for name in layout.positive:
        with np.errstate(invalid="ignore"):
            good &= found[name] > 0
    for name, allowed in layout.words:
        known = np.array([word in allowed for word in words[f"{name}#"]], bool)
        good &= known[found[name]]
    for place in np.flatnonzero(~good).tolist():
        row = [str(table.column(name)[place]) for name, _ in layout.wanted]
        report.refuse(line + place, f"a value is missing or cannot be: {','.join(row)[:_SHOWN]}")
    if not good.all():
        found = {name: values[good] for name, values in found.items()}
    return found | words


def _numbers(column: Any, letter: str) -> npt.NDArray[Any]:
    if letter == "t":
        found: npt.NDArray[Any] = column.cast(pa.int64()).fill_null(0).to_numpy()
        return found
    column = column.fill_null(_TYPES[letter][1])
    if letter == "d":
        # Fifteen digits are exact in the double that a record keeps an id in.
        exact = pc.and_(pc.utf8_is_digit(column), pc.less(pc.utf8_length(column), 16))
        column = pc.if_else(exact, column, "0").cast(pa.int64())
    found = column.to_numpy()
    return found


def unix_ns(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Milliseconds or microseconds since 1970 (the larger numbers) to nanoseconds."""
    factor = np.where(times > _MOST_MS, np.int64(1_000), np.int64(1_000_000))
    return np.asarray(times * factor, np.int64)
