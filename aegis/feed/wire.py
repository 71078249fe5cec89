"""The exchange's payloads as typed structs: the feed's definition of what is well formed.

Called by the intake for every frame that the scanner calls unusual, and for REST answers. One
msgspec pass decodes envelope and payload together, with numbers in strings; what is not there, not
finite, negative, zero where zero is nonsense, or out of range raises WireError with the field and
the value. Unknown fields are ignored, unknown events are answered with `Ignored`: the exchange adds
both without notice. It never touches the book, the ring or a counter.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from aegis.feed.errors import BadSnapshotError, WireError
from aegis.feed.scan import MAX_TIME_MS
from aegis.feed.streams import LIQUIDATION_STREAM
from aegis.feed.symbols import stream_symbol
from aegis.feed.tokens import MAX_LEVELS, MAX_MANTISSA, PRICE_SCALE

__all__ = [
    "BookTicker",
    "DepthUpdate",
    "ForceOrder",
    "ForcedOrder",
    "Ignored",
    "MarkPrice",
    "Reply",
    "Side",
    "Snapshot",
    "Trade",
    "decode",
    "decode_snapshot",
    "side_arrays",
]

Identifier = Annotated[int, Meta(ge=0, le=2**63 - 1)]
TimeMs = Annotated[int, Meta(gt=0, le=MAX_TIME_MS)]
Levels = list[tuple[float, float]]
Side = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]

# A value may be shown to a person; a hostile one may be a megabyte.
_SHOWN = 80


class BookTicker(Struct, gc=False, frozen=True, tag_field="e", tag="bookTicker"):
    """Best bid (b, quantity B) and ask (a, A) as of update id u."""

    u: Identifier
    s: str
    b: float
    B: float
    a: float
    A: float
    T: TimeMs
    E: TimeMs


class Trade(Struct, gc=False, frozen=True, tag_field="e", tag="trade"):
    """One trade: id t, price p, quantity q; m says that the buyer was the maker. X is its class:
    MARKET, or off the book (INSURANCE_FUND, ADL), or NA for an id without a public trade."""

    t: Identifier
    s: str
    p: float
    q: float
    m: bool
    T: TimeMs
    E: TimeMs
    X: str = "MARKET"

    @property
    def is_void(self) -> bool:
        """An id that produced no public fill: to be dropped, not counted as an error."""
        return self.X == "NA" or self.p == 0.0


class DepthUpdate(Struct, frozen=True, tag_field="e", tag="depthUpdate"):
    """Changed levels b and a (price, new quantity), ids U to u, following the event pu."""

    s: str
    U: Identifier
    u: Identifier
    pu: Identifier
    b: Levels
    a: Levels
    T: TimeMs
    E: TimeMs


class MarkPrice(Struct, gc=False, frozen=True, tag_field="e", tag="markPriceUpdate"):
    """Mark price p, index i, funding rate r, next funding time T."""

    s: str
    p: float
    i: float
    r: float
    T: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
    E: TimeMs


class ForcedOrder(Struct, gc=False, frozen=True):
    """The order of a liquidation: side S, quantity q at p, so far z filled at ap on average."""

    s: str
    S: Literal["BUY", "SELL"]
    q: float
    p: float
    ap: float
    z: float
    T: TimeMs


class ForceOrder(Struct, frozen=True, tag_field="e", tag="forceOrder"):
    """A liquidation, of any symbol: they come on one stream."""

    o: ForcedOrder
    E: TimeMs

    @property
    def s(self) -> str:
        """The symbol."""
        return self.o.s


class Ignored(NamedTuple):
    """A well-formed message that is none of ours: another stream, event or symbol."""

    stream: str
    event: str


class Reply(Struct, frozen=True):
    """The answer to SUBSCRIBE and its like; `error` is what the exchange objects to."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"")

    @property
    def error_text(self) -> str:
        """What the exchange objects to, shortened; empty for a success."""
        return bytes(self.error)[:_SHOWN].decode("utf-8", "replace")


class Snapshot(Struct, frozen=True):
    """GET /fapi/v1/depth."""

    lastUpdateId: Annotated[int, Meta(gt=0, le=2**63 - 1)]  # noqa: N815 (the wire's name)
    bids: Levels
    asks: Levels
    E: int = 0
    T: int = 0


class _Envelope(Struct, frozen=True):
    stream: str
    data: BookTicker | Trade | DepthUpdate | MarkPrice | ForceOrder


