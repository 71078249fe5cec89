"""The slope of memory over a run, from samples with a known one."""

from __future__ import annotations

import pytest

from aegis.cli.run_summary import MemoryTrend, _Line, summary_lines


def test_a_straight_line_is_found() -> None:
    line = _Line()
    for x in range(30, 600):
        line.add(float(x), 1e8 + 512.0 * x)
    assert line.slope == pytest.approx(512.0, rel=1e-6)


def test_a_saw_tooth_around_a_level_is_flat() -> None:
    line = _Line()
    for x in range(6_000):
        line.add(float(x), 1e8 + (x % 10) * 4096)
    assert line.slope is not None
    assert abs(line.slope) < 5.0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_have_no_slope(count: int) -> None:
    line = _Line()
    for x in range(count):
        line.add(float(x), 1.0)
    assert line.slope is None


def test_a_process_that_was_not_watched_has_none() -> None:
    assert MemoryTrend().slope_bytes_per_s("feed", 1) is None


@pytest.mark.parametrize(
    ("mode", "host", "said"),
    [
        ("embedded", "", ["SIMULATED orders 3"]),
        ("paper", "a.b", ["PAPER orders 3", "PAPER: market data of a.b, no order leaves"]),
        ("live", "", []),
    ],
)
def test_the_lines_for_people_say_whose_fills_these_are(
    mode: str, host: str, said: list[str]
) -> None:
    numbers = dict.fromkeys(
        (
            "seconds", "fills", "position", "realized_pnl", "fees", "open_orders", "ticks", "lost",
            "signals", "intents", "gc_collections_in_cycle", "restarts",
        ),
        0,
    )  # fmt: skip
    summary = {
        **numbers, "instance": "btc", "reason": "over", "orders": 3, "intents_hash": "",
        "simulated": mode in ("embedded", "paper"), "mode": mode, "market_host": host,
        "latency": {}, "processes": {}, "unclean": [],
    }  # fmt: skip
    text = "\n".join(summary_lines(summary))
    for words in said:
        assert words in text
    assert said or not ("SIMULATED" in text or "PAPER" in text)
