"""Pictures of the shared books as records: what a recorder writes of them beside the ring.

Called by `Recorder` at its interval. Reads the seqlock books as any reader does; a book that its
writer holds is left out this time. One picture is one message: its first record says so, and a side
without a record is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.recorder import layout
from aegis.shm.books import FLAGS, UPDATE_ID, Books, BookView
from aegis.shm.tick import TICK

__all__ = ["Pictures", "picture_of"]


class Pictures:
    """Which books have changed since they were last seen."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._seen = np.zeros((books.capacity, 2), np.uint64)

    def forget(self) -> None:
        """See every book again at the next look."""
        self._seen[:] = 0

    def take(self) -> list[npt.NDArray[Any]]:
        """The books that have changed, an array of records for each."""
        heads = self.books.heads[:, (UPDATE_ID, FLAGS)]
        found = []
        for instrument in np.flatnonzero((heads != self._seen).any(axis=1)).tolist():
            view = self.books.read(instrument)
            if view is None:
                continue
            self._seen[instrument] = heads[instrument]
            picture = picture_of(instrument, view)
            if picture.size:
                found.append(picture)
        return found


def picture_of(instrument: int, view: BookView) -> npt.NDArray[Any]:
    """The records of one book, bids then asks, best first."""
    bids, asks = len(view.bids), len(view.asks)
    records = np.zeros(bids + asks, TICK)
    records["instrument"] = instrument
    records["kind"] = layout.LEVEL
    records["flags"] = layout.PICTURE | (0 if view.valid else layout.INVALID)
    records["ts_event_ns"] = view.ts_event_ns
    records["ts_recv_ns"] = view.ts_recv_ns
    records["d"] = view.update_id
    for place, side, levels in ((0, 1.0, view.bids), (bids, -1.0, view.asks)):
        part = records[place : place + len(levels)]
        part["a"] = levels[:, 0]
        part["b"] = levels[:, 1]
        part["c"] = side
        part["e"] = np.arange(len(levels))
    records["flags"][:1] |= layout.FIRST
    return records
