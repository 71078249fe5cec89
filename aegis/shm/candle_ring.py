"""A ring of candles with a plain face: write six floats, read tuples of six.

The pleasant interface over a broadcast ring of tick records, for scripts and for whoever wants
candles without the record's other fields::

    ring = CandleRing.create(path)
    ring.write((timestamp, open, high, low, close, volume))
    for timestamp, open, high, low, close, volume in CandleRing.attach(path).read_new(): ...

`timestamp` is in seconds (float), kept to the nanosecond as an integer in the record.
"""

import os
from pathlib import Path

import numpy as np

from aegis.shm.broadcast import KIND, BroadcastRing
from aegis.shm.errors import ShmError
from aegis.shm.region import Region
from aegis.shm.tick import CANDLE, RECORD_BYTES, TICK

__all__ = ["Candle", "CandleRing"]

Candle = tuple[float, float, float, float, float, float]
_FLOATS = 6
_NS = 1_000_000_000


def _nanoseconds(timestamp: float) -> int:
    """Seconds to nanoseconds. Whole seconds go apart: the product of both would lose 100 ns."""
    seconds = int(timestamp)
    return seconds * _NS + round((timestamp - seconds) * _NS)


class CandleRing:
    """One writer, any number of readers; a reader that was lapped sees it in `lost`."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.ring = BroadcastRing(region, TICK)
        self._reader = self.ring.reader(from_start=True)

    @classmethod
    def create(cls, path: Path, capacity: int = 16_384) -> "CandleRing":
        """Create the ring's file; `capacity` is a power of two."""
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"capacity {capacity} is not a power of two")
        region = Region.create(
            path,
            kind=KIND,
            capacity=capacity,
            record_bytes=RECORD_BYTES,
            body_bytes=capacity * RECORD_BYTES,
            owner=(os.getpid(), 0),
        )
        return cls(region)

    @classmethod
    def attach(cls, path: Path) -> "CandleRing":
        """Map an existing ring read-only."""
        return cls(Region.attach(path, kind=KIND, record_bytes=RECORD_BYTES))

    def write(self, candle: Candle, instrument: int = 0) -> int:
        """Publish one candle; returns its sequence.

        Raises ValueError when it is not six finite numbers, ShmError through a read-only mapping.
        """
        if not self.region.writable:
            raise ShmError(f"{self.region.path}: attached read-only; only its creator writes")
        if len(candle) != _FLOATS or not np.isfinite(candle).all():
            raise ValueError(f"candle {candle!r} is not six finite numbers")
        timestamp, *prices = candle
        return self.ring.write((instrument, CANDLE, 0, _nanoseconds(timestamp), 0, *prices))

    @property
    def lost(self) -> int:
        """Candles that were overwritten before this reader came."""
        return self._reader.lost

    def pending_count(self) -> int:
        """Candles published and not read yet through this object."""
        return self._reader.pending_count()

    def read_new(self) -> list[Candle]:
        """Every candle published since the last call, oldest first; other kinds are passed by."""
        return [
            (record[3] / _NS, *record[5:10])
            for record in self._reader.read_new()
            if record[1] == CANDLE
        ]

    def close(self) -> None:
        """Drop the mapping."""
        self.region.close()
