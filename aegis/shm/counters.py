"""Counters: one region per process, readable by anybody without touching that process.

After Aeron's counters: a metadata page with a label for each, a values page with a line pair for
each, then the process's histograms. One process writes its region; a gauge and a count look the
same. Layout after the header page::

    byte 4096                     metadata: capacity x 512 bytes
                                  (state u32: 1 in use, type u32, key 112 bytes = name,
                                   label length u32, label 380 bytes = sentence, 8 unused)
    4096 + capacity x 512         values: capacity x 128 bytes, i64 first
    4096 + capacity x 640         histograms: HISTOGRAMS x (name 128 bytes)
    ... + HISTOGRAMS x 128        histograms: counts, SLOT_WORDS i64 each
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.shm.counter_tables import COUNTERS, HISTOGRAMS
from aegis.shm.histogram import SLOT_WORDS, Histogram
from aegis.shm.region import HEADER_BYTES, Region

__all__ = ["BODY_BYTES", "CAPACITY", "Counters"]

KIND = 5
CAPACITY: Final = 96
HISTOGRAM_SLOTS: Final = 8
STRIDE_WORDS: Final = 16

METADATA = np.dtype(
    [
        ("state", "<u4"),
        ("type", "<u4"),
        ("key", "S112"),
        ("label_length", "<u4"),
        ("label", "S380"),
        ("unused", "S8"),
    ]
)
assert METADATA.itemsize == 512, "Aeron's metadata record size"

VALUES_AT = HEADER_BYTES + CAPACITY * METADATA.itemsize
NAMES_AT = VALUES_AT + CAPACITY * STRIDE_WORDS * 8
COUNTS_AT = NAMES_AT + HISTOGRAM_SLOTS * 128
BODY_BYTES = COUNTS_AT + HISTOGRAM_SLOTS * SLOT_WORDS * 8 - HEADER_BYTES


class Counters:
    """A process's counters by name or index. `values` is strided: one i64 per 128 bytes.

    Kernels take `words` (i64, contiguous) and multiply the index by STRIDE_WORDS. An attacher
    (not `owner`) finds the places by the names in the region: the instance may have been started
    by another build, whose counters stand in another order. What it does not have reads as 0.
    """

    def __init__(self, region: Region, process: str, *, owner: bool = False) -> None:
        self.region = region
        self.process = process
        self.names = [name for name, _ in COUNTERS[process]]
        assert len(self.names) <= CAPACITY, f"{process} has more than {CAPACITY} counters"
        assert len(set(self.names)) == len(self.names), f"{process} names a counter twice"
        if owner:
            self._describe()
        rows: npt.NDArray[Any] = region.array(METADATA, CAPACITY)
        self._index = _places(rows["key"])
        self.words: npt.NDArray[np.int64] = region.array(
            np.int64, CAPACITY * STRIDE_WORDS, VALUES_AT
        )
        self.values: npt.NDArray[np.int64] = self.words[::STRIDE_WORDS]
        self.histograms: dict[str, Histogram] = {}
        slots = _places(region.array("S128", HISTOGRAM_SLOTS, NAMES_AT))
        for name in HISTOGRAMS.get(process, ()):
            counts = np.zeros(SLOT_WORDS, np.int64)
            if name in slots:
                place = COUNTS_AT + slots[name] * SLOT_WORDS * 8
                counts = region.array(np.int64, SLOT_WORDS, place)
            self.histograms[name] = Histogram(name, counts)

    def _describe(self) -> None:
        """Write the names and sentences (the region's creator only)."""
        rows: npt.NDArray[Any] = self.region.array(METADATA, CAPACITY)
        for place, (name, label) in enumerate(COUNTERS[self.process]):
            text = label.encode()
            assert len(text) <= METADATA["label"].itemsize, f"the sentence of {name} is too long"
            rows[place] = (1, 0, name.encode(), len(text), text, b"")
        names = self.region.array("S128", HISTOGRAM_SLOTS, NAMES_AT)
        for slot, name in enumerate(HISTOGRAMS.get(self.process, ())):
            names[slot] = name.encode()

    def index(self, name: str) -> int:
        """The counter's number; KeyError with the process's name when there is none."""
        try:
            return self._index[name]
        except KeyError:
            raise KeyError(f"{self.process} has no counter {name!r}") from None

    def word(self, name: str) -> int:
        """Index into `words` of a counter, for kernels."""
        return self.index(name) * STRIDE_WORDS

    def get(self, index: int) -> int:
        """A counter's value."""
        return int(self.values[index])

    def set(self, index: int, value: int) -> None:
        """Write a counter (its own process only)."""
        self.values[index] = value

    def add(self, index: int, difference: int) -> None:
        """Add to a counter (its own process only)."""
        self.values[index] += difference

    def __getitem__(self, name: str) -> int:
        return int(self.values[self.index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        self.values[self.index(name)] = value

    def snapshot(self) -> dict[str, int]:
        """Every counter by name."""
        values = self.values.tolist()
        return {
            name: values[self._index[name]] if name in self._index else 0 for name in self.names
        }


def _places(names: npt.NDArray[Any]) -> dict[str, int]:
    """Place by name; empty names are places not in use."""
    return {raw.decode(): place for place, raw in enumerate(names.tolist()) if raw}
