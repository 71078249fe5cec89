"""The recorded requests, replies and events of the reference data, read as they are.

REST files: method, path, "true" if signed, body. WebSocket API: the request after ">", the reply
after "=". Streams: what was sent (">"), what came back ("<"), and the events ("=", with a number
where there are several). Placeholders stand between bars: |1|.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r'"?\|[^|"]*\|"?')
_SECTION = re.compile(r"^([><=])\d*\s", re.MULTILINE)


@dataclass(frozen=True)
class RestFixture:
    """One REST call. `name` is "Trading/PlaceOrder"."""

    name: str
    method: str
    path: str
    signed: bool
    body: Any


@dataclass(frozen=True)
class Exchanged:
    """One WebSocket fixture: what the client sent and what it got."""

    name: str
    sent: Any
    received: Any


def rest_fixtures(folder: Path) -> list[RestFixture]:
    """Every file below rest/, by name."""
    found = []
    for file in sorted((folder / "rest").glob("*/*.txt")):
        method, path, signed, body = file.read_text(encoding="utf-8-sig").split("\n", 3)
        name = f"{file.parent.name}/{file.stem}"
        found.append(
            RestFixture(
                name, method.strip(), path.strip(), signed.strip() == "true", json.loads(body)
            )
        )
    return found


def socket_fixtures(folder: Path, room: str) -> list[Exchanged]:
    """Every file below wsapi/ or streams/, by name; of several events the first."""
    found = []
    root = folder / room
    for file in sorted(root.rglob("*.txt")):
        text = file.read_text(encoding="utf-8-sig")
        marks = list(_SECTION.finditer(text))
        parts: dict[str, list[str]] = {}
        for mark, following in zip(marks, [*marks[1:], None], strict=True):
            end = following.start() if following is not None else len(text)
            parts.setdefault(mark[1], []).append(text[mark.end() : end])
        name = file.relative_to(root).with_suffix("").as_posix()
        found.append(Exchanged(name, _decode(parts[">"][0]), _decode(parts["="][0])))
    return found


def _decode(text: str) -> Any:
    return json.loads(_PLACEHOLDER.sub('"placeholder"', text))
