"""What stream faults do to the messages of a connection, one kind at a time, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.diverter import EFFECTS, Diverter
from aegis.venue.faults.edits import EDITS
from aegis.venue.faults.frames import open_frame
from aegis.venue.faults.lines import Line
from aegis.venue.faults.menu import MENU, Room
from aegis.venue.faults.schema import Fault
from aegis.venue.wire.frames import text_frame
from tests.venue.desk import CLIENT, OTHER, Desk

DEPTH = "btcusdt@depth@100ms"
TICKER = "btcusdt@bookTicker"


class Wire:
    """A connection that writes down what is done to it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.log: list[str] = []

    def enqueue(self, frame: bytes) -> None:
        self.frames.append(frame)

    def flush(self) -> None:
        return

    def backlog(self) -> int:
        return 0

    def send_text(self, message: bytes) -> None:
        self.frames.append(text_frame(message))

    def ping(self, payload: bytes) -> None:
        self.log.append("ping")

    def close(self, code: int, reason: str = "") -> None:
        self.log.append(f"close {code}")

    def abort(self) -> None:
        self.log.append("abort")

    def cut(self, piece: bytes) -> None:
        self.log.append(f"cut after {len(piece)}")

    def fall_silent(self) -> None:
        self.log.append("silent")


class Bench:
    """A diverter with faults, a clock that is moved by hand, and what came out."""

    def __init__(self, *faults: Fault, seed: int = 3) -> None:
        self.wire = Wire()
        self.board = FaultBoard(seed)
        self.board.open(0, faults)
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.now_s = 0.0
        self.counted: list[tuple[bool, int]] = []
        self.desk = Desk()
        self.desk.book()
        line = Line("public/1", self.wire, lambda: [CLIENT])
        self.diverter = Diverter(
            line, self.board, self.desk.exchange.markets, self._later,
            lambda owner, messages: self.counted.append((owner, messages)),
        )  # fmt: skip

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        self.timers.append((self.now_s + delay_s, len(self.timers), do))

    def pass_time(self, seconds: float) -> None:
        until = self.now_s + seconds
        while due := [timer for timer in self.timers if timer[0] <= until]:
            first = min(due)
            self.timers.remove(first)
            self.now_s = first[0]
            first[2]()
        self.now_s = until

    def send(self, stream: str, payload: Any, account: int = 0) -> None:
        self.diverter(stream, text_frame(json.dumps(payload).encode()), account)

    @property
    def heard(self) -> list[Any]:
        return [json.loads(open_frame(frame).payload) for frame in self.wire.frames]


def test_every_stream_kind_has_an_effect_and_no_other_has() -> None:
    assert set(EFFECTS) == {kind for kind, dish in MENU.items() if dish.room is Room.STREAM}
    assert set(EDITS) <= set(EFFECTS)


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("enveloped", [False, True])
def test_frames_of_every_length_are_opened_and_closed(size: int, enveloped: bool) -> None:
    payload = b'"' + b"x" * size + b'"'
    opening = b'{"stream":"a@b","data":' if enveloped else b""
    frame = text_frame(opening + payload + (b"}" if enveloped else b""))
    opened = open_frame(frame)
    assert (opened.opening, opened.payload) == (opening, payload)
    assert opened.closed(payload) == frame


def test_drop_and_duplicate_are_told_to_the_counters() -> None:
    bench = Bench(Fault("drop", stream="a*", after=1), Fault("duplicate", stream="ORDER*"))
    for n in range(3):
        bench.send("a@x", n)
    bench.send("ORDER_TRADE_UPDATE", "o", CLIENT)
    assert bench.heard == [0, 2, "o", "o"]
    assert bench.counted == [(False, -1), (True, 1)]


def test_where_a_fault_strikes() -> None:
    bench = Bench(
        Fault("drop", stream="*@depth*", times=9),
        Fault("drop", connection="market/*", times=9),
        Fault("drop", account=1, times=9),
    )
    bench.send(TICKER, 1)
    bench.send(DEPTH, 2)
    bench.send("TRADE_LITE", 3, CLIENT)
    bench.send("TRADE_LITE", 4, OTHER)
    assert bench.heard == [1, 3]


def test_reorder_swaps_with_the_next_message_that_it_means() -> None:
    bench = Bench(Fault("reorder", stream="a@x"))
    for stream, n in (("a@x", 1), ("b@y", 2), ("a@x", 3), ("a@x", 4)):
        bench.send(stream, n)
        bench.board.advance(n)
    assert bench.heard == [2, 3, 1, 4]
    assert bench.diverter.is_idle


