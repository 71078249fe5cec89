"""The benchmark of the exchange: its keys, its counts, and that nothing is left behind."""

from __future__ import annotations

from aegis.bench.venue import measure_venue
from aegis.bench.venue_baseline import match_plainly


def test_the_smoke_size_has_every_key_and_loses_nothing() -> None:
    found = measure_venue(smoke=True)
    assert found["market_messages_per_s"] > 0 and found["matching_orders_per_s"] > 0
    assert {"p50", "p99"} <= set(found["place_ack_us"])
    for turn in found["streams"]["rounds"]:
        assert turn["cut"] or turn["sent"] == turn["received"] > 0
    assert found["baseline"]["market_messages_per_s"] > 0


def test_the_plain_book_trades() -> None:
    assert match_plainly(2_000) > 0
