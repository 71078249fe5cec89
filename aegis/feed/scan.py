"""The scanner: market-data payloads read straight from the socket's bytes, without objects.

Called by the intake kernel for every frame. It accepts exactly the shape the exchange sends today
(combined-stream envelope, no blanks, plain decimals in strings, keys in any order, unknown scalar
keys skipped) for the hot kinds: trade, bookTicker, diff depth, and mark prices, which come all at
once. Everything else, however legal, is answered with UNUSUAL and goes to `aegis.feed.wire`, which
decides. So the scanner never judges a message to be bad, and whatever it does accept equals what
`wire` would have said; the tests hold it to that on a whole recording and on mutated frames.

Theory of operation. Each step either recognises the next bytes and moves forward or gives up; it
never looks back. The buffer ends in a zero byte that no step accepts, so no loop leaves it, and a
frame counts only if the walk ends exactly at its end.
"""

from typing import Any

import numpy as np

from aegis.feed import layout, tokens
from aegis.feed.layout import DEPTH, INSTRUMENT, PREVIOUS_ID, floats, octets, words
from aegis.feed.raw_bytes import byte_at, word, word_at
from aegis.feed.symbols import NAME_BYTES
from aegis.feed.tokens import (
    LOW3,
    LOW4,
    LOW5,
    LOW6,
    LOW7,
    MAX_LEVELS,
    POWERS,
    scan_decimal,
    scan_integer,
    scan_levels,
    scan_signed_decimal,
    skip_scalar,
)
from aegis.host.jit import kernel
from aegis.shm.tick import MARK, QUOTE, TRADE

__all__ = ["MAX_TIME_MS", "UNUSUAL", "scan_message"]

UNUSUAL = 0
MAX_TIME_MS = 9_000_000_000_000  # year 2255; in nanoseconds still inside 63 bits

# What to do with the value of a one-letter key, by kind: a table beats a chain of ifs.
_SKIP, _INTEGER, _DECIMAL, _SYMBOL, _EVENT, _BOOLEAN, _CLASS, _BIDS, _ASKS, _RATE = range(10)
_KINDS = 6
_ACTION = np.zeros((_KINDS, 128), np.int64)
_SLOT = np.zeros((_KINDS, 128), np.int64)
_REQUIRED = np.zeros(_KINDS, np.int64)
_PREVIOUS_BIT = 1 << 62
assert max(TRADE, QUOTE, DEPTH, MARK) < _KINDS, "the tables are indexed by kind"


def _declare(kind: int, fields: dict[str, tuple[int, int]]) -> None:
    times = {"T": (_INTEGER, layout.EVENT_MS), "E": (_INTEGER, layout.SENT_MS)}
    names = {"e": (_EVENT, 0), "s": (_SYMBOL, 0)}
    for letter, (action, slot) in (times | names | fields).items():
        _ACTION[kind, ord(letter)] = action
        _SLOT[kind, ord(letter)] = slot
        _REQUIRED[kind] |= 1 << (ord(letter) - 64)


_declare(
    QUOTE,
    {
        "u": (_INTEGER, layout.ID),
        "b": (_DECIMAL, 0),
        "B": (_DECIMAL, 1),
        "a": (_DECIMAL, 2),
        "A": (_DECIMAL, 3),
    },
)
_declare(
    TRADE,
    {
        "t": (_INTEGER, layout.ID),
        "p": (_DECIMAL, 0),
        "q": (_DECIMAL, 1),
        "m": (_BOOLEAN, layout.SIDE),
        "X": (_CLASS, layout.OFF_BOOK),
    },
)
_declare(
    DEPTH,
    {
        "U": (_INTEGER, layout.FIRST_ID),
        "u": (_INTEGER, layout.ID),
        "b": (_BIDS, layout.BID_COUNT),
        "a": (_ASKS, layout.ASK_COUNT),
    },
)
_REQUIRED[DEPTH] |= _PREVIOUS_BIT
_declare(
    MARK,
    {
        "E": (_INTEGER, layout.EVENT_MS),
        "T": (_INTEGER, layout.FUNDING_MS),
        "p": (_DECIMAL, 0),
        "i": (_DECIMAL, 1),
        "r": (_RATE, 2),
    },
)

_STREAM = word(b'{"stream')
_COLON = word(b'":"\0\0\0\0\0')
_DATA = word(b'","data"')
_BOOK_TICK = word(b"bookTick")
_ER = word(b'er"\0\0\0\0\0')
_DEPTH_UPD = word(b"depthUpd")
_ATE = word(b'ate"\0\0\0\0')
_TRADE_END = word(b'trade"\0\0')
_DEPTH_NAME = word(b"depth\0\0\0")
_MARK_NAME = word(b"markPric")
_E_UPDATE = word(b'eUpdate"')
_MARKET = word(b'MARKET"\0')
_EVERY_SECOND = word(b"@1s\0\0\0\0\0")


