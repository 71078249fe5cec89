"""Every URL shape that real clients use, and the routes' rules."""

from __future__ import annotations

import pytest

from aegis.venue.streams import Route, StreamNames
from aegis.venue.wire.targets import ApiTarget, StreamTarget, parse_target


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/public/ws", StreamTarget(Route.PUBLIC, False)),
        ("/public/ws/0", StreamTarget(Route.PUBLIC, False, ["0"])),
        ("/public/ws/a@x/b@y", StreamTarget(Route.PUBLIC, False, ["a@x", "b@y"])),
        ("/market/stream", StreamTarget(Route.MARKET, True)),
        ("/market/stream?streams=a@x/b@y", StreamTarget(Route.MARKET, True, ["a@x", "b@y"])),
        ("/stream?streams=a%40x", StreamTarget(Route.LEGACY, True, ["a@x"])),
        ("/ws/a@x", StreamTarget(Route.LEGACY, False, ["a@x"])),
        ("/private/ws/KEY", StreamTarget(Route.PRIVATE, False, ["KEY"])),
        ("/private/ws?listenKey=K", StreamTarget(Route.PRIVATE, False, [], [("K", None)])),
        (
            "/private/stream?listenKey=K&events=A/B&listenKey=L",
            StreamTarget(Route.PRIVATE, True, [], [("K", frozenset({"A", "B"})), ("L", None)]),
        ),
        ("/ws-fapi/v1", ApiTarget(True)),
        ("/ws-fapi/v1?returnRateLimits=false", ApiTarget(False)),
        ("/", None),
        ("/public", None),
        ("/public/ws/", None),
        ("/ws-fapi/v2", None),
        ("/fapi/v1/time", None),
    ],
)
def test_targets(target: str, expected: object) -> None:
    assert parse_target(target) == expected


def test_routes_carry_their_own_streams_only() -> None:
    names = StreamNames(["BTCUSDT"], modern=True)
    public = ["bookTicker", "depth", "depth@0ms", "depth@100ms", "depth5", "depth20@500ms", "trade"]
    market = ["aggTrade", "markPrice", "markPrice@1s", "kline_1m"]
    for kind in public:
        assert names.carried(f"btcusdt@{kind}", Route.PUBLIC), kind
        assert names.carried(f"btcusdt@{kind}", Route.LEGACY), kind
        assert not names.carried(f"btcusdt@{kind}", Route.MARKET), kind
    for kind in market:
        assert names.carried(f"btcusdt@{kind}", Route.MARKET), kind
        assert not names.carried(f"btcusdt@{kind}", Route.PUBLIC), kind
        assert not names.carried(f"btcusdt@{kind}", Route.LEGACY), kind
    for name in ("BTCUSDT@trade", "ethusdt@trade", "btcusdt@depth7", "btcusdt@kline_7m", "0", ""):
        assert not any(names.carried(name, route) for route in Route), name
    old = StreamNames(["BTCUSDT"], modern=False)
    assert old.carried("btcusdt@aggTrade", Route.LEGACY)
    assert old.carries_user_data(Route.LEGACY)
    assert not names.carries_user_data(Route.LEGACY)
