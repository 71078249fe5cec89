"""What a successor heard, sifted by what the intake knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.feed import handover as module
from aegis.feed.handover import Handover
from aegis.feed.intake import Intake
from aegis.shm.instance import InstanceMemory
from tests.feed.market import Market, compact, frame


def bring(intake: Intake, payload: bytes) -> None:
    intake.take(payload, len(payload), 1)


def opened(intake: Intake, market: Market) -> None:
    """Put the market's book in force."""
    intake.on_subscribed(0, 1)
    (request,) = intake.snapshots.due(1)
    intake.on_snapshot(request, compact(market.snapshot()), 1)
    bring(intake, frame(market.step()))
    assert intake.valid == [True]


def messages(market: Market) -> list[bytes]:
    return [frame(market.step()), frame(market.quote()), frame(market.trade())]


@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_nothing_is_lost_or_repeated_wherever_the_second_begins(
    seed: int, before: int, common: int, ahead: int
) -> None:
    """`common` steps come over both; the successor may be `ahead` of the other at the takeover."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        memory = InstanceMemory.create("handover", shm_dir=folder)
        intake = Intake(["BTCUSDT"], memory.ticks, memory.books, memory.counters["feed"])
        market = Market(seed)
        opened(intake, market)
        handover = Handover(intake.rows, intake.symbols.index)
        for _ in range(before):
            for payload in messages(market):
                bring(intake, payload)
        for _ in range(common):
            for payload in messages(market):
                bring(intake, payload)
                handover.hold(payload, 2)
        for _ in range(ahead):
            for payload in messages(market):
                handover.hold(payload, 3)
        assert handover.joins()
        fresh = handover.fresh()
        assert len(fresh) == 3 * ahead
        assert all(recv_ns == 3 for _, recv_ns in fresh)
        for payload, _ in fresh:
            bring(intake, payload)
        assert intake.valid == [True]
        assert [intake.total(name) for name in ("gaps", "duplicates", "decode_errors")] == [0, 0, 0]
        assert intake.total("trades") == before + common + ahead
        view = memory.books.read(0)
        assert view is not None
        assert view.update_id == market.update_id
        assert fresh == [] or handover.fresh() == [], "handed over once"
        del intake, handover
        memory.close()
        memory.unlink()


def test_a_successor_that_begins_behind_a_hole_does_not_join(intake: Intake) -> None:
    market = Market(7)
    opened(intake, market)
    handover = Handover(intake.rows, intake.symbols.index)
    missed = frame(market.step())
    handover.hold(frame(market.step()), 2)
    assert not handover.joins()
    bring(intake, missed)
    assert handover.joins(), "the predecessor brought what was missing"


def test_streams_without_numbers_are_known_by_what_the_other_brought(intake: Intake) -> None:
    def mark(time_ms: int) -> bytes:
        data: dict[str, Any] = {"e": "markPriceUpdate", "E": time_ms, "s": "BTCUSDT", "p": "1"}
        return json.dumps({"stream": "btcusdt@markPrice@1s", "data": data}).encode()

    handover = Handover(intake.rows, intake.symbols.index)
    handover.heard.add(mark(1000))
    for time_ms in (1000, 2000):
        handover.hold(mark(time_ms), time_ms)
    assert handover.fresh() == [(mark(2000), 2000)]


def test_what_cannot_be_read_is_left_to_the_intake(intake: Intake) -> None:
    handover = Handover(intake.rows, intake.symbols.index)
    handover.hold(b'{"stream"', 1)
    assert handover.joins()
    assert handover.fresh() == [(b'{"stream"', 1)]


def test_what_is_held_is_bounded(
    make_intake: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 100)
    intake = make_intake()
    handover = Handover(intake.rows, intake.symbols.index)
    for _ in range(20):
        handover.hold(b"x" * 30, 1)
    assert handover.is_full
    assert handover.held_bytes == 120
