"""`aegis halt INSTANCE|--all`: the kill switch; nothing new, and nothing of ours rests.

Where no appliance runs, its next start is halted, and the exchange is asked as by `cancel-all`.
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

__all__ = ["halt"]


def halt(
    instance: InstanceArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Stop all new risk and cancel what rests, until `aegis arm`."""

    def when_dead(name: str, is_running: bool) -> Answer:
        return stop_without_execution(name, config, "HALTED", timeout_s, is_running=is_running)

    command_instances("halt", instance, every, config, timeout_s, as_json, when_dead)
