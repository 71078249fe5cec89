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

from aegis.config import (
    AegisConfig,
    ConfigError,
    InstanceConfig,
    load_config,
    restart_needed,
    risk_increase,
)
from aegis.config.errors import shown_value
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
        wanted = load_config(path, parameters_model_of=load_parameters_model)
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
    return ReloadPlan(wanted, "; ".join(changes) or "nothing changed", changes)


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
