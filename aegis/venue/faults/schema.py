"""A fault as it is written down, in a TOML schedule or in JSON, and as the venue keeps it.

Every kind has a model of its own, made from the menu, so that a key that does not belong to a kind
is refused by name, with those that do. ``read_faults`` is the one way in for both; what is wrong
comes back as findings, each with its place, value and hint.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, create_model

from aegis.config import ConfigError, load_checked
from aegis.config.errors import ABSENT
from aegis.config.models import MAX_INT64
from aegis.config.schema import Finding, Location, check_table, nearest_name
from aegis.config.table import Table
from aegis.venue.codes import CODES
from aegis.venue.errors import OptionsError
from aegis.venue.faults.menu import KINDS, MENU, keys_of

MAX_FAULTS: Final = 1_000
MAX_MS: Final = 366 * 86_400_000
MAX_DELAY_MS: Final = 600_000
GLOB: Final = Field(default="*", min_length=1, max_length=128)

Shape = Literal["crossed", "locked", "empty"]
Value = Literal[
    "nan", "infinity", "1e999", "negative", "zero", "text", "list", "null", "missing", "huge"
]
Truth = Literal["placed", "not_placed", "late"]
How = Literal["cut", "silent"]
SymbolStatus = Literal[
    "PENDING_TRADING", "PRE_SETTLE", "SETTLING", "CLOSE", "TRADING_HALT", "TRADING_CANCEL_ONLY"
]

# Key -> (type, field). A key of the menu that means something else in one kind has its own row.
_FIELDS: Final[dict[str, tuple[Any, Any]]] = {
    "kind": (Literal[KINDS], Field()),
    "name": (str, Field(default="", max_length=64)),
    "at_ms": (int, Field(default=0, ge=0, le=MAX_MS)),
    "for_ms": (int | None, Field(default=None, ge=1, le=MAX_MS)),
    "times": (int | None, Field(default=None, ge=1, le=10**9)),
    "every_ms": (int | None, Field(default=None, ge=1, le=MAX_MS)),
    "stream": (str, GLOB),
    "connection": (str, GLOB),
    "endpoint": (str, GLOB),
    "symbol": (str, GLOB),
    "account": (int | None, Field(default=None, ge=0, le=1_000)),
    "after": (int, Field(default=0, ge=0, le=10**9)),
    "probability": (float, Field(default=1.0, gt=0.0, le=1.0)),
    "delay_ms": (int | None, Field(default=None, ge=0, le=MAX_DELAY_MS)),
    "shift_ms": (int | None, Field(default=None, ge=-MAX_MS, le=MAX_MS)),
    "shape": (Shape, Field(default="crossed")),
    "field": (str, Field(default="", max_length=32)),
    "value": (Value, Field(default="nan")),
    "factor": (float | None, Field(default=None, gt=0.0, le=1e6)),
    "truth": (Truth, Field(default="placed")),
    "how": (How, Field(default="cut")),
    "ban_ms": (int | None, Field(default=None, ge=1, le=259_200_000)),
    "code": (int | None, Field(default=None, ge=-9_999, le=-1)),
    "qty": (float | None, Field(default=None, ge=-1e9, le=1e9)),
    "price": (float | None, Field(default=None, gt=0.0, le=1e9)),
    "leverage": (int | None, Field(default=None, ge=1, le=125)),
    "tick": (float | None, Field(default=None, gt=0.0, le=1e6)),
    "step": (float | None, Field(default=None, gt=0.0, le=1e6)),
    "min_notional": (float | None, Field(default=None, gt=0.0, le=1e9)),
    "bps": (float | None, Field(default=None, ge=-5_000.0, le=5_000.0)),
    "blocked.status": (Literal[403, 451, 500, 502, 504], Field(default=403)),
    "symbol_status.status": (SymbolStatus, Field()),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Times in ms of the market's own time, delays in ms of the wall's clock.

    Empty or None where the kind has no use for a key; globs are "*" then.
    """

    kind: str
    name: str = ""
    at_ms: int = 0
    for_ms: int | None = None
    times: int | None = None
    every_ms: int | None = None
    stream: str = "*"
    connection: str = "*"
    endpoint: str = "*"
    symbol: str = "*"
    account: int | None = None
    after: int = 0
    probability: float = 1.0
    delay_ms: int | None = None
    shift_ms: int = 0
    shape: str = "crossed"
    field: str = ""
    value: str = "nan"
    factor: float = 1.0
    truth: str = "placed"
    how: str = "cut"
    ban_ms: int | None = None
    code: int = 0
    status: str | int = ""
    qty: float = 0.0
    price: float | None = None
    leverage: int = 0
    tick: float | None = None
    step: float | None = None
    min_notional: float | None = None
    bps: float = 0.0

    @property
    def most(self) -> int | None:
        """How often it strikes: as told; else once, unless it has a length or a probability."""
        if self.times is not None:
            return self.times
        endless = self.for_ms is not None or self.probability < 1.0 or self.every_ms is not None
        return None if endless or MENU[self.kind].lasts else 1


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """A fault file: the seed that all chances follow from (None: the venue's), and the faults."""

    seed: int | None = None
    faults: tuple[Fault, ...] = ()


