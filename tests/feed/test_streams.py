"""Shards: stream names, routes, balance, and the frames that ask for them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aegis.feed.streams import MAX_STREAMS, NAMES_PER_FRAME, ShardPlan, control_frames

MEMBERS = [(0, "BTCUSDT"), (1, "ETHUSDT")]


def test_the_2026_dialect_has_two_routes() -> None:
    plan = ShardPlan("2026", 60, with_marks=True)
    public, market = plan.add(MEMBERS)
    assert public.path == "/public/stream"
    assert public.names == [
        "btcusdt@depth@0ms", "btcusdt@bookTicker", "btcusdt@trade",
        "ethusdt@depth@0ms", "ethusdt@bookTicker", "ethusdt@trade",
    ]  # fmt: skip
    assert public.instruments == [0, 1]
    assert (market.path, market.instruments) == ("/market/stream", [])
    assert market.names == [
        "!contractInfo",
        "!forceOrder@arr",
        "btcusdt@markPrice@1s",
        "ethusdt@markPrice@1s",
    ]


def test_the_2024_dialect_is_not_routed_and_a_recording_has_no_mark_prices() -> None:
    (shard,) = ShardPlan("2024", 60, with_marks=False).add(MEMBERS[:1])
    assert shard.path == "/stream"
    assert len(shard.names) == 3


def test_other_alphabets_keep_their_letters() -> None:
    (shard,) = ShardPlan("2026", 60, with_marks=False).add([(0, "币安USDT")])
    assert shard.names[0] == "币安usdt@depth@0ms"


def test_three_hundred_symbols_take_seven_connections() -> None:
    plan = ShardPlan("2026", 60, with_marks=True)
    plan.add((number, f"C{number}USDT") for number in range(300))
    books = [shard for shard in plan.shards if shard.carries_books]
    assert [len(shard.members) for shard in books] == [60] * 5
    assert [list(shard.members)[:2] for shard in books][:2] == [[0, 5], [1, 6]]
    assert len(plan.shards) == 7
    assert sum(len(shard.names) for shard in plan.shards) == 300 * 4 + 2


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=12), st.integers(1, 60)
)  # fmt: skip
def test_every_symbol_is_on_one_shard_of_each_kind_whatever_comes_and_goes(
    steps: list[tuple[bool, int]], limit: int
) -> None:
    plan = ShardPlan("2026", limit, with_marks=True)
    listed: dict[int, str] = {}
    made = 0
    for adds, count in steps:
        if adds:
            new = [(number, f"C{number}USDT") for number in range(made, made + count)]
            made += count
            listed.update(new)
            plan.add(new)
        else:
            gone = list(listed)[:count]
            for number in gone:
                del listed[number]
            for shard in plan.remove(gone):
                if not shard.names:
                    plan.drop(shard)
        for kind in (True, False):
            own = [shard for shard in plan.shards if shard.carries_books is kind]
            members = [number for shard in own for number in shard.members]
            assert sorted(members) == sorted(listed)
            assert all(len(shard.names) <= MAX_STREAMS for shard in own)
            assert not kind or all(len(shard.members) <= limit for shard in own)


def test_subscriptions_are_cut_into_frames_with_ids_of_their_own() -> None:
    names = [f"s{number}@trade" for number in range(2 * NAMES_PER_FRAME + 1)]
    frames = control_frames("SUBSCRIBE", names, 40)
    assert list(frames) == [40, 41, 42]
    requests = [json.loads(text) for text, _ in frames.values()]
    assert [request["id"] for request in requests] == [40, 41, 42]
    assert all(request["method"] == "SUBSCRIBE" for request in requests)
    assert [name for request in requests for name in request["params"]] == names
    assert [name for _, part in frames.values() for name in part] == names
    assert control_frames("UNSUBSCRIBE", [], 1) == {}
