"""SIGHUP's rules: what may change live, what needs a restart; a bad file changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aegis.config import AegisConfig, load_config
from aegis.strategies.registry import load_parameters_model
from aegis.supervisor.reload import ReloadPlan, live_text, plan_reload


@pytest.fixture
def file(repository: Path, tmp_path: Path) -> Path:
    """The shipped configuration, in a place where it may be edited."""
    path = tmp_path / "aegis.toml"
    path.write_text((repository / "aegis.toml").read_text())
    return path


@pytest.fixture
def running(file: Path) -> AegisConfig:
    return load_config(file)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def plan(file: Path, running: AegisConfig) -> ReloadPlan:
    return plan_reload(file, running, "btc")


def test_an_unchanged_file_is_good(file: Path, running: AegisConfig) -> None:
    found = plan(file, running)
    assert found.config == running
    assert found.text == "nothing changed"


def test_parameters_and_tighter_limits_change_live(file: Path, running: AegisConfig) -> None:
    edit(file, "order_qty = 0.002", "order_qty = 0.003")
    edit(file, "max_open_orders = 10", "max_open_orders = 8")
    found = plan(file, running)
    assert found.config is not None
    assert found.text == ("parameters.order_qty: 0.002 -> 0.003; limits.max_open_orders: 10 -> 8")


def test_a_looser_limit_needs_a_restart(file: Path, running: AegisConfig) -> None:
    edit(file, "max_open_orders = 10", "max_open_orders = 11")
    found = plan(file, running)
    assert found.config is None
    assert found.changes == ("instances.btc.limits.max_open_orders",)
    assert "10 -> 11" in found.text


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('wait = "park"', 'wait = "yield"', "hardware.wait"),
        ("seed = 42", "seed = 43", "venue.seed"),
        ('symbols = ["BTCUSDT"]', 'symbols = ["ETHUSDT"]', "instances.btc.symbols"),
        ("stall_timeout_ms = 3000", "stall_timeout_ms = 4000", "supervisor.stall_timeout_ms"),
    ],
)
def test_keys_that_need_a_restart_are_named(
    file: Path, running: AegisConfig, old: str, new: str, key: str
) -> None:
    edit(file, old, new)
    found = plan(file, running)
    assert found.config is None
    assert key in found.changes
    assert "restart" in found.text


def test_another_instance_is_not_our_matter(file: Path, running: AegisConfig) -> None:
    edit(file, 'symbols = ["ETHUSDT"]', 'symbols = ["ETHUSDT", "BTCUSDT"]')
    assert plan(file, running).config is not None


def test_our_instance_gone_is_refused(file: Path, running: AegisConfig) -> None:
    file.write_text(file.read_text().replace("instances.btc", "instances.other"))
    found = plan(file, running)
    assert found.config is None
    assert "no instance btc" in found.text


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("order_qty = 0.002", "order_qty = nan", "order_qty"),
        ("order_qty = 0.002", "order_qty = ", "TOML"),
        ("order_qty = 0.002", "order_quantity = 0.002", "order_quantity"),
        ("max_open_orders = 10", "", "max_open_orders"),
    ],
)
def test_a_bad_file_is_refused_with_the_key(
    file: Path, running: AegisConfig, old: str, new: str, named: str
) -> None:
    edit(file, old, new)
    found = plan(file, running)
    assert found.config is None
    assert named in found.text
    assert "old configuration stays" in found.text


def test_every_truncation_of_the_file_is_refused_or_whole(file: Path, running: AegisConfig) -> None:
    """A half-written file must never be half believed."""
    whole = file.read_text()
    for end in range(0, len(whole), 97):
        file.write_text(whole[:end])
        found = plan(file, running)
        if found.config is not None:
            assert found.config.instances["btc"] == running.instances["btc"]


def test_a_missing_file_is_refused(file: Path, running: AegisConfig) -> None:
    file.unlink()
    assert plan(file, running).config is None


def test_the_text_for_the_processes_holds_both_tables(running: AegisConfig) -> None:
    table = running.instances["btc"]
    found = json.loads(live_text(table))
    assert found == {"parameters": table.parameters, "limits": table.limits.model_dump()}


def test_an_own_strategy_is_looked_at_and_never_executed_by_a_reload(
    file: Path, running: AegisConfig
) -> None:
    """Its parameters change live; its text, once it runs, only by a restart."""
    own = file.parent / "mine.py"
    text = (
        "from pydantic import ConfigDict\n"
        "from aegis.strategies.contract import StrategyParameters\n"
        "from aegis.strategies.plain import PlainStrategy\n"
        "class Numbers(StrategyParameters):\n"
        "    model_config = ConfigDict(extra='allow')\n"
        "    order_levels: int = 1\n"
        "class Mine(PlainStrategy):\n"
        "    Parameters = Numbers\n"
    )
    own.write_text(text)
    edit(file, 'strategy = "avellaneda_stoikov"', 'strategy = "./mine.py"')
    running = load_config(file, parameters_model_of=load_parameters_model)
    edit(file, "order_levels = 1", "order_levels = 2")
    assert "order_levels: 1 -> 2" in plan(file, running).text
    edit(file, "order_levels = 2", "order_levels = true")
    refused = plan(file, running)
    assert refused.config is None
    assert "order_levels" in refused.text
    edit(file, "order_levels = true", "order_levels = 2")
    own.write_text(text + "raise RuntimeError('a reload must not execute this')\n")
    changed = plan(file, running)
    assert changed.config is not None
    assert "./mine.py has changed: what was started runs on until a restart" in changed.text
    own.write_text("def broken(:\n")
    assert "mine.py:1: invalid syntax" in plan(file, running).text
