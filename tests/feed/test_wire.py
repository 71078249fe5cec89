"""The careful decoder: what it accepts, and that whatever else it is given is only refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.feed.errors import BadSnapshotError, WireError
from aegis.feed.wire import (
    BookTicker,
    DepthUpdate,
    Ignored,
    MarkPrice,
    Reply,
    Trade,
    decode,
    decode_snapshot,
    side_arrays,
)
from tests.feed.market import Market, compact, frame

TRADE = Market(1).trade()
QUOTE = Market(1).quote()
DEPTH = Market(1).step()


@pytest.mark.parametrize(
    ("payload", "kind"), [(TRADE, Trade), (QUOTE, BookTicker), (DEPTH, DepthUpdate)]
)
def test_messages_are_decoded_to_their_kind(payload: dict[str, Any], kind: type) -> None:
    assert isinstance(decode(frame(payload)), kind)


def test_mark_prices_are_decoded() -> None:
    payload = {
        "e": "markPriceUpdate", "E": 1680652701000, "s": "BTCUSDT", "p": "28147.27", "ap": "1",
        "P": "28142.1", "i": "28159.75", "r": "-0.00002754", "T": 1680652800000, "st": 1,
    }  # fmt: skip
    message = decode(frame(payload, "btcusdt@markPrice@1s"))
    assert isinstance(message, MarkPrice)
    assert (message.p, message.i, message.r) == (28147.27, 28159.75, -0.00002754)


@pytest.mark.parametrize(
    "text",
    [
        "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1", "0", "0.000", "", " 1", "1 ", "x",
        "1_0", "9" * 400, "9" * 100_000, None, True, [], {}, "-0.0", "1e400",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["b", "B", "a", "A"])
def test_quotes_with_no_such_number_are_refused(field: str, text: Any) -> None:
    with pytest.raises(WireError):
        decode(frame({**QUOTE, field: text}))


@pytest.mark.parametrize("payload", [TRADE, QUOTE, DEPTH])
def test_every_field_is_needed(payload: dict[str, Any]) -> None:
    for field in payload:
        if field in ("e", "X"):
            continue
        with pytest.raises(WireError):
            stream = json.loads(frame(payload))["stream"]
            decode(frame({key: payload[key] for key in payload if key != field}, stream))


@pytest.mark.parametrize("value", [-1, 2**63, 10**30, 0, "x", None, 1.5])
def test_times_out_of_range_are_refused(value: Any) -> None:
    with pytest.raises(WireError):
        decode(frame({**TRADE, "T": value}))


def test_trades_without_a_public_fill_are_void_and_not_errors() -> None:
    for change in ({"X": "NA"}, {"p": "0", "q": "0", "X": "NA"}, {"p": "0", "q": "0"}):
        message = decode(frame({**TRADE, **change}))
        assert isinstance(message, Trade)
        assert message.is_void
    liquidation = decode(frame({**TRADE, "X": "INSURANCE_FUND"}))
    assert isinstance(liquidation, Trade)
    assert not liquidation.is_void


def test_other_events_streams_and_partial_books_are_ignored() -> None:
    assert decode(frame(DEPTH, "btcusdt@depth20@100ms")) == Ignored(
        "btcusdt@depth20@100ms", "DepthUpdate"
    )
    assert isinstance(decode(frame(TRADE, "ethusdt@trade")), Ignored)
    unknown = {"e": "somethingNew", "s": "BTCUSDT", "x": {"deep": [1, 2]}}
    assert decode(frame(unknown, "btcusdt@new")) == Ignored("btcusdt@new", "somethingNew")
    kline = {"e": "kline", "E": 1, "s": "BTCUSDT", "k": {"t": 1}}
    assert decode(frame(kline, "btcusdt@kline_1m")) == Ignored("btcusdt@kline_1m", "kline")


def test_control_replies_are_told_from_data() -> None:
    success = decode(b'{"result":null,"id":1}')
    assert isinstance(success, Reply)
    assert (success.id, success.error_text) == (1, "")
    failure = decode(b'{"error":{"code":2,"msg":"Invalid request"},"id":7}')
    assert isinstance(failure, Reply)
    assert failure.id == 7
    assert "Invalid request" in failure.error_text
    nameless = decode(b'{"error":{"code":3,"msg":"Invalid JSON"}}')
    assert isinstance(nameless, Reply)
    assert nameless.error_text


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 50_000, b"[" * 50_000, b'"text"', b"1e999",
     b'{"stream":1,"data":{}}', b'{"stream":"\\ud800@trade","data":{}}'],
)  # fmt: skip
def test_garbage_is_refused_with_a_short_text(body: bytes) -> None:
    with pytest.raises(WireError) as error:
        decode(body)
    assert len(str(error.value)) < 400


def test_errors_name_field_and_value() -> None:
    with pytest.raises(WireError, match=r"BookTicker BTCUSDT: b=nan must be above 0 and finite"):
        decode(frame({**QUOTE, "b": "nan"}))
    with pytest.raises(WireError, match=r"Expected `float`, got `str` - at `\$\.data\.p`"):
        decode(frame({**TRADE, "p": "dear"}))


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    payload=st.sampled_from([TRADE, QUOTE, DEPTH]),
    changes=st.dictionaries(st.sampled_from(sorted({*TRADE, *QUOTE, *DEPTH})), json_value),
)
def test_any_json_is_decoded_or_refused(payload: dict[str, Any], changes: Any) -> None:
    stream = json.loads(frame(payload))["stream"]
    changed = {**payload, **changes}
    try:
        message = decode(frame(changed, stream))
        if isinstance(message, DepthUpdate):
            side_arrays(message.b, "bids")
            side_arrays(message.a, "asks")
    except WireError:
        return
    assert isinstance(message, Trade | BookTicker | DepthUpdate | Ignored | Reply)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for parse in (decode, lambda raw: decode_snapshot(raw, "BTCUSDT")):
        try:
            parse(body)
        except WireError:
            continue


def test_levels_must_be_prices_and_quantities() -> None:
    keys, quantities = side_arrays([(61800.2, 1.5), (0.00000001, 0.0)], "bids")
    assert keys.tolist() == [6180020000000, 1]
    assert quantities.tolist() == [1.5, 0.0]
    inf, nan = float("inf"), float("nan")
    for level in [(0.0, 1.0), (-1.0, 1.0), (nan, 1.0), (inf, 1.0), (1.0, nan), (1.0, inf),
                  (1.0, -1.0), (1e-9, 1.0), (1e300, 1.0), (1.0, 1e300)]:  # fmt: skip
        with pytest.raises(WireError, match="is no price and quantity"):
            side_arrays([(1.0, 1.0), level], "bids")


def test_snapshots_are_sorted_and_checked() -> None:
    good = Market(5).snapshot()
    last_id, bids, asks = decode_snapshot(compact(good), "BTCUSDT")
    assert last_id == good["lastUpdateId"]
    assert bids[0].tolist() == sorted(bids[0].tolist(), reverse=True)
    assert asks[0].tolist() == sorted(asks[0].tolist())
    backwards = {**good, "bids": good["bids"][::-1], "asks": good["asks"][::-1]}
    assert decode_snapshot(compact(backwards), "BTCUSDT")[1][0].tolist() == bids[0].tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"bids": []},
        {"asks": []},
        {"bids": [["1", "nan"]]},
        {"bids": [["1", "0"]]},
        {"bids": [["1", "1"], ["1.0", "2"]]},
        {"bids": [["99999999", "1"]]},
        {"bids": [["1"]]},
        {"lastUpdateId": 0},
        {"lastUpdateId": "soon"},
    ],
)
def test_snapshots_that_cannot_be_a_book_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadSnapshotError, match=r"BTCUSDT|lastUpdateId"):
        decode_snapshot(compact({**Market(5).snapshot(), **change}), "BTCUSDT")


def test_the_exchanges_own_sample_is_accepted(shared_data: Path) -> None:
    text = (shared_data / "payloads/usdm/rest/ExchangeData/GetOrderBook.txt").read_text()
    body = text[text.index("{") :].encode()
    last_id, bids, asks = decode_snapshot(body, "SAMPLE")
    assert last_id == 1027024
    assert bids[0].tolist() == [400000000]
    assert asks[0].tolist() == [400000200]
