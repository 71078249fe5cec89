"""`aegis strategy parameters`: every parameter of a strategy, as its model says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aegis.strategies.contract import StrategyParameters

__all__ = ["parameter_lines", "parameter_rows", "reference_of"]


def reference_of(strategy: str) -> str:
    """A built-in strategy's name as it is; what is a path made absolute."""
    is_file = "/" in strategy or strategy.endswith(".py")
    return str(Path(strategy).absolute()) if is_file else strategy


def parameter_rows(model: type[StrategyParameters]) -> list[dict[str, Any]]:
    """For each parameter: key, required, default (null when it is required), allowed, about."""
    from aegis.config.schema import allowed_text

    return [
        {
            "key": key,
            "required": field.is_required(),
            "default": None
            if field.is_required()
            else field.get_default(call_default_factory=True),
            "allowed": allowed_text(field).removeprefix("allowed: "),
            "about": field.description or "",
        }
        for key, field in model.model_fields.items()
    ]


def parameter_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The same as lines that can be copied into aegis.toml: what is required comes first.

    What has a default stands behind a #, as it would be set.
    """
    lines = []
    for row in sorted(rows, key=lambda row: not row["required"]):
        set_to = f"{row['key']} = " if row["required"] else f"# {row['key']} = {_toml(row)}"
        words = "; ".join(text for text in (row["about"], row["allowed"]) if text)
        lines.append(f"{set_to:<42}  # {words}" if words else set_to)
    return lines


def _toml(row: dict[str, Any]) -> str:
    return json.dumps(row["default"], default=str)
