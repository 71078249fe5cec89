"""The quick reader of snapshots: the same as the careful decoder, or that decoder itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.feed.errors import BadSnapshotError
from aegis.feed.snapshot_body import SnapshotBody
from aegis.feed.tokens import MAX_LEVELS
from aegis.feed.wire import decode_snapshot
from tests.feed.market import Market, compact

GOOD = compact(Market(5).snapshot())


def assert_same(reader: SnapshotBody, body: bytes) -> bool:
    """Whether the body is a book; both readers must say the same of it."""
    try:
        wanted = decode_snapshot(body, "BTCUSDT")
    except BadSnapshotError as error:
        with pytest.raises(BadSnapshotError) as found:
            reader.read(body, "BTCUSDT")
        assert str(found.value) == str(error)
        return False
    last_id, *sides = reader.read(body, "BTCUSDT")
    assert last_id == wanted[0]
    for (keys, quantities), (wanted_keys, wanted_quantities) in zip(sides, wanted[1:], strict=True):
        np.testing.assert_array_equal(keys, wanted_keys)
        np.testing.assert_array_equal(quantities, wanted_quantities)
    return True


@pytest.mark.parametrize("left_out", [(), ("E",), ("T",), ("E", "T")])
def test_the_exchanges_own_spelling_is_read_at_once(left_out: tuple[str, ...]) -> None:
    reader = SnapshotBody()
    whole = Market(5).snapshot()
    body = compact({key: value for key, value in whole.items() if key not in left_out})
    assert assert_same(reader, body)
    assert reader.unusual == 0


def test_a_thousand_levels_after_two_and_two_after_a_thousand() -> None:
    reader = SnapshotBody()
    sides = {
        "bids": [[f"{5000 - n * 0.1:.2f}", f"{n + 1}.125"] for n in range(1000)],
        "asks": [[f"{5001 + n * 0.1:.2f}", f"{n + 1}.250"] for n in range(1000)],
    }
    deep = compact({"lastUpdateId": 7, "E": 1, "T": 2, **sides})
    for body in (GOOD, deep, GOOD):
        assert assert_same(reader, body)
    assert reader.unusual == 0


@pytest.mark.parametrize(
    ("change", "is_book"),
    [
        ({"bids": []}, False),
        ({"asks": []}, False),
        ({"bids": [["1", "nan"]]}, False),
        ({"bids": [["1", "0"]]}, False),
        ({"bids": [["1", "1"], ["1.0", "2"]]}, False),
        ({"bids": [["1", "1"], ["1.5", "2"]]}, True),
        ({"bids": [["99999999", "1"]]}, False),
        ({"bids": [["1"]]}, False),
        ({"bids": [["1", "1", []]]}, False),
        ({"bids": [[1.5, 2.5]]}, True),
        ({"bids": [["0.000000001", "1"]]}, False),
        ({"bids": [["1e0", "1"]]}, True),
        ({"lastUpdateId": 0}, False),
        ({"lastUpdateId": "soon"}, False),
        ({"E": "late"}, False),
        ({"more": 1}, True),
    ],
)
def test_what_is_unusual_goes_to_the_careful_decoder(change: dict[str, Any], is_book: bool) -> None:
    reader = SnapshotBody()
    body = compact({**Market(5).snapshot(), **change})
    try:
        decode_snapshot(body, "BTCUSDT")
    except BadSnapshotError:
        assert not is_book
    else:
        assert is_book
    assert assert_same(reader, body) is is_book
    assert reader.unusual == 1


def test_bodies_that_are_too_large_for_the_memory_are_still_read() -> None:
    reader = SnapshotBody()
    count = MAX_LEVELS + 4
    bids = [[f"{5000 - n * 0.1:.2f}", "1" + "0" * 20] for n in range(count)]
    body = compact({"lastUpdateId": 7, "bids": bids, "asks": [["5001", "1"]]})
    assert not assert_same(reader, body)
    many = compact({"lastUpdateId": 7, "bids": [[one, "1"] for one, _ in bids],
                    "asks": [["5001", "1"]]})  # fmt: skip
    assert assert_same(reader, many)
    padded = many.replace(b'"1"', b'"1.000000000000000000000000000000000000000000000000000000"')
    assert len(padded) > 1 << 18
    assert assert_same(reader, padded)
    assert reader.unusual == 3


@given(st.integers(0, len(GOOD)))
def test_every_part_of_a_body_is_refused_as_before(size: int) -> None:
    reader = SnapshotBody()
    reader.read(GOOD, "BTCUSDT")
    assert assert_same(reader, GOOD[:size]) is (size == len(GOOD))


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(b'0159.,:"[]{}-eE \x00\xff'))
def test_a_changed_byte_is_never_read_in_another_way(place: int, value: int) -> None:
    assert_same(SnapshotBody(), GOOD[:place] + bytes([value]) + GOOD[place + 1 :])
