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


def test_candles_follow_one_another_in_the_length_that_the_strategy_lives_on() -> None:
    """They all opened at the same time, and the engine took one of them."""
    given = {"risk_quote": 5.0, "max_notional_quote": 1_000.0, "interval_s": 300}
    trial = Trial("smc", given, symbols=("BTCUSDT", "ETHUSDT"))
    report = trial.run(3_000, 7)
    assert report.errors == [] and report.same_again
    engines = trial._states["engine"]
    assert (engines["candles"] > 20).all() and not engines["refused"].any()
    assert not trial._states["corrected"].any()
    assert (trial._states["restarts"] == 1).all(), "there was no gap"


def test_a_candle_may_be_of_any_length(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        LEVELS.replace("on_quote(self, quote)", "on_candle(self, candle)").replace(
            "return [", "self.seen = candle\n        return ["
        )
    )
    trial = Trial(file, {})
    trial.quote(bid=60_000.0, ask=60_000.1)
    before = None
    for _ in range(3):
        assert trial.candle((1.0, 2.0, 0.5, 1.5), 3.0, interval_s=900)
        seen = trial.strategy.plain.strategy.seen
        assert (seen.interval_s, seen.close, seen.volume) == (900, 1.5, 3.0)
        assert seen.ts_event_ns % 900_000_000_000 == 0
        assert before is None or seen.ts_event_ns == before + 900_000_000_000
        before = seen.ts_event_ns