class _Top(Table):
    """The top of a fault file."""

    seed: int | None = Field(default=None, ge=0, le=MAX_INT64)
    fault: list[dict[str, Any]] = Field(default_factory=list, max_length=MAX_FAULTS)


def read_faults(raw: Sequence[object], prefix: Location) -> tuple[list[Fault], list[Finding]]:
    """Faults from tables of TOML or JSON, and what is wrong with the others."""
    faults: list[Fault] = []
    findings: list[Finding] = []
    for number, table in enumerate(raw):
        fault, found = _read_fault(table, (*prefix, number))
        findings += found
        if fault is not None:
            faults.append(fault)
    return faults, findings


def load_schedule(path: Path) -> Schedule:
    """Read a fault file. Raises OptionsError naming file, line, key and value of each problem."""
    try:
        return load_checked(path, _check_schedule)
    except ConfigError as error:
        raise OptionsError(str(error)) from error


def _check_schedule(raw: dict[str, Any]) -> tuple[Schedule, Sequence[Finding]]:
    top = check_table(_Top, raw, ())
    if top.findings or top.model is None:
        return Schedule(), top.findings
    faults, findings = read_faults(top.model.fault, ("fault",))
    return Schedule(top.model.seed, tuple(faults)), findings


def _read_fault(table: object, place: Location) -> tuple[Fault | None, Sequence[Finding]]:
    if not isinstance(table, dict):
        return None, [Finding(place, table, "must be a table")]
    kind = table.get("kind", ABSENT)
    if not isinstance(kind, str) or kind not in MENU:
        return None, [Finding((*place, "kind"), kind, *_wrong_kind(kind))]
    checked = check_table(_model_of(kind), table, place)
    findings = list(checked.findings)
    if findings or checked.model is None:
        return None, findings
    fault = Fault(**checked.model.model_dump(exclude_none=True))
    if fault.code and fault.code not in CODES:
        message = "is no code that this venue answers with"
        return None, [Finding((*place, "code"), fault.code, message)]
    if kind == "filter_change" and (fault.tick, fault.step, fault.min_notional) == (None,) * 3:
        return None, [Finding(place, ABSENT, "changes nothing", "tell tick, step or min_notional")]
    return fault, []


def _wrong_kind(kind: object) -> tuple[str, str]:
    if kind is ABSENT:
        return "is missing", f"kinds: {', '.join(KINDS)}"
    close = nearest_name(kind, list(KINDS)) if isinstance(kind, str) else ""
    hint = f"did you mean {close}?" if close else f"kinds: {', '.join(KINDS)}"
    return "is no kind of fault", hint


@functools.cache
def _model_of(kind: str) -> type[Table]:
    """The model of one kind: its own keys and no others, with what it needs required."""
    fields: dict[str, Any] = {}
    for key in keys_of(kind):
        annotation, field = _FIELDS.get(f"{kind}.{key}") or _FIELDS[key]
        if key in MENU[kind].needs:
            required = Field()
            required.metadata = list(field.metadata)
            field = required
            annotation = _without_none(annotation)
        fields[key] = (annotation, field)
    model: type[Table] = create_model(f"Fault_{kind}", __base__=Table, **fields)
    return model


def _without_none(annotation: Any) -> Any:
    for plain in (int, float):
        if annotation == (plain | None):
            return plain
    return annotation
