"""Avellaneda-Stoikov: the formulas against recorded quotes, the published table by simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from aegis.quant.avellaneda_stoikov import average_spread, optimal_spread, reservation_price
from tests.quant.session_simulator import INVENTORY, SYMMETRIC, simulate

PATHS = 20_000
# (profit, relative std, relative std of the final inventory): what 20,000 paths may deviate from
# the same procedure with 100,000 paths.
TOLERANCE = {"inventory": (0.25, 0.02, 0.035), "symmetric": (0.4, 0.035, 0.035)}
# A cell of the paper is itself an estimate from 1,000 paths: allow four of its standard errors.
PAPER_TOLERANCE = {"inventory": (1.2, 0.10, 0.09), "symmetric": (1.7, 0.14, 0.09)}


def read(shared_data: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((shared_data / "as" / name).read_text())
    return loaded


def test_quotes_match_the_reference(shared_data: Path) -> None:
    reference = read(shared_data, "glft_reference.json")
    k, sigma = reference["params"]["k"], reference["params"]["sigma"]
    compared = 0
    for gamma, cells in reference["as_quotes"].items():
        for key, expected in cells.items():
            held, time = (float(part.split("=")[1]) for part in key.split(","))
            left = 1.0 - time
            price = reservation_price(100.0, held, float(gamma), sigma, left)
            assert price == pytest.approx(expected["r"], rel=1e-9)
            spread = optimal_spread(float(gamma), sigma, k, left)
            assert spread == pytest.approx(expected["spread"], rel=1e-9)
            compared += 1
    assert compared == 36


@pytest.mark.parametrize(("gamma", "expected"), [(0.01, 1.3489), (0.1, 1.4908), (1.0, 3.0217)])
def test_average_spread_of_a_session(gamma: float, expected: float) -> None:
    assert average_spread(gamma, 2.0, 1.5, 1.0) == pytest.approx(expected, abs=5e-5)


def test_outside_the_domain_is_nan() -> None:
    assert math.isnan(optimal_spread(0.1, 2.0, 0.0, 1.0))
    assert math.isnan(optimal_spread(-0.1, 2.0, 1.5, 1.0))
    assert math.isnan(optimal_spread(0.1, math.nan, 1.5, 1.0))


def test_risk_neutral_limit_is_two_over_k() -> None:
    assert optimal_spread(0.0, 2.0, 1.5, 1.0) == pytest.approx(2.0 / 1.5)
    assert optimal_spread(1e-9, 2.0, 1.5, 0.0) == pytest.approx(2.0 / 1.5, rel=1e-8)


@pytest.mark.parametrize("gamma", ["0.1", "0.01", "1.0"])
@pytest.mark.parametrize("policy", ["inventory", "symmetric"])
def test_published_table(shared_data: Path, gamma: str, policy: str) -> None:
    tables = read(shared_data, "avellaneda_stoikov_tables.json")
    kind = INVENTORY if policy == "inventory" else SYMMETRIC
    profit, held, spread = simulate(float(gamma), kind, PATHS, 20080301)
    found = (profit.mean(), profit.std(), held.std())

    row = tables["simulated_100k_paths"][f"{gamma}|{'inv' if kind == INVENTORY else 'sym_avg'}|lin"]
    near = TOLERANCE[policy]
    assert found[0] == pytest.approx(row["profit"], abs=near[0])
    assert found[1] == pytest.approx(row["std"], rel=near[1])
    assert found[2] == pytest.approx(row["qstd"], rel=near[2])

    paper = tables["published"][gamma][policy]
    wide = PAPER_TOLERANCE[policy]
    assert spread == pytest.approx(paper[0], abs=0.015)
    assert found[0] == pytest.approx(paper[1], abs=wide[0])
    assert found[1] == pytest.approx(paper[2], rel=wide[1])
    assert found[2] == pytest.approx(paper[4], rel=wide[2])
