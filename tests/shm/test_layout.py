"""The layouts as readers in other languages know them.

These numbers are the ABI. When a test here fails because a layout was changed on purpose, raise
`LAYOUT_VERSION`, so that nobody reads the new memory with the old offsets.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from aegis.shm import books, control, counters, histogram, ring_header
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.intent import INTENT
from aegis.shm.outcome import OUTCOME
from aegis.shm.region import HEADER, HEADER_BYTES, LAYOUT_VERSION
from aegis.shm.tick import TICK


def offsets(dtype: np.dtype) -> dict[str, int]:
    return {name: dtype.fields[name][1] for name in dtype.names}


def fingerprint(dtype: np.dtype) -> str:
    return hashlib.blake2b(repr(dtype.descr).encode(), digest_size=4).hexdigest()


def test_the_layout_version_belongs_to_these_numbers() -> None:
    assert LAYOUT_VERSION == 1


@pytest.mark.parametrize(
    ("dtype", "size", "digest"),
    [
        (HEADER, 80, "7b994763"),
        (TICK, 64, "7f1a255b"),
        (INTENT, 128, "7d177c71"),
        (OUTCOME, 128, "3d025702"),
        (INSTRUMENT, 128, "05a02262"),
        (counters.METADATA, 512, "052b2d78"),
    ],
)
def test_records_have_not_changed(dtype: np.dtype, size: int, digest: str) -> None:
    assert dtype.itemsize == size
    assert fingerprint(dtype) == digest
    assert sum(dtype.fields[name][0].itemsize for name in dtype.names) == size, "no hidden padding"


def test_the_header_and_the_tick_are_as_documented() -> None:
    assert offsets(HEADER) == {
        "magic": 0, "layout": 8, "kind": 12, "build": 16, "capacity": 24, "record_bytes": 32,
        "owner_pid": 40, "owner_start": 48, "generation": 56, "created_ns": 64, "boot": 72,
    }  # fmt: skip
    assert offsets(TICK) == {
        "instrument": 0, "kind": 4, "flags": 6, "ts_event_ns": 8, "ts_recv_ns": 16,
        "a": 24, "b": 32, "c": 40, "d": 48, "e": 56,
    }  # fmt: skip


def test_cursors_stand_on_the_documented_bytes() -> None:
    places = {
        name: int(getattr(ring_header, name)) * 8
        for name in ("TAIL", "TAIL_INTENT", "HEAD_CACHE", "HEAD", "TAIL_CACHE", "SLEEPING",
                     "EVENTFD", "CURSOR")
    }  # fmt: skip
    assert places == {
        "TAIL": 1024, "TAIL_INTENT": 1152, "HEAD_CACHE": 1280, "HEAD": 1408, "TAIL_CACHE": 1536,
        "SLEEPING": 1664, "EVENTFD": 1792, "CURSOR": 1920,
    }  # fmt: skip
    assert all(place % 128 == 0 for place in places.values()), "one line pair for each"


def test_books_counters_and_control_stand_on_the_documented_bytes() -> None:
    assert HEADER_BYTES == 4096
    assert (books.book_bytes(20), books.HEAD_WORDS * 8, books.LEVELS * 8) == (768, 128, 56)
    assert counters.VALUES_AT == 4096 + 96 * 512
    assert counters.NAMES_AT == 4096 + 96 * 640
    assert counters.COUNTS_AT == counters.NAMES_AT + 8 * 128
    assert counters.COUNTS_AT % 64 == 0
    assert histogram.SLOT_WORDS == 4480
    assert control.TEXT_AT == 4096 + 1024