def test_a_late_stream_is_late_and_does_not_overtake_itself() -> None:
    bench = Bench(Fault("delay", stream="a@x", delay_ms=100, after=1))
    for n in range(4):
        bench.send("a@x", n)
    bench.send("b@y", "other")
    assert bench.heard == [0, "other"]
    assert not bench.diverter.is_idle
    bench.pass_time(0.2)
    assert bench.heard == [0, "other", 1, 2, 3]
    bench.send("a@x", 4)
    assert bench.heard[-1] == 4
    assert bench.diverter.is_idle


def test_every_message_late_keeps_its_distance() -> None:
    bench = Bench(Fault("delay", delay_ms=100, for_ms=10_000))
    bench.send("a@x", 0)
    bench.pass_time(0.06)
    bench.send("a@x", 1)
    bench.pass_time(0.05)
    assert bench.heard == [0]
    bench.pass_time(0.06)
    assert bench.heard == [0, 1]


def test_slow_drip_and_burst() -> None:
    drip = Bench(Fault("slow_drip", delay_ms=1000))
    for n in range(3):
        drip.send("a@x", n)
    assert drip.heard == [0]
    drip.pass_time(1.5)
    assert drip.heard == [0, 1]
    burst = Bench(Fault("burst", delay_ms=500))
    for n in range(50):
        burst.send("a@x", n)
    assert burst.heard == []
    burst.pass_time(0.6)
    assert burst.heard == list(range(50))


def test_a_cut_is_inside_the_frame_and_half_open_says_nothing() -> None:
    bench = Bench(Fault("cut", after=1))
    bench.send(TICKER, "x" * 200)
    bench.send(TICKER, "x" * 200)
    assert bench.wire.log == ["cut after 103"]
    small = Bench(Fault("cut"))
    small.send(TICKER, 1)
    assert small.wire.log == ["cut after 3"]
    silent = Bench(Fault("half_open"))
    silent.send(TICKER, 1)
    assert (silent.wire.log, silent.wire.frames) == (["silent"], [])


def depth_event(**changes: Any) -> dict[str, Any]:
    event = {"e": "depthUpdate", "E": 1000, "T": 999, "s": "BTCUSDT", "U": 5, "u": 9, "pu": 4}
    return {**event, "b": [["60000.00", "1.000"]], "a": [["60000.10", "2.000"]], **changes}


def ticker_event(bid: str = "60000.00", ask: str = "60000.10", u: int = 9) -> dict[str, Any]:
    return {
        "e": "bookTicker", "u": u, "s": "BTCUSDT", "b": bid, "B": "1.000", "a": ask, "A": "2.000",
        "T": 999, "E": 1000,
    }  # fmt: skip


def test_gap_breaks_the_chain_of_depth_alone() -> None:
    bench = Bench(Fault("gap"))
    bench.send(TICKER, ticker_event())
    bench.send(DEPTH, depth_event())
    bench.send(DEPTH, depth_event(pu=9))
    assert [event.get("pu") for event in bench.heard] == [None, 3, 9]


@pytest.mark.parametrize("shape", ["crossed", "locked", "empty"])
def test_books_that_cannot_be(shape: str) -> None:
    bench = Bench(Fault("crossed_book", shape=shape, times=2))
    bench.send(TICKER, ticker_event())
    bench.send(DEPTH, depth_event())
    bench.send(DEPTH, depth_event())
    ticker, depth, after = bench.heard
    if shape == "empty":
        assert (ticker["b"], ticker["B"]) == ("0.00", "0.000")
        assert depth["b"] == [["60000.00", "0.000"]]
    else:
        assert (float(ticker["b"]) > float(ticker["a"])) is (shape == "crossed")
        assert float(ticker["b"]) >= float(ticker["a"])
        assert float(depth["b"][-1][0]) >= 60_000.1
    assert after == depth_event()


