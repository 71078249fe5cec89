"""The control messages of a stream connection: SUBSCRIBE and its kin. Pure.

Texts in, reply texts out; what is subscribed goes through the `attach` and `detach` it was given.
Every SUBSCRIBE is acknowledged, whether the stream exists or not, and a repeated one changes
nothing: that is how the exchange does it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aegis.venue.gateway.calls import UNREADABLE

MAX_STREAMS: Final = 1_024
# The longest names are listen keys, of 64 characters; what nobody needs nobody may make us keep.
MAX_NAME_CHARACTERS: Final = 256
METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply, and whether the connection is to be closed after it."""

    message: bytes
    close: bool = False


class _InvalidError(Exception):
    """A control message that is answered with an error object."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StreamControl:
    """One connection's subscriptions, in the order in which they came."""

    def __init__(
        self,
        combined: bool,
        attach: Callable[[str], None],
        detach: Callable[[str], None],
        most: int = MAX_STREAMS,
    ) -> None:
        self.combined = combined
        self._most = most
        self.names: dict[str, None] = {}
        self._attach = attach
        self._detach = detach

    def subscribe(self, names: list[str]) -> None:
        """Add names that are not there yet. Raises _InvalidError above the connection's limit."""
        fresh = [name for name in dict.fromkeys(names) if name not in self.names]
        if len(self.names) + len(fresh) > self._most:
            raise _InvalidError(2, f"Invalid request: more than {self._most} streams")
        for name in fresh:
            self.names[name] = None
            self._attach(name)

    def receive(self, text: str) -> Answer:
        """Answer one control message."""
        try:
            message = msgspec.json.decode(text)
        except UNREADABLE as error:
            return Answer(_encode({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}}), True)
        request_id = message.get("id") if isinstance(message, dict) else None
        try:
            result = self._apply(message)
        except _InvalidError as error:
            failure = {"error": {"code": error.code, "msg": str(error)}, "id": request_id}
            return Answer(_encode(failure))
        return Answer(_encode({"result": result, "id": request_id}))

    def _apply(self, message: Any) -> Any:
        if not isinstance(message, dict) or "method" not in message:
            raise _InvalidError(2, "Invalid request: missing field `method`")
        request_id = message.get("id")
        if isinstance(request_id, bool | float | list | dict):
            raise _InvalidError(2, "Invalid request: request ID must be an unsigned integer")
        method = message["method"]
        parameters = message.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.names)
        if method not in METHODS:
            expected = ", ".join(f"`{name}`" for name in METHODS)
            raise _InvalidError(
                2, f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            )
        if not isinstance(parameters, list):
            raise _InvalidError(2, "Invalid request: params must be a list")
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._change(method, parameters)
        return self._property(method, parameters)

    def _change(self, method: str, names: list[Any]) -> None:
        if not all(isinstance(name, str) for name in names):
            raise _InvalidError(2, "Invalid request: stream names must be strings")
        if any(len(name) > MAX_NAME_CHARACTERS for name in names):
            raise _InvalidError(2, "Invalid request: stream name is too long")
        if method == "SUBSCRIBE":
            self.subscribe(names)
            return
        for name in names:
            if name in self.names:
                del self.names[name]
                self._detach(name)

    def _property(self, method: str, parameters: list[Any]) -> bool | None:
        wanted = 2 if method == "SET_PROPERTY" else 1
        if len(parameters) != wanted or not isinstance(parameters[0], str):
            raise _InvalidError(2, "Invalid request: property name must be a string")
        if parameters[0] != "combined":
            raise _InvalidError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self.combined
        if not isinstance(parameters[1], bool):
            raise _InvalidError(1, "Invalid value type: expected Boolean")
        if parameters[1] != self.combined:
            # Subscriptions carry their envelope, so each is made anew.
            for name in self.names:
                self._detach(name)
            self.combined = parameters[1]
            for name in self.names:
                self._attach(name)
        return None


def _encode(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message)
