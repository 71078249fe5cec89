"""The latch goes one way, says why and since when, and fails closed."""

from __future__ import annotations

import numpy as np
import pytest

from aegis.risk.controls import Control
from aegis.risk.latch import Latch, LatchState


def armed() -> Latch:
    latch = Latch(np.zeros(32, np.int64))
    latch.arm(5)
    return latch


def test_a_word_that_nobody_wrote_reads_as_halted() -> None:
    assert Latch(np.zeros(32, np.int64)).state is LatchState.HALTED
    assert Latch(np.full(32, 77)).state is LatchState.HALTED


def test_it_only_goes_up() -> None:
    latch = armed()
    assert latch.trip(LatchState.REDUCING, Control.DAILY_LOSS, 10)
    assert (latch.state, latch.reason, latch.since_ns) == (LatchState.REDUCING, 16, 10)
    assert not latch.trip(LatchState.REDUCING, Control.OPERATOR, 20)
    assert latch.reason == Control.DAILY_LOSS
    assert latch.trip(LatchState.HALTED, Control.FOREIGN_ORDER, 30)
    assert not latch.trip(LatchState.REDUCING, Control.DAILY_LOSS, 40)
    assert (latch.state, latch.since_ns) == (LatchState.HALTED, 30)
    assert str(latch) == "HALTED because of FOREIGN_ORDER"


def test_only_a_person_rearms() -> None:
    latch = armed()
    latch.trip(LatchState.HALTED, Control.OPERATOR, 10)
    with pytest.raises(AssertionError):
        latch.trip(LatchState.ACTIVE, Control.OPERATOR, 20)
    latch.arm(30)
    assert (latch.state, latch.reason, str(latch)) == (LatchState.ACTIVE, 0, "ACTIVE")
