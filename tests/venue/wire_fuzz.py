"""Seeded nonsense in bytes: what no HTTP or WebSocket library would send to the venue's port.

Each case is a list of chunks, and what it may be answered with. `test_fuzz_sockets` sends them.
"""

from __future__ import annotations

import random
import struct
import urllib.parse

from tests.venue import fuzz

END = b"\r\n\r\n"
UPGRADE = (
    b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WS_PATHS = [
    "/public/ws", "/market/stream", "/private/ws/" + "x" * 64, "/ws/btcusdt@depth@0ms",
    "/stream?streams=btcusdt@trade/%00/%ff", "/ws-fapi/v1", "/public/ws/0",
]  # fmt: skip
TEXT, BINARY, CLOSE, PING, PONG, CONT = 1, 2, 8, 9, 10, 0


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claimed: int | None = None,
) -> bytes:
    """A client's frame, with whatever is wrong with it; `claimed` is the length that it tells."""
    length = len(payload) if claimed is None else claimed
    first = (0x80 if final else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", first, bit | length)
    elif length < 65_536:
        head = struct.pack("!BBH", first, bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, bit | 127, length)
    if not masked:
        return head + payload
    mask = b"\x01\x02\x03\x04"
    body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return head + mask + body


def http_case(dice: random.Random) -> list[bytes]:
    """A request that is no request, or hardly one."""
    kind = dice.randrange(12)
    if kind == 0:
        return [dice.randbytes(dice.randrange(1, 400)) + END]
    if kind == 1:
        return [b"GET / HTTP/9.9\r\n" + b"x" * dice.randrange(200) + END]
    if kind == 2:
        return [b"GET /" + b"a" * dice.choice([9_000, 20_000, 100_000]) + b" HTTP/1.1" + END]
    if kind == 3:
        bomb = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 50) for n in range(dice.choice([60, 400])))
        return [b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n" + bomb + b"\r\n"]
    if kind == 4:
        return [b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\nX: " + b"z" * 30_000 + END]
    if kind == 5:
        length = dice.choice([b"-1", b"1e9", b"99999999999", b"70000", b"abc", b"5, 6", b"0x10"])
        head = b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + END
        return [head, b"a" * dice.choice([0, 3, 65_000])]
    if kind == 6:
        chunks = dice.choice(
            [b"zz\r\n", b"5\r\nab", b"ffffffffffffffff\r\n", b"1\r\na\r\n0\r\n\r\n"]
        )
        head = b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked" + END
        return [head, chunks]
    if kind == 7:
        query = dice.choice(fuzz.GARBAGE_QUERIES).replace(" ", "%20").encode("utf-8", "replace")
        path = dice.choice(fuzz.PATHS).encode("utf-8", "replace")
        return [b"GET " + path + b"?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close" + END]
    if kind == 8:
        return [b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n" * dice.randrange(2, 40)]
    if kind == 9:
        return [b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: \xff\xfe\x00\r\n\r\n"]
    if kind == 10:
        smuggled = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        return [b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\n" + smuggled + b"\r\n0\r\n\r\nGET"]
    return [b"GET /fapi/v1/ping HTTP/1.1\r\n", b"Host: x\r\n", b"Connection: close\r\n\r\n"]


def rest_case(dice: random.Random, now_ms: int) -> list[bytes]:
    """A REST request as ``fuzz`` makes them, over the wire, in one piece or in several."""
    method, path, query, body, key = fuzz.rest_request(dice, now_ms)
    target = urllib.parse.quote(path, safe="/:%?=&") + (f"?{query}" if query else "")
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if key is not None:
        lines.append(f"X-MBX-APIKEY: {key}")
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    text = "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body.encode()
    if dice.random() < 0.2:
        at = dice.randrange(len(text))
        return [text[:at], text[at:]]
    return [text]


def handshake_case(dice: random.Random) -> list[bytes]:
    """An upgrade that is none."""
    lines = UPGRADE.split(b"\r\n")
    at = dice.randrange(len(lines) - 2)
    broken = [*lines]
    broken[at] = dice.choice(
        [b"", b"Upgrade: websocket, h2c", b"Sec-WebSocket-Version: 8", b"Sec-WebSocket-Key: x",
         b"Connection: close", b"\xff: \xff", b"Upgrade", b"Host: " + b"h" * 9_000]
    )  # fmt: skip
    path = dice.choice([*WS_PATHS, "/nowhere", "//x", "/public", "/ws/", "*"]).encode()
    method = dice.choice([b"GET", b"GET", b"POST", b"\x00"])
    return [method + b" " + path + b" HTTP/1.1\r\n" + b"\r\n".join(broken)]


def frame_case(dice: random.Random, now_ms: int) -> list[bytes]:
    """Frames after a good handshake."""
    path = dice.choice(WS_PATHS)
    chunks = [f"GET {path} HTTP/1.1\r\n".encode() + UPGRADE]
    for _ in range(dice.randrange(1, 4)):
        chunks.append(_frame(dice, now_ms, path))
    return chunks


def _frame(dice: random.Random, now_ms: int, path: str) -> bytes:
    kind = dice.randrange(13)
    if kind == 0:
        return frame(b"{}", masked=False)
    if kind == 1:
        return frame(b"{}", reserved=dice.randrange(1, 8))
    if kind == 2:
        return frame(b"", dice.choice([3, 7, 11, 15]))
    if kind == 3:
        return frame(b"x" * 20, claimed=dice.choice([300_000, 2**40, 2**63]))
    if kind == 4:
        return frame(b"p" * 126, PING)
    if kind == 5:
        return frame(b"\xff\xfe\xc0", dice.choice([TEXT, BINARY]))
    if kind == 6:
        code = dice.choice([0, 999, 1004, 1005, 1000, 5000])
        return frame(struct.pack("!H", code) + dice.choice([b"", b"\xff", b"bye"]), CLOSE)
    if kind == 7:
        return frame(b"x", CONT) if dice.random() < 0.5 else frame(b"x", CLOSE)
    if kind == 8:
        return frame(b"", final=False) + frame(b"", CONT, final=False) * dice.choice([5, 1_200])
    if kind == 9:
        return frame(b"x", PONG) * dice.choice([2, 15])
    if kind == 10:
        return dice.randbytes(dice.randrange(1, 60))
    if kind == 11:
        half = frame(b"y" * 200)
        return half[: dice.randrange(1, len(half))]
    message = fuzz.api_message if path.startswith("/ws-fapi") else _control
    return frame(message(dice, now_ms).encode("utf-8", "replace"))


def _control(dice: random.Random, now_ms: int) -> str:
    return fuzz.control_message(dice)
