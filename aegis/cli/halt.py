"""`aegis halt INSTANCE|--all`: the kill switch; nothing new, and nothing of ours rests.

Where no appliance runs, its next start is halted, and the exchange is asked as by `cancel-all`.
"""

from __future__ import annotations

from aegis.cli.cancel_all import clear_directly
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
        latched = latch_on_disk(name, config, "HALTED", is_running=is_running)
        if not latched.get("is_known"):
            return latched
        # A latch that cannot be written (a full disk) is no reason to leave orders at the exchange.
        cleared = clear_directly(name, config, timeout_s, is_running=is_running)
        told = {"ok": latched["ok"] and cleared["ok"]}
        return latched | cleared | told | {"text": f"{latched['text']}; {cleared['text']}"}

    command_instances("halt", instance, every, config, timeout_s, as_json, when_dead)
