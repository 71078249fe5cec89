"""GLFT beside symmetric quoting on the embedded exchange's informed flow."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from aegis.bench.market_making import compare, draw, line, make_market, summary
from aegis.config.models import VenueConfig

SYMBOL = "BTCUSDT"


def test_a_run_is_of_its_seed_and_keeps_its_limit() -> None:
    config = VenueConfig()
    made = make_market(config, SYMBOL, 3, 300)
    assert made == make_market(config, SYMBOL, 3, 300)
    assert made.fills > 0
    assert made.fees > 0.0
    assert 0 < made.most_held_lots <= made.limit_lots
    symmetric = make_market(config, SYMBOL, 3, 300, "symmetric")
    assert symmetric.most_held_lots <= symmetric.limit_lots
    assert symmetric.fills != made.fills


def test_a_ratio_that_is_none_is_no_better_one() -> None:
    config = VenueConfig(maker_fee_bps=1.0)
    one = make_market(config, SYMBOL, 1, 30)
    assert math.isnan(one.ratio), "one minute has no deviation"
    other = replace(one, quoter="symmetric", certain=one.certain + 1.0)
    assert line(one, other).endswith("| neither")
    assert line(replace(one, ratio=2.0), replace(other, ratio=1.0)).endswith("| ratio")
    told = json.dumps(summary([(one, other)]), allow_nan=False)
    assert json.loads(told)["runs"][0]["maker_fee_bps"] == 1.0


def test_the_summary_counts_and_the_picture_is_one(tmp_path: Path) -> None:
    rows = compare(VenueConfig(), SYMBOL, [1, 2], 120)
    found = summary(rows)
    assert found["seeds"] == 2
    assert found["beyond_limit"] == 0
    assert len(found["runs"]) == 4
    pytest.importorskip("matplotlib", reason="an optional extra: aegis[plots]")
    draw(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.long
def test_one_day_on_twenty_seeds() -> None:
    config = VenueConfig(maker_fee_bps=0.0)
    found = summary(compare(config, SYMBOL, list(range(1, 21)), 86_400))
    assert found["beyond_limit"] == 0
    assert found["glft_better_certain"] >= 16
    assert found["glft_better_ratio"] >= 16
