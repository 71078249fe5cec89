"""Where the configuration is when nobody says: $AEGIS_CONFIG, ./aegis.toml, /etc/aegis/aegis.toml.

Used by every command that takes `--config`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aegis.cli.exit_codes import complain

__all__ = ["ConfigOption", "config_path", "shm_dir_of"]

_PLACES: Final = (Path("aegis.toml"), Path("/etc/aegis/aegis.toml"))

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; without it $AEGIS_CONFIG, ./aegis.toml, /etc/aegis/aegis.toml.",
    ),
]


def config_path(named: Path | None) -> Path:
    """The file to read. The last place is returned even where there is none: reading it tells."""
    if named is not None:
        return named
    from_environment = os.environ.get("AEGIS_CONFIG")
    if from_environment:
        return Path(from_environment)
    return next((place for place in _PLACES if place.is_file()), _PLACES[0])


def shm_dir_of(named: Path | None) -> str:
    """The directory that holds the regions, by the configuration as far as it can be read.

    A command that looks at a running instance must work while the file is broken: it then looks
    into the default directory, and says so.
    """
    from aegis.config import read_config

    default = "/dev/shm"
    path = config_path(named)
    result = read_config(path)
    if result.config is not None:
        return result.config.hardware.shm_dir
    guessed = _raw_shm_dir(path) or default
    count = len(result.problems)
    complain(
        f"{path} cannot be used ({count} problem{'s' if count > 1 else ''}); looking in {guessed}"
    )
    return guessed


def _raw_shm_dir(path: Path) -> str | None:
    """`hardware.shm_dir` of a file that has other faults."""
    import tomli

    try:
        found: Any = tomli.loads(path.read_text())["hardware"]["shm_dir"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found.startswith("/") else None
