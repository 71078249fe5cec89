"""Messages as data: texts with marked places, and the one kernel that fills them in.

A template is the message as the exchange writes it, with `<name:kind>` where a value goes; the
caller names the values in their order. ``messages`` holds the texts of both dialects, the encoders
call `write_fields` with a template's number and an array of integers. Nothing that is filled in
needs escaping.

===========  ===================================================================================
kind         what is written
===========  ===================================================================================
int          the integer
price, qty   ticks or lots with the symbol's decimals
points       the integer / 10**(the price's decimals)
e8           the integer / 10**8, all eight decimals
e3           the integer / 1000, three decimals
bool         true or false
symbol       the symbol's name; takes no value
interval     the name of a candle interval, by its place in INTERVALS
turnover     ticks times lots as money, with the decimals of both; takes two values, of which
             the first counts 2**31
volume       the same with the price's decimals, rounded half up
===========  ===================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.history.intervals import INTERVALS
from aegis.venue.publish.digits import MAX_NUMBER, write_integer, write_money, write_scaled
from aegis.venue.publish.raw import SLACK, copy_text
from aegis.venue.publish.scales import (
    NAME_BYTES,
    NAME_LENGTH,
    PRICE_DECIMALS,
    QTY_DECIMALS,
    STEP_POINTS,
    TICK_POINTS,
    UNIT_E8,
    Bytes,
    Words,
)

__all__ = ["MAX_MESSAGE", "MAX_VALUES", "Templates", "compile_templates", "write_fields"]

_KINDS: Final = (
    "", "int", "price", "qty", "points", "e8", "e3", "bool", "symbol", "interval", "turnover",
    "volume",
)  # fmt: skip
NONE, INT, PRICE, QTY, POINTS, E8, E3, BOOL, SYMBOL, INTERVAL = range(10)
TURNOVER, VOLUME = 10, 11
assert len(_KINDS) == VOLUME + 1
_PLACE: Final = re.compile(r"<(\w+):(\w+)>")

# One step of a template: a literal text, then a value.
LITERAL_AT, LITERAL_LENGTH, KIND, VALUE = range(4)

MAX_VALUES: Final = 24
# Room for any message that is one filled template.
MAX_MESSAGE: Final = 1_024

_INTERVAL_BYTES: Final = 4
_INTERVAL_NAMES: Final = np.frombuffer(
    b"".join(name.encode().ljust(_INTERVAL_BYTES, b"\0") for name in INTERVALS) + b"\0" * SLACK,
    np.uint8,
)
_INTERVAL_LENGTHS: Final = np.array([len(name) for name in INTERVALS], np.int64)
assert max(_INTERVAL_LENGTHS) <= _INTERVAL_BYTES
_WORDS: Final = np.frombuffer(b"falsetrue" + b"\0" * SLACK, np.uint8)


class Templates(NamedTuple):
    """Compiled templates: steps [first[t], first[t + 1]) are those of template t."""

    steps: Words  # [steps, 4]
    first: Words
    literals: Bytes


def compile_templates(texts: Sequence[tuple[str, Sequence[str]]]) -> Templates:
    """Compile (text, names of its values in order) pairs; a template's number is its place."""
    steps: list[tuple[int, int, int, int]] = []
    first = [0]
    literals = b""
    for text, names in texts:
        # A value may be written several times; turnovers take the one after theirs as well.
        places: Mapping[str, int] = {name: place for place, name in enumerate(names)}
        assert len(names) <= MAX_VALUES, f"{text[:30]}: {len(names)} values"
        at = 0
        longest = 0
        for found in _PLACE.finditer(text):
            literal = text[at : found.start()].encode()
            kind = _KINDS.index(found[2])
            value = 0 if kind == SYMBOL else places[found[1]]
            steps.append((len(literals), len(literal), kind, value))
            literals += literal
            longest += len(literal) + max(MAX_NUMBER, NAME_BYTES)
            at = found.end()
        literal = text[at:].encode()
        steps.append((len(literals), len(literal), NONE, 0))
        literals += literal
        assert longest + len(literal) + SLACK <= MAX_MESSAGE, f"{text[:30]}: too long"
        first.append(len(steps))
    return Templates(
        np.array(steps, np.int64).reshape(-1, 4),
        np.array(first, np.int64),
        np.frombuffer(literals + b"\0" * SLACK, np.uint8).copy(),
    )


@kernel
def write_fields(
    out: Any, at: Any, templates: Any, number: Any, scales: Any, symbol: Any, values: Any
) -> Any:
    """Write template `number`, filled with `values`, at `at`; returns the place after it.

    `values` is an i64 array; the caller keeps MAX_MESSAGE bytes of room.
    """
    steps = templates.steps
    scale = scales.rows[symbol]
    for step in range(templates.first[number], templates.first[number + 1]):
        at = copy_text(
            out, at, templates.literals, steps[step, LITERAL_AT], steps[step, LITERAL_LENGTH]
        )
        kind = steps[step, KIND]
        value = values[steps[step, VALUE]]
        if kind == INT:
            at = write_integer(out, at, value)
        elif kind == PRICE:
            at = write_scaled(out, at, value * scale[TICK_POINTS], scale[PRICE_DECIMALS])
        elif kind == QTY:
            at = write_scaled(out, at, value * scale[STEP_POINTS], scale[QTY_DECIMALS])
        elif kind == SYMBOL:
            at = copy_text(out, at, scales.names, symbol * NAME_BYTES, scale[NAME_LENGTH])
        elif kind == POINTS:
            at = write_scaled(out, at, value, scale[PRICE_DECIMALS])
        elif kind == E8:
            at = write_scaled(out, at, value, np.int64(8))
        elif kind == E3:
            at = write_scaled(out, at, value, np.int64(3))
        elif kind == BOOL:
            at = copy_text(out, at, _WORDS, 5 if value else 0, 4 if value else 5)
        elif kind == INTERVAL:
            begin = value * _INTERVAL_BYTES
            at = copy_text(out, at, _INTERVAL_NAMES, begin, _INTERVAL_LENGTHS[value])
        elif kind in (TURNOVER, VOLUME):
            low = values[steps[step, VALUE] + 1]
            decimals = scale[PRICE_DECIMALS]
            if kind == TURNOVER:
                decimals = min(8, decimals + scale[QTY_DECIMALS])
            at = write_money(out, at, value, low, scale[UNIT_E8], decimals)
    return at
