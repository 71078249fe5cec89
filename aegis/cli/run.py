"""`aegis run INSTANCE`: trade in the foreground until a signal, a time limit or a recording's end.

Reads the configuration, makes one `Supervisor` and shows what it does. systemd runs the very same
command. With `--json` the last thing on standard output is one object (see `run_summary.py`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.exit_codes import EXIT_REFUSED, EXIT_USAGE, complain, print_object
from aegis.cli.terminal import own_terminal

if TYPE_CHECKING:
    from aegis.config import AegisConfig, Settings

__all__ = ["run"]


def run(
    instance: Annotated[str, typer.Argument(help="An instance of the configuration, e.g. btc.")],
    config: ConfigOption = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", min=0.1, help="Stop this long after READY."),
    ] = None,
    mirror: Annotated[
        list[Path] | None,
        typer.Option(
            "--mirror", metavar="FILE", help="Have the venue replay this recording; one per symbol."
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000.0, help="How much faster than recorded.")
    ] = 1.0,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin a recording again when it ends.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="At the end, one JSON object on one line.")
    ] = False,
) -> None:
    """Start an instance and trade until Ctrl-C."""
    from aegis.cli.exchange_access import is_confirmed

    loaded = _load(instance, config_path(config), tuple(mirror or ()), speed, loop)
    if loaded is None:
        raise typer.Exit(EXIT_USAGE)
    settings, whole = loaded
    refusal = _unseen_by_the_doctor(whole, instance)
    if refusal:
        complain(refusal)
        if as_json:
            print_object({"ok": False, "instance": instance, "reason": refusal})
        raise typer.Exit(EXIT_REFUSED)
    if not is_confirmed(whole, instance):
        complain("not confirmed: nothing was started")
        raise typer.Exit(EXIT_USAGE)
    with own_terminal():
        code = _supervise(settings, whole, seconds, as_json)
    raise typer.Exit(code)


def _load(
    instance: str, path: Path, mirrors: tuple[Path, ...], speed: float, loop: bool
) -> tuple[Settings, AegisConfig] | None:
    """The settings of the instance; None after complaining."""
    from aegis.cli.exchange_access import access_problem
    from aegis.cli.shm_dir import shm_dir_problem
    from aegis.config import ConfigError, Settings, read_config
    from aegis.strategies.registry import load_parameters_model

    if not all(_is_recording(mirror) for mirror in mirrors):
        return None
    result = read_config(path, parameters_model_of=load_parameters_model)
    for warning in result.warnings:
        complain(f"warning: {warning}")
    for problem in result.problems:
        complain(str(problem))
    if result.config is None:
        return None
    try:
        settings = Settings.of(result.config, instance, path, mirrors, speed, loop)
    except ConfigError as error:
        complain(str(error))
        return None
    unusable = shm_dir_problem(result.config, path)
    if unusable is not None:
        complain(str(unusable))
        return None
    unusable = access_problem(result.config, path)
    if unusable is not None:
        complain(str(unusable))
        return None
    if mirrors and not settings.is_embedded:
        complain(f'--mirror: venue.mode = "{settings.venue.mode}" has no recordings to replay')
        return None
    return settings, result.config


def _unseen_by_the_doctor(config: AegisConfig, instance: str) -> str:
    """Why live trading may not start, empty when it may, and for every other mode."""
    from aegis.doctor.record import refusal_of

    return refusal_of(config, instance, time.time())


def _is_recording(path: Path) -> bool:
    """Whether the file can be replayed; says why not. Read whole: a bad end is found now."""
    from aegis.venue.errors import VenueError
    from aegis.venue.mirror.recording import Recording

    if not path.is_file():
        complain(f"--mirror {path}: {'is a directory' if path.is_dir() else 'no such file'}")
        return False
    try:
        Recording(path)
    except VenueError as error:
        complain(f"--mirror {error}")
        return False
    return True


def _supervise(
    settings: Settings, config: AegisConfig, seconds: float | None, as_json: bool
) -> int:
    from aegis.cli.admitted_audience import AdmittedAudience
    from aegis.cli.run_audience import RunAudience
    from aegis.strategies.errors import StrategyError
    from aegis.supervisor.errors import SupervisorError
    from aegis.supervisor.supervisor import Supervisor

    is_live = config.venue.mode == "live"
    audience = (AdmittedAudience if is_live else RunAudience)(settings.name, as_json=as_json)
    supervisor = Supervisor(settings, config, audience, seconds=seconds)
    try:
        code = supervisor.run()
    except (SupervisorError, StrategyError) as error:
        complain(str(error))
        code = error.exit_code if isinstance(error, SupervisorError) else EXIT_USAGE
        if as_json:
            print_object({"ok": code == 0, "instance": settings.name, "reason": str(error)})
        return code
    except Exception as error:
        if as_json:
            print_object({"ok": False, "instance": settings.name, "reason": str(error)})
        raise
    finally:
        audience.close()
    if code == 0 and isinstance(audience, AdmittedAudience):
        audience.forget()
    if as_json and audience.summary is not None:
        print_object({**audience.summary, "ok": code == 0})
    return code
