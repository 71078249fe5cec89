"""The field lists of the official SDK: does a reply have the fields, of the types, that it says?

A model maps a field to its Python type as text; nested ones are models of their own. Replies that
are lists are described by the model of a row; what is keyed by symbol is, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.venue.coverage.shapes import SYMBOL, Difference, kind_of

Models = Mapping[str, Mapping[str, str]]
_KINDS = {
    "str": ("text", "number text"),
    "int": ("int",),
    "bool": ("bool",),
    "float": ("float", "int"),
    "List": ("array",),
    "Union": ("float", "int", "text", "number text", "object", "array"),
}


def model_of(models: Models, sdk_name: str, body: Any) -> str | None:
    """The model that describes a reply of an SDK call: an object's, or that of a list's rows."""
    base = "".join(part.capitalize() for part in sdk_name.split("_")) + "Response"
    if isinstance(body, list):
        names = [f"{base}Inner", f"{base}2Inner", base]
    else:
        names = [f"{base}1", base]
    return next((name for name in names if name in models), None)


def departures(models: Models, model: str, body: Any, path: str = "$") -> list[Difference]:
    """What of `body` is not as the model says; each difference once."""
    return list(dict.fromkeys(_check(models, model, body, path)))


def _check(models: Models, model: str, body: Any, path: str) -> Iterator[Difference]:
    if isinstance(body, list):
        # One model for rows of several kinds (an order or an error): what no row has is missing.
        found = [list(_check(models, model, row, f"{path}[]")) for row in body]
        missing = [{one for one in row if one.what == "MISSING"} for row in found]
        nowhere = set.intersection(*missing) if missing else set()
        for row in found:
            yield from (one for one in row if one.what != "MISSING" or one in nowhere)
        return
    if not isinstance(body, dict):
        yield Difference("TYPE", path, f"{model} is {kind_of(body)} here")
        return
    fields = models[model]
    # The documents' sample symbols stand for any.
    sample = next((fields[name] for name in fields if SYMBOL.fullmatch(name)), None)
    for name in fields:
        if name not in body and sample is None:
            yield Difference("MISSING", f"{path}.{name}")
    for name, value in body.items():
        declared = fields.get(name, sample)
        if declared is None:
            yield Difference("EXTRA", f"{path}.{name}")
        else:
            yield from _field(models, declared, value, f"{path}.{name}")


def _field(models: Models, declared: str, value: Any, path: str) -> Iterator[Difference]:
    declared = re.sub(r"^Optional\[(.*)\]$", r"\1", declared)
    inner = next((name for name in re.findall(r"\w+", declared) if name in models), None)
    if inner is not None:
        if value is not None:
            yield from _check(models, inner, value, path)
        return
    allowed = _KINDS.get(declared.partition("[")[0])
    if allowed is not None and value is not None and kind_of(value) not in allowed:
        yield Difference("TYPE", path, f"{declared} is {kind_of(value)} here")
