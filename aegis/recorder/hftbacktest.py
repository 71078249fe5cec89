"""One symbol of a recording as hftbacktest's events, in an npz that it reads by itself.

Called by `aegis data export`. Events are 64 bytes: ev u8, exch_ts i8, local_ts i8 (ns), px f8, qty
f8, order_id u8, ival i8, fval f8, the array named `data` (hftbacktest 2, docs/data.rst). Its rules
for the order: a row that comes in another order by exchange time than by local time stands twice,
once for either side. All of a symbol's events are held in memory, 64 bytes each, three times over.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.recorder import layout
from aegis.recorder.converting import refuse_existing, temporary_name
from aegis.recorder.errors import RecorderError
from aegis.recorder.frames import decode_records
from aegis.recorder.reading import RecordingFile
from aegis.recorder.symbols import of_symbol, one_symbol
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import QUOTE, TICK, TRADE

__all__ = ["EVENT", "Exported", "events_of", "export_hftbacktest"]

DEPTH, TRADED, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28

EVENT = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)
assert EVENT.itemsize == 64, "hftbacktest maps the file; its layout has no padding"

# Which records the book is made from; `auto` takes changes if there are any, else quotes.
DEPTHS: Final = ("auto", "levels", "quotes")

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `shifted_ns`: local times were set forward by it, else some would precede
    the exchange's; `depth` is where the book came from."""

    symbol: str
    events: int
    trades: int
    depth: str
    shifted_ns: int
    tick_size: float
    step_size: float


def export_hftbacktest(
    recording: RecordingFile, path: Path, symbol: str, depth: str, progress: Progress
) -> Exported:
    """Write the good part of one symbol. Raises RecorderError."""
    if path.suffix != ".npz":
        raise RecorderError(f"{path}: hftbacktest reads files that are named .npz")
    refuse_existing(path)
    symbol = one_symbol(recording, symbol)
    records, row = _records_of(recording, symbol, progress)
    events, depth, shifted_ns = events_of(records, recording.header.wall_minus_recv_ns, depth)
    if events.size == 0:
        raise RecorderError(f"{recording.path}: no trade and no depth of {symbol} in it")
    partial = temporary_name(path)
    try:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, data=events)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise RecorderError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    trades = int(((events["ev"] & 0xFF == TRADED) & (events["ev"] & LOCAL != 0)).sum())
    return Exported(
        symbol, events.size, trades, depth, shifted_ns,
        float(row["tick_size"]), float(row["step_size"]),
    )  # fmt: skip


def _records_of(
    recording: RecordingFile, symbol: str, progress: Progress
) -> tuple[npt.NDArray[Any], Any]:
    """The symbol's trades, quotes and levels, and its row in the last table that had it."""
    found = [decode_records(b"")]
    row: Any = np.zeros((), INSTRUMENT)
    for frame in recording.frames():
        if frame.head.kind == layout.RECORDS:
            records = of_symbol(decode_records(frame.body), recording.instruments, symbol)
            kinds = records["kind"]
            wanted = (kinds == TRADE) | (kinds == QUOTE) | (kinds == layout.LEVEL)
            found.append(records[wanted])
        elif frame.head.kind == layout.INSTRUMENTS:
            held = recording.instruments[recording.instruments["symbol"] == symbol.encode()]
            row = held[0] if held.size else row
        progress(frame.end)
    return np.concatenate(found), row


def events_of(
    records: npt.NDArray[Any], wall_minus_recv_ns: int, depth: str = "auto"
) -> tuple[npt.NDArray[Any], str, int]:
    """(events in hftbacktest's order, where the depth came from, ns that local times were set
    forward) of one symbol's records."""
    assert records.dtype == TICK
    level = records["kind"] == layout.LEVEL
    picture = level & (records["flags"] & layout.PICTURE != 0)
    if depth == "auto":
        has_quotes = bool((records["kind"] == QUOTE).any())
        depth = "quotes" if has_quotes and not (level & ~picture).any() else "levels"
    parts = [_trades(records)]
    parts += [_quotes(records)] if depth == "quotes" else [_changes(records), _pictures(records)]
    places = np.concatenate([place for place, _ in parts])
    events = np.concatenate([event for _, event in parts])[np.argsort(places, kind="stable")]
    events = events[events["exch_ts"] > 0]
    events["local_ts"] += wall_minus_recv_ns
    shifted_ns = 0
    if events.size:
        shifted_ns = max(0, -int((events["local_ts"] - events["exch_ts"]).min()))
        events["local_ts"] += shifted_ns
    return _in_both_orders(events), depth, shifted_ns


Placed = tuple[npt.NDArray[np.int64], npt.NDArray[Any]]


def _events(
    records: npt.NDArray[Any], place: npt.NDArray[Any], kind: Any, side: Any, px: Any, qty: Any
) -> npt.NDArray[Any]:
    events = np.zeros(place.size, EVENT)
    flags = np.where(side > 0, BUY, np.where(side < 0, SELL, 0))
    events["ev"] = flags.astype(np.uint64) | np.uint64(kind)
    events["exch_ts"] = records["ts_event_ns"][place]
    events["local_ts"] = records["ts_recv_ns"][place]
    events["px"], events["qty"] = px, qty
    return events


