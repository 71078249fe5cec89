"""The scanner against the careful decoder: whatever it accepts, it reads the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aegis.feed import layout
from aegis.feed.intake import Intake
from aegis.feed.layout import DEPTH
from aegis.feed.scan import UNUSUAL, scan_message
from aegis.feed.tokens import MAX_LEVELS
from aegis.feed.wire import (
    BookTicker,
    DepthUpdate,
    MarkPrice,
    Trade,
    WireError,
    decode,
    side_arrays,
)
from aegis.shm.tick import MARK, QUOTE, TRADE
from tests.feed.market import Market, frame
from tests.feed.recording import RECORDING, is_snapshot, payloads

Scan = Callable[[bytes], tuple[int, dict[str, Any]]]
RELAXED = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def scan(make_intake: Callable[..., Intake]) -> Scan:
    """Scan one frame that lies between two others, as it would in a batch."""
    memory = make_intake(["BTCUSDT", "1000SHIBUSDT", "币安USDT"]).memory
    staging, integers, decimals = memory["staging"], memory["integers"], memory["decimals"]
    neighbour = b'{"stream":"btcusdt@trade","data":{"e":"trade"'

    def run(payload: bytes) -> tuple[int, dict[str, Any]]:
        start = len(neighbour)
        text = neighbour + payload + neighbour
        staging[: len(text)] = np.frombuffer(text, np.uint8)
        staging[len(text)] = 0
        kind = scan_message(staging, start, start + len(payload), memory.context)
        fields = {
            "instrument": int(integers[layout.INSTRUMENT]),
            "T": int(integers[layout.EVENT_MS]),
            "E": int(integers[layout.SENT_MS]),
            "id": int(integers[layout.ID]),
        }
        if kind == MARK:
            del fields["id"]
            fields["numbers"] = decimals[:3].tolist()
        elif kind == QUOTE:
            fields["numbers"] = decimals[:4].tolist()
        elif kind == TRADE:
            fields["numbers"] = decimals[:2].tolist()
            fields["side"] = int(integers[layout.SIDE])
        elif kind == DEPTH:
            fields["first"] = int(integers[layout.FIRST_ID])
            fields["previous"] = int(integers[layout.PREVIOUS_ID])
            for name, base, count in (
                ("bids", 0, integers[layout.BID_COUNT]),
                ("asks", MAX_LEVELS, integers[layout.ASK_COUNT]),
            ):
                keys = memory["level_keys"][base : base + count].tolist()
                fields[name] = (keys, memory["level_quantities"][base : base + count].tolist())
        return int(kind), fields

    return run


def careful(payload: bytes) -> tuple[int, dict[str, Any]]:
    """The same answer by way of `wire`; UNUSUAL for whatever is no plain message of ours."""
    try:
        message = decode(payload)
        if not isinstance(message, BookTicker | Trade | DepthUpdate | MarkPrice):
            return UNUSUAL, {}
        number = {"BTCUSDT": 0, "1000SHIBUSDT": 1, "币安USDT": 2}.get(message.s, -1)
        fields: dict[str, Any] = {"instrument": number, "T": message.T, "E": message.E}
        if isinstance(message, MarkPrice):
            # One time is its own, the other the next funding's, where others have when it was sent.
            numbers = [message.p, message.i, message.r]
            return MARK, {**fields, "T": message.E, "E": message.T, "numbers": numbers}
        if isinstance(message, BookTicker):
            numbers = [message.b, message.B, message.a, message.A]
            return QUOTE, {**fields, "id": message.u, "numbers": numbers}
        if isinstance(message, Trade):
            side = -1 if message.m else 1
            numbers = [message.p, message.q]
            return TRADE, {**fields, "id": message.t, "numbers": numbers, "side": side}
        sides = {
            name: tuple(part.tolist() for part in side_arrays(levels, name))
            for name, levels in (("bids", message.b), ("asks", message.a))
        }
        ids = {"id": message.u, "first": message.U, "previous": message.pu}
        return DEPTH, {**fields, **ids, **sides}
    except WireError:
        return UNUSUAL, {}


def check(scan: Scan, payload: bytes) -> int:
    kind, fields = scan(payload)
    if kind != UNUSUAL:
        assert (kind, fields) == careful(payload), payload
    return kind


def test_the_recording_is_plain_and_reads_the_same(scan: Scan, shared_data: Path) -> None:
    recorded = payloads(shared_data / RECORDING)
    depths = [payload for payload in recorded if b'"depthUpdate"' in payload]
    for payload in (*depths, *random.Random(7).sample(recorded, 5_000)):
        if not is_snapshot(payload):
            assert check(scan, payload) != UNUSUAL


def test_the_exchanges_newer_fields_are_plain_too(scan: Scan) -> None:
    payload = (
        b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,'
        b'"s":"BTCUSDT","ps":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510",'
        b'"T":1723161256313,"E":1723161256313,"st":1}}'
    )
    assert check(scan, payload) == QUOTE


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000SHIBUSDT", "币安USDT"])
def test_every_symbol_of_the_table_is_found(scan: Scan, symbol: str) -> None:
    market = Market(1, symbol)
    for payload in (market.step(), market.quote(), market.trade(), market.mark()):
        text = json.dumps(
            {"stream": frame_stream(payload), "data": payload},
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()
        assert check(scan, text) != UNUSUAL


def frame_stream(payload: dict[str, Any]) -> str:
    names = {"depthUpdate": "depth@100ms", "bookTicker": "bookTicker", "trade": "trade"}
    names["markPriceUpdate"] = "markPrice@1s"
    return f"{payload['s'].lower()}@{names[payload['e']]}"


@pytest.mark.parametrize(
    "stream",
    ["btcusdt@depth5@100ms", "btcusdt@depth20", "btcusdt@trade", "ethusdt@depth", "btcusdt@depth@"],
)
def test_a_depth_payload_under_another_streams_name_is_not_taken(scan: Scan, stream: str) -> None:
    assert check(scan, frame(Market(1).step(), stream)) == UNUSUAL


decimal_text = st.one_of(
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,10})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{0,20}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["nan", "Infinity", "1e999", "0", "0.000", "", " 1", "1 ", "+1", "0x1", "1,0"]),
)
integer = st.one_of(
    st.integers(1, 2**53), st.integers(-5, 10), st.integers(10**17, 10**20), st.just(True)
)


def reshaped(payload: dict[str, Any], data: st.DataObject) -> bytes:
    """The payload with some values replaced, keys shuffled or repeated, and fields added."""
    head = json.dumps(frame_stream(payload))
    payload = dict(payload)
    for key in data.draw(st.lists(st.sampled_from(sorted(payload)), max_size=2)):
        old = payload[key]
        if isinstance(old, bool):
            payload[key] = data.draw(st.sampled_from([True, False, "true", 1, 0, None]))
        elif isinstance(old, int):
            payload[key] = data.draw(integer)
        elif isinstance(old, list):
            payload[key] = [[data.draw(decimal_text), data.draw(decimal_text)] for _ in range(2)]
        elif key in ("e", "s"):
            payload[key] = data.draw(st.sampled_from(["trade", "BTCUSDT", "btcusdt", "x\ny", ""]))
        else:
            payload[key] = data.draw(decimal_text)
    extra = data.draw(
        st.dictionaries(
            st.text("abcpsuxyzZ_[", min_size=1, max_size=3),
            st.one_of(st.integers(0, 10**20), st.booleans(), st.text(max_size=4), st.none()),
            max_size=2,
        )
    )
    items = list(payload.items()) + [item for item in extra.items() if item[0] not in payload]
    if data.draw(st.booleans()):
        items = data.draw(st.permutations(items))
    if data.draw(st.integers(0, 5)) == 0:
        items.append(items[0])
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    body = separators[0].join(
        json.dumps(key) + separators[1] + json.dumps(value, separators=separators)
        for key, value in items
    )
    return f'{{"stream":{head},"data":{{{body}}}}}'.encode()


@RELAXED
@given(data=st.data(), seed=st.integers(0, 50), kind=st.integers(0, 3))
def test_reshaped_messages_read_the_same_or_are_left_to_the_careful_decoder(
    scan: Scan, data: st.DataObject, seed: int, kind: int
) -> None:
    market = Market(seed)
    payload = (market.step(), market.quote(), market.trade(), market.mark())[kind]
    check(scan, reshaped(payload, data))


@RELAXED
@given(data=st.data(), seed=st.integers(0, 50), kind=st.integers(0, 3))
def test_damaged_bytes_never_read_differently(
    scan: Scan, data: st.DataObject, seed: int, kind: int
) -> None:
    market = Market(seed)
    payload = (market.step(), market.quote(), market.trade(), market.mark())[kind]
    text = bytearray(frame(payload))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        action = data.draw(st.integers(0, 3))
        if action == 0:
            text[place] = data.draw(st.sampled_from(b'"{}[],:.0123456789eE-+ \\\x00\x7f\xff\n@'))
        elif action == 1:
            del text[place]
        elif action == 2:
            text.insert(place, data.draw(st.sampled_from(b'"{}[],:.0159eE- \\\x00\xff')))
        else:
            del text[place:]
        if not text:
            text = bytearray(b"{")
    check(scan, bytes(text))


@RELAXED
@given(payload=st.binary(max_size=200))
@example(b"")
@example(b'{"stream":"')
@example(b'{"stream":"btcusdt@trade","data":{' + b'"e":"trade",' * 20)
def test_garbage_is_never_taken(scan: Scan, payload: bytes) -> None:
    assert check(scan, payload) == UNUSUAL


def test_every_truncation_is_refused(scan: Scan) -> None:
    market = Market(3)
    for payload in (market.step(), market.quote(), market.trade(), market.mark()):
        text = frame(payload)
        for length in range(len(text)):
            assert scan(text[:length])[0] == UNUSUAL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61800.20", 61800.20),
        ("0.00000001", 1e-8),
        ("9007199254740991", 9007199254740991.0),
        ("0.1234567890123456", 0.1234567890123456),
        ("90071992.54740991", 90071992.54740991),
    ],
)
def test_decimals_are_the_nearest_doubles(scan: Scan, text: str, expected: float) -> None:
    payload = {**Market(1).trade(), "q": text}
    kind, fields = scan(frame(payload))
    assert kind == TRADE
    assert fields["numbers"][1] == expected == float(text)


@pytest.mark.parametrize(
    ("rate", "kind"),
    [
        ("-0.00012345", MARK), ("0.00000000", MARK), ("-0", MARK), ("0.99999999", MARK),
        ("1.00000000", UNUSUAL), ("-1.5", UNUSUAL), ("--0.1", UNUSUAL), ("-", UNUSUAL),
        ("", UNUSUAL), ("1e-4", UNUSUAL), ("nan", UNUSUAL),
    ],
)  # fmt: skip
def test_funding_rates_may_be_negative(scan: Scan, rate: str, kind: int) -> None:
    assert check(scan, frame({**Market(1).mark(), "r": rate})) == kind


def test_mark_prices_of_every_dialect_are_plain(scan: Scan) -> None:
    payload = Market(1).mark()
    for more in ({}, {"P": "61800.1"}, {"ap": "61800.20000000", "st": 1}):
        for stream in ("btcusdt@markPrice", "btcusdt@markPrice@1s"):
            assert check(scan, frame({**payload, **more}, stream)) == MARK
    for stream in (
        "btcusdt@markPrice@3s",
        "btcusdt@markPricE",
        "btcusdt@markPrice@",
        "x@markPrice",
    ):
        assert check(scan, frame(payload, stream)) == UNUSUAL
    # A contract that expires pays no funding: the careful decoder takes it.
    assert check(scan, frame({**payload, "T": 0})) == UNUSUAL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A leading zero is not JSON; whatever the rest of the world makes of it, it is unusual.
        (b'"t":1001', b'"t":01001'),
        (b'"q":"0.010"', b'"q":"00.010"'),
        # 18 digits are a 63-bit integer, but no exact double any more.
        (b'"q":"0.010"', b'"q":"0.12345678901234567"'),
        (b'"q":"0.010"', b'"q":"9007199254740993"'),
        (b'"q":"0.010"', b'"q":"1e1"'),
        (b'"t":1001', b'"t":1001,"t":1001'),
        (b'"t":1001', b'"t":9223372036854775808'),
        (b'"t":1001', b'"t":-1'),
        (b'"X":"MARKET"', b'"X":"ADL"'),
        (b'"m":false', b'"m":0'),
        (b'"s":"BTCUSDT"', b'"s":"BTCUSD"'),
        (b'"s":"BTCUSDT"', b'"s":"BTCUSDTX"'),
        (b'"e":"trade"', b'"e":"trades"'),
        (b"}}", b"}}}"),
        (b',"p":', b'{"p":'),
        (b"}}", b"}} "),
        (b"}}", b"}}\0"),
        (b"}}", b'},"id":1}'),
        (b'{"stream"', b' {"stream"'),
    ],
)
def test_what_is_not_quite_plain_is_left_to_the_careful_decoder(
    scan: Scan, old: bytes, new: bytes
) -> None:
    text = frame(Market(1).trade())
    assert text.count(old) == 1 or old == b"}}"
    assert scan(text)[0] == TRADE
    assert scan(text.replace(old, new))[0] == UNUSUAL


def test_more_levels_than_fit_are_left_to_the_careful_decoder(scan: Scan) -> None:
    levels = [[f"{price}.0", "1"] for price in range(1, MAX_LEVELS + 1)]
    fits = {**Market(1).step(), "b": levels, "a": []}
    assert scan(frame(fits))[0] == DEPTH
    too_many = {**fits, "b": [*levels, ["99999.0", "1"]]}
    assert scan(frame(too_many))[0] == UNUSUAL
