"""`aegis journal tail|verify|export`: what execution wrote down, read while it writes or after.

What each does is in `journal_reports.py`; here is only what can be asked. Nothing here changes a
journal: what is damaged is put aside at the next start of the instance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis.cli.config_path import ConfigOption
from aegis.cli.instance_name import instance_name

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The execution journal: look, check, export.")

Instance = Annotated[str, typer.Argument(callback=instance_name, help="Whose journal.")]
Folder = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="Its folder; else from the configuration."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]


@app.command()
def tail(
    instance: Instance,
    count: Annotated[int, typer.Option("-n", min=1, help="How many of the newest records.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C; --json: a line a record.")
    ] = False,
    folder: Folder = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> None:
    """Show the newest records: orders, answers, fills, the latch."""
    from aegis.cli.journal_reports import tail_command

    raise typer.Exit(tail_command(instance, folder, config, count, follow, as_json))


@app.command()
def verify(
    instance: Instance,
    folder: Folder = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> None:
    """Check every record and replay all; 1 if one is damaged or the state is not as written."""
    from aegis.cli.journal_reports import verify_command

    raise typer.Exit(verify_command(instance, folder, config, as_json))


@app.command()
def export(
    instance: Instance,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The Parquet file to make.")],
    folder: Folder = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> None:
    """Turn the good records into a Parquet file; never over one that is there."""
    from aegis.cli.journal_reports import export_command

    raise typer.Exit(export_command(instance, folder, config, out, as_json))