def _trades(records: npt.NDArray[Any]) -> Placed:
    # Insurance fund and ADL never met the book, so a queue must not move by them.
    wanted = (records["kind"] == TRADE) & (records["flags"] & layout.OFF_BOOK == 0)
    place = np.flatnonzero(wanted)
    found = records[place]
    return place, _events(records, place, TRADED, found["c"], found["a"], found["b"])


def _changes(records: npt.NDArray[Any]) -> Placed:
    wanted = (records["kind"] == layout.LEVEL) & (records["flags"] & layout.PICTURE == 0)
    place = np.flatnonzero(wanted)
    found = records[place]
    return place, _events(records, place, DEPTH, found["c"], found["a"], found["b"])


def _pictures(records: npt.NDArray[Any]) -> Placed:
    """Each side of a picture: a CLEAR as far as its last price, then its levels, best first.

    A book that the feed had marked as not to be trusted is none that a strategy would have seen.
    """
    known = records["flags"] & (layout.PICTURE | layout.INVALID) == layout.PICTURE
    place = np.flatnonzero((records["kind"] == layout.LEVEL) & known)
    if place.size == 0:
        return place, np.zeros(0, EVENT)
    found = records[place]
    message = np.cumsum(found["flags"] & layout.FIRST != 0)
    order = np.lexsort((-found["c"] * found["a"], -found["c"], message))
    found, place, message = found[order], place[order], message[order]
    new_side = np.ones(found.size, bool)
    new_side[1:] = (message[1:] != message[:-1]) | (found["c"][1:] != found["c"][:-1])
    starts = np.flatnonzero(new_side)
    ends = np.append(starts[1:], found.size) - 1
    # All of a message stands where its first record stood.
    _, heads, inverse = np.unique(message, return_index=True, return_inverse=True)
    at = np.minimum.reduceat(place, heads)[inverse]
    levels = _events(records, place, SNAPSHOT, found["c"], found["a"], found["b"])
    clears = _events(records, place[starts], CLEAR, found["c"][starts], found["a"][ends], 0.0)
    ranks = np.concatenate([starts * 2, np.arange(found.size) * 2 + 1])
    mixed = np.argsort(ranks, kind="stable")
    return (
        np.concatenate([at[starts], at])[mixed],
        np.concatenate([clears, levels])[mixed],
    )


def _quotes(records: npt.NDArray[Any]) -> Placed:
    """A book of one level a side: what is no longer the best is taken away, then the new set."""
    place = np.flatnonzero(records["kind"] == QUOTE)
    found = records[place]
    parts: list[Placed] = []
    ranks = []
    for rank, (side, price) in enumerate(((1.0, "a"), (-1.0, "c"))):
        moved = np.flatnonzero(found[price][1:] != found[price][:-1]) + 1
        gone = found[price][moved - 1]
        parts.append((place[moved], _events(records, place[moved], DEPTH, side, gone, 0.0)))
        ranks.append(place[moved] * 4 + rank)
    for rank, (side, price, qty) in enumerate(((1.0, "a", "b"), (-1.0, "c", "d")), 2):
        parts.append((place, _events(records, place, DEPTH, side, found[price], found[qty])))
        ranks.append(place * 4 + rank)
    mixed = np.argsort(np.concatenate(ranks), kind="stable")
    return (
        np.concatenate([at for at, _ in parts])[mixed],
        np.concatenate([event for _, event in parts])[mixed],
    )


@kernel
def _merge(exch_ts: Any, local_ts: Any, by_exch: Any, by_local: Any, rows: Any, sides: Any) -> Any:
    """Walk both orders at once; fills rows and sides (1 exchange, 2 local), returns the count."""
    count = by_exch.size
    left = 0
    right = 0
    written = 0
    while left < count or right < count:
        if right == count:
            side = 1
        elif left == count:
            side = 2
        else:
            first, second = by_exch[left], by_local[right]
            if exch_ts[first] == exch_ts[second]:
                gap = local_ts[first] - local_ts[second]
                side = 3 if gap == 0 else (1 if gap < 0 else 2)
            else:
                side = 1 if exch_ts[first] < exch_ts[second] else 2
        rows[written] = by_local[right] if side == 2 else by_exch[left]
        sides[written] = side
        written += 1
        left += side & 1
        right += side >> 1
    return written


def _in_both_orders(events: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each row once if both clocks agree about its place, else once for either of them."""
    count = events.size
    exch_ts = np.ascontiguousarray(events["exch_ts"])
    local_ts = np.ascontiguousarray(events["local_ts"])
    # Ties by the other clock, then as they came: equal rows then stand alike in both orders.
    by_exch = np.lexsort((local_ts, exch_ts))
    by_local = np.lexsort((exch_ts, local_ts))
    rows, sides = np.zeros(2 * count, np.int64), np.zeros(2 * count, np.int64)
    written = int(_merge(exch_ts, local_ts, by_exch, by_local, rows, sides)) if count else 0
    sides = sides[:written]
    found = events[rows[:written]]
    found["ev"] |= np.where(sides & 1, EXCHANGE, 0).astype(np.uint64)
    found["ev"] |= np.where(sides & 2, LOCAL, 0).astype(np.uint64)
    return found
