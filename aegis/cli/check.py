"""``aegis check``: what the configuration says, and what this box makes of it.

Called by ``aegis.cli.main``. It validates the whole file, prints the effective values and, item by
item, what was asked of the machine and what it can give. It starts nothing and changes nothing.

``--json`` prints one object with the keys ``ok``, ``file``, ``instance``, ``hash``, ``problems``,
``warnings`` (each: file, line, key, value, message, hint), ``effective`` (the tables as they are
after defaults; empty when refused) and ``host``: ``box``, ``items`` (each: what, asked, got,
honoured, reason, remedy) and ``notes`` (what this set-up is not, in sentences).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis.cli.exchange_access import access_problem
from aegis.cli.shm_dir import shm_dir_problem
from aegis.config import AegisConfig, Problem, config_hash, read_config
from aegis.config.settings import unknown_instance
from aegis.host.capabilities import assess, describe_box, plain_words
from aegis.host.grant import Grant
from aegis.strategies.registry import load_parameters_model

EXIT_GOOD: Final = 0
EXIT_CONFIG: Final = 2


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the command has to say, before it is printed."""

    file: Path
    instance: str | None
    config: AegisConfig | None
    problems: list[Problem]
    warnings: list[Problem]
    grants: list[Grant]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Good or refused; what the box cannot honour is a degradation, not an error."""
        return EXIT_CONFIG if self.problems else EXIT_GOOD


def check_command(config_path: Path, instance: str | None, as_json: bool) -> int:
    """Run the command and return its exit code: 0 for a good file, 2 for a refused one."""
    report = inspect(config_path, instance)
    if as_json:
        print(json.dumps(as_object(report), separators=(",", ":")))
    else:
        _print_for_people(report)
    return report.exit_code


def inspect(config_path: Path, instance: str | None) -> Report:
    """Read the file and ask the box; raises nothing for a bad file."""
    result = read_config(config_path, parameters_model_of=load_parameters_model)
    config, problems = result.config, result.problems
    if config is not None and instance is not None and instance not in config.instances:
        problems = [unknown_instance(config, instance, config_path)]
        config = None
    if config is not None:
        unusable = shm_dir_problem(config, config_path)
        if unusable is not None:
            problems, config = [*problems, unusable], None
    if config is not None:
        unusable = access_problem(config, config_path)
        if unusable is not None:
            problems, config = [*problems, unusable], None
    grants = assess(config, instance) if config is not None else []
    notes = plain_words(config, instance) if config is not None else []
    return Report(config_path, instance, config, problems, result.warnings, grants, notes)


def as_object(report: Report) -> dict[str, Any]:
    """The JSON form; its keys are told at the top of this file."""
    config = report.config
    return {
        "ok": not report.problems,
        "file": str(report.file),
        "instance": report.instance,
        "hash": config_hash(config) if config is not None else None,
        "problems": [problem.as_dict() for problem in report.problems],
        "warnings": [warning.as_dict() for warning in report.warnings],
        "effective": _effective(config, report.instance) if config is not None else {},
        "host": {
            "box": describe_box(),
            "items": [grant.as_dict() for grant in report.grants],
            "notes": report.notes,
        },
    }


def _effective(config: AegisConfig, instance: str | None) -> dict[str, Any]:
    values: dict[str, Any] = config.model_dump(mode="json")
    names = [instance] if instance is not None else list(config.instances)
    values["instances"] = {
        name: {**values["instances"][name], "cores": config.cores_of(name).by_process()}
        for name in names
    }
    return values


def _print_for_people(report: Report) -> None:
    """Findings go to standard error, values to standard output; nothing in them is markup."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for problem in report.problems:
        errors.print(Text.assemble(("error: ", "bold red"), str(problem)))
    for warning in report.warnings:
        errors.print(Text.assemble(("warning: ", "yellow"), str(warning)))
    if report.config is None:
        count = len(report.problems)
        errors.print(f"{report.file}: refused, {count} problem{'s' if count > 1 else ''}")
        return
    console = Console(highlight=False, markup=False)
    console.print(_value_table(_effective(report.config, report.instance)))
    console.print(_grant_table(report.grants))
    for note in report.notes:
        console.print(f"note: {note}", soft_wrap=True)
    degraded = sum(not grant.honoured for grant in report.grants)
    verdict = "this box honours all of it" if not degraded else f"degraded in {degraded} points"
    console.print(f"{report.file}: good, {verdict} (hash {config_hash(report.config)[:12]})")
    sys.stdout.flush()


def _value_table(effective: dict[str, Any]) -> Table:
    table = Table(title="effective configuration", title_justify="left")
    table.add_column("key", overflow="fold")
    table.add_column("value", overflow="fold")
    for key, value in _flat(effective, ""):
        table.add_row(Text(key), Text(json.dumps(value, ensure_ascii=False)))
    return table


def _grant_table(grants: list[Grant]) -> Table:
    table = Table(title="this box", title_justify="left")
    for column in ("item", "asked", "got", "why, and what to do"):
        table.add_column(column, overflow="fold")
    for grant in grants:
        advice = "; ".join(text for text in (grant.reason, grant.remedy) if text)
        style = "" if grant.honoured else "yellow"
        cells = (grant.what, grant.asked, grant.got, advice)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _flat(value: Any, prefix: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, value
