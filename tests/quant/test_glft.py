"""GLFT: the closed form to six digits of the reference, its limits, and its domain."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from aegis.quant.glft import glft_coefficients, glft_half_spread, glft_quotes, glft_skew

ARRIVALS, DECAY, SIGMA = 140.0, 1.5, 2.0


def exact_bid_distance(gamma: float, inventory: int, size: int = 60) -> float:
    """The exact asymptotic distance, from the ground state of a tridiagonal matrix (quant.glft)."""
    states = np.arange(-size, size + 1)
    alpha = DECAY * gamma * SIGMA**2 / 2
    eta = ARRIVALS * (1 + gamma / DECAY) ** -(1 + DECAY / gamma)
    matrix = np.diag(alpha * states.astype(float) ** 2)
    matrix -= eta * (np.eye(states.size, k=1) + np.eye(states.size, k=-1))
    ground = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    place = inventory + size
    c1 = glft_coefficients(gamma, ARRIVALS, DECAY, 1.0, gamma)[0]
    return float(np.log(ground[place] / ground[place + 1]) / DECAY + c1)


def test_closed_form_to_six_digits(shared_data: Path) -> None:
    reference = json.loads((shared_data / "as" / "glft_reference.json").read_text())
    compared = 0
    for gamma_text, expected in reference["glft"].items():
        gamma = float(gamma_text)
        c1, c2 = glft_coefficients(gamma, ARRIVALS, DECAY, 1.0, gamma)
        half, skew = glft_half_spread(c1, c2, SIGMA, 1.0), glft_skew(c2, SIGMA)
        assert c1 == pytest.approx(expected["c1"], rel=1e-9)
        assert c2 == pytest.approx(expected["c2"], rel=1e-9)
        assert half == pytest.approx(expected["half_spread"], rel=1e-9)
        assert skew == pytest.approx(expected["skew"], rel=1e-9)
        for held, distance in expected["approx_delta_bid"].items():
            bid, ask = glft_quotes(100.0, float(held), half, skew)
            assert 100.0 - bid == pytest.approx(distance, abs=1e-9)
            assert ask - bid == pytest.approx(2 * half, abs=1e-9)
            compared += 1
    assert compared == 84


@pytest.mark.parametrize("gamma", [0.01, 0.1])
def test_close_to_the_exact_solution_near_zero(shared_data: Path, gamma: float) -> None:
    reference = json.loads((shared_data / "as" / "glft_reference.json").read_text())
    c1, c2 = glft_coefficients(gamma, ARRIVALS, DECAY, 1.0, gamma)
    half, skew = glft_half_spread(c1, c2, SIGMA, 1.0), glft_skew(c2, SIGMA)
    for held in range(-5, 6):
        exact = exact_bid_distance(gamma, held)
        recorded = reference["glft"][str(gamma)]["exact_delta_bid"][str(held)]
        assert exact == pytest.approx(recorded, abs=1e-6)
        assert half + skew * held == pytest.approx(exact, rel=0.006)


def test_risk_neutral_limit() -> None:
    c1, c2 = glft_coefficients(0.0, ARRIVALS, DECAY, 1.0, 0.0)
    near_c1, near_c2 = glft_coefficients(1e-9, ARRIVALS, DECAY, 1.0, 1e-9)
    assert c1 == pytest.approx(1.0 / DECAY)
    assert c2 == 0.0
    assert near_c1 == pytest.approx(c1, rel=1e-8)
    assert near_c2 == pytest.approx(math.sqrt(1e-9 / (2 * ARRIVALS * DECAY) * math.e), rel=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        (-0.1, 140.0, 1.5, 1.0, 0.1),
        (0.1, 0.0, 1.5, 1.0, 0.1),
        (0.1, 140.0, -1.5, 1.0, 0.1),
        (0.1, 140.0, 1.5, 0.0, 0.1),
        (0.1, 140.0, 1.5, 1.0, math.nan),
        (math.nan, 140.0, 1.5, 1.0, 0.1),
    ],
)
def test_outside_the_domain_is_nan(arguments: tuple[float, ...]) -> None:
    assert all(math.isnan(value) for value in glft_coefficients(*arguments))