class _Header(Struct, frozen=True):
    """What any frame on a combined connection can be recognised by."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    error: msgspec.Raw = msgspec.Raw(b"")


class _Event(Struct, frozen=True):
    e: str = ""


_KNOWN_EVENTS = {"bookTicker", "trade", "depthUpdate", "markPriceUpdate", "forceOrder"}
_DIFF_DEPTH = re.compile("depth(@[0-9a-z]+)?")
_envelope = msgspec.json.Decoder(_Envelope, strict=False)
_header = msgspec.json.Decoder(_Header)
_event = msgspec.json.Decoder(_Event)
_reply = msgspec.json.Decoder(Reply)
_snapshot = msgspec.json.Decoder(Snapshot, strict=False)

Message = BookTicker | Trade | DepthUpdate | MarkPrice | ForceOrder


def decode(payload: bytes) -> Message | Reply | Ignored:
    """Decode one frame of a combined connection. Raises WireError; nothing else."""
    try:
        envelope = _envelope.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        return _decode_other(payload, error)
    symbol, _, name = envelope.stream.partition("@")
    message = envelope.data
    if isinstance(message, ForceOrder):
        # Of all symbols, so the stream's name has none.
        is_ours = envelope.stream == LIQUIDATION_STREAM
    else:
        is_ours = symbol == stream_symbol(message.s) and _belongs(name, message)
    if not is_ours:
        return Ignored(envelope.stream[:_SHOWN], type(message).__name__)
    _check(message)
    return message


def _decode_other(payload: bytes, first: Exception) -> Reply | Ignored:
    """A frame that is no known event: a reply, an unknown event, or garbage (WireError)."""
    try:
        header = _header.decode(payload)
        if header.stream is None:
            if header.id is msgspec.UNSET and not bytes(header.error):
                raise WireError(f"neither an event nor a reply: {_show(payload)}")
            return _reply.decode(payload)
        event = _event.decode(header.data).e
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise WireError(f"{error}: {_show(payload)}") from error
    if event in _KNOWN_EVENTS:
        raise WireError(f"{first}: {_show(payload)}") from first
    return Ignored(header.stream[:_SHOWN], event[:_SHOWN])


def _belongs(name: str, message: Message) -> bool:
    """Whether the stream `name` (after the "@") carries such messages."""
    if isinstance(message, DepthUpdate):
        # depth5, depth10 and depth20 look the same but replace the book's top.
        return _DIFF_DEPTH.fullmatch(name) is not None
    if isinstance(message, MarkPrice):
        return name == "markPrice" or name.startswith("markPrice@")
    return name == ("trade" if isinstance(message, Trade) else "bookTicker")


def _check(message: Message) -> None:
    if isinstance(message, BookTicker):
        for field in "bBaA":
            _positive(message, field)
    elif isinstance(message, Trade):
        if not message.is_void:
            _positive(message, "p")
            _positive(message, "q")
    elif isinstance(message, ForceOrder):
        for field in "qp":
            _positive(message.o, field)
        for field in ("ap", "z"):
            if not 0.0 <= getattr(message.o, field) <= MAX_MANTISSA:
                raise WireError(f"forceOrder: {field}={getattr(message.o, field)} cannot be")
    elif isinstance(message, MarkPrice):
        _positive(message, "p")
        _positive(message, "i")
        if not -1.0 < message.r < 1.0:
            raise WireError(f"markPrice {message.s}: funding rate r={message.r} is absurd")
    elif max(len(message.b), len(message.a)) > MAX_LEVELS:
        raise WireError(f"depth {message.s}: more than {MAX_LEVELS} levels on a side")


def _positive(message: Message | ForcedOrder, field: str) -> None:
    value = getattr(message, field)
    # Written so that NaN fails it.
    if not 0.0 < value <= MAX_MANTISSA:
        name = type(message).__name__
        raise WireError(f"{name} {message.s[:_SHOWN]}: {field}={value} must be above 0 and finite")


def side_arrays(levels: Levels, what: str) -> Side:
    """(prices as i64 keys in 1e-8, quantities f64) of a side; WireError names a bad level."""
    pairs = np.array(levels, np.float64).reshape(-1, 2)
    prices, quantities = pairs[:, 0], np.ascontiguousarray(pairs[:, 1])
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(prices * PRICE_SCALE)
        good = (scaled > 0) & (scaled <= MAX_MANTISSA) & (scaled / PRICE_SCALE == prices)
        good &= (quantities >= 0.0) & (quantities <= MAX_MANTISSA)
    if not good.all():
        place = int(np.argmin(good))
        raise WireError(f"{what}: level {levels[place]} is no price and quantity")
    return scaled.astype(np.int64), quantities


def decode_snapshot(body: bytes, symbol: str) -> tuple[int, Side, Side]:
    """(lastUpdateId, bids, asks) of a depth snapshot, both sides best first.

    Raises BadSnapshotError when it cannot be a book.
    """
    try:
        snapshot = _snapshot.decode(body)
        bids = side_arrays(snapshot.bids, f"snapshot {symbol} bids")
        asks = side_arrays(snapshot.asks, f"snapshot {symbol} asks")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BadSnapshotError(f"snapshot {symbol}: {error}: {_show(body)}") from error
    except WireError as error:
        raise BadSnapshotError(str(error)) from error
    sides = []
    for name, (keys, quantities), sign in (("bids", bids, -1), ("asks", asks, 1)):
        order = np.argsort(keys * sign, kind="stable")
        keys, quantities = keys[order], quantities[order]
        if keys.size == 0:
            raise BadSnapshotError(f"snapshot {symbol}: no {name}")
        if (np.diff(keys) == 0).any() or not (quantities > 0.0).all():
            raise BadSnapshotError(f"snapshot {symbol}: {name} repeat a price or are empty")
        sides.append((keys, quantities))
    if sides[0][0][0] >= sides[1][0][0]:
        raise BadSnapshotError(
            f"snapshot {symbol}: crossed, best bid {sides[0][0][0] / PRICE_SCALE}, "
            f"best ask {sides[1][0][0] / PRICE_SCALE}"
        )
    return snapshot.lastUpdateId, sides[0], sides[1]


def _show(payload: bytes) -> str:
    text = payload[:_SHOWN].decode("utf-8", "replace")
    return repr(text) + (f" ... {len(payload)} bytes" if len(payload) > _SHOWN else "")
