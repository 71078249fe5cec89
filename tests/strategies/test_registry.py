"""Finding a strategy by name, its parameters, and what a person is told when they are wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tomli

from aegis.strategies import registry
from aegis.strategies.contract import POLICY_FIELDS
from aegis.strategies.errors import BrokenStrategyError, StrategyError, UnknownStrategyError
from aegis.strategies.registry import load_parameters_model, load_strategy, read_parameters

GOOD: dict[str, Any] = {"order_qty": 0.002, "max_inventory_qty": 0.02}


@pytest.mark.parametrize("name", registry.names())
def test_every_strategy_keeps_the_contract(name: str) -> None:
    strategy = load_strategy(name)
    assert strategy.name == name
    assert strategy.parameters_model is load_parameters_model(name)
    assert strategy.source.is_dir()
    for policy in POLICY_FIELDS:
        assert strategy.parameters_dtype[policy] == np.int64


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownStrategyError, match="did you mean 'avellaneda_stoikov'"):
        load_strategy("avellaneda_stoikof")
    with pytest.raises(UnknownStrategyError, match="known: avellaneda_stoikov"):
        load_strategy("zzz")


def test_a_record_without_policy_is_refused() -> None:
    strategy = load_strategy("avellaneda_stoikov")
    broken = replace(strategy, parameters_dtype=np.dtype([("order_lots", "<i8")]))
    with pytest.raises(BrokenStrategyError, match="refresh_tolerance_ticks"):
        broken.check()
    with pytest.raises(BrokenStrategyError, match="state_dtype"):
        replace(strategy, state_dtype=np.dtype("<f8")).check()


def test_the_shipped_file_is_valid(repository: Any) -> None:
    shipped = tomli.loads((repository / "aegis.toml").read_text())
    for instance in shipped["instances"].values():
        read_parameters(instance["strategy"], instance["parameters"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order_qy": 1.0}, "order_qy.*did you mean 'order_qty'"),
        ({"risk_aversion": float("nan")}, "risk_aversion = nan"),
        ({"risk_aversion": float("inf")}, "risk_aversion = inf"),
        ({"risk_aversion": -0.1}, "greater than or equal to 0"),
        ({"order_levels": 9}, "order_levels = 9.*less than or equal to 8"),
        ({"mode": "glfd"}, "'glft' or 'session'"),
        ({"skew_inventory": 1}, "skew_inventory = 1"),
        ({"order_qty": "0.1"}, "order_qty = '0.1'"),
        ({"max_inventory_qty": 0.001}, "at least order_qty"),
    ],
)
def test_a_wrong_parameter_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        read_parameters("avellaneda_stoikov", {**GOOD, **change})


def test_every_mistake_is_told_and_sizes_have_no_default() -> None:
    with pytest.raises(StrategyError) as caught:
        read_parameters("avellaneda_stoikov", {"order_levels": 0})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("order_qty: Field required" in line for line in lines)


def test_checking_parameters_compiles_nothing() -> None:
    """The configuration check must stay quick: no kernel, no Numba."""
    code = (
        "import sys; from aegis.strategies.registry import read_parameters;"
        f"read_parameters('avellaneda_stoikov', {GOOD!r});"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
