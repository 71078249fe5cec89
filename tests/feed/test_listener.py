"""The listener: whole frames, fragments and control frames, one socket read after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from picows import WSCloseCode, WSMsgType

from aegis.feed.intake import Intake
from aegis.feed.intake_memory import MAX_FRAME_BYTES
from aegis.feed.listener import MarketListener
from aegis.feed.wire import Reply
from aegis.shm.instance import InstanceMemory
from tests.feed.market import Market, frame

TEXT, CONTINUATION = WSMsgType.TEXT, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE


@dataclass
class Frame:
    payload: bytes
    msg_type: WSMsgType = TEXT
    fin: bool = True
    last_in_buffer: bool = True

    def get_payload_as_bytes(self) -> bytes:
        return self.payload

    def get_close_code(self) -> WSCloseCode:
        return WSCloseCode.GOING_AWAY


@dataclass
class Transport:
    pongs: list[bytes] = field(default_factory=list)
    closes: list[Any] = field(default_factory=list)
    disconnects: int = 0

    def send_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def send_close(self, code: Any) -> None:
        self.closes.append(code)

    def disconnect(self, graceful: bool = True) -> None:
        self.disconnects += 1


class Scope:
    """A collector's regime that only remembers whether a cycle is open."""

    def __init__(self) -> None:
        self.cycles = 0
        self.is_open = False

    def cycle_begin(self) -> None:
        self.is_open = True
        self.cycles += 1

    def cycle_end(self) -> None:
        self.is_open = False


class Bench:
    def __init__(self, intake: Intake, memory: InstanceMemory) -> None:
        self.memory = memory
        self.scope = Scope()
        self.replies: list[Reply] = []
        self.closed = 0
        self.transport = Transport()
        self.listener = MarketListener(intake, self.scope, self.replies.extend, self.on_closed)
        self.market = Market(1)

    def on_closed(self) -> None:
        self.closed += 1

    def read(self, *frames: Frame) -> None:
        """One socket read that brings these frames."""
        for number, one in enumerate(frames):
            one.last_in_buffer = number == len(frames) - 1
            listener: Any = self.listener
            listener.on_ws_frame(self.transport, one)

    def counter(self, name: str) -> int:
        return self.memory.counters["feed"][name]


@pytest.fixture
def bench(make_intake: Callable[..., Intake], memory: InstanceMemory) -> Bench:
    return Bench(make_intake(), memory)


def trade(bench: Bench) -> Frame:
    return Frame(frame(bench.market.trade()))


def test_a_lone_frame_is_in_the_ring_when_the_call_returns(bench: Bench) -> None:
    for number in range(1, 4):
        bench.read(trade(bench))
        assert bench.counter("trades") == number == bench.memory.ticks.published
        assert not bench.scope.is_open
    assert bench.scope.cycles == 3


@pytest.mark.parametrize("count", [2, 15, 16, 17, 40])
def test_a_burst_is_in_the_ring_when_its_last_frame_was_seen(bench: Bench, count: int) -> None:
    frames = [trade(bench) for _ in range(count)]
    listener: Any = bench.listener
    for one in frames[:-1]:
        one.last_in_buffer = False
        listener.on_ws_frame(bench.transport, one)
        assert bench.scope.is_open
    listener.on_ws_frame(bench.transport, frames[-1])
    assert bench.counter("trades") == bench.counter("messages") == count
    assert not bench.scope.is_open


@pytest.mark.parametrize("kind", [PING, PONG])
def test_a_read_that_ends_in_a_control_frame_is_processed_all_the_same(
    bench: Bench, kind: WSMsgType
) -> None:
    bench.read(trade(bench), trade(bench), Frame(b'{"looks":"like data"}', kind))
    assert bench.counter("trades") == bench.counter("messages") == 2
    assert bench.transport.pongs == ([b'{"looks":"like data"}'] if kind is PING else [])
    assert not bench.scope.is_open


def test_fragments_are_joined_across_reads_and_pings(bench: Bench) -> None:
    text = frame(bench.market.trade())
    bench.read(Frame(text[:50], fin=False))
    bench.read(Frame(b"ping", PING), Frame(text[50:140], CONTINUATION, fin=False))
    assert bench.counter("messages") == 0
    bench.read(Frame(text[140:], CONTINUATION), trade(bench))
    assert bench.counter("trades") == bench.counter("messages") == 2
    assert bench.counter("decode_errors") == 0
    assert bench.transport.pongs == [b"ping"]
    bench.read(trade(bench))
    assert bench.counter("trades") == 3


def test_a_message_in_too_many_fragments_ends_the_connection(bench: Bench) -> None:
    part = b"x" * 400_000
    bench.read(Frame(part, fin=False))
    for _ in range(MAX_FRAME_BYTES // len(part) + 1):
        bench.read(Frame(part, CONTINUATION, fin=False))
    assert bench.transport.disconnects >= 1
    bench.read(trade(bench))
    assert bench.counter("trades") == 1


def test_replies_go_to_their_connection(bench: Bench) -> None:
    bench.read(Frame(b'{"result":null,"id":3}'))
    long_error = b'{"error":{"code":2,"msg":"' + b"x" * 200 + b'"},"id":4}'
    bench.read(Frame(long_error))
    assert [reply.id for reply in bench.replies] == [3, 4]
    assert bench.counter("messages") == 0


def test_a_close_is_answered(bench: Bench) -> None:
    bench.read(trade(bench), Frame(b"\x03\xe9", CLOSE))
    assert bench.transport.closes == [WSCloseCode.GOING_AWAY]
    assert bench.transport.disconnects == 1
    assert bench.counter("trades") == 1


def test_the_end_in_the_middle_of_a_read_loses_nothing_that_was_whole(bench: Bench) -> None:
    listener: Any = bench.listener
    for _ in range(3):
        one = trade(bench)
        one.last_in_buffer = False
        listener.on_ws_frame(bench.transport, one)
    listener.on_ws_disconnected(bench.transport)
    assert bench.counter("trades") == 3
    assert bench.closed == 1
    assert not bench.scope.is_open
