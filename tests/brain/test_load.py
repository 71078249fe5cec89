"""Compiled once, kept on disk: a second process must find the duty cycle, not compile it."""

from __future__ import annotations

import subprocess
import sys

from aegis.brain.load import compile_brain, compiled_cycle
from aegis.strategies.registry import load_strategy

_ASK = """
from aegis.brain.load import compiled_cycle
from aegis.strategies.registry import load_strategy
cycle = compiled_cycle(load_strategy("avellaneda_stoikov"))
print(sum(cycle.stats.cache_hits.values()), sum(cycle.stats.cache_misses.values()))
"""


def test_a_second_process_finds_the_machine_code() -> None:
    compile_brain("avellaneda_stoikov")
    answer = subprocess.run(
        [sys.executable, "-c", _ASK], check=True, capture_output=True, text=True
    ).stdout
    assert answer.split() == ["1", "0"]


def test_one_strategy_is_compiled_once() -> None:
    strategy = load_strategy("avellaneda_stoikov")
    cycle = compiled_cycle(strategy)
    assert compiled_cycle(load_strategy("avellaneda_stoikov")) is cycle
    assert len(cycle.signatures) == 1
