"""SUBSCRIBE and its kin: acknowledged, idempotent, echoing any id, with documented errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aegis.venue.wire.control import MAX_STREAMS, StreamControl


class Wires:
    def __init__(self, combined: bool = False) -> None:
        self.log: list[str] = []
        self.control = StreamControl(
            combined,
            lambda name: self.log.append(f"+{name}"),
            lambda name: self.log.append(f"-{name}"),
        )

    def send(self, message: Any) -> tuple[dict[str, Any], bool]:
        answer = self.control.receive(message if isinstance(message, str) else json.dumps(message))
        return json.loads(answer.message), answer.close


def test_subscribe_is_idempotent_and_any_id_comes_back() -> None:
    wires = Wires()
    for request_id in (1, "3f-uuid", None):
        message = {"method": "SUBSCRIBE", "params": ["a@x", "b@y", "a@x"], "id": request_id}
        assert wires.send(message) == ({"result": None, "id": request_id}, False)
    assert wires.log == ["+a@x", "+b@y"]
    assert wires.send({"method": "LIST_SUBSCRIPTIONS", "id": 3})[0]["result"] == ["a@x", "b@y"]
    assert wires.send({"method": "UNSUBSCRIBE", "params": ["a@x", "never"], "id": 4})[0] == {
        "result": None, "id": 4,
    }  # fmt: skip
    assert wires.log[2:] == ["-a@x"]


def test_the_envelope_can_be_switched_on_a_live_connection() -> None:
    wires = Wires()
    wires.send({"method": "SUBSCRIBE", "params": ["a@x"], "id": 1})
    assert wires.send({"method": "GET_PROPERTY", "params": ["combined"], "id": 2})[0] == {
        "result": False, "id": 2,
    }  # fmt: skip
    wires.send({"method": "SET_PROPERTY", "params": ["combined", True], "id": 3})
    assert wires.control.combined
    assert wires.log == ["+a@x", "-a@x", "+a@x"]


@pytest.mark.parametrize(
    ("message", "code", "closes"),
    [
        ({"method": "SET_PROPERTY", "params": ["other", True], "id": 1}, 0, False),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, False),
        ({"method": "SET_PROPERTY", "params": ["combined"], "id": 1}, 2, False),
        ({"method": "EXPLODE", "id": 1}, 2, False),
        ({"params": []}, 2, False),
        ([1, 2], 2, False),
        ({"method": "SUBSCRIBE", "params": "a@x", "id": 1}, 2, False),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, False),
        ({"method": "SUBSCRIBE", "params": ["a@x"], "id": {}}, 2, False),
        ("{nonsense", 3, True),
        ("\ud800", 3, True),
    ],
)
def test_errors(message: Any, code: int, closes: bool) -> None:
    answer, close = Wires().send(message)
    assert (answer["error"]["code"], close) == (code, closes)


def test_more_than_1024_streams_are_refused_as_a_whole() -> None:
    wires = Wires()
    names = [f"s{number}@x" for number in range(MAX_STREAMS)]
    assert wires.send({"method": "SUBSCRIBE", "params": names, "id": 1})[0]["result"] is None
    answer, _ = wires.send({"method": "SUBSCRIBE", "params": ["one@more"], "id": 2})
    assert answer["error"]["code"] == 2
    assert len(wires.log) == MAX_STREAMS