GARBAGE = {
    "nan": b":NaN", "infinity": b":Infinity", "1e999": b":1e999", "negative": b':"-1.00"',
    "zero": b':"0"', "text": b':"abc"', "list": b":[]", "null": b":null", "huge": b"9" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("value", [*GARBAGE, "missing"])
def test_garbage_values(value: str) -> None:
    bench = Bench(Fault("garbage", value=value, field="b", stream=TICKER))
    bench.send(TICKER, ticker_event())
    payload = open_frame(bench.wire.frames[0]).payload
    if value == "missing":
        assert "b" not in json.loads(payload)
    else:
        assert GARBAGE[value] in payload
    bench.send(TICKER, ticker_event())
    assert json.loads(open_frame(bench.wire.frames[1]).payload) == ticker_event()


def test_garbage_finds_a_field_of_its_own_and_leaves_alone_what_has_none() -> None:
    bench = Bench(Fault("garbage", times=3))
    bench.send(DEPTH, depth_event(b=[]))
    bench.send("btcusdt@kline_1m", {"e": "kline", "k": {"c": "1.0"}})
    bench.send("x@y", {"nothing": 1})
    bench.send("ORDER_TRADE_UPDATE", {"e": "ORDER_TRADE_UPDATE", "o": {"L": "5"}}, CLIENT)
    texts = [open_frame(frame).payload for frame in bench.wire.frames]
    assert b'"a":[[NaN,' in texts[0]
    assert b'"c":NaN' in texts[1]
    assert texts[2] == b'{"nothing": 1}'
    assert b'"L":NaN' in texts[3]


def test_event_time_frozen_and_bad_print() -> None:
    back = Bench(Fault("event_time", shift_ms=-400))
    back.send(DEPTH, depth_event())
    assert (back.heard[0]["E"], back.heard[0]["T"]) == (600, 599)
    ice = Bench(Fault("frozen", stream="*@bookTicker", after=1))
    ice.send(TICKER, ticker_event())
    ice.send(TICKER, ticker_event("60001.00", "60002.00", 10))
    ice.send(TICKER, ticker_event("60003.00", "60004.00", 11))
    assert [(event["b"], event["u"]) for event in ice.heard] == [
        ("60000.00", 9), ("60001.00", 10), ("60001.00", 11),
    ]  # fmt: skip
    bad = Bench(Fault("bad_print", factor=1.5))
    bad.send("btcusdt@trade", {"e": "trade", "p": "60000.10", "q": "1.000", "X": "MARKET"})
    assert bad.heard == [{"e": "trade", "p": "90000.15", "q": "1.000", "X": "MARKET"}]


def test_what_no_document_knows() -> None:
    bench = Bench(Fault("new_field"), Fault("new_event", stream="x@y"))
    bench.send("a@b", {"e": "a"})
    bench.send("x@y", {"e": "b"})
    first, unknown, second = bench.heard
    assert (set(first), unknown["e"], second) == ({"e", "zz"}, "somethingNew", {"e": "b"})
    assert bench.counted == [(False, 1)]


def test_envelopes_are_kept() -> None:
    bench = Bench(Fault("new_field"))
    inner = json.dumps({"e": "a"}).encode()
    bench.diverter("a@b", text_frame(b'{"stream":"a@b","data":' + inner + b"}"))
    frame = bench.wire.frames[0]
    message = json.loads(frame[2:])
    assert (message["stream"], set(message["data"])) == ("a@b", {"e", "zz"})


def test_faults_of_the_private_stream() -> None:
    bench = Bench(
        Fault("duplicate_fill"), Fault("account_update_missing"),
        Fault("event_time", shift_ms=1, stream="NOTHING"),
    )  # fmt: skip
    story = [
        ("ORDER_TRADE_UPDATE", {"e": "ORDER_TRADE_UPDATE", "o": {"x": "NEW"}}),
        ("TRADE_LITE", {"e": "TRADE_LITE", "t": 1}),
        ("ORDER_TRADE_UPDATE", {"e": "ORDER_TRADE_UPDATE", "o": {"x": "TRADE"}}),
        ("ACCOUNT_UPDATE", {"e": "ACCOUNT_UPDATE"}),
    ]
    for name, event in story:
        text = json.dumps(event, separators=(",", ":")).encode()
        bench.diverter(name, text_frame(text), CLIENT)
    kinds = [(event["e"], event.get("o", {}).get("x")) for event in bench.heard]
    assert kinds == [
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("TRADE_LITE", None),
        ("ORDER_TRADE_UPDATE", "TRADE"), ("ORDER_TRADE_UPDATE", "TRADE"),
    ]  # fmt: skip


def test_the_same_seed_spoils_the_same_messages() -> None:
    def heard(seed: int) -> list[Any]:
        bench = Bench(
            Fault("drop", probability=0.2), Fault("duplicate", probability=0.2),
            Fault("reorder", probability=0.2), seed=seed,
        )  # fmt: skip
        for n in range(300):
            bench.send(DEPTH, n)
        return bench.heard

    assert heard(1) == heard(1) != heard(2)
    assert 180 < len(set(heard(1))) < 290
