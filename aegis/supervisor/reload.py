"""SIGHUP: is the new file good, and may all of it change while the instance trades?

Pure but for reading the file: the supervisor acts on the answer. The whole file is validated before
anything is compared; then every key that differs must be one that can change live. One that cannot
refuses the reload as a whole, by name, and the old configuration stays in force: half a reload
would leave an instance that no file describes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from aegis.config import (
    AegisConfig,
    ConfigError,
    InstanceConfig,
    load_config,
    restart_needed,
    risk_increase,
)
from aegis.config.errors import shown_value
from aegis.config.settings import is_path, strategy_reference
from aegis.strategies.contract import StrategyParameters
from aegis.strategies.own import changed, known_model
from aegis.strategies.registry import load_parameters_model

__all__ = ["ReloadPlan", "live_text", "plan_reload"]

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """`config` is None when the reload is refused; `text` says why, or what changes."""

    config: AegisConfig | None
    text: str
    changes: tuple[str, ...] = ()


def plan_reload(path: Path, running: AegisConfig, instance: str) -> ReloadPlan:
    """Read `path` and compare it with what runs. Never raises for what the file holds."""
    try:
        wanted = load_config(path, parameters_model_of=_model_of)
    except ConfigError as error:
        return ReloadPlan(None, f"refused, the old configuration stays: {error}")
    if instance not in wanted.instances:
        return ReloadPlan(None, f"refused: {path} has no instance {instance} any more")
    fixed = restart_needed(running, wanted, instance)
    if fixed:
        named = "; ".join(str(change) for change in fixed[:_MOST_NAMED])
        return ReloadPlan(
            None, f"refused, needs a restart: {named}", tuple(change.key for change in fixed)
        )
    looser = risk_increase(running, wanted, instance)
    if looser:
        named = "; ".join(str(change) for change in looser[:_MOST_NAMED])
        return ReloadPlan(
            None,
            f"refused: a running instance's limits can be tightened, loosening needs a "
            f"restart: {named}",
            tuple(change.key for change in looser),
        )
    changes = tuple(live_changes(running.instances[instance], wanted.instances[instance]))
    text = "; ".join(changes) or "nothing changed"
    strategy = wanted.instances[instance].strategy
    if is_path(strategy) and changed(strategy_reference(strategy, path)):
        text += f"; {strategy} has changed: what was started runs on until a restart"
    return ReloadPlan(wanted, text, changes)


class _AnyParameters(StrategyParameters):
    """Of a strategy that this supervisor does not run: its parameters are not judged here."""

    model_config = ConfigDict(extra="allow")


def _model_of(reference: str) -> type[StrategyParameters]:
    """The parameters' model, without executing a user's file while orders are out.

    The file must still be Python; what it would do is only known after a restart.
    """
    if not is_path(reference):
        return load_parameters_model(reference)
    return known_model(reference) or _AnyParameters


def live_changes(old: InstanceConfig, new: InstanceConfig) -> list[str]:
    """The parameters and limits that differ, as `key: old -> new`."""
    changes = []
    for table, before, after in (
        ("parameters", old.parameters, new.parameters),
        ("limits", old.limits.model_dump(), new.limits.model_dump()),
    ):
        for key in dict.fromkeys([*before, *after]):
            was, now = before.get(key), after.get(key)
            if was != now:
                left = "absent" if key not in before else shown_value(key, was)
                right = "absent" if key not in after else shown_value(key, now)
                changes.append(f"{table}.{key}: {left} -> {right}")
    return changes


def live_text(instance: InstanceConfig) -> str:
    """What the control region carries to the processes: one JSON object of both live tables."""
    parts = {"parameters": instance.parameters, "limits": instance.limits.model_dump()}
    return json.dumps(parts, allow_nan=False)