@kernel
def _same_bytes(names: Any, base: Any, buffer: Any, at: Any, length: Any) -> Any:
    """Whether `length` bytes of `names` from `base` equal those of `buffer` from `at`."""
    for offset in range(length):
        if byte_at(names, base + offset) != byte_at(buffer, at + offset):
            return False
    return True


@kernel
def _scan_symbol(buffer: Any, at: Any, context: Any) -> Any:
    """(instrument, next) of the lower-case symbol before a stream's "@"; next is -1 if unknown."""
    table = words(context, layout.SYMBOL_TABLE)
    lengths = words(context, layout.SYMBOL_LENGTHS)
    names = octets(context, layout.SYMBOL_NAMES)
    mask = table.size - 1
    digest = 2166136261
    start = at
    letter = byte_at(buffer, at)
    while letter != 64:
        if letter < 33 or letter == 34 or letter == 92:
            return 0, -1
        digest = ((digest ^ letter) * 16777619) & 0xFFFFFFFF
        at += 1
        letter = byte_at(buffer, at)
    length = at - start
    place = digest & mask
    while table[place] >= 0:
        instrument = table[place]
        base = instrument * 2 * NAME_BYTES
        if lengths[instrument] == length and _same_bytes(names, base, buffer, start, length):
            return instrument, at + 1
        place = (place + 1) & mask
    return 0, -1


@kernel
def _scan_stream(buffer: Any, at: Any) -> Any:
    """(kind, next) of what follows a stream's "@"; next stands on the name's closing quote."""
    head = word_at(buffer, at)
    if head == _BOOK_TICK and (word_at(buffer, at + 8) & LOW3) == _ER:
        return QUOTE, at + 10
    if (head & LOW6) == _TRADE_END:
        return TRADE, at + 5
    if (head & LOW5) == _DEPTH_NAME:
        at += 5
        letter = byte_at(buffer, at)
        if letter == 64:
            at += 1
            speed_at = at
            letter = byte_at(buffer, at)
            while 48 <= letter <= 57 or 97 <= letter <= 122:
                at += 1
                letter = byte_at(buffer, at)
            if at == speed_at:
                return UNUSUAL, -1
        # A digit straight after "depth" is a partial book: to replace, not to merge.
        if letter == 34:
            return DEPTH, at
    if head == _MARK_NAME and byte_at(buffer, at + 8) == 101:
        at += 9
        if (word_at(buffer, at) & LOW3) == _EVERY_SECOND:
            at += 3
        if byte_at(buffer, at) == 34:
            return MARK, at
    return UNUSUAL, -1


@kernel
def _match_event(buffer: Any, at: Any, kind: Any) -> Any:
    """Where the quoted event name that belongs to `kind` ends; -1 when it is another."""
    if byte_at(buffer, at) != 34:
        return -1
    head = word_at(buffer, at + 1)
    if kind == QUOTE:
        if head == _BOOK_TICK and (word_at(buffer, at + 9) & LOW3) == _ER:
            return at + 12
    elif kind == TRADE:
        if (head & LOW6) == _TRADE_END:
            return at + 7
    elif kind == MARK:
        if head == _MARK_NAME and word_at(buffer, at + 9) == _E_UPDATE:
            return at + 17
    elif head == _DEPTH_UPD and (word_at(buffer, at + 9) & LOW4) == _ATE:
        return at + 13
    return -1


@kernel
def _match_symbol(buffer: Any, at: Any, context: Any, instrument: Any) -> Any:
    """Where the quoted symbol ends if it is the instrument's, else -1."""
    length = words(context, layout.SYMBOL_LENGTHS)[instrument]
    names = octets(context, layout.SYMBOL_NAMES)
    base = instrument * 2 * NAME_BYTES + NAME_BYTES
    if byte_at(buffer, at) != 34 or not _same_bytes(names, base, buffer, at + 1, length):
        return -1
    at += length + 1
    return at + 1 if byte_at(buffer, at) == 34 else -1


@kernel
def _scan_flag(buffer: Any, at: Any, integers: Any, slot: Any, action: Any) -> Any:
    """Read `m` (the buyer is the maker, so the taker sold) or `X` (the trade's class)."""
    if action == _CLASS:
        # The other classes (insurance fund, ADL, "NA") are rare enough for the careful path.
        integers[slot] = 0
        if byte_at(buffer, at) == 34 and (word_at(buffer, at + 1) & LOW7) == _MARKET:
            return at + 8
        return -1
    head = word_at(buffer, at)
    if (head & LOW4) == tokens.TRUE:
        integers[slot] = -1
        return at + 4
    if (head & LOW5) == tokens.FALSE:
        integers[slot] = 1
        return at + 5
    return -1


