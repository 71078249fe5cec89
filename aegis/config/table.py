"""What every table of ``aegis.toml`` is: strict, frozen, finite, and known key by key."""

from collections.abc import Collection
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

__all__ = ["Table", "only_of", "unique"]

T = TypeVar("T", int, str)
V = TypeVar("V")


class Table(BaseModel):
    """What all tables share: strict types, no unknown key, nothing infinite, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def unique(items: list[T], what: str) -> list[T]:
    """The items; a validator's error when one stands there more than once."""
    repeated = sorted({item for item in items if items.count(item) > 1})
    if repeated:
        raise PydanticCustomError(
            "repeated",
            "{what} {items} stands more than once",
            {"what": what, "items": ", ".join(map(str, repeated))},
        )
    return items


def only_of(given: dict[str, V], known: Collection[str] | None, where: str) -> dict[str, V]:
    """The table; a validator's error when one of its keys is none of `known` (nothing: any is)."""
    strange = sorted(key for key in given if known and key not in known)
    if strange:
        raise PydanticCustomError(
            "strange_key",
            "has {keys}, which is not among its {where}",
            {"keys": ", ".join(strange), "where": where},
        )
    return given
