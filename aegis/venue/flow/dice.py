"""The agents' dice: xoshiro256++ (Blackman and Vigna, 2019), one generator a row of an array.

The agents' kernels draw from it; nothing else may, or the tape would depend on it. The state is an
array, not NumPy's generator, so that a kernel can hold thousands of them and a seed gives the same
numbers on every machine and in every version of NumPy. Rows are seeded by splitmix64, as the
authors recommend, from the venue's seed and the symbol's number.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

Dice = npt.NDArray[np.uint64]

STATE_WORDS: Final = 4
_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB

# Numba turns a mix of signed and unsigned words into floats: every constant here is unsigned.
_ROTATE_23, _REST_23 = np.uint64(23), np.uint64(41)
_ROTATE_45, _REST_45 = np.uint64(45), np.uint64(19)
_SHIFT_17, _TOP_53 = np.uint64(17), np.uint64(11)
_UNIT: Final = 1.0 / 9_007_199_254_740_992.0  # 2**-53: the spacing of doubles just below 1
_TURN: Final = 2.0 * math.pi


def splitmix64(state: int) -> tuple[int, int]:
    """One step of splitmix64: the next state and the number drawn, both of 64 bits."""
    state = (state + _GOLDEN) & _MASK
    mixed = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return state, mixed ^ (mixed >> 31)


def make_dice(seed: int, rows: int) -> Dice:
    """A generator for each of so many rows; the row's number is part of its seed."""
    dice = np.zeros((rows, STATE_WORDS), np.uint64)
    for row in range(rows):
        # The seed is mixed before the row is added: neighbours of either kind are far apart.
        _, state = splitmix64(seed & _MASK)
        state = (state + row * _MIX_2) & _MASK
        for word in range(STATE_WORDS):
            state, drawn = splitmix64(state)
            dice[row, word] = drawn
    return dice


@kernel
def next_word(dice: Any, row: Any) -> Any:
    """64 random bits."""
    s0, s1, s2, s3 = dice[row, 0], dice[row, 1], dice[row, 2], dice[row, 3]
    total = s0 + s3
    drawn = ((total << _ROTATE_23) | (total >> _REST_23)) + s0
    shifted = s1 << _SHIFT_17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << _ROTATE_45) | (s3 >> _REST_45)
    dice[row, 0], dice[row, 1], dice[row, 2], dice[row, 3] = s0, s1, s2, s3
    return drawn


@kernel
def uniform(dice: Any, row: Any) -> Any:
    """A number of [0, 1)."""
    return np.float64(next_word(dice, row) >> _TOP_53) * _UNIT


@kernel
def exponential(dice: Any, row: Any) -> Any:
    """An exponential waiting time of mean 1; finite, for the uniform is never 1."""
    return -math.log(1.0 - uniform(dice, row))


@kernel
def normal(dice: Any, row: Any) -> Any:
    """A standard normal number (Box and Muller); always two words, so that draws can be counted."""
    radius = math.sqrt(2.0 * exponential(dice, row))
    return radius * math.cos(_TURN * uniform(dice, row))


@kernel
def below(dice: Any, row: Any, count: Any) -> Any:
    """An integer of [0, count); its bias of 2**-53 is nothing here."""
    return np.int64(uniform(dice, row) * count)
