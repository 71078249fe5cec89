"""`aegis stop INSTANCE`: drain and end a running instance, and wait until it is gone."""

from __future__ import annotations

import signal
from typing import Annotated

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

__all__ = ["stop"]


def stop(
    instance: Annotated[str, typer.Argument(callback=instance_name, help="A running instance.")],
    config: ConfigOption = None,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long to wait."),
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Cancel its orders, end its processes, remove its memory."""
    from aegis.cli.running import find_running

    running = find_running(instance, shm_dir_of(config))
    if running is None:
        complain(f"{instance} is not running")
        _answer(as_json, instance, stopped=False, text="not running")
        raise typer.Exit(EXIT_NOT_RUNNING)
    try:
        running.send(signal.SIGTERM)
    except ProcessLookupError:
        complain(f"{instance} has just ended by itself")
    stopped = running.wait_for_end(timeout_s)
    left = running.directory.exists()
    text = (
        "stopped"
        if stopped
        else f"still running after {timeout_s:g} s; aegis status {instance} says why"
    )
    if stopped and left:
        text = f"ended, but left {running.directory}: aegis clean {instance}"
    complain(f"{instance} (pid {running.notes.pid}): {text}")
    _answer(as_json, instance, stopped=stopped, text=text)
    raise typer.Exit(EXIT_GOOD if stopped and not left else EXIT_FAILED)


def _answer(as_json: bool, instance: str, *, stopped: bool, text: str) -> None:
    if as_json:
        print_object({"ok": stopped, "instance": instance, "text": text})
