"""The intake on the whole reference recording: every count, every top, and the full depth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aegis.feed.intake import Intake
from aegis.feed.wire import BookTicker, DepthUpdate, Trade, decode
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import GAP, QUOTE, STATUS, TRADE
from tests.feed.recording import RECORDING, SlowBook, decoded, is_snapshot, payloads

TRADES, QUOTES, DEPTHS = 21_313, 66_089, 6_551
# Update ids that both bookTicker and depth name.
SHARED_IDS = 629
MOMENTS = 1_000


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[bytes]:
    return payloads(shared_data / RECORDING)


def feed_one(intake: Intake, payload: bytes, now_ns: int) -> None:
    if is_snapshot(payload):
        (request,) = intake.snapshots.due(now_ns)
        assert intake.on_snapshot(request, payload, now_ns)
        return
    intake.recv_ns = now_ns
    intake.stage(payload, len(payload))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_trade_and_quote_reaches_the_ring_once_and_in_order(
    recorded: list[bytes], intake: Intake, memory: InstanceMemory, batch: int
) -> None:
    reader = memory.ticks.reader(batch=4096)
    intake.on_subscribed(0, 1)
    found = []
    for number, payload in enumerate(recorded):
        feed_one(intake, payload, 1_000 + number)
        if number % batch == batch - 1:
            intake.flush()
        if number % 2048 == 0:
            intake.flush()
            found.append(reader.poll().copy())
    intake.flush()
    found.append(reader.poll().copy())
    assert (reader.lost, reader.pending_count()) == (0, 0)
    ticks = np.concatenate(found)
    messages = [decode(payload) for payload in recorded if not is_snapshot(payload)]

    trades = ticks[ticks["kind"] == TRADE]
    expected = [message for message in messages if isinstance(message, Trade)]
    assert len(trades) == len(expected) == TRADES
    assert trades["d"].tolist() == [message.t for message in expected]
    assert trades["a"].tolist() == [message.p for message in expected]
    assert trades["b"].tolist() == [message.q for message in expected]
    assert trades["c"].tolist() == [-1.0 if message.m else 1.0 for message in expected]

    quotes = ticks[ticks["kind"] == QUOTE]
    wanted = [message for message in messages if isinstance(message, BookTicker)]
    assert len(quotes) == len(wanted) == QUOTES
    for field, name in zip("abcde", "bBaAu", strict=True):
        assert quotes[field].tolist() == [getattr(message, name) for message in wanted]
    assert quotes["ts_event_ns"].tolist() == [message.T * 1_000_000 for message in wanted]

    counters = memory.counters["feed"].snapshot()
    assert counters["messages"] == len(recorded) - 1 == 93_953
    assert counters["bytes"] == sum(map(len, recorded)) - len(recorded[54])
    assert counters["depth_events"] == DEPTHS
    assert counters["ticks_published"] == len(ticks) == memory.ticks.published
    assert (counters["decode_errors"], counters["duplicates"], counters["gaps"]) == (0, 0, 0)
    assert Counter(ticks["kind"].tolist())[GAP] == 0
    assert ticks[ticks["kind"] == STATUS]["a"].tolist() == [2.0]


def test_every_coincident_update_id_shows_the_same_top(
    recorded: list[bytes], intake: Intake, memory: InstanceMemory
) -> None:
    """Counted independently: the ids that both streams name, and the shared book after each."""
    quotes = {}
    for payload in recorded:
        if b'"bookTicker"' in payload:
            message = decode(payload)
            assert isinstance(message, BookTicker)
            quotes[message.u] = (message.b, message.B, message.a, message.A)
    depths = [decoded(p)["data"] for p in recorded if b'"depthUpdate"' in p]
    snapshot_id = decoded(next(p for p in recorded if is_snapshot(p)))["lastUpdateId"]
    shared = {event["u"] for event in depths} & quotes.keys()
    # No book was in force before the snapshot; from it on not one coincidence may be left out.
    expected = {update_id for update_id in shared if update_id >= snapshot_id}
    assert len(shared) == SHARED_IDS
    intake.on_subscribed(0, 1)
    compared: set[int] = set()
    for number, payload in enumerate(recorded):
        feed_one(intake, payload, 1_000 + number)
        intake.flush()
        view = memory.books.read(0)
        if not intake.valid[0] or b'"depthUpdate"' not in payload:
            continue
        assert view is not None
        assert view.valid
        assert view.update_id == decoded(payload)["data"]["u"]
        if view.update_id in quotes:
            compared.add(view.update_id)
            assert (*view.bids[0], *view.asks[0]) == quotes[view.update_id]
    counters = memory.counters["feed"].snapshot()
    assert compared == expected
    # The feed itself compares them all as well, while it runs.
    assert counters["top_checks"] == len(compared)
    assert counters["top_mismatches"] == 0
    assert counters["books_valid"] == 1
    assert counters["resyncs"] == 1


def test_full_depth_equals_a_slow_reconstruction_at_seeded_moments(
    recorded: list[bytes], make_intake: Callable[..., Intake]
) -> None:
    intake = make_intake()
    moments = set(random.Random(20240808).sample(range(100, len(recorded)), MOMENTS))
    intake.on_subscribed(0, 1)
    earlier: list[dict[str, object]] = []
    slow: SlowBook | None = None
    compared = 0
    for number, payload in enumerate(recorded):
        feed_one(intake, payload, 1_000 + number)
        if is_snapshot(payload):
            slow = SlowBook(decoded(payload))
            for event in earlier:
                slow.apply(event)
        elif b'"depthUpdate"' in payload:
            event = decoded(payload)["data"]
            if slow is None:
                earlier.append(event)
            else:
                slow.apply(event)
        if number in moments:
            assert slow is not None
            intake.flush()
            bids, asks = slow.levels()
            book = intake.full_book(0)
            assert np.array_equal(book.bids, bids)
            assert np.array_equal(book.asks, asks)
            compared += 1
    assert compared == MOMENTS
    assert intake.valid == [True]


def test_the_recording_has_what_these_tests_rely_on(recorded: list[bytes]) -> None:
    kinds = Counter(type(decode(p)) for p in recorded if not is_snapshot(p))
    assert kinds == {Trade: TRADES, BookTicker: QUOTES, DepthUpdate: DEPTHS}
