"""The intervals of candles: which there are, what they are called, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis.config.intervals import INTERVALS_S, code_of, interval_name, interval_seconds
from tests.config.sample import SAMPLE, read_text

EXCHANGE = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")


def test_every_interval_has_a_name_and_a_code() -> None:
    assert len(INTERVALS_S) == 96
    for code, seconds in enumerate(INTERVALS_S):
        assert interval_seconds(interval_name(seconds)) == seconds
        assert code_of(seconds) == code
    for name in EXCHANGE:
        assert interval_name(interval_seconds(name)) == name
    assert interval_seconds("90s") == 90
    assert interval_name(90) == "90s"


def test_candles_of_the_file(tmp_path: Path) -> None:
    config = read_text(f'{SAMPLE}\n[feed]\ncandles = ["5m", "1s", "90s"]\n', tmp_path).config
    assert config is not None
    assert config.feed.intervals_s == (1, 90, 300)
    plain = read_text(SAMPLE, tmp_path).config
    assert plain is not None
    assert plain.feed.intervals_s == (60,)
    assert read_text(f"{SAMPLE}\n[feed]\ncandles = []\n", tmp_path).problems == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ('["7m"]', "420 s, which do not divide a day"),
        ('["2d"]', "do not divide a day"),
        ('["1M"]', "whole number with s, m, h or d"),
        ('["0s"]', "whole number with s, m, h or d"),
        ('["m"]', "whole number with s, m, h or d"),
        ('["60s", "1m"]', "stands more than once"),
        ('["1s","2s","3s","4s","5s","6s","8s","9s","10s"]', "8"),
        ("7", "list"),
    ],
)
def test_others_are_refused(tmp_path: Path, names: str, message: str) -> None:
    (problem,) = read_text(f"{SAMPLE}\n[feed]\ncandles = {names}\n", tmp_path).problems
    assert problem.key.startswith("feed.candles")
    assert message in problem.message
