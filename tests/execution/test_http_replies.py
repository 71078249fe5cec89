"""HTTP replies out of bytes, however they are cut."""

from __future__ import annotations

import pytest

from aegis.execution.http_replies import MAX_BODY_BYTES, HttpReply, HttpReplyReader

PLAIN = b'HTTP/1.1 200 OK\r\nX-MBX-USED-WEIGHT-1M: 7\r\nContent-Length: 12\r\n\r\n{"status":1}'
CHUNKED = (
    b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\n{"cod\r\n6;x=y\r\ne":-1}\r\n0\r\n\r\n'
)
EARLY = b"HTTP/1.1 100 Continue\r\n\r\n"


def whole(data: bytes, size: int) -> HttpReply | None:
    reader = HttpReplyReader()
    reply = None
    for start in range(0, len(data), size):
        assert reply is None, "whole before its end"
        reply = reader.feed(data[start : start + size])
    return reply


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_replies_in_pieces(size: int) -> None:
    plain = whole(EARLY + PLAIN, size)
    assert plain is not None and (plain.status, plain.body) == (200, b'{"status":1}')
    assert plain.headers["x-mbx-used-weight-1m"] == "7" and plain.keeps_open
    chunked = whole(CHUNKED, size)
    assert chunked is not None and (chunked.status, chunked.body) == (400, b'{"code":-1}')


def test_a_connection_carries_one_after_the_other() -> None:
    reader = HttpReplyReader()
    first = reader.feed(PLAIN)
    second = reader.feed(CHUNKED)
    third = reader.feed(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    assert first is not None and second is not None and third is not None
    assert (first.status, second.status, third.status) == (200, 400, 204)
    assert not third.keeps_open and third.body == b""


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nends with the connection",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n",
        b"x" * 40_000,
        PLAIN + b"more",
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        HttpReplyReader().feed(data)


@pytest.mark.parametrize("end", range(1, len(CHUNKED)))
def test_a_part_is_never_a_whole(end: int) -> None:
    assert HttpReplyReader().feed(CHUNKED[:end]) is None
