"""Moving recorded messages: the right digits change, and nothing else does."""

from __future__ import annotations

import pytest

from aegis.venue.mirror.shift import Shift, moved, number_of, with_number

SHIFT = Shift(time_ms=1_000, update=50, trade=7, aggregate=3)


@pytest.mark.parametrize(
    ("stream", "before", "after"),
    [
        (
            "btcusdt@depth@0ms",
            b'{"e":"depthUpdate","E":10,"T":9,"U":1,"u":5,"pu":0,"b":[["1.0","2"]]}',
            b'{"e":"depthUpdate","E":1010,"T":1009,"U":51,"u":55,"pu":50,"b":[["1.0","2"]]}',
        ),
        (
            "btcusdt@bookTicker",
            b'{"e":"bookTicker","u":5,"b":"1.0","B":"2","a":"3.0","A":"4","T":9,"E":10}',
            b'{"e":"bookTicker","u":55,"b":"1.0","B":"2","a":"3.0","A":"4","T":1009,"E":1010}',
        ),
        (
            "btcusdt@trade",
            b'{"e":"trade","E":10,"T":9,"t":12,"p":"1.0","q":"2","X":"MARKET","m":false}',
            b'{"e":"trade","E":1010,"T":1009,"t":19,"p":"1.0","q":"2","X":"MARKET","m":false}',
        ),
        (
            "btcusdt@aggTrade",
            b'{"e":"aggTrade","E":10,"a":4,"p":"1.0","q":"2","f":10,"l":12,"T":9,"m":true}',
            b'{"e":"aggTrade","E":1010,"a":7,"p":"1.0","q":"2","f":17,"l":19,"T":1009,"m":true}',
        ),
        (
            "btcusdt@kline_1m",
            b'{"e":"kline","E":10,"k":{"t":0,"T":59,"i":"1m","f":-1,"L":-1,"n":0}}',
            b'{"e":"kline","E":1010,"k":{"t":1000,"T":1059,"i":"1m","f":-1,"L":-1,"n":0}}',
        ),
        (
            "btcusdt@markPrice@1s",
            b'{"e":"markPriceUpdate","E":10,"p":"1.0","r":"0.1","T":28800000}',
            b'{"e":"markPriceUpdate","E":1010,"p":"1.0","r":"0.1","T":28801000}',
        ),
        ("", b'{"lastUpdateId":5,"E":10,"bids":[]}', b'{"lastUpdateId":55,"E":1010,"bids":[]}'),
    ],
)  # fmt: skip
def test_ids_and_times_move(stream: str, before: bytes, after: bytes) -> None:
    assert moved(stream, before, SHIFT) == after
    assert moved(stream, before, SHIFT.times(0)) == before


def test_single_numbers_are_read_and_replaced() -> None:
    message = b'{"e":"depthUpdate","E":10,"U":1,"u":5,"pu":0}'
    assert number_of("btcusdt@depth", message, "u") == 5
    assert number_of("btcusdt@depth", message, "t") == 0
    assert with_number(message, "pu", 77) == b'{"e":"depthUpdate","E":10,"U":1,"u":5,"pu":77}'
