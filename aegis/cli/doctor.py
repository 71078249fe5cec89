"""`aegis doctor [INSTANCE]`: is this box, this configuration and this exchange fit to trade?

Makes every check of `aegis.doctor` and shows the worst first: what was read, what would be good,
and what to do. A whole run that passes is kept in the instance's state directory; mode = "live"
does not start without it. One that fails takes an earlier record away. Nothing is started.

Exit codes: 0 no check of severity fail has failed (or it is accepted), 1 one has, 2 the
configuration is refused. `--json` prints one object on one line with the keys `ok`, `file`,
`instances`, `mode`, `hash`, `build_id`, `quick`, `problems`, `accepted` (the names in the file),
`records` (files written), `counts` and `checks` (each: id, name, severity, status, accepted, found,
good, why, fix), worst first.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain, print_object
from aegis.cli.instance_name import instance_name

if TYPE_CHECKING:
    from aegis.config import AegisConfig, Problem
    from aegis.doctor.check import Outcome

__all__ = ["doctor"]

_PIPE_COLUMNS = 140
_STYLES = {"fail": "bold red", "warn": "yellow", "info": "cyan", "skipped": "dim", "pass": "green"}


def doctor(
    instance: Annotated[
        str | None,
        typer.Argument(callback=instance_name, help="One instance; all of the file without it."),
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without what takes seconds; is not kept for live.")
    ] = False,
) -> None:
    """Check box, configuration and exchange before trading; live does not start without it."""
    path = config_path(config)
    found, problems, warnings = _load(path, instance)
    if found is None:
        if as_json:
            told = [problem.as_dict() for problem in problems]
            print_object({"ok": False, "file": str(path), "problems": told, "checks": []})
        else:
            for problem in problems:
                complain(str(problem))
        raise typer.Exit(EXIT_USAGE)
    names = [instance] if instance is not None else list(found.instances)
    outcomes = _examine(found, path, names, quick, warnings, shows=not as_json)
    raise typer.Exit(_conclude(found, path, names, quick, outcomes, as_json))


def _load(
    path: Path, instance: str | None
) -> tuple[AegisConfig | None, list[Problem], list[Problem]]:
    """The configuration, None with its problems; its warnings."""
    from aegis.cli.shm_dir import shm_dir_problem
    from aegis.config import read_config
    from aegis.config.settings import unknown_instance
    from aegis.strategies.registry import load_parameters_model

    result = read_config(path, parameters_model_of=load_parameters_model)
    if result.config is None:
        return None, result.problems, result.warnings
    if instance is not None and instance not in result.config.instances:
        return None, [unknown_instance(result.config, instance, path)], result.warnings
    unusable = shm_dir_problem(result.config, path)
    if unusable is not None:
        return None, [unusable], result.warnings
    return result.config, [], result.warnings


def _examine(
    config: AegisConfig,
    path: Path,
    names: list[str],
    quick: bool,
    warnings: list[Problem],
    shows: bool,
) -> list[Outcome]:
    from aegis.doctor.examine import examine, visit_of

    # The keys will be in our memory for a moment: no dump may hold them.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    visit = visit_of(config, path, names, quick=quick, warnings=warnings)
    if not shows or not sys.stderr.isatty():
        return examine(visit)
    from rich.console import Console

    with Console(stderr=True).status("looking ...") as told:
        return examine(visit, heard=lambda outcome: told.update(f"{outcome.check.name} ..."))


def _conclude(
    config: AegisConfig,
    path: Path,
    names: list[str],
    quick: bool,
    outcomes: list[Outcome],
    as_json: bool,
) -> int:
    """Keep the record of a passed run, and say all of it; the exit code."""
    from aegis import BUILD_ID
    from aegis.config import config_hash
    from aegis.doctor.examine import counts, is_passed, worst_first

    good = is_passed(outcomes)
    kept, lost = _keep(config, names) if good and not quick else ([], "")
    taken = [] if good else _take_away(names)
    if as_json:
        print_object(
            {
                "ok": good and not lost,
                "file": str(path),
                "instances": names,
                "mode": config.venue.mode,
                "hash": config_hash(config),
                "build_id": BUILD_ID,
                "quick": quick,
                "problems": [],
                "accepted": list(config.doctor.accepted),
                "records": [str(file) for file in kept],
                "counts": counts(outcomes),
                "checks": [outcome.as_dict() for outcome in worst_first(outcomes)],
            }
        )
    else:
        _show(worst_first(outcomes), counts(outcomes), quick, good, kept)
    for text in taken:
        complain(text)
    if lost:
        complain(f"passed, but the record could not be kept: {lost}")
    return EXIT_GOOD if good and not lost else EXIT_FAILED


def _keep(config: AegisConfig, names: list[str]) -> tuple[list[Path], str]:
    """Write each instance's record; the files, and what went wrong."""
    from aegis.doctor.record import doctor_file_by_hand, present_record, write_doctor

    kept: list[Path] = []
    for name in names:
        file = doctor_file_by_hand(name)
        try:
            write_doctor(file, present_record(config, name, time.time()))
        except OSError as error:
            return kept, f"{file}: {error.strerror}"
        kept.append(file)
    return kept, ""


def _take_away(names: list[str]) -> list[str]:
    """The latest word counts: no record of a run before one that failed; what to tell of it."""
    from aegis.doctor.record import doctor_file_by_hand

    told: list[str] = []
    for name in names:
        file = doctor_file_by_hand(name)
        try:
            file.unlink()
            told.append(f"the record of an earlier run is taken away: {file}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            told.append(f"an earlier record could not be taken away: {file}: {error.strerror}")
    return told


def _show(
    outcomes: list[Outcome], found: dict[str, int], quick: bool, good: bool, kept: list[Path]
) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # A pipe has no width; the table should not be folded for it.
        console = Console(highlight=False, markup=False, width=_PIPE_COLUMNS)
    console.print(_table(outcomes))
    for file in kept:
        console.print(f"kept for 24 h: {file}", soft_wrap=True)
    if quick and good:
        console.print("a quick run is not kept: live needs a whole one")
    told = ", ".join(f"{count} {status}" for status, count in found.items())
    console.print(f"{'passed' if good else 'FAILED'}: {told}", soft_wrap=True)


def _table(outcomes: list[Outcome]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="doctor", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    for column in ("read", "good, why, and what to do"):
        table.add_column(column, overflow="fold")
    for one in outcomes:
        advice = ""
        if one.status in ("fail", "warn"):
            advice = f"good: {one.check.good}; {one.check.why}"
        if one.fix and one.status in ("fail", "warn", "info"):
            advice += f"{'. Do: ' if advice else 'do: '}{one.fix}"
        status = f"{one.status}, accepted" if one.accepted else one.status
        style = "dim" if one.accepted else _STYLES[one.status]
        name = f"{one.check.number} {one.check.name}"
        table.add_row(Text(name), Text(status, style=style), Text(one.found), Text(advice))
    return table
