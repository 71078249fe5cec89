"""A strategy tried out without a box: what a wish says, and that compiling is no event."""

from __future__ import annotations

from pathlib import Path

from aegis.brain.trial import Trial
from aegis.cli.strategy import _skeleton

LEVELS = """
from aegis.strategies.plain import PlainStrategy, Wish

class Mine(PlainStrategy):
    def on_quote(self, quote):
        return [Wish("buy", 60_000.0, 0.002, stop_price=59_900.0, target_price=60_300.0)]
"""
SIZES = {"order_qty": 0.002, "max_inventory_qty": 0.004}


def test_a_wish_comes_back_with_its_levels(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(LEVELS)
    wishes = Trial(file, {}).quote(bid=60_000.0, ask=60_000.1)
    assert wishes is not None
    assert [(wish.stop_price, wish.target_price) for wish in wishes] == [(59_900.0, 60_300.0)]


def test_the_step_is_compiled_before_the_first_event(tmp_path: Path) -> None:
    """A large step takes longer to compile than an event may take: that is no hang."""
    file = tmp_path / "mine.py"
    file.write_text(_skeleton("mine", plain=False)["mine.py"])
    trial = Trial(file, SIZES)
    compiled: list[int] = []

    def look(number: int, kind: str) -> None:
        compiled.append(len(trial.strategy.step.signatures))

    trial.run(100, 7, look)
    assert compiled[0] == compiled[-1] == 1
