"""The intervals of candles: their names, their order, and where a bar of each begins.

Kernels and Python name an interval by its place in `INTERVALS`. All bars are cut in UTC; weeks
begin on Monday, months on the first. It must never read a clock.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.host.jit import kernel

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
# 1970-01-01 was a Thursday: the first Monday is day 4.
FIRST_MONDAY_MS: Final = 4 * DAY_MS

INTERVALS: Final = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
)  # fmt: skip
CODE_OF: Final = {name: code for code, name in enumerate(INTERVALS)}
# Widths in ms; a month has none.
WIDTHS_MS: Final = (
    SECOND_MS,
    MINUTE_MS,
    3 * MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
    6 * HOUR_MS,
    8 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    3 * DAY_MS,
    WEEK_MS,
    0,
)
WEEK: Final = CODE_OF["1w"]
MONTH: Final = CODE_OF["1M"]
assert len(WIDTHS_MS) == len(INTERVALS), "one width per interval"

# Intervals that /klines, the mark price candles and the kline streams have; seconds are of the
# continuous contracts alone.
KLINE_INTERVALS: Final = frozenset(INTERVALS[1:])


@kernel
def opens_at(interval: Any, time_ms: Any) -> Any:
    """When the bar of `interval` (its place in INTERVALS) that contains `time_ms` opens, in ms."""
    if interval == MONTH:
        days = time_ms // DAY_MS
        return (days - _day_of_month(days) + 1) * DAY_MS
    if interval == WEEK:
        return time_ms - (time_ms - FIRST_MONDAY_MS) % WEEK_MS
    return time_ms - time_ms % WIDTHS_MS[interval]


@kernel
def opens_after(interval: Any, open_ms: Any) -> Any:
    """When the bar after the one that opens at `open_ms` opens, in ms."""
    if interval == MONTH:
        # Day 32 of any month is in the next one.
        return opens_at(interval, open_ms + 31 * DAY_MS)
    return open_ms + WIDTHS_MS[interval]


@kernel
def opens_before(interval: Any, open_ms: Any) -> Any:
    """When the bar before the one that opens at `open_ms` opens, in ms."""
    return opens_at(interval, open_ms - 1)


@kernel
def _day_of_month(days: Any) -> Any:
    """1 to 31, of a day counted from 1970-01-01 (Hinnant, "chrono-compatible date algorithms")."""
    shifted = days + 719_468
    era_day = shifted % 146_097
    year = (era_day - era_day // 1_460 + era_day // 36_524 - era_day // 146_096) // 365
    year_day = era_day - (365 * year + year // 4 - year // 100)
    month = (5 * year_day + 2) // 153
    return year_day - (153 * month + 2) // 5 + 1
