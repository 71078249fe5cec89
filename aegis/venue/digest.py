"""A running hash of everything public that happened: same seed and commands, same hash.

``pump`` hands it the tape before it is cleared, tests and the command line ask for the text. Times
enter relative to the origin of the market, so that two runs at different hours of the clock agree.
"""

from __future__ import annotations

import hashlib

from aegis.venue.tape import Tape


class EventDigest:
    """The bytes of every record of the tape, in order, times less `origin_ms`."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.records = 0

    def consume(self, tape: Tape, origin_ms: int) -> None:
        """Add what is on the tape."""
        records = tape.records[: len(tape)].copy()
        records["time_ms"] -= origin_ms
        self._hash.update(records.tobytes())
        self.records += len(records)

    def hex(self) -> str:
        """The hash of all records so far, 32 digits."""
        return self._hash.hexdigest()
