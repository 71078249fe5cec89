"""So many messages in any second, not more, and the next second is open again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.wire.allowance import WINDOW_S, Allowance


def test_ten_in_a_second() -> None:
    allowance = Allowance(10)
    assert all(allowance.take(n / 100) for n in range(10))
    assert not allowance.take(0.5)
    assert not allowance.take(0.999)
    assert allowance.take(1.0)
    assert not allowance.take(1.005)


@given(st.integers(1, 12), st.lists(st.floats(0.0, 5.0), max_size=80))
def test_no_second_holds_more_than_it_may(most: int, moments: list[float]) -> None:
    allowance = Allowance(most)
    taken = [moment for moment in sorted(moments) if allowance.take(moment)]
    for number, moment in enumerate(taken):
        within = [one for one in taken[number:] if one - moment < WINDOW_S]
        assert len(within) <= most
    if len(moments) <= most:
        assert len(taken) == len(moments)
