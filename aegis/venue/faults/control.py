"""The control endpoint of faults, for drills and tests: what is armed, arm this, end that. Pure.

``wire.http`` lets requests from this machine through to `answer`, on a path of the venue's own that
no exchange has: GET, POST and DELETE /venue/faults, GET /venue/faults/menu. A fault in a POST has
the keys of the file; its `at_ms` counts from the moment of its arrival.
"""

from __future__ import annotations

from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import msgspec

from aegis.config.errors import dotted_key, shown_value
from aegis.config.schema import Finding
from aegis.venue.errors import VenueError
from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.lines import Lines
from aegis.venue.faults.menu import MENU, keys_of
from aegis.venue.faults.schema import read_faults
from aegis.venue.gateway.calls import UNREADABLE, Reply

PATH: Final = "/venue/faults"
MENU_PATH: Final = "/venue/faults/menu"


class Controlled(Protocol):
    """What is controlled."""

    board: FaultBoard
    lines: Lines


def is_control(path: str) -> bool:
    """Is this a path of the control endpoint?"""
    return path in (PATH, MENU_PATH)


def answer(room: Controlled, method: str, path: str, query: str, body: bytes) -> Reply:
    """Carry out a control request; 200, or 400, 404 and 405 with the problems."""
    if path == MENU_PATH and method == "GET":
        return _json(200, {"kinds": _menu()})
    if path == PATH and method == "GET":
        names = sorted(line.name for line in room.lines.open.values())
        return _json(200, {**room.board.report(), "connections": names})
    if path == PATH and method == "POST":
        return _add(room.board, body)
    if path == PATH and method == "DELETE":
        return _remove(room.board, query)
    return _refused(405, [Finding((), method, "is no method of this path")])


def _menu() -> list[dict[str, Any]]:
    return [
        {"kind": kind, "what": dish.text, "keys": keys_of(kind), "needs": dish.needs}
        for kind, dish in MENU.items()
    ]


def _add(board: FaultBoard, body: bytes) -> Reply:
    try:
        given = msgspec.json.decode(body)
    except UNREADABLE as error:
        return _refused(400, [Finding((), "", f"is no JSON: {error}")])
    tables = given if isinstance(given, list) else [given]
    faults, findings = read_faults(tables, ("fault",))
    if findings:
        return _refused(400, findings)
    try:
        added = board.add(faults)
    except VenueError as error:
        return _refused(400, [Finding((), len(tables), str(error))])
    return _json(200, {"added": [armed.number for armed in added]})


def _remove(board: FaultBoard, query: str) -> Reply:
    wanted = parse_qs(query)
    numbers, names = wanted.get("number", []), wanted.get("name", [])
    chosen = [
        armed
        for armed in board.armed.values()
        if not (numbers or names) or str(armed.number) in numbers or armed.fault.name in names
    ]
    if not chosen and (numbers or names):
        shown = ", ".join((*numbers, *names))
        return _refused(404, [Finding(("fault",), shown, "is not armed")])
    board.remove(chosen)
    return _json(200, {"removed": [armed.number for armed in chosen]})


def _refused(status: int, findings: list[Finding]) -> Reply:
    problems = []
    for finding in findings:
        key = dotted_key(finding.location)
        problems.append(
            {
                "key": key,
                "value": shown_value(key, finding.value),
                "message": finding.message,
                "hint": finding.hint,
            }
        )
    return _json(status, {"problems": problems})


def _json(status: int, content: dict[str, Any]) -> Reply:
    return Reply(status, msgspec.json.encode(content), {})
