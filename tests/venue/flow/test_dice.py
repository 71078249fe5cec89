"""The dice: the published generators to the bit, and draws of the right distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.host.jit import kernel
from aegis.venue.flow.dice import (
    below,
    exponential,
    make_dice,
    next_word,
    normal,
    splitmix64,
    uniform,
)

DRAWS = 200_000


@kernel
def _fill(draw, dice, out):  # type: ignore[no-untyped-def]
    for number in range(len(out)):
        out[number] = draw(dice, 0)


def drawn(draw: object, seed: int = 3) -> np.ndarray:
    out = np.zeros(DRAWS)
    _fill(draw, make_dice(seed, 1), out)
    return out


def test_splitmix64_gives_the_published_numbers() -> None:
    state, numbers = 1_234_567, []
    for _ in range(5):
        state, number = splitmix64(state)
        numbers.append(number)
    assert numbers == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]  # fmt: skip


def test_xoshiro256_plus_plus_gives_the_published_numbers() -> None:
    dice = np.array([[1, 2, 3, 4]], np.uint64)
    assert [int(next_word(dice, 0)) for _ in range(10)] == [
        41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386,
        9_228_616_714_210_784_205, 9_973_669_472_204_895_162, 14_011_001_112_246_962_877,
        12_406_186_145_184_390_807, 15_849_039_046_786_891_736, 10_450_023_813_501_588_000,
    ]  # fmt: skip


def test_rows_and_seeds_are_far_apart() -> None:
    words = {tuple(row) for seed in range(50) for row in make_dice(seed, 20).tolist()}
    assert len(words) == 50 * 20
    assert (make_dice(7, 5)[:3] == make_dice(7, 3)).all(), "a row depends on the rows behind it"


def test_uniforms_fill_the_unit_interval() -> None:
    numbers = drawn(uniform)
    assert numbers.min() >= 0.0 and numbers.max() < 1.0
    counts = np.bincount((numbers * 100).astype(int), minlength=100)
    chi_square = float(((counts - DRAWS / 100) ** 2 / (DRAWS / 100)).sum())
    assert 50.0 < chi_square < 165.0, "99 degrees of freedom"


@pytest.mark.parametrize(
    ("draw", "mean", "variance", "fourth"), [(normal, 0.0, 1.0, 3.0), (exponential, 1.0, 1.0, 9.0)]
)
def test_moments(draw: object, mean: float, variance: float, fourth: float) -> None:
    numbers = drawn(draw)
    centred = numbers - mean
    assert numbers.mean() == pytest.approx(mean, abs=5 / math.sqrt(DRAWS))
    assert (centred**2).mean() == pytest.approx(variance, rel=0.03)
    assert (centred**4).mean() == pytest.approx(fourth, rel=0.15)


def test_below_is_even_and_never_reaches_its_bound() -> None:
    dice = make_dice(9, 1)
    counts = np.bincount([int(below(dice, 0, 7)) for _ in range(14_000)], minlength=7)
    assert len(counts) == 7
    assert abs(counts - 2_000).max() < 220
