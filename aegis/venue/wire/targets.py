"""What a WebSocket URL asks for: the route, the envelope, the streams and listen keys in it.

Understands every shape real clients use: the three routes, the unrouted forms, several raw streams
in the path, combined streams in the query, listen keys in either. An unknown name in the path is no
reason to refuse a connection; a wrong path is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from aegis.venue.streams import Route

API_PATH = "/ws-fapi/v1"


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """A connection to the WebSocket API."""

    shows_limits: bool


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """A connection to streams: what it is subscribed to from the start."""

    route: Route
    combined: bool
    names: list[str] = field(default_factory=list)
    # (listen key, allowed events or None)
    keys: list[tuple[str, frozenset[str] | None]] = field(default_factory=list)


def parse_target(target: str) -> ApiTarget | StreamTarget | None:
    """Read a request target ("/public/stream?streams=a/b"); None for a path that does not exist."""
    # Not urlsplit: that one reads a host into "//x", and may refuse it.
    whole_path, _, query_text = target.partition("?")
    query = parse_qsl(query_text, keep_blank_values=True)
    if whole_path == API_PATH:
        return ApiTarget(("returnRateLimits", "false") not in query)
    route, path = _route(whole_path)
    if path == "/stream":
        names = [name for key, value in query if key == "streams" for name in _names(value)]
        return StreamTarget(route, True, names, _keys(query))
    if path == "/ws":
        return StreamTarget(route, False, [], _keys(query))
    if path.startswith("/ws/"):
        names = _names(unquote(path.removeprefix("/ws/")))
        return StreamTarget(route, False, names, _keys(query)) if names else None
    return None


def _route(path: str) -> tuple[Route, str]:
    for route in (Route.PUBLIC, Route.MARKET, Route.PRIVATE):
        prefix = f"/{route.value}/"
        if path.startswith(prefix):
            return route, path[len(prefix) - 1 :]
    return Route.LEGACY, path


def _names(text: str) -> list[str]:
    return [name for name in text.split("/") if name]


def _keys(query: list[tuple[str, str]]) -> list[tuple[str, frozenset[str] | None]]:
    """Each listenKey with the `events` that follow it."""
    keys: list[tuple[str, frozenset[str] | None]] = []
    for name, value in query:
        if name == "listenKey" and value:
            keys.append((value, None))
        elif name == "events" and keys and value:
            keys[-1] = (keys[-1][0], frozenset(_names(value)))
    return keys
