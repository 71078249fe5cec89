"""No secret in `aegis.toml`: texts that look like a key or its secret are refused, never shown.

Called by `load.py` over the whole file before anything else looks at it. Keys belong into systemd
credentials or a file of mode 0600; the file names which, and their fingerprint, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aegis.config.errors import ABSENT, looks_like_a_secret
from aegis.config.schema import Finding, Location

__all__ = ["findings_of_secrets"]

_HINT: Final = (
    "keys belong into systemd credentials or a file of mode 0600 that venue.credentials names; "
    "take this one for known, and have the exchange issue another"
)


def findings_of_secrets(raw: object, at: Location = ()) -> Iterator[Finding]:
    """A finding for every such text in the tables; the value itself is in none of them."""
    if isinstance(raw, str):
        if looks_like_a_secret(raw):
            yield Finding(at, ABSENT, "looks like a key or its secret", _HINT)
    elif isinstance(raw, dict):
        for name, inner in raw.items():
            yield from findings_of_secrets(inner, (*at, name))
    elif isinstance(raw, list):
        for place, inner in enumerate(raw):
            yield from findings_of_secrets(inner, (*at, place))
