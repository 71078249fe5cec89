"""``aegis.toml`` from the disk to an ``AegisConfig``, or to the full list of what is wrong.

The supervisor calls it at start and again at every reload, ``aegis check`` to tell a person. It
reads the file once and whole, and validates every table before it gives anything back: there is no
half of a configuration. Whatever the file holds, nothing but ``ConfigError`` may come out.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import tomli
from pydantic import BaseModel

from aegis.config.cores import BoxCores, box_cores
from aegis.config.doctor import DoctorConfig
from aegis.config.errors import ABSENT, ConfigError, Problem, dotted_key
from aegis.config.intervals import INTERVALS_S, interval_name
from aegis.config.lines import LineMap
from aegis.config.models import (
    ALL_SYMBOLS,
    INSTANCE_NAME_PATTERN,
    AegisConfig,
    FeedConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.rules import PROBLEM_RULES, WARNING_RULES, Tables
from aegis.config.schema import Checked, Finding, check_table, unknown_key
from aegis.config.secrets import findings_of_secrets
from aegis.config.settings import strategy_reference

ParametersModelOf = Callable[[str], type[BaseModel]]
"""A strategy's name, or its absolute path, to the model of its parameters; what it raises becomes a
problem's text."""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
MAX_FILE_BYTES: Final = 1 << 20
_ALL_HINT: Final = 'list the symbols that the sizes are meant for, or strategy = "observe"'
_SYNTAX_PLACE: Final = re.compile(r"(?s)(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a file gave: a configuration unless there are problems; warnings either way."""

    file: Path
    config: AegisConfig | None
    problems: list[Problem]
    warnings: list[Problem]


def load_config(
    path: str | os.PathLike[str],
    box: BoxCores | None = None,
    parameters_model_of: ParametersModelOf | None = None,
) -> AegisConfig:
    """Read and validate a file, as ``read_config`` does. Raises ConfigError with every problem."""
    result = read_config(path, box, parameters_model_of)
    if result.config is None:
        raise ConfigError(result.problems)
    return result.config


def read_config(
    path: str | os.PathLike[str],
    box: BoxCores | None = None,
    parameters_model_of: ParametersModelOf | None = None,
) -> LoadResult:
    """Read and validate a file, and give problems and warnings back instead of raising.

    ``box`` stands for this machine's cores. ``parameters_model_of`` lends the strategies' own
    models to a package that must not import them; without it parameters are only known as scalars.
    """
    file = Path(path)
    try:
        text = _read_text(file)
        raw = _parse(file, text)
    except ConfigError as error:
        return LoadResult(file, None, error.problems, [])
    tables, findings = _check_tables(raw, box if box is not None else box_cores())
    if parameters_model_of is not None:
        findings += _check_parameters(tables, parameters_model_of, file)
    return _concluded(file, text, tables, findings)


def load_table(path: str | os.PathLike[str], model: type[M]) -> M:
    """Another TOML file of the house, whole, as one model. Raises ConfigError with every problem.

    It tells problems as it does those of ``aegis.toml``: file, line, key, value and what is right.
    """

    def check(raw: dict[str, Any]) -> tuple[M | None, Sequence[Finding]]:
        checked = check_table(model, raw, ())
        return checked.model, checked.findings

    table = load_checked(path, check)
    assert table is not None, "a table without findings is whole"
    return table


def load_checked(
    path: str | os.PathLike[str], check: Callable[[dict[str, Any]], tuple[T, Sequence[Finding]]]
) -> T:
    """Another TOML file of the house as `check` makes it. Raises ConfigError with its findings."""
    file = Path(path)
    text = _read_text(file)
    value, findings = check(_parse(file, text))
    if findings:
        raise ConfigError(_located(file, LineMap(text), findings))
    return value


def _read_text(file: Path) -> str:
    """The whole file as text. Raises ConfigError for what is not a readable file of UTF-8."""
    try:
        # Without O_NONBLOCK a named pipe would hold the supervisor's reload for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _refused(file, "no such file", "name one with --config FILE") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(file, f"cannot be opened: {reason}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            hint = f"name the file, for example {file / 'aegis.toml'}"
            raise _refused(file, "is a directory", hint)
        if not stat.S_ISREG(mode):
            raise _refused(file, "is not a regular file")
        content = _read_all(descriptor)
    except OSError as error:
        raise _refused(file, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise _refused(file, f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}"
        raise _refused(file, message, "save it as UTF-8", line) from None


def _read_all(descriptor: int) -> bytes:
    """To the end of the file, or just beyond what may be; a read may give less than asked."""
    content = b""
    while len(content) <= MAX_FILE_BYTES:
        piece = os.read(descriptor, MAX_FILE_BYTES + 1 - len(content))
        if not piece:
            break
        content += piece
    return content


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        match = _SYNTAX_PLACE.fullmatch(str(error))
        message = match[1] if match is not None else str(error)
        if match is None or match[2] is None:
            line = text.count("\n") + 1
            raise _refused(file, f"TOML syntax: {message}, at the end", line=line) from None
        place = f"TOML syntax: {message}, column {match[3]}"
        raise _refused(file, place, line=int(match[2])) from None
    except (ValueError, RecursionError) as error:
        # tomli lets through what int() refuses to read and what is nested beyond the stack.
        raise _refused(file, f"TOML syntax: {error}") from None


def _check_tables(raw: dict[str, Any], box: BoxCores) -> tuple[Tables, list[Finding]]:
    findings: list[Finding] = [
        Finding((name,), value, "unknown key", unknown_key(name, AegisConfig.model_fields))
        for name, value in raw.items()
        if name not in AegisConfig.model_fields
    ]
    findings += findings_of_secrets(raw)
    hardware = check_table(HardwareConfig, raw.get("hardware", {}), ("hardware",))
    supervisor = check_table(SupervisorConfig, raw.get("supervisor", {}), ("supervisor",))
    venue = check_table(VenueConfig, raw.get("venue", {}), ("venue",))
    feed = check_table(FeedConfig, raw.get("feed", {}), ("feed",))
    journal = check_table(JournalConfig, raw.get("journal", {}), ("journal",))
    doctor = check_table(DoctorConfig, raw.get("doctor", {}), ("doctor",))
    instances, instance_findings = _check_instances(raw.get("instances", ABSENT))
    for table in (hardware, feed, supervisor, venue, journal, doctor):
        findings += table.findings
    findings += instance_findings
    tables = Tables(hardware, supervisor, venue, instances, box, feed, journal, doctor)
    for rule in PROBLEM_RULES:
        findings.extend(rule(tables))
    return tables, findings


def _check_parameters(tables: Tables, model_of: ParametersModelOf, file: Path) -> list[Finding]:
    """Each instance's parameters against the model of its strategy."""
    findings: list[Finding] = []
    for name, checked in tables.instances.items():
        instance = checked.good("strategy")
        if instance is None:
            continue
        location = ("instances", name)
        try:
            model = model_of(strategy_reference(instance.strategy, file))
        except Exception as error:
            # A strategy is a user's code: whatever its import does wrong is told, not thrown.
            message = str(error) or type(error).__name__
            findings.append(Finding((*location, "strategy"), instance.strategy, message))
            continue
        if checked.good("parameters") is not None:
            parameters = check_table(model, instance.parameters, (*location, "parameters"))
            findings.extend(parameters.findings)
            findings += _check_interval(tables, model, instance.parameters, location)
        reason = getattr(model, "one_symbol_reason", "")
        if reason and checked.good("symbols") is not None and instance.takes_all:
            message = f"does not fit strategy = {json.dumps(instance.strategy)}: {reason}"
            findings.append(Finding((*location, "symbols"), ALL_SYMBOLS, message, _ALL_HINT))
    return findings


def _check_interval(
    tables: Tables, model: Any, given: Mapping[str, Any], location: tuple[str, str]
) -> list[Finding]:
    """A strategy that lives on candles needs a feed that builds them."""
    feed = tables.feed.good("candles")
    first = getattr(model, "interval_parameter", "")
    further = getattr(model, "further_interval_parameters", ())
    findings: list[Finding] = []
    if feed is None:
        return findings
    for key in (first, *further):
        length_s = given.get(key, model.model_fields[key].default) if key else None
        if not isinstance(length_s, int) or length_s in feed.intervals_s:
            continue
        if length_s == 0 and key in further:
            continue
        if length_s in INTERVALS_S:
            hint = f'add "{interval_name(length_s)}" to candles in [feed]'
        else:
            hint = "a whole number of seconds that divides a day"
        message = (
            f"no candles of {length_s} s are built: [feed] candles = {json.dumps(feed.candles)}"
        )
        findings.append(Finding((*location, "parameters", key), length_s, message, hint))
    return findings


def _concluded(file: Path, text: str, tables: Tables, findings: list[Finding]) -> LoadResult:
    warnings = [finding for rule in WARNING_RULES for finding in rule(tables)]
    lines = LineMap(text) if findings or warnings else LineMap("")
    problems = _located(file, lines, findings)
    told = _located(file, lines, warnings)
    if problems:
        return LoadResult(file, None, problems, told)
    config = AegisConfig.model_validate(
        {
            "hardware": tables.hardware.model,
            "feed": tables.feed.model,
            "supervisor": tables.supervisor.model,
            "venue": tables.venue.model,
            "journal": tables.journal.model,
            "doctor": tables.doctor.model,
            "instances": {name: checked.model for name, checked in tables.instances.items()},
        }
    )
    return LoadResult(file, config, [], told)


def _check_instances(raw: object) -> tuple[dict[str, Checked[InstanceConfig]], list[Finding]]:
    example = "for example [instances.btc]"
    if not isinstance(raw, dict) or not raw:
        message = "must hold at least one instance" if raw in ({}, ABSENT) else "must be a table"
        return {}, [Finding(("instances",), ABSENT if raw == {} else raw, message, example)]
    checked: dict[str, Checked[InstanceConfig]] = {}
    findings: list[Finding] = []
    for name, table in raw.items():
        location = ("instances", name)
        if re.fullmatch(INSTANCE_NAME_PATTERN, name) is None:
            message = "an instance is named by a lower-case letter, then up to 23 of a-z 0-9 _ -"
            findings.append(Finding(location, ABSENT, message, example))
        if isinstance(table, dict):
            # So that a missing limits table is told limit by limit.
            table = {"limits": {}, **table}
        checked[name] = check_table(InstanceConfig, table, location)
        findings.extend(checked[name].findings)
    return checked, findings


def _located(file: Path, lines: LineMap, findings: Iterable[Finding]) -> list[Problem]:
    """Give findings their file and line, and put them in the order of the file."""
    problems = [
        Problem(
            file=str(file),
            key=dotted_key(finding.location),
            value=finding.value,
            message=finding.message,
            hint=finding.hint,
            line=lines.line_of(finding.location),
        )
        for finding in findings
    ]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _refused(file: Path, message: str, hint: str = "", line: int | None = None) -> ConfigError:
    return ConfigError([Problem(str(file), "", ABSENT, message, hint, line)])
