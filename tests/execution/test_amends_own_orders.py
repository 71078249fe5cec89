"""Amends and our own orders of the other side, which an amended order would meet unhindered."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.risk.controls import Control
from aegis.shm.intent import POST_ONLY
from tests.execution.amend_desk import AmendDesk
from tests.execution.harness import FAR_NS, Desk


def reducing(desk: Desk, **fields: Any) -> AmendDesk:
    """20 lots are held, and a sell of 10 of them rests away from the book."""
    desk.core.accept_position(0, 20, 20 * 600_000 * 10_000)
    return AmendDesk(desk, **{"side": -1, "flags": 0, "price_ticks": 600_300, **fields})


def test_a_way_out_is_not_amended_into_our_own_order(desk: Desk) -> None:
    """The exchange prevents no self-trade of an amended order: the gate alone does."""
    desk.place(price_ticks=599_900)
    out = reducing(desk)
    desk.outcomes()
    assert out.denied(599_900) == (Control.SELF_TRADE, 0)
    assert out.denied(599_800) == (Control.SELF_TRADE, 0)
    out.amend(599_901)


def test_nor_to_where_an_order_of_ours_may_be_soon(desk: Desk) -> None:
    other = AmendDesk(desk, price_ticks=599_000)
    other.amend(599_900)
    out = reducing(desk)
    desk.outcomes()
    assert out.denied(599_900) == (Control.SELF_TRADE, 0)
    out.amend(600_200)


def test_a_way_out_may_still_be_placed_there(desk: Desk) -> None:
    """The exchange expires the later one of the two: nothing else is different for placements."""
    desk.place(price_ticks=599_900)
    reducing(desk)
    assert len(desk.send(desk.intent(side=-1, flags=0, price_ticks=599_900))) == 1


@pytest.mark.parametrize(("ticks", "may_go"), [(599_950, False), (599_951, True)])
def test_an_amend_that_waited_does_not_meet_what_was_placed_since(
    desk: Desk, ticks: int, may_go: bool
) -> None:
    """A way out passes a buy that waits to be moved up, and comes to rest before it leaves."""
    desk.core.accept_position(0, 20, 20 * 600_000 * 10_000)
    waiting = AmendDesk(desk, price_ticks=599_000)
    waiting.amend(599_950)
    desk.place(side=-1, flags=POST_ONLY, price_ticks=ticks)
    assert desk.core.judge_held(waiting.slot, FAR_NS, desk.now_ns) == may_go
