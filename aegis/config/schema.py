"""One table against its model: every pydantic error turned into a sentence about the file.

``load.py`` calls ``check_table`` for each table apart, so that a mistake in one hides none in
another. Beside the problems it gives back what could be saved of the table, for the rules that look
across tables. It must never touch the file or the machine.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aegis.config.errors import ABSENT
from aegis.config.models import (
    CREDENTIALS_PATTERN,
    DIRECTORY_PATTERN,
    FINGERPRINT_PATTERN,
    INSTANCE_NAME_PATTERN,
    JOURNAL_DIR_PATTERN,
    PARAMETER_PATTERN,
    PROXY_URL_PATTERN,
    REST_URL_PATTERN,
    STRATEGY_PATTERN,
    STREAM_URL_PATTERN,
    SYMBOL_PATTERN,
    AegisConfig,
    Table,
)

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]

_PATTERN_TEXT: Final = {
    INSTANCE_NAME_PATTERN: "a lower-case letter, then up to 23 of a-z 0-9 _ -",
    SYMBOL_PATTERN: "an upper-case exchange symbol such as BTCUSDT",
    STRATEGY_PATTERN: "lower-case words joined by _, such as avellaneda_stoikov, or a path such "
    "as ./my_strategy.py",
    PARAMETER_PATTERN: "lower-case words joined by _, such as order_qty",
    DIRECTORY_PATTERN: "a full path such as /dev/shm",
    JOURNAL_DIR_PATTERN: '"auto" or a full path such as /var/lib/aegis',
    REST_URL_PATTERN: "https://host[:port], or http:// to 127.0.0.1, without a path",
    STREAM_URL_PATTERN: "wss://host[:port], or ws:// to 127.0.0.1, without a path",
    CREDENTIALS_PATTERN: "a name below $CREDENTIALS_DIRECTORY such as exchange.key, or a full path",
    FINGERPRINT_PATTERN: "the 16 hexadecimal digits that aegis check tells",
    PROXY_URL_PATTERN: "http://host:port (the tunnel is a CONNECT)",
}
_TYPE_TEXT: Final = {
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "finite_number": "must be a finite number",
    "too_short": "must not be empty",
}
_SECRET_HINT: Final = "credentials never belong in this file"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it knows its file and line."""

    location: Location
    value: object
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Checked(Generic[M]):
    """A table after its check.

    ``model`` is what could be saved of it: the values at the ``bad`` locations are stand-ins. None
    where even that is not to be had.
    """

    model: M | None
    bad: frozenset[Location]
    findings: tuple[Finding, ...]

    def good(self, *location: str) -> M | None:
        """The model, if the value at this location in it, and all inside it, is the file's own."""
        meets = any(bad[: len(location)] == location[: len(bad)] for bad in self.bad)
        return None if meets else self.model


def check_table(model: type[M], raw: object, prefix: Location) -> Checked[M]:
    """Validate a raw TOML table. Findings are located from the top of the file by ``prefix``."""
    try:
        return Checked(model.model_validate(raw), frozenset(), ())
    except ValidationError as error:
        details = error.errors(include_url=False)
    bad = frozenset(_location(detail) for detail in details)
    findings = tuple(_finding(model, detail, prefix) for detail in details)
    return Checked(_saved(model, raw, bad), bad, findings)


def nearest_name(name: str, known: Mapping[str, object] | list[str]) -> str:
    """The known name that a typing error was most likely meant to be, or an empty text."""
    close = difflib.get_close_matches(name.lower(), [*known], n=1, cutoff=0.6)
    if not close:
        close = [other for other in known if other.lower() == name.lower()]
    return close[0] if close else ""


def unknown_key(name: str, known: Mapping[str, object] | list[str]) -> str:
    """The hint for a key that no model has."""
    if any(word in name.lower() for word in ("secret", "api_key", "token", "passw", "pem")):
        return _SECRET_HINT
    elsewhere = [place for place in _all_places() if place.rsplit(".", 1)[-1] == name]
    if elsewhere:
        return f"it belongs to {elsewhere[0]}"
    close = nearest_name(name, known)
    if close:
        return f"did you mean {close}?"
    return f"known here: {', '.join(known)}"


def stand_in(field: FieldInfo) -> Any:
    """A valid raw value for a required field: its first example, or a table of them."""
    if field.examples:
        return field.examples[0]
    inner = _bare(field.annotation)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        required = {n: f for n, f in inner.model_fields.items() if f.is_required()}
        return {name: stand_in(inner_field) for name, inner_field in required.items()}
    return 0


def _saved(model: type[M], raw: object, bad: frozenset[Location]) -> M | None:
    """The table with every bad value cut out and stand-ins in the gaps that must be filled."""
    try:
        return model.model_validate(_filled(model, _without(raw, bad)))
    except ValidationError:
        return None


