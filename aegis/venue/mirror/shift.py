"""Recorded messages moved to a later time and to higher ids, so that a recording can go on again.

``mirror.reel`` uses it for every pass but the first. Only the digits of known fields change, found
by their keys; all else keeps its very bytes. Which key means what depends on the stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple


class Shift(NamedTuple):
    """What is added to times (ms), to book update ids, trade ids and ids of aggregated trades."""

    time_ms: int
    update: int
    trade: int
    aggregate: int

    def times(self, passes: int) -> Shift:
        """The same so many times over."""
        return Shift(*(part * passes for part in self))


TIME, UPDATE, TRADE, AGGREGATE = range(4)  # the fields of a Shift
# By the beginning of a stream's name behind the symbol; the longest that fits counts.
ROLES: Final[dict[str, dict[str, int]]] = {
    "": {"E": TIME, "T": TIME},
    "depth": {"E": TIME, "T": TIME, "U": UPDATE, "u": UPDATE, "pu": UPDATE},
    "bookTicker": {"E": TIME, "T": TIME, "u": UPDATE},
    "trade": {"E": TIME, "T": TIME, "t": TRADE},
    "aggTrade": {"E": TIME, "T": TIME, "a": AGGREGATE, "f": TRADE, "l": TRADE},
    "kline": {"E": TIME, "t": TIME, "T": TIME, "f": TRADE, "L": TRADE},
    "ticker": {"E": TIME, "O": TIME, "C": TIME, "F": TRADE, "L": TRADE},
}
SNAPSHOT_ROLES: Final = {"lastUpdateId": UPDATE, "E": TIME, "T": TIME}


@cache
def _reader(stream: str) -> tuple[re.Pattern[bytes], dict[bytes, int]]:
    """The pattern that finds a stream's fields, and what they are; "" is the depth snapshot."""
    kind = stream.partition("@")[2]
    name = max((one for one in ROLES if kind.startswith(one)), key=len)
    roles = ROLES[name] if stream else SNAPSHOT_ROLES
    # Digits only: -1 says "no trade" and stays.
    return re.compile(rb'"(%s)":(\d+)' % "|".join(roles).encode()), {
        key.encode(): role for key, role in roles.items()
    }


def moved(stream: str, message: bytes, shift: Shift) -> bytes:
    """The message as it is in another pass."""
    pattern, roles = _reader(stream)
    return pattern.sub(
        lambda found: b'"%b":%d' % (found[1], int(found[2]) + shift[roles[found[1]]]), message
    )


def numbers(stream: str, message: bytes) -> Iterator[tuple[str, int, int]]:
    """Key, role and value of the message's known fields."""
    pattern, roles = _reader(stream)
    for found in pattern.finditer(message):
        yield found[1].decode(), roles[found[1]], int(found[2])


def number_of(stream: str, message: bytes, key: str) -> int:
    """The value of one known field; 0 if it is not there."""
    return next((value for name, _, value in numbers(stream, message) if name == key), 0)


def with_number(message: bytes, key: str, value: int) -> bytes:
    """The message with another value of one field."""
    return re.sub(rb'"%s":\d+' % key.encode(), b'"%s":%d' % (key.encode(), value), message, count=1)
