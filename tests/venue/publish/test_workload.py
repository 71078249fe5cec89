"""The measured tape: everything is encoded and handed out, the same every time."""

from __future__ import annotations

from aegis.venue.publish.workload import measure


def test_all_that_is_encoded_reaches_everybody() -> None:
    one = measure(symbols=20, rounds=1)
    four = measure(symbols=20, rounds=1, subscribers=4)
    assert one.records > 40_000
    assert one.messages == one.sent == four.messages > 15_000
    assert four.sent == 4 * one.sent
    # Half of the four get their messages without an envelope.
    assert 2 * one.sent_bytes < four.sent_bytes < 4 * one.sent_bytes
    assert one.sent_per_s > 0