def _without(raw: object, bad: frozenset[Location]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        return {}
    kept: dict[str, Any] = {}
    for name, value in raw.items():
        inner = frozenset(location[1:] for location in bad if location[:1] == (name,))
        if not inner:
            kept[name] = value
        elif () not in inner and isinstance(value, dict):
            kept[name] = _without(value, inner)
    return kept


def _filled(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    for name, field in model.model_fields.items():
        if name not in given:
            if field.is_required():
                given[name] = stand_in(field)
            continue
        inner = _bare(field.annotation)
        if isinstance(given[name], dict) and isinstance(inner, type) and issubclass(inner, Table):
            given[name] = _filled(inner, {**given[name]})
    return given


def _location(detail: ErrorDetails) -> Location:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _finding(model: type[BaseModel], detail: ErrorDetails, prefix: Location) -> Finding:
    location = _location(detail)
    owner, field = _field_at(model, location)
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = owner.model_fields if owner is not None else {}
        hint = unknown_key(str(location[-1]), known)
        return Finding((*prefix, *location), detail["input"], "unknown key", hint)
    if kind == "missing":
        hint = _join(_example(field, str(location[-1])), allowed_text(field))
        return Finding((*prefix, *location), ABSENT, "is missing", hint)
    value = ABSENT if "[key]" in detail["loc"] else detail["input"]
    return Finding((*prefix, *location), value, _message(detail), _value_hint(detail, field))


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return f"must be {_PATTERN_TEXT.get(context['pattern'], context['pattern'])}"
    if kind == "too_long":
        return f"has {context['actual_length']} entries, at most {context['max_length']} fit"
    text = _TYPE_TEXT.get(kind)
    if text is not None:
        return text
    message = detail["msg"].replace("Input should be", "must be")
    return message[:1].lower() + message[1:]


def _value_hint(detail: ErrorDetails, field: FieldInfo | None) -> str:
    given = detail["input"]
    if detail["type"] == "literal_error" and isinstance(given, str) and field is not None:
        choices = [str(choice) for choice in get_args(_bare(field.annotation))]
        close = nearest_name(given, choices)
        return f"did you mean {json.dumps(close)}?" if close else ""
    if detail["type"] in ("float_type", "int_type") and isinstance(given, str):
        return _join("write it without quotes", allowed_text(field))
    return allowed_text(field)


def _example(field: FieldInfo | None, name: str) -> str:
    if field is None or not field.examples:
        return ""
    example = field.examples[0]
    if isinstance(example, dict):
        inside = ", ".join(f"{key} = {value}" for key, value in example.items())
        return f"for example {name} = {{ {inside} }}"
    return f"for example {name} = {json.dumps(example)}"


def allowed_text(field: FieldInfo | None) -> str:
    """The range or the choices of a field, as ``allowed: > 0 and <= 1000``; empty if unbounded."""
    if field is None:
        return ""
    bare = _bare(field.annotation)
    if get_origin(bare) is Literal:
        return "allowed: " + ", ".join(json.dumps(choice) for choice in get_args(bare))
    metadata = [*field.metadata]
    if get_origin(field.annotation) is Annotated:
        metadata.extend(get_args(field.annotation)[1:])
    bounds: list[str] = []
    for item in metadata:
        if isinstance(item, FieldInfo):
            metadata.extend(item.metadata)
        for kind, sign, name in (
            (Gt, ">", "gt"),
            (Ge, ">=", "ge"),
            (Le, "<=", "le"),
            (Lt, "<", "lt"),
        ):
            if isinstance(item, kind):
                bounds.append(f"{sign} {getattr(item, name):_.15g}")
    return f"allowed: {' and '.join(bounds)}" if bounds else ""


def _field_at(
    model: type[BaseModel], location: Location
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Walk a location down the models: the model that owns its last part, and the field if any."""
    annotation: Any = model
    owner: type[BaseModel] | None = None
    field: FieldInfo | None = None
    for part in location:
        bare = _bare(annotation)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            owner, field = bare, bare.model_fields.get(str(part))
            annotation = field.annotation if field is not None else None
        else:
            arguments = get_args(bare)
            annotation = arguments[-1] if arguments else None
    return owner, field


def _bare(annotation: Any) -> Any:
    """Strip Annotated and ``| None``."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if type(None) in get_args(annotation):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def _join(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _all_places() -> list[str]:
    """Every dotted key that the file may have, with X for a name of the user's choice."""
    places: list[str] = []

    def walk(model: type[BaseModel], prefix: str) -> None:
        for name, field in model.model_fields.items():
            places.append(f"{prefix}{name}")
            bare = _bare(field.annotation)
            under = f"{prefix}{name}."
            if get_origin(bare) is dict:
                bare, under = _bare(get_args(bare)[1]), f"{under}X."
            if isinstance(bare, type) and issubclass(bare, BaseModel):
                walk(bare, under)

    walk(AegisConfig, "")
    return places
