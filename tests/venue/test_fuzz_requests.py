"""A hundred thousand hostile requests, in process: never a crash, never another's data.

The answer to nonsense is a code that the exchange documents, with its HTTP status, or a clean
close. The full number runs with --long; without it a fifth of it, with the same assertions.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.codes import CODES
from aegis.venue.faults import control
from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.lines import Lines
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import RestRequest, admit
from aegis.venue.gateway.wsapi import WsApiSession
from aegis.venue.limits import RateLimits
from aegis.venue.wire.control import StreamControl
from aegis.venue.wire.targets import parse_target
from tests.venue import fuzz
from tests.venue.desk import KEYS, Desk

SEED = 20_260_811
# Of the whole: REST, the WebSocket API, control messages, URLs, the control endpoint of faults.
SHARES = {"rest": 0.5, "api": 0.3, "control": 0.12, "target": 0.05, "faults": 0.03}
FULL, SHORT = 96_000, 19_200
LIMITLESS = RateLimits(
    weight_per_minute=10**9, orders_per_10s=10**9, orders_per_minute=10**9,
    refusals_before_ban=10**9,
)  # fmt: skip
# Outside the exchange's list: the gateway's own "no such path".
GATEWAY_CODES = {-5000}
BALANCE_EVERY = 500


@pytest.fixture
def size(request: pytest.FixtureRequest) -> int:
    return FULL if request.config.getoption("--long") else SHORT


@pytest.fixture(scope="session")
def documented(shared_data: Path) -> set[int]:
    rows = json.loads((shared_data / "usdm" / "usdm_error_codes.json").read_text())
    return {row["code"] for row in rows} | GATEWAY_CODES


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Iterator[Desk]:
    """A market in which somebody else has orders, positions and a listen key."""
    caplog.set_level(logging.WARNING)
    desk = Desk(limits=LIMITLESS)
    desk.book(lots=1_000_000)
    for number in range(3):
        status, body = desk.order(
            KEYS[1], quantity="0.010", price="59000",
            newClientOrderId=fuzz.SECRET if number == 0 else f"{fuzz.SECRET}-{number}",
        )  # fmt: skip
        assert status == 200, body
    desk.order(KEYS[1], type="MARKET", quantity="0.010")
    desk.call("POST", "/fapi/v1/listenKey", KEYS[1], signed=False)
    yield desk
    assert not [record.getMessage() for record in caplog.records]


class Judge:
    """What an answer may be."""

    def __init__(self, desk: Desk, documented: set[int]) -> None:
        self.desk = desk
        self.documented = documented
        self.seen: Counter[int] = Counter()
        others = desk.exchange.orders.open_of(17)
        self.secrets = [
            fuzz.SECRET.encode(), KEYS[1].api_key.encode(), KEYS[1].hmac_secret.encode(),
            *(str(order.order_id).encode() for order in others),
            *(key.encode() for key in desk.core.listen_keys.by_key),
        ]  # fmt: skip
        assert len(self.secrets) == 7

    def check(self, case: Any, answer: Call | Reply, echoes: str = "") -> None:
        """`echoes` is what the client sent: reading that back is no leak."""
        reply = answer.run() if isinstance(answer, Call) else answer
        body = json.loads(reply.body)
        if isinstance(body, dict) and "error" in body:
            body = body["error"]
        if reply.status != 200:
            code = body["code"]
            self.seen[code] += 1
            assert code in self.documented, (case, body)
            assert code not in (-1000, -1001), (case, body)
            assert CODES[code][0] == reply.status, (case, body)
            assert "%s" not in body["msg"], (case, body)
        else:
            self.seen[0] += 1
        for secret in self.secrets:
            assert secret not in reply.body or secret.decode() in echoes, (case, reply.body)

    def settle(self) -> None:
        self.desk.exchange.take_events()
        self.desk.assert_balanced()


def play(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}:{number}")


def test_rest(desk: Desk, size: int, documented: set[int]) -> None:
    judge = Judge(desk, documented)
    for number in range(int(size * SHARES["rest"])):
        dice = play(SEED, number)
        method, path, query, body, key = fuzz.rest_request(dice, desk.wall_ms)
        request = RestRequest(method, path, query, body, key, "10.0.0.1")
        judge.check((number, request), admit(desk.core, request), query + body + path)
        if number % BALANCE_EVERY == 0:
            judge.settle()
            desk.wall_ms += 60_000
            desk.now_ms += 60_000
    judge.settle()
    # Not everything was turned away at the door.
    assert judge.seen[0] > size * 0.05
    assert len(judge.seen) > 30


def test_websocket_api(desk: Desk, size: int, documented: set[int]) -> None:
    judge = Judge(desk, documented)
    session = WsApiSession(desk.core, "10.0.0.1")
    for number in range(int(size * SHARES["api"])):
        dice = play(SEED + 1, number)
        if number % 50 == 0:
            session = WsApiSession(desk.core, "10.0.0.1", dice.random() < 0.5)
        text = fuzz.api_message(dice, desk.wall_ms)
        judge.check((number, text[:2000]), session.receive(text), text)
        if number % BALANCE_EVERY == 0:
            judge.settle()
    judge.settle()
    assert judge.seen[0] > size * 0.02
    assert len(judge.seen) > 20


def test_control_messages(size: int) -> None:
    attached: set[str] = set()
    stream = StreamControl(False, attached.add, attached.discard)
    for number in range(int(size * SHARES["control"])):
        text = fuzz.control_message(play(SEED + 2, number))
        answer = stream.receive(text)
        body = json.loads(answer.message)
        if "error" in body:
            assert body["error"]["code"] in (0, 1, 2, 3), (number, text)
        assert answer.close == (body.get("error", {}).get("code") == 3)
        assert len(attached) <= 1024
        if answer.close:
            stream = StreamControl(number % 2 == 0, attached.add, attached.discard)
            attached.clear()


def test_targets(size: int) -> None:
    pieces = ["/public", "/market", "/private", "/ws", "/stream", "?", "streams=", "listenKey=",
              "events=", "&", "=", "%", "%00", "a@b", "/", "//", "é", "\x00", "x" * 500,
              "/ws-fapi/v1", "returnRateLimits=false"]  # fmt: skip
    for number in range(int(size * SHARES["target"])):
        dice = play(SEED + 3, number)
        target = "".join(dice.choice(pieces) for _ in range(dice.randrange(12)))
        parse_target(target)


class Controlled:
    def __init__(self) -> None:
        self.board = FaultBoard(1)
        self.lines = Lines()


def test_control_endpoint_of_faults(size: int) -> None:
    room = Controlled()
    for number in range(int(size * SHARES["faults"])):
        dice = play(SEED + 4, number)
        text = fuzz.control_message(dice)
        if dice.random() < 0.7:
            table = {"kind": dice.choice(["drop", "silent", "delay", "refused", 5, None, "x"])}
            table |= {dice.choice(["delay_ms", "code", "stream", "times"]): dice.choice(fuzz.BAD)}
            text = json.dumps([table, table])
        method = dice.choice(["GET", "POST", "DELETE", "PUT"])
        query = dice.choice(fuzz.GARBAGE_QUERIES)
        reply = control.answer(room, method, control.PATH, query, text.encode("utf-8", "replace"))
        assert reply.status in (200, 400, 404, 405)
        json.loads(reply.body)


def test_every_code_of_the_venue_is_the_exchanges(documented: set[int]) -> None:
    assert set(CODES) <= documented
