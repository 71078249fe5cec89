"""A raw WebSocket recording (`<local ns> <json>` lines) as records, by the feed's own decoder.

Called by `data_conversions.py`; here the feed's wire code and the recorder's files meet, which know
nothing of one another. Every message that the feed would take becomes records: trades, quotes,
marks, depth changes level by level, and REST depth snapshots as pictures of the book. So does
`aggTrade`, the documented stream of trades, which the feed does not ask for: of a symbol whose
single trades are in the file as well only those count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from aegis.feed import wire
from aegis.feed.errors import WireError
from aegis.feed.scan import MAX_TIME_MS
from aegis.feed.tokens import PRICE_SCALE
from aegis.recorder.converting import Output
from aegis.recorder.errors import RecorderError
from aegis.recorder.input_files import Advance, InputReport, lines
from aegis.recorder.layout import AGGREGATE, FIRST, LEVEL, OFF_BOOK, PICTURE
from aegis.shm.tick import LIQUIDATION, MARK, QUOTE, TICK, TRADE

__all__ = ["import_raw"]

_MS: Final = 1_000_000
_BATCH: Final = 16_384
_SNAPSHOT: Final = b'{"lastUpdateId"'
_MAX_NS: Final = 2**63 - 1

Row = tuple[int, int, int, int, int, float, float, float, float, float]


class _Times(msgspec.Struct):
    """A depth snapshot's time in ms; a spot snapshot has none."""

    T: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)] = 0


_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
_Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,15})?$")]


class _AggregateTrade(msgspec.Struct):
    """Trades of one taker order at one price within 100 ms: `f` to `l` by their numbers."""

    s: str
    a: int
    p: _Amount
    q: _Amount
    f: int
    l: int  # noqa: E741
    T: _Time
    m: bool


class _Envelope(msgspec.Struct):
    data: _AggregateTrade


_times = msgspec.json.Decoder(_Times)
_aggregates = msgspec.json.Decoder(_Envelope)


