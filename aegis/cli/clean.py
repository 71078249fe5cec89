"""`aegis clean INSTANCE`: remove what a dead instance left; refuses a live one."""

from __future__ import annotations

from typing import Annotated

import typer

from aegis.cli.config_path import ConfigOption, shm_dir_of
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, complain, print_object
from aegis.cli.instance_name import instance_name

__all__ = ["clean"]

_PATIENCE_NS = 5_000_000_000


def clean(
    instance: Annotated[
        str, typer.Argument(callback=instance_name, help="An instance that does not run any more.")
    ],
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """End orphaned processes and remove the shared memory of an instance that died."""
    from aegis.shm.instance import directory_of, remove_directory
    from aegis.supervisor.errors import SupervisorError
    from aegis.supervisor.startup import take_lock

    directory = directory_of(instance, shm_dir_of(config))
    said: list[str] = []
    if not directory.is_dir():
        said.append("nothing to clean")
    else:
        try:
            lock = take_lock(instance, directory, _PATIENCE_NS, said.append)
        except SupervisorError as error:
            complain(str(error))
            if as_json:
                print_object({"ok": False, "instance": instance, "text": str(error)})
            raise typer.Exit(error.exit_code) from None
        remove_directory(directory)
        lock.close()
        if directory.exists():
            text = f"{directory} could not be removed"
            complain(f"{instance}: {text}")
            if as_json:
                print_object({"ok": False, "instance": instance, "text": text})
            raise typer.Exit(EXIT_FAILED)
    for text in said:
        complain(f"{instance}: {text}")
    if as_json:
        print_object({"ok": True, "instance": instance, "text": "; ".join(said)})
    raise typer.Exit(EXIT_GOOD)
