"""`aegis reduce INSTANCE|--all`: only cancels and reducing orders from now on.

Where no appliance runs, its next start only reduces, and what rests at the exchange is cancelled
directly.
"""

from __future__ import annotations

from aegis.cli.cancel_all import stop_without_execution
from aegis.cli.config_path import ConfigOption
from aegis.cli.operator_request import (
    AllOption,
    Answer,
    InstanceArgument,
    JsonOption,
    TimeoutOption,
    command_instances,
)

__all__ = ["reduce"]


def reduce(
    instance: InstanceArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Let the position only get smaller, and cancel what rests, until `aegis arm`."""

    def when_dead(name: str, is_running: bool) -> Answer:
        return stop_without_execution(name, config, "REDUCING", timeout_s, is_running=is_running)

    command_instances("reduce", instance, every, config, timeout_s, as_json, when_dead)
