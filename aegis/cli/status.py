"""`aegis status [INSTANCE]`: who lives, what runs, and what is wrong and what to do about it.

Attaches read-only and starts nothing. Exit 0 healthy, 1 unhealthy, 3 not running. Keys of the JSON
form: those of `aegis.monitor.view.InstanceView`; without an instance one object with `instances`,
a list of them, and `healthy`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegis.cli.config_path import ConfigOption, shm_dir_of
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_NOT_RUNNING,
    EXIT_USAGE,
    complain,
    print_object,
)
from aegis.cli.instance_name import instance_name

if TYPE_CHECKING:
    from aegis.monitor.view import InstanceView

__all__ = ["status"]

_PIPE_COLUMNS = 140


def status(
    instance: Annotated[
        str | None,
        typer.Argument(callback=instance_name, help="One instance; all that run without it."),
    ] = None,
    config: ConfigOption = None,
    shm_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the regions are; else from the file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Show the state of an instance, its problems first."""
    from aegis.monitor.problems import judge
    from aegis.monitor.reading import instances_in, read_instance

    if shm_dir is not None and not shm_dir.is_dir():
        complain(f"--shm-dir {shm_dir}: no such directory")
        raise typer.Exit(EXIT_USAGE)
    directory = str(shm_dir) if shm_dir is not None else shm_dir_of(config)
    names = [instance] if instance is not None else instances_in(directory)
    views = [judge(read_instance(name, directory)) for name in names]
    if as_json:
        if instance is not None:
            print_object(views[0].as_object())
        else:
            healthy = bool(views) and all(view.healthy for view in views)
            found = [view.as_object() for view in views]
            print_object({"healthy": healthy, "directory": directory, "instances": found})
    else:
        _show(views, directory)
    raise typer.Exit(_exit_code(views))


def _show(views: list[InstanceView], directory: str) -> None:
    from rich.console import Console

    from aegis.monitor.render import status_page

    if not views:
        complain(f"no instance runs (nothing in {directory})")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width; the tables should not be folded for it.
        console = Console(highlight=False, width=_PIPE_COLUMNS)
    for view in views:
        console.print(status_page(view))


def _exit_code(views: list[InstanceView]) -> int:
    if not any(view.state not in ("absent", "dead") for view in views):
        return EXIT_NOT_RUNNING
    return EXIT_GOOD if all(view.healthy for view in views) else EXIT_FAILED
