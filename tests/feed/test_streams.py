"""Stream names, routes and SUBSCRIBE frames."""

from __future__ import annotations

import json

from aegis.feed.streams import NAMES_PER_FRAME, plan_streams, subscribe_frames


def test_the_2026_dialect_has_two_routes() -> None:
    public, market = plan_streams(["BTCUSDT", "ETHUSDT"], "2026", with_marks=True)
    assert public.path == "/public/stream"
    assert public.names == (
        "btcusdt@depth@0ms", "btcusdt@bookTicker", "btcusdt@trade",
        "ethusdt@depth@0ms", "ethusdt@bookTicker", "ethusdt@trade",
    )  # fmt: skip
    assert public.instruments == (0, 1)
    assert public.symbols == ("BTCUSDT", "ETHUSDT")
    assert (market.path, market.instruments) == ("/market/stream", ())
    assert market.names == ("btcusdt@markPrice@1s", "ethusdt@markPrice@1s")


def test_the_2024_dialect_is_not_routed_and_a_recording_has_no_mark_prices() -> None:
    (plan,) = plan_streams(["BTCUSDT"], "2024", with_marks=False)
    assert plan.path == "/stream"
    assert len(plan.names) == 3


def test_subscriptions_are_cut_into_frames_with_ids_of_their_own() -> None:
    names = tuple(f"s{number}@trade" for number in range(2 * NAMES_PER_FRAME + 1))
    frames = subscribe_frames(names, 40)
    assert list(frames) == [40, 41, 42]
    requests = [json.loads(text) for text, _ in frames.values()]
    assert [request["id"] for request in requests] == [40, 41, 42]
    assert all(request["method"] == "SUBSCRIBE" for request in requests)
    assert [name for request in requests for name in request["params"]] == list(names)
    assert sum(count for _, count in frames.values()) == len(names)


def test_other_alphabets_keep_their_letters() -> None:
    (plan,) = plan_streams(["币安USDT"], "2026", with_marks=False)
    assert plan.names[0] == "币安usdt@depth@0ms"
