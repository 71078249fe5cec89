"""Two configurations compared: what a reload would loosen, and what only a restart can change.

The supervisor asks both questions at SIGHUP before it swaps. A reload may change parameters and
limits; everything else was used to lay out memory, pin and connect, and stays until a restart. It
must never decide: it lists, the supervisor acts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aegis.config.errors import ABSENT, shown_value
from aegis.config.limits import LIMITS_FROM_BELOW, LimitsConfig
from aegis.config.models import AegisConfig, InstanceConfig

_RELOADABLE: Final = frozenset({"parameters", "limits"})


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs; ``ABSENT`` on the side where it is not set."""

    key: str
    old: object
    new: object

    def __str__(self) -> str:
        old = shown_value(self.key, self.old) or "absent"
        new = shown_value(self.key, self.new) or "absent"
        return f"{self.key}: {old} -> {new}"


def risk_increase(old: AegisConfig, new: AegisConfig, instance: str | None = None) -> list[Change]:
    """The limits that ``new`` loosens, of one instance or of all; tightening is not listed.

    Looser is larger, and smaller for what bounds from below (LIMITS_FROM_BELOW). An instance that
    is new counts as loosened, limit by limit: it had no right to trade before.
    """
    changes: list[Change] = []
    for name in _chosen(new, instance):
        before = old.instances.get(name)
        after = new.instances[name].limits
        for limit in LimitsConfig.model_fields:
            was = getattr(before.limits, limit) if before is not None else ABSENT
            now = getattr(after, limit)
            # Written so that a value that cannot be compared counts as looser.
            is_tight = was is not ABSENT and (
                now >= was if limit in LIMITS_FROM_BELOW else now <= was
            )
            if not is_tight:
                changes.append(Change(f"instances.{name}.limits.{limit}", was, now))
    return changes


def restart_needed(old: AegisConfig, new: AegisConfig, instance: str | None = None) -> list[Change]:
    """The keys that differ and that a reload cannot change, of one instance or of all."""
    pairs = [
        (name, getattr(old, name), getattr(new, name))
        for name in ("hardware", "feed", "supervisor", "venue", "journal")
    ]
    changes = [
        change
        for name, before, after in pairs
        for change in _differences(name, before.model_dump(), after.model_dump())
    ]
    names = dict.fromkeys([*_chosen(old, instance), *_chosen(new, instance)])
    for name in names:
        before, after = _fixed(old.instances.get(name)), _fixed(new.instances.get(name))
        changes.extend(_differences(f"instances.{name}", before, after))
    return changes


def config_hash(config: AegisConfig) -> str:
    """SHA-256 (64 hex digits) of the effective values: comments, order and spacing do not count."""
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _chosen(config: AegisConfig, instance: str | None) -> list[str]:
    return [name for name in config.instances if instance is None or name == instance]


def _fixed(instance: InstanceConfig | None) -> object:
    return ABSENT if instance is None else instance.model_dump(exclude=set(_RELOADABLE))


def _differences(key: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(f"{key}.{name}", old.get(name, ABSENT), new.get(name, ABSENT))
    elif old != new or type(old) is not type(new):
        yield Change(key, old, new)
