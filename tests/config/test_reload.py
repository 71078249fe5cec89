"""What a reload loosens, what it cannot change, and the hash of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aegis.config import AegisConfig, LimitsConfig, config_hash, restart_needed, risk_increase
from aegis.config.errors import ABSENT
from aegis.config.limits import LIMITS_FROM_BELOW
from tests.config.sample import EIGHT_CORES, LIMITS, SAMPLE, SHAPES, edited, read_text

Load = Callable[[str], AegisConfig]
ETH = f'\n[instances.eth]\nsymbols = ["ETHUSDT"]\nstrategy = "s"\n[instances.eth.limits]{LIMITS}'


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> AegisConfig:
        result = read_text(text, tmp_path, EIGHT_CORES)
        assert result.config is not None, result.problems
        return result.config

    return load_text


def limit_of(config: AegisConfig, name: str) -> float:
    return float(getattr(config.instances["btc"].limits, name))


@pytest.mark.parametrize("limit", LimitsConfig.model_fields)
def test_every_limit_counts_when_it_is_loosened_and_only_then(load: Load, limit: str) -> None:
    text = SAMPLE + SHAPES
    old = load(text)
    lines = (LIMITS + SHAPES).split("\n")
    line = next(line for line in lines if line.startswith(f"{limit} ="))
    value = line.split(" = ")[1]
    looser = value + "1" if "." in value else str(int(value) + 1)
    if limit in LIMITS_FROM_BELOW:
        looser = str(float(value) / 2)
    new = load(edited((line, f"{limit} = {looser}"), text=text))
    changes = risk_increase(old, new)
    assert [change.key for change in changes] == [f"instances.btc.limits.{limit}"]
    assert (changes[0].old, changes[0].new) == (limit_of(old, limit), limit_of(new, limit))
    assert risk_increase(new, old) == []
    assert risk_increase(old, old) == []


def test_parameters_and_limits_need_no_restart(load: Load) -> None:
    new = load(
        edited(
            ("order_qty = 0.002", "order_qty = 0.003"), ("max_stale_ms = 2000", "max_stale_ms = 1")
        )
    )
    assert restart_needed(load(SAMPLE), new) == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("brain = 1", "brain = 2", "hardware.cores.brain"),
        ("[instances.btc]\n", "hugepages = 8\n[instances.btc]\n", "hardware.hugepages"),
        ("[instances.btc]\n", "[venue]\nseed = 1\n[instances.btc]\n", "venue.seed"),
        ("[instances.btc]\n", "[supervisor]\nrestart_budget = 1\n[instances.btc]\n",
         "supervisor.restart_budget"),
        ('["BTCUSDT"]', '["ETHUSDT"]', "instances.btc.symbols"),
        ('"some_strategy"', '"other_strategy"', "instances.btc.strategy"),
    ],
)  # fmt: skip
def test_the_rest_needs_a_restart(load: Load, old: str, new: str, key: str) -> None:
    changes = restart_needed(load(SAMPLE), load(edited((old, new))))
    assert [change.key for change in changes] == [key]
    assert " -> " in str(changes[0])


def test_a_new_instance_is_more_risk_and_needs_a_restart_but_not_of_the_others(load: Load) -> None:
    old, new = load(SAMPLE), load(SAMPLE + ETH)
    assert len(risk_increase(old, new)) == len(LimitsConfig.model_fields)
    assert all(change.old is ABSENT for change in risk_increase(old, new))
    assert [change.key for change in restart_needed(old, new)] == ["instances.eth"]
    assert [change.key for change in restart_needed(new, old)] == ["instances.eth"]
    assert restart_needed(old, new, "btc") == [] and risk_increase(old, new, "btc") == []


def test_the_hash_follows_values_not_spelling(load: Load) -> None:
    first = config_hash(load(SAMPLE))
    assert first == config_hash(load("# a comment\n" + SAMPLE.replace("0.002", "2e-3")))
    assert first != config_hash(load(edited(("order_qty = 0.002", "order_qty = 0.0021"))))
    assert len(first) == 64
