"""`aegis cancel-all INSTANCE|--all`: nothing rests at the exchange, whoever is still alive.

Asked of execution while the appliance runs. Where it does not (or does not answer), a short-lived
client of its own goes to the exchange directly, with the credentials of the configuration: regular
and conditional orders of all symbols of the instance are cancelled, and asked for until none rests.
Our own exchange (embedded, paper) ends with its appliance, so there nothing can rest: that is said,
exit code 0.

With --independent execution is not asked at all, and with --keep-stops as well (both are systemd's
ExecStopPost=) the instance's protective stops stay: they are for the time when nobody is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.operator_request import (
    AllOption,
    Answer,
    InstanceArgument,
    JsonOption,
    TimeoutOption,
    command_instances,
    latch_on_disk,
)

__all__ = ["cancel_all", "clear_directly", "stop_without_execution"]


def cancel_all(
    instance: InstanceArgument = None,
    every: AllOption = False,
    config: ConfigOption = None,
    timeout_s: TimeoutOption = 30.0,
    independent: Annotated[
        bool, typer.Option("--independent", help="Ask the exchange directly, never execution.")
    ] = False,
    keeps_stops: Annotated[
        bool, typer.Option("--keep-stops", help="Spare protective stops; with --independent.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Cancel everything that rests, and see that it is gone."""

    def when_dead(name: str, is_running: bool) -> Answer:
        return clear_directly(
            name, config, timeout_s, is_running=is_running, keeps_stops=keeps_stops
        )

    command_instances(
        "cancel-all",
        instance,
        every,
        config,
        timeout_s,
        as_json,
        when_dead,
        independent=independent,
    )


def stop_without_execution(
    instance: str, config: Path | None, state: str, timeout_s: float, *, is_running: bool
) -> Answer:
    """No execution answers: latch its next start (`state`), and cancel what rests in its place.

    Protective stops stay, as they do where execution answers: nobody is left to mind a position.
    """
    latched = latch_on_disk(instance, config, state, is_running=is_running)
    if not latched.get("is_known"):
        return latched
    # A latch that cannot be written (a full disk) is no reason to leave orders at the exchange.
    cleared = clear_directly(instance, config, timeout_s, is_running=is_running, keeps_stops=True)
    told = {"ok": latched["ok"] and cleared["ok"]}
    return latched | cleared | told | {"text": f"{latched['text']}; {cleared['text']}"}


def clear_directly(
    instance: str,
    config: Path | None,
    timeout_s: float,
    *,
    is_running: bool,
    keeps_stops: bool = False,
) -> Answer:
    """Cancel by a client of our own; `ok` only when the exchange says that nothing rests."""
    from aegis.config import Settings, read_config
    from aegis.config.environments import OWN_VENUE_MODES

    path = config_path(config)
    found = read_config(path).config
    if found is None:
        text = f"NOT DONE: {path}, which names the exchange, cannot be used: aegis check says why"
        return {"ok": False, "resting": None, "text": text}
    if instance not in found.instances:
        return {"ok": False, "text": f"{path} does not say at which exchange to ask"}
    if found.venue.mode not in OWN_VENUE_MODES:
        from aegis.execution.standalone_cancel import cancel_everything

        settings = Settings.of(found, instance, path)
        return {"is_known": True} | cancel_everything(settings, timeout_s, keeps_stops=keeps_stops)
    own = "embedded exchange" if found.venue.mode == "embedded" else "exchange on paper"
    if is_running:
        text = f"only execution has the {own}'s keys: aegis stop {instance} ends both"
        return {"ok": False, "is_known": True, "resting": None, "text": text}
    text = f"the {own} ends with its appliance: nothing can rest there"
    return {"ok": True, "is_known": True, "cancelled": 0, "resting": 0, "text": text}
