"""`aegis arm INSTANCE|--all`: the one way from REDUCING and HALTED back to ACTIVE.

Orders and positions are compared with the exchange first; what contradicts keeps the latch (exit
code 4). Where no appliance runs, its next start is armed and compares by itself.
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

__all__ = ["arm"]


def arm(
    instance: InstanceArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Trade again, once orders and positions agree with the exchange."""

    def when_dead(name: str, is_running: bool) -> Answer:
        return latch_on_disk(name, config, "ACTIVE", is_running=is_running)

    command_instances("arm", instance, every, config, timeout_s, as_json, when_dead)