class _Lines:
    """The rows of one file's messages."""

    def __init__(self, path: Path, symbol: str, output: Output, report: InputReport) -> None:
        self.path = path
        self.output = output
        self.report = report
        # A bare snapshot does not name its symbol.
        self._symbol = symbol
        # Symbols whose single trades are here, and of others the last trade in an aggregate.
        self._single: set[str] = set()
        self._told: dict[str, int] = {}

    def rows(self, number: int, line: bytes) -> list[Row]:
        """The records of one line; none for what was refused (counted) or is none of ours."""
        stamp, _, payload = line.rstrip(b"\r").partition(b" ")
        # Twenty digits never fit; and a megabyte of them should not be turned into a number.
        if not stamp.isdigit() or len(stamp) > 19 or int(stamp) > _MAX_NS:
            self.report.refuse(number, f"does not begin with a time in ns: {line[:60]!r}")
            return []
        try:
            if payload.startswith(_SNAPSHOT):
                return self._snapshot(payload, int(stamp))
            message = wire.decode(payload)
            if isinstance(message, wire.Ignored) and message.event == "aggTrade":
                return self._aggregate(_aggregates.decode(payload).data, int(stamp))
            return self._message(message, int(stamp))
        except (WireError, msgspec.MsgspecError, OverflowError) as error:
            self.report.refuse(number, str(error))
            return []

    def _message(
        self, message: wire.Message | wire.Reply | wire.Ignored, recv_ns: int
    ) -> list[Row]:
        if isinstance(message, wire.Reply):
            self.report.leave_out("answers to SUBSCRIBE")
            return []
        if isinstance(message, wire.Ignored):
            self.report.leave_out(message.event or message.stream or "messages without a name")
            return []
        number = self.output.number(message.s)
        self._symbol = self._symbol or message.s
        if isinstance(message, wire.DepthUpdate):
            # The check of prices that the feed makes too; it raises WireError.
            for levels in (message.b, message.a):
                wire.side_arrays(levels, f"depth {message.s}")
            head = (message.T * _MS, recv_ns)
            found = _levels(number, head, message.u, message.b, 1.0, 0)
            found += _levels(number, head, message.u, message.a, -1.0, 0)
            return _with_first(found)
        if isinstance(message, wire.MarkPrice):
            values = (message.p, message.i, message.r, float(message.T), 0.0)
            return [(number, MARK, 0, message.E * _MS, recv_ns, *values)]
        if isinstance(message, wire.BookTicker):
            top = (message.b, message.B, message.a, message.A, float(message.u))
            return [(number, QUOTE, 0, message.T * _MS, recv_ns, *top)]
        if isinstance(message, wire.ForceOrder):
            order = message.o
            side = 1.0 if order.S == "BUY" else -1.0
            values = (order.p, order.q, side, order.ap, order.z)
            return [(number, LIQUIDATION, 0, order.T * _MS, recv_ns, *values)]
        if message.is_void:
            self.report.leave_out("trades without a fill")
            return []
        self._single.add(message.s)
        if message.t <= self._told.get(message.s, -1):
            self.report.leave_out("trades that an aggTrade has told already")
            return []
        flags = 0 if message.X == "MARKET" else OFF_BOOK
        side = -1.0 if message.m else 1.0
        values = (message.p, message.q, side, float(message.t), 0.0)
        return [(number, TRADE, flags, message.T * _MS, recv_ns, *values)]

    def _aggregate(self, message: _AggregateTrade, recv_ns: int) -> list[Row]:
        if message.s in self._single:
            self.report.leave_out("aggTrade beside single trades")
            return []
        price, quantity = float(message.p), float(message.q)
        count = message.l - message.f + 1
        if not (price > 0.0 and quantity > 0.0 and count > 0):
            raise WireError(f"aggTrade {message.a}: price {message.p}, quantity {message.q}, "
                            f"trades {message.f} to {message.l}")  # fmt: skip
        self._symbol = self._symbol or message.s
        self._told[message.s] = max(message.l, self._told.get(message.s, -1))
        values = (price, quantity, -1.0 if message.m else 1.0, float(message.a), float(count))
        head = (self.output.number(message.s), TRADE, AGGREGATE, message.T * _MS, recv_ns)
        return [(*head, *values)]

    def _snapshot(self, payload: bytes, recv_ns: int) -> list[Row]:
        if not self._symbol:
            raise RecorderError(
                f"{self.path}: begins with a snapshot, which names no symbol; use --symbol"
            )
        last_id, bids, asks = wire.decode_snapshot(payload, self._symbol)
        event_ns = _times.decode(payload).T * _MS
        number = self.output.number(self._symbol)
        found: list[Row] = []
        for (keys, quantities), side in ((bids, 1.0), (asks, -1.0)):
            levels = list(zip((keys / PRICE_SCALE).tolist(), quantities.tolist(), strict=True))
            found += _levels(number, (event_ns, recv_ns), last_id, levels, side, PICTURE)
        return _with_first(found)


def _levels(
    number: int,
    head: tuple[int, int],
    update_id: int,
    levels: list[tuple[float, float]],
    side: float,
    flags: int,
) -> list[Row]:
    return [
        (number, LEVEL, flags, *head, price, quantity, side, float(update_id), place)
        for place, (price, quantity) in zip(
            map(float, range(len(levels))) if flags else [0.0] * len(levels), levels, strict=True
        )
    ]


def _with_first(rows: list[Row]) -> list[Row]:
    if rows:
        number, kind, flags, *rest = rows[0]
        rows[0] = (number, kind, flags | FIRST, *rest)  # type: ignore[assignment]
    return rows


def import_raw(
    path: Path, symbol: str, output: Output, report: InputReport, advance: Advance
) -> None:
    """Add one file's messages to `output`. Raises RecorderError; bad lines are counted."""
    found = _Lines(path, symbol, output, report)
    waiting: list[Row] = []
    for number, line in lines(path, report, advance):
        rows = found.rows(number, line)
        report.good += bool(rows)
        waiting += rows
        if len(waiting) >= _BATCH:
            output.add(_array(waiting))
            waiting = []
    output.add(_array(waiting))


def _array(rows: list[Row]) -> Any:
    return np.array(rows, TICK)
