"""The HEADER frame's content: what was recorded, when, and on which clock.

Written at the start of every file, read back by `reading` and by the conversions, which need it
to turn `ts_recv_ns` into a time of day. Unknown keys are ignored: a later version may add some.
"""

from __future__ import annotations

import time

import msgspec

from aegis.recorder import layout
from aegis.recorder.errors import ForeignError

__all__ = ["Header", "own_header", "read_header"]


class Header(msgspec.Struct, frozen=True, omit_defaults=False):
    """`wall_minus_recv_ns`: what to add to a record's `ts_recv_ns` to get Unix time.

    0 where receipt times are Unix times already. `source` is "live" or the kind of file that was
    imported; `part` counts the files of one recording from 1. `received` is False where the source
    knew no receipt times: they are then those of the exchange.
    """

    version: int
    source: str
    instance: str = ""
    created_unix_ns: int = 0
    wall_minus_recv_ns: int = 0
    part: int = 1
    received: bool = True
    note: str = ""

    def encode(self) -> bytes:
        """As the body of a HEADER frame."""
        return msgspec.json.encode(self)


_decoder = msgspec.json.Decoder(Header)


def own_header(
    source: str, *, instance: str = "", live: bool = False, part: int = 1, received: bool = True,
    note: str = "",
) -> Header:  # fmt: skip
    """A header of now. `live`: the records' receipt times are CLOCK_MONOTONIC."""
    wall = time.time_ns()
    offset = wall - time.monotonic_ns() if live else 0
    return Header(layout.VERSION, source, instance, wall, offset, part, received, note)


def read_header(body: bytes) -> Header:
    """The header of a file. Raises ForeignError for what this version cannot read."""
    try:
        header = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ForeignError(f"its header cannot be read: {error}") from error
    if header.version != layout.VERSION:
        raise ForeignError(
            f"it is of version {header.version}, this build reads version {layout.VERSION}"
        )
    return header
