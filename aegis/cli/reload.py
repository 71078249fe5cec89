"""`aegis reload INSTANCE`: have a running instance read its file again, and tell the outcome."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from aegis.cli.config_path import ConfigOption, shm_dir_of
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_NOT_RUNNING,
    complain,
    print_object,
)
from aegis.cli.instance_name import instance_name

if TYPE_CHECKING:
    from aegis.cli.running import RunningInstance
    from aegis.monitor.notes import ReloadNote

__all__ = ["reload"]

_LOOK_EVERY_S = 0.05


def reload(
    instance: Annotated[str, typer.Argument(callback=instance_name, help="A running instance.")],
    config: ConfigOption = None,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long to wait."),
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Take over changed parameters and tightened limits without a restart."""
    from aegis.cli.running import find_running

    running = find_running(instance, shm_dir_of(config))
    if running is None:
        _refuse(as_json, instance, "not running")
        raise typer.Exit(EXIT_NOT_RUNNING)
    before = running.notes.last_reload.attempts
    running.send(signal.SIGHUP)
    outcome = _wait(running, before, timeout_s)
    if outcome is None:
        _refuse(as_json, instance, f"no answer within {timeout_s:g} s; see aegis status {instance}")
        raise typer.Exit(EXIT_FAILED)
    word = f"version {outcome.config_version}" if outcome.ok else "reload failed"
    complain(f"{instance}: {word}: {outcome.text}")
    if as_json:
        print_object(
            {
                "ok": outcome.ok,
                "instance": instance,
                "config_version": outcome.config_version,
                "text": outcome.text,
            }
        )
    raise typer.Exit(EXIT_GOOD if outcome.ok else EXIT_FAILED)


def _refuse(as_json: bool, instance: str, text: str) -> None:
    complain(f"{instance}: {text}")
    if as_json:
        print_object({"ok": False, "instance": instance, "config_version": None, "text": text})


def _wait(running: RunningInstance, before: int, timeout_s: float) -> ReloadNote | None:
    """The outcome of the first reload after `before` that is settled; None when time is over."""
    from aegis.monitor.notes import read_notes

    pause = threading.Event()
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        notes = read_notes(running.directory)
        if notes is not None and notes.last_reload.attempts > before and notes.last_reload.settled:
            return notes.last_reload
        pause.wait(_LOOK_EVERY_S)
    return None
