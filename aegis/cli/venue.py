"""`aegis venue`: the embedded exchange on its own, for other clients and for experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis.cli.config_path import ConfigOption, config_path

__all__ = ["venue"]


def venue(
    config: ConfigOption = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0: any free one; else from the file.")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option("--mirror", metavar="FILE", help="Replay this recording.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000.0, help="Faster than recorded.")] = 1.0,
) -> None:
    """Serve the exchange's protocol on the loopback interface until Ctrl-C."""
    from aegis.venue.serve import main

    raise typer.Exit(main(config_path(config), port, mirror, speed))
