"""Does a reply fit the official SDK's models? Every key known, every key there, every type right.

The SDK falls back to raw dictionaries (with a warning) when a type is wrong and drops what it does
not know; so a session asks here. Runs with the SDK's interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, finding) of what is wrong: an unknown key, or a declared one that is not there."""
    if isinstance(value, list):
        for item in value[:3]:
            yield from leaves(item, f"{path}[]")
    elif isinstance(value, BaseModel):
        if hasattr(value, "actual_instance"):
            yield from leaves(value.actual_instance, path)
            return
        for name in getattr(value, "additional_properties", None) or {}:
            yield f"{path}.{name}", "unknown"
        for name, field in type(value).model_fields.items():
            if name == "additional_properties":
                continue
            inner = getattr(value, name)
            key = f"{path}.{field.alias or name}"
            if inner is None:
                yield key, "absent"
            else:
                yield from leaves(inner, key)


# What only some rows have, or null: trailing stops the first two, each filter its own parameters.
SOMETIMES = (
    ".activatePrice", ".priceRate", ".limit", ".maxPrice", ".minPrice", ".tickSize", ".maxQty",
    ".minQty", ".stepSize", ".notional", ".multiplierUp", ".multiplierDown", ".multiplierDecimal",
    ".autoAssetExchange", ".icebergQuantity",
)  # fmt: skip
# On the wire (recorded replies have them), and not in the SDK's models.
NEWER = (
    ".maxMoveOrderLimit", ".breakEvenPrice", ".tpTriggerPrice", ".tpPrice", ".slTriggerPrice",
    ".slPrice", ".tpOrderType", ".lastUpdateId",
)  # fmt: skip


def fits(reply: Any, may_lack: Iterable[str] = (), may_have: Iterable[str] = ()) -> Any:
    """`reply` itself, if it is a model of the SDK's (or lists of them) that matches to the key."""
    assert not isinstance(reply, dict), f"the SDK could not type it: {reply}"
    pardoned = {"absent": (*may_lack, *SOMETIMES), "unknown": (*may_have, *NEWER)}
    found = sorted(
        {f"{path} {what}" for path, what in leaves(reply) if not path.endswith(pardoned[what])}
    )
    assert not found, f"{type(reply).__name__}: {', '.join(found)}"
    return reply
