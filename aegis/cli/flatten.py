"""`aegis flatten INSTANCE|--all`: reduce, cancel everything, and close every position.

Positions are closed by reduce-only market orders until the exchange says flat. The instance stays
in REDUCING. It needs the appliance: where none runs, its next start only reduces, and this fails.
"""

from __future__ import annotations

from aegis.cli.config_path import ConfigOption
from aegis.cli.operator_request import (
    AllOption,
    Answer,
    InstanceArgument,
    JsonOption,
    TimeoutOption,
    command_instances,
    latch_on_disk,
)

__all__ = ["flatten"]


def flatten(
    instance: InstanceArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Cancel what rests and close every position at the market."""

    def when_dead(name: str, is_running: bool) -> Answer:
        latched = latch_on_disk(name, config, "REDUCING", is_running=is_running)
        return latched | {"ok": False, "text": f"no position was closed: {latched['text']}"}

    command_instances("flatten", instance, every, config, timeout_s, as_json, when_dead)
