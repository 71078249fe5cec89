"""Sorted levels against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.publish.ladders import drop, drop_worst, make_ladders, put

ROOM = 12
changes = st.lists(st.tuples(st.booleans(), st.integers(-10, 10), st.integers(0, 9)), max_size=80)


@given(changes)
def test_levels_stay_sorted_and_none_is_lost(changes: list[tuple[bool, int, int]]) -> None:
    ladders = make_ladders(3, ROOM)
    rows = ladders.pairs.reshape(3, ROOM, 2)
    model: dict[int, int] = {}
    for away, key, lots in changes:
        if away:
            drop(ladders, 1, key)
            model.pop(key, None)
        elif put(ladders, 1, key, lots):
            model[key] = lots
        else:
            assert len(model) == ROOM and key not in model
            drop_worst(ladders, 1)
            del model[min(model)]
        count = int(ladders.counts[1])
        assert rows[1, :count].tolist() == [list(pair) for pair in sorted(model.items())]
    # The neighbours were not written to.
    assert ladders.counts[[0, 2]].tolist() == [0, 0]
    assert not rows[0].any()
    assert not rows[2].any()
