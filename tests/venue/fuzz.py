"""Seeded nonsense for the venue: requests, messages and bytes that no good client sends.

Every case follows from a seed and its number, so that one that fails can be played again. Half of
the nonsense is nearly right: that is what finds its way in deepest.
"""

from __future__ import annotations

import base64
import functools
import json
import random
import urllib.parse
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from aegis.venue.gateway.rest import ENDPOINTS
from aegis.venue.gateway.wsapi import METHODS, SESSION_METHODS
from tests.venue.desk import KEYS, sign

ME = KEYS[0]
# What the other account's orders are called: it must never be read in an answer to us.
SECRET = "SECRET-of-another"

GOOD: dict[str, list[str]] = {
    "symbol": ["BTCUSDT", "ETHUSDT"],
    "side": ["BUY", "SELL"],
    "type": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TRAILING_STOP_MARKET"],
    "algoType": ["CONDITIONAL"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "quantity": ["0.001", "0.010", "1", "0.5"],
    "price": ["60000", "59000.10", "60100.5", "61000.00"],
    "triggerPrice": ["60500", "59500.0"],
    "stopPrice": ["60500", "59500.0"],
    "workingType": ["MARK_PRICE", "CONTRACT_PRICE"],
    "activatePrice": ["60500"],
    "callbackRate": ["1", "0.5", "20"],
    "closePosition": ["true", "false"],
    "reduceOnly": ["true", "false"],
    "positionSide": ["BOTH", "LONG", "SHORT"],
    "dualSidePosition": ["true", "false"],
    "multiAssetsMargin": ["true", "false"],
    "newOrderRespType": ["ACK", "RESULT"],
    "selfTradePreventionMode": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    "priceMatch": ["NONE", "OPPONENT", "QUEUE_5"],
    "newClientOrderId": ["mine-1", "mine-2"],
    "origClientOrderId": ["mine-1", SECRET],
    "clientAlgoId": ["algo-1"],
    "algoId": ["1", "2"],
    "orderId": ["8000000001", "8000000002", "8000000003"],
    "orderIdList": ["[8000000001]", "[1,2]"],
    "origClientOrderIdList": [f'["{SECRET}"]'],
    "batchOrders": [
        '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.01",'
        '"price":"59000"}]',
        '[{"symbol":"BTCUSDT"},[],3,null]',
        '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":0.01},{"symbol":"ETHUSDT"}]',
        '[{"symbol":' + "[" * 20_000,
        "[" + ",".join(["{}"] * 6) + "]",
    ],
    "goodTillDate": ["1900000000000"],
    "limit": ["5", "10", "100", "500", "1000"],
    "interval": ["1m", "1h", "1d", "5m"],
    "period": ["5m", "1d"],
    "contractType": ["PERPETUAL"],
    "pair": ["BTCUSDT"],
    "startTime": ["0", "1799999990000"],
    "endTime": ["1800000000000"],
    "fromId": ["0", "1", "6000000001"],
    "leverage": ["1", "20", "125"],
    "marginType": ["ISOLATED", "CROSSED"],
    "amount": ["1", "100.5"],
    "asset": ["USDT", "BNB"],
    "incomeType": ["FUNDING_FEE", "COMMISSION"],
    "countdownTime": ["0", "1000"],
    "feeBurn": ["true", "false"],
    "recvWindow": ["5000", "60000"],
    "listenKey": ["x" * 64],
}  # fmt: skip
NAMES = [
    *GOOD,
    "timestamp",
    "signature",
    "apiKey",
    "nonsense",
    "",
    "\x00",
    "a" * 3000,
    "é",
    "__class__",
]

BAD = [
    "", " ", "0", "-0", "-1", "1e5", "1e999", "-1e-999", "nan", "NaN", "inf", "-Infinity", "0x10",
    "1_000", "٣", "9" * 400, "0." + "0" * 400 + "1", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "true", "TRUE", "null", "None", "[]", "{}",
    "[[[[", '{"a":', "\x00", "\n", "\r\n\r\n", "%", "%zz", "%00", "../../etc/passwd", "' OR 1=1--",
    "<script>", "\ud7ff", "\ud800", "\U0001f4a9", "\uff22\uff34\uff23", "btcusdt", "BTCUSDT ",
    "B" * 5000, "1,000", "+1", ".5", "5.", ".", "1.2.3", "0.0000000000000000001", "\U0001d7d9",
    SECRET,
]  # fmt: skip

ORDER = ("symbol", "side", "type", "timeInForce", "quantity", "price")
TRADING = [place for place in ENDPOINTS if "rder" in place[1]]

# Percent-encoding gone wrong, and everything else that a query can hold.
GARBAGE_QUERIES = [
    "%", "%%", "%1", "%zz=%zz", "a=b=c&&&=", "=&=&=", "&" * 500, "symbol=BTCUSDT&symbol=ETHUSDT",
    "%00=%00", "a=%ff%fe", "a=" + "%41" * 2000, "signature=", "signature=&signature=",
    "timestamp=%31%38", ";a=1;b=2", "a[]=1&a[x]=2", "?" * 50, "#x", "a=%u1234", "+++",
    "a=b%0d%0aX: y",
]  # fmt: skip

PATHS = [
    "/", "//", "/fapi", "/fapi/v1", "/fapi/v1/order/", "/fapi/v1/ORDER", "/fapi/v9/order",
    "/sapi/v1/x", "/venue/faults", "/%2e%2e/x", "/" + "a" * 4000, "/fapi/v1/\x00", "*", "",
    "http://x/fapi/v1/time", "/fapi/v1/time#x", "/ws", "/stream", "/public/stream?streams=",
]  # fmt: skip


@functools.cache
def _private_key() -> Any:
    return load_pem_private_key(ME.ed25519_private_pem, None)


def value_for(dice: random.Random, name: str) -> str:
    """A value for a parameter: good ones mostly, so that the request gets somewhere."""
    good = GOOD.get(name)
    if good is not None and dice.random() < 0.75:
        return dice.choice(good)
    if dice.random() < 0.15:
        return "".join(chr(dice.randrange(1, 0x2FF)) for _ in range(dice.randrange(40)))
    return dice.choice(BAD)


def parameters(dice: random.Random) -> dict[str, str]:
    """Either up to a dozen at random, or a good order with a mistake or two in it."""
    if dice.random() < 0.3:
        return {name: value_for(dice, name) for name in dice.sample(NAMES, dice.randrange(12))}
    given = {name: dice.choice(GOOD[name]) for name in ORDER}
    if dice.random() < 0.6:
        given["type"] = dice.choice(["LIMIT", "MARKET"])
    if given["type"] == "MARKET":
        del given["price"], given["timeInForce"]
    if dice.random() < 0.7:
        name = dice.choice(["orderId", "origClientOrderId", "limit", "interval", "batchOrders"])
        given[name] = dice.choice(GOOD[name])
    for _ in range(dice.randrange(3)):
        name = dice.choice([*given, *GOOD])
        given[name] = value_for(dice, name)
    if dice.random() < 0.1:
        given.pop(dice.choice(list(given)))
    return given


def _stamp(dice: random.Random, now_ms: int) -> int:
    """A timestamp, nearly always a good one."""
    wrong = dice.choice([999, 1000, -5000, -5001, 10**15, -now_ms])
    return now_ms + (wrong if dice.random() < 0.04 else 0)


def rest_request(dice: random.Random, now_ms: int) -> tuple[str, str, str, str, str | None]:
    """Method, path, query, body and API key of one REST request."""
    places = TRADING if dice.random() < 0.5 else list(ENDPOINTS)
    method, path = dice.choice(places)
    if dice.random() < 0.03:
        method, path = dice.choice(["GET", "PATCH", "\x00", "get"]), dice.choice(PATHS)
    given = parameters(dice)
    if dice.random() < 0.97:
        given["timestamp"] = str(_stamp(dice, now_ms))
    if dice.random() < 0.04:
        query = dice.choice(GARBAGE_QUERIES)
    else:
        query = urllib.parse.urlencode(given, errors="replace")
    body = ""
    if method != "GET" and dice.random() < 0.4:
        query, body = ("", query) if dice.random() < 0.7 else (query[: len(query) // 2], query)
    key: str | None = ME.api_key
    if dice.random() < 0.97:
        signature = sign(ME, query + body)
        chance = dice.random()
        if chance < 0.05:
            signature = dice.choice(["", "0" * 64, signature[:-1], signature.upper(), "é" * 64])
        elif chance < 0.15:
            raw = _private_key().sign((query + body).encode())
            signature = urllib.parse.quote(base64.b64encode(raw).decode(), safe="")
        if body:
            body += f"&signature={signature}"
        else:
            query += f"{'&' if query else ''}signature={signature}"
    if dice.random() < 0.04:
        key = dice.choice([None, "", "x", "é" * 64, ME.api_key[:-1], ME.api_key + "0", "\x00"])
    return method, path, query, body, key


def _json_value(dice: random.Random, depth: int = 0) -> Any:
    chance = dice.random()
    if chance < 0.5 or depth > 3:
        return dice.choice([*BAD, 0, -1, 1.5, 10**30, True, False, None, 1e308, "BTCUSDT", "BUY"])
    if chance < 0.75:
        return [_json_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(NAMES): _json_value(dice, depth + 1) for _ in range(dice.randrange(4))}


RAW_TEXTS = [
    "", " ", "{", "}", "[]", "[[", "null", "true", '"', "\x00", "{}{}", '{"id":1}', "NaN", "-",
    "[" * 200_000, '{"a":' * 40_000, "9" * 100_000, '{"id":' + "9" * 5000 + "}",
    '{"id":1,"id":2,"method":"ping"}', '{"method":"ping","params":null}', '{"method":null}',
    '{"method":"SUBSCRIBE","params":["' + "x" * 100_000 + '"],"id":1}',
    '{"method":"SUBSCRIBE","params":' + json.dumps(["a@b"] * 20_000) + ',"id":1}',
    '{"id":1,"method":"order.place","params":{"price":1e999,"symbol":"BTCUSDT"}}',
    '{"id":1,"method":"order.place","params":{"price":NaN}}', "\ufeff{}", '{"id":"\\ud800"}',
]  # fmt: skip


def api_message(dice: random.Random, now_ms: int) -> str:
    """One text frame for the WebSocket API."""
    if dice.random() < 0.08:
        return dice.choice(RAW_TEXTS)
    method = dice.choice(["order.place"] * 12 + [*METHODS, *SESSION_METHODS])
    if dice.random() < 0.05:
        method = dice.choice([*BAD, "v1/order.place", "order.explode"])
    given: dict[str, Any] = dict(parameters(dice))
    if dice.random() < 0.1:
        given[dice.choice(NAMES)] = _json_value(dice)
    if dice.random() < 0.95:
        given["timestamp"] = _stamp(dice, now_ms)
        given["apiKey"] = ME.api_key
    if dice.random() < 0.85:
        pairs = "&".join(
            f"{name}={_text(given[name])}" for name in sorted(given) if name != "signature"
        )
        payload = pairs.encode("utf-8", "replace")
        if dice.random() < 0.5 or method == "session.logon":
            given["signature"] = base64.b64encode(_private_key().sign(payload)).decode()
        else:
            given["signature"] = sign(ME, pairs) if _encodes(pairs) else "0" * 64
    message = {"id": dice.choice([1, "x", None, 10**40, []]), "method": method, "params": given}
    text = json.dumps(message)
    if dice.random() < 0.05:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(["", "\x00", '"', "{", "9" * 50]) + text[at + 1 :]
    return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def control_message(dice: random.Random) -> str:
    """One text frame for a stream connection."""
    if dice.random() < 0.2:
        return dice.choice(RAW_TEXTS)
    method = dice.choice(
        ["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY", "X", 3]
    )
    names = ["btcusdt@depth", "!ticker@arr", "combined", "x" * 300, "", "\x00", True, None, 5, {}]
    some: Any = [dice.choice(names) for _ in range(dice.randrange(5))]
    if dice.random() < 0.1:
        some = _json_value(dice)
    return json.dumps({"method": method, "params": some, "id": _json_value(dice, 3)})
