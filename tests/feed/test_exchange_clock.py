"""The exchange's clock: what moves the estimate, and what must not."""

from __future__ import annotations

from aegis.feed.exchange_clock import ExchangeClock

S = 1_000_000_000
MS = 1_000_000


def told(*leads_ms: int) -> ExchangeClock:
    clock = ExchangeClock()
    for second, lead_ms in enumerate(leads_ms):
        clock.observe(lead_ms * MS, second * S)
    return clock


def test_the_fastest_message_tells_and_late_ones_do_not_move_it() -> None:
    clock = told(500, 504, 480, 300, 100, -200)
    assert clock.lead_ns is not None
    assert 503 * MS - MS < clock.lead_ns <= 504 * MS
    assert abs(clock.late_ns(1_000, 600 * MS) - 104 * MS) <= MS


def test_clocks_that_drift_apart_are_followed() -> None:
    clock = told(*(500 - second // 10 for second in range(600)))
    assert clock.lead_ns is not None
    assert abs(clock.lead_ns - 441 * MS) <= 2 * MS


def test_a_lie_moves_nothing_and_a_step_of_the_clock_is_believed_after_three_seconds() -> None:
    assert told(500, 3_600_000, 500).lead_ns == 500 * MS
    assert told(500, 3_600_000, -7_000, 3_600_000).lead_ns == 500 * MS
    assert told(500, 90_000, 90_010).lead_ns == 500 * MS
    assert told(500, 90_000, 90_010, 90_005).lead_ns == 90_005 * MS
    assert told(500, -90_000, -90_010, -90_005).lead_ns == -90_005 * MS


def test_ever_later_messages_are_no_step() -> None:
    clock = told(500, *(500 - 900 * second for second in range(1, 30)))
    assert clock.lead_ns is not None
    assert clock.lead_ns > -500 * MS
    assert clock.late_ns(0, 20 * S) > 19 * S


def test_without_a_word_nothing_is_late() -> None:
    assert ExchangeClock().late_ns(0, 10**15) == 0
