"""Every recorded stream event against our own: the same keys, the same JSON types.

Market events and those of accounts, as they leave the hub and the user feed. The SDK's field lists
of account events are compared as well, in the dialect of 2026; those of market events stand with
the publisher's own tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.venue.coverage.broadcast import Broadcast
from tests.venue.coverage.exceptions import (
    EVENT_MODELS,
    MODERN_EVENTS,
    STREAM_SAMPLES,
    UNSENT,
)
from tests.venue.coverage.excusing import unexcused
from tests.venue.coverage.fixtures import Exchanged, socket_fixtures
from tests.venue.coverage.models import Models, departures
from tests.venue.coverage.shapes import Difference, differences

# What the recorded user data came from: a subscription to this "listen key".
LISTEN_KEY = "123"
LIKE_A_KEY = "a3f"
# Account event -> the SDK's model of it.
SDK_EVENTS = {
    "ACCOUNT_CONFIG_UPDATE": "AccountConfigUpdate",
    "ACCOUNT_UPDATE": "AccountUpdate",
    "ALGO_UPDATE": "AlgoUpdate",
    "MARGIN_CALL": "MarginCall",
    "ORDER_TRADE_UPDATE": "OrderTradeUpdate",
    "TRADE_LITE": "TradeLite",
}


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> list[Exchanged]:
    return socket_fixtures(shared_data / "payloads" / "usdm", "streams")


@pytest.fixture(scope="module")
def casts() -> dict[str, Broadcast]:
    return {dialect: Broadcast(dialect) for dialect in ("2024", "2026")}


def heard(cast: Broadcast, sample: Exchanged) -> list[Any]:
    """All messages of the sample's stream, or all events of its kind."""
    stream = sample.received["stream"]
    if stream == LISTEN_KEY:
        return cast.by_event.get(sample.received["data"]["e"], [])
    return cast.by_stream.get(stream, [])


def among(wanted: Any, messages: list[Any]) -> list[Difference]:
    """What the likest message has otherwise, and what no message has.

    An order's event has a commission only if it is a fill, and an activation price only if it
    trails: the samples have everything in one.
    """
    every = [differences(wanted, message) for message in messages]
    lacking = [{one for one in found if one.what in ("MISSING", "EMPTY")} for found in every]
    nowhere = set.intersection(*lacking)
    likest = min(every, key=len)
    return [*(one for one in likest if one.what in ("EXTRA", "TYPE")), *sorted(nowhere)]


def test_every_sample_has_our_shape(samples: list[Exchanged], casts: dict[str, Broadcast]) -> None:
    wrong = {}
    for sample in samples:
        messages = heard(casts["2026" if sample.name in MODERN_EVENTS else "2024"], sample)
        if sample.name in UNSENT:
            assert messages == [], f"{sample.name} is sent after all"
            continue
        assert messages, f"{sample.name} was never sent"
        wanted = dict(sample.received)
        if wanted["stream"] == LISTEN_KEY:
            wanted["stream"] = LIKE_A_KEY
        left = unexcused(among(wanted, messages), STREAM_SAMPLES.get(sample.name, ()))
        if left:
            wrong[sample.name] = left
    assert wrong == {}
    assert {*STREAM_SAMPLES, *UNSENT, *MODERN_EVENTS} <= {sample.name for sample in samples}


@pytest.mark.parametrize("event", list(SDK_EVENTS))
def test_account_events_have_the_documented_fields(
    shared_data: Path, casts: dict[str, Broadcast], event: str
) -> None:
    path = shared_data / "usdm" / "usdm_sdk_models_18.0.1.json"
    models: Models = json.loads(path.read_text())["websocket_streams"]
    bodies = [
        {name: value for name, value in message["data"].items() if name != "e"}
        for message in casts["2026"].by_event[event]
    ]
    found = departures(models, SDK_EVENTS[event], bodies)
    assert unexcused(found, EVENT_MODELS.get(event, ())) == []


def test_events_of_one_connection_are_in_order(casts: dict[str, Broadcast]) -> None:
    for cast in casts.values():
        for event, messages in cast.by_event.items():
            times = [message["data"]["E"] for message in messages]
            assert times == sorted(times), event


def test_coverage(samples: list[Exchanged]) -> None:
    exact = [s for s in samples if s.name not in STREAM_SAMPLES and s.name not in UNSENT]
    print(f"\nstream samples: {len(samples)}, of these {len(exact)} sent exactly alike,")
    for name, rules in sorted(STREAM_SAMPLES.items()):
        for one in rules:
            print(f"  but {name}: {one.reason} ({', '.join(one.excuses)})")
    for name, reason in sorted(UNSENT.items()):
        print(f"  never {name}: {reason}")
    assert len(exact) >= 17