@kernel
def _scan_value(buffer: Any, at: Any, kind: Any, letter: Any, context: Any) -> Any:
    """Read the value of one-letter key `letter` into its slot; where it ends, -1 if unusual."""
    action = _ACTION[kind, letter]
    slot = _SLOT[kind, letter]
    integers = words(context, layout.INTEGERS)
    if action == _DECIMAL:
        mantissa, places, at = scan_decimal(buffer, at)
        if at >= 0:
            floats(context, layout.DECIMALS)[slot] = mantissa / POWERS[places]
            # Zero is never right in a trade or at the top of a book; wire says what to do.
            return at if mantissa > 0 else -1
        return -1
    if action == _INTEGER:
        value, at = scan_integer(buffer, at)
        integers[slot] = value
        return at
    if action in (_BIDS, _ASKS):
        keys = words(context, layout.LEVEL_KEYS)
        quantities = floats(context, layout.LEVEL_QUANTITIES)
        base = 0 if action == _BIDS else MAX_LEVELS
        count, at = scan_levels(buffer, at, keys, quantities, base)
        integers[slot] = count
        return at
    if action == _RATE:
        rate, at = scan_signed_decimal(buffer, at)
        floats(context, layout.DECIMALS)[slot] = rate
        return at if abs(rate) < 1.0 else -1
    if action == _SYMBOL:
        return _match_symbol(buffer, at, context, integers[INSTRUMENT])
    if action == _EVENT:
        return _match_event(buffer, at, kind)
    if action == _SKIP:
        return skip_scalar(buffer, at)
    return _scan_flag(buffer, at, integers, slot, action)


@kernel
def _scan_long_key(buffer: Any, at: Any, kind: Any, context: Any) -> Any:
    """Read a two-letter key at `at` and its value: (bit of "pu" or 0, where the value ends)."""
    letter = byte_at(buffer, at)
    second = byte_at(buffer, at + 1)
    if byte_at(buffer, at + 2) != 34 or byte_at(buffer, at + 3) != 58:
        return 0, -1
    if letter == 112 and second == 117 and kind == DEPTH:
        value, at = scan_integer(buffer, at + 4)
        words(context, layout.INTEGERS)[PREVIOUS_ID] = value
        return _PREVIOUS_BIT, at
    for character in (letter, second):
        if character < 65 or character > 122 or character == 92:
            return 0, -1
    return 0, skip_scalar(buffer, at + 4)


@kernel
def _scan_fields(buffer: Any, at: Any, kind: Any, context: Any) -> Any:
    """(keys seen, place of the closing brace) of the payload at `at`; -1 if unusual."""
    seen = 0
    mark = byte_at(buffer, at)
    if mark != 123:
        return 0, -1
    mark = 44
    while mark == 44:
        if byte_at(buffer, at + 1) != 34:
            return 0, -1
        letter = byte_at(buffer, at + 2)
        if byte_at(buffer, at + 3) == 34:
            if letter < 65 or letter > 122 or letter == 92 or byte_at(buffer, at + 4) != 58:
                return 0, -1
            bit = 1 << (letter - 64)
            at = _scan_value(buffer, at + 5, kind, letter, context)
        else:
            bit, at = _scan_long_key(buffer, at + 2, kind, context)
        # A repeated key means "the last one counts" to other decoders: let wire decide.
        if at < 0 or seen & bit:
            return 0, -1
        seen |= bit
        mark = byte_at(buffer, at)
    return seen, at


@kernel
def scan_message(buffer: Any, start: Any, end: Any, context: Any) -> Any:
    """Read one frame `buffer[start:end]`; returns its kind (TRADE, QUOTE, DEPTH, MARK) or UNUSUAL.

    The fields go to the context's INTEGERS, DECIMALS and LEVEL_* (bids first, asks from
    MAX_LEVELS on); after UNUSUAL their content means nothing. `buffer` must hold a zero byte and
    16 readable bytes after the last frame.
    """
    if word_at(buffer, start) != _STREAM or (word_at(buffer, start + 8) & LOW3) != _COLON:
        return UNUSUAL
    instrument, at = _scan_symbol(buffer, start + 11, context)
    if at < 0:
        return UNUSUAL
    kind, at = _scan_stream(buffer, at)
    if at < 0 or word_at(buffer, at) != _DATA or byte_at(buffer, at + 8) != 58:
        return UNUSUAL
    integers = words(context, layout.INTEGERS)
    integers[INSTRUMENT] = instrument
    seen, at = _scan_fields(buffer, at + 9, kind, context)
    if at < 0 or (word_at(buffer, at) & 0xFFFF) != 0x7D7D or at + 2 != end:
        return UNUSUAL
    required = _REQUIRED[kind]
    if seen & required != required:
        return UNUSUAL
    for field in (layout.EVENT_MS, layout.SENT_MS):
        if integers[field] <= 0 or integers[field] > MAX_TIME_MS:
            return UNUSUAL
    return kind
