"""What the encoders have to know of each symbol: its name, and how its integers become decimals.

Made once at start from the venue's symbols; row k is the symbol with number k. Nobody writes it
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.venue.publish.raw import SLACK
from aegis.venue.symbols import SymbolSpec

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.int64]

__all__ = [
    "NAME_BYTES",
    "NAME_LENGTH",
    "PRICE_DECIMALS",
    "QTY_DECIMALS",
    "STEP_POINTS",
    "TICK_POINTS",
    "UNIT_E8",
    "Bytes",
    "Scales",
    "Words",
    "make_scales",
]

TICK_POINTS, PRICE_DECIMALS, STEP_POINTS, QTY_DECIMALS, UNIT_E8, NAME_LENGTH = range(6)
SCALE_WORDS: Final = 8
NAME_BYTES: Final = 32


class Scales(NamedTuple):
    """The arrays of the symbols' scales."""

    rows: Words  # [symbols, SCALE_WORDS]
    names: Bytes  # [symbols * NAME_BYTES]: upper case


def make_scales(specs: Sequence[SymbolSpec]) -> Scales:
    """The scales of these symbols, in the order of their numbers."""
    rows = np.zeros((max(1, len(specs)), SCALE_WORDS), np.int64)
    names = np.zeros(max(1, len(specs)) * NAME_BYTES + SLACK, np.uint8)
    for number, spec in enumerate(specs):
        name = spec.symbol.encode()
        assert len(name) <= NAME_BYTES, f"{spec.symbol}: a name of {len(name)} bytes"
        rows[number, :6] = (
            spec.tick_points,
            spec.price_precision,
            spec.step_points,
            spec.quantity_precision,
            spec.unit_e8,
            len(name),
        )
        begin = number * NAME_BYTES
        names[begin : begin + len(name)] = np.frombuffer(name, np.uint8)
    return Scales(rows, names)
