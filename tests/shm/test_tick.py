"""TickStage: what is staged reaches the ring once, in order, and sleepers hear of it."""

from __future__ import annotations

import os
import select

import pytest

from aegis.shm.tick import CANDLE, QUOTE, TRADE, TickStage
from aegis.shm.wake import arm_eventfd
from tests.shm.conftest import MakeBroadcast


def test_every_field_lands_in_its_place(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring()
    reader = ring.reader()
    stage = TickStage(ring)
    stage.add(0xFFFFFFFF, QUOTE, 0xFFFF, -(2**63), 2**63 - 1, 0.1, -0.0, 1e300, float("inf"), 5.0)
    stage.add(3, TRADE, 0, 1, 2)
    assert reader.read_new() == []
    assert stage.flush() == 2
    quote, trade = reader.read_new()
    assert quote == (
        0xFFFFFFFF,
        QUOTE,
        0xFFFF,
        -(2**63),
        2**63 - 1,
        0.1,
        0.0,
        1e300,
        float("inf"),
        5.0,
    )
    assert trade == (3, TRADE, 0, 1, 2, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert stage.flush() == 0
    assert ring.published == 2


def test_a_full_stage_flushes_itself(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(64)
    reader = ring.reader()
    stage = TickStage(ring, size=8)
    for number in range(20):
        stage.add(0, CANDLE, 0, number, 0)
        assert ring.published == (number + 1) // 8 * 8
    assert stage.flush() == 4
    assert [record[3] for record in reader.read_new()] == list(range(20))


def test_a_flush_wakes_a_reader_in_epoll(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring()
    stage = TickStage(ring)
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        assert arm_eventfd(ring.header, 1, descriptor, 0) == 1
        stage.add(0, TRADE, 0, 1, 2)
        assert select.select([descriptor], [], [], 0)[0] == []
        stage.flush()
        assert select.select([descriptor], [], [], 0)[0] == [descriptor]
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [0, 65])
def test_a_stage_must_fit_the_ring(broadcast_ring: MakeBroadcast, size: int) -> None:
    with pytest.raises(ValueError, match=f"stage of {size} records"):
        TickStage(broadcast_ring(64), size)
