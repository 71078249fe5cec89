"""HTTP/1.1 replies out of bytes, for the REST order line: sans-I/O, as little as that line needs.

One reader per connection. A reply has a Content-Length or is chunked; what ends only with the
connection is taken for cut off, because an order's answer that may be a half is none. Sizes are
bounded. A violation raises ValueError: the connection is then worth nothing and its request's fate
is unknown. Source: RFC 9112.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HttpReply", "HttpReplyReader"]

MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
_END = b"\r\n\r\n"
_BODILESS = (204, 304)


class HttpReply(NamedTuple):
    """One reply. Header names are in lower case; of a repeated one the last counts."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def keeps_open(self) -> bool:
        """Whether the connection may be used again."""
        return self.headers.get("connection", "").lower() != "close"


class HttpReplyReader:
    """`feed` bytes as they come; it gives the reply when it is whole."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> HttpReply | None:
        """The reply that `data` completes, None while it is not whole. Raises ValueError.

        More bytes than one reply are a violation: nothing was asked that they could answer.
        """
        self._bytes += data
        while True:
            if self._head is None and not self._take_head():
                return None
            assert self._head is not None
            status, headers = self._head
            if 100 <= status < 200:
                self._head = None
                continue
            if not self._take_body(status, headers):
                return None
            if self._bytes:
                raise ValueError("more bytes than one reply")
            reply = HttpReply(status, headers, bytes(self._body))
            self._head, self._body = None, bytearray()
            return reply

    def _take_head(self) -> bool:
        end = self._bytes.find(_END)
        if end < 0:
            if len(self._bytes) > MAX_HEAD_BYTES:
                raise ValueError("a head without an end")
            return False
        lines = bytes(self._bytes[:end]).decode("latin-1").split("\r\n")
        del self._bytes[: end + len(_END)]
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not _is_number(parts[1]):
            raise ValueError("no status line")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError("a header line without a colon")
            headers[name.strip().lower()] = value.strip()
        self._head = (int(parts[1]), headers)
        return True

    def _take_body(self, status: int, headers: dict[str, str]) -> bool:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._take_chunks()
        length = headers.get("content-length")
        if length is None:
            if status in _BODILESS:
                return True
            raise ValueError("a body without a length")
        if not _is_number(length) or int(length) > MAX_BODY_BYTES:
            raise ValueError("a body of no acceptable length")
        count = int(length)
        if len(self._bytes) < count:
            return False
        self._body += self._bytes[:count]
        del self._bytes[:count]
        return True

    def _take_chunks(self) -> bool:
        """Move whole chunks over; True when the last one has come."""
        while True:
            end = self._bytes.find(b"\r\n")
            if end < 0:
                return False
            size = int(self._bytes[:end].split(b";")[0], 16)
            if size < 0 or len(self._body) + size > MAX_BODY_BYTES:
                raise ValueError("chunks of no acceptable length")
            if len(self._bytes) < end + 2 + size + 2:
                return False
            if self._bytes[end + 2 + size : end + 4 + size] != b"\r\n":
                # After the last chunk this would be a trailer, which this exchange never sends.
                raise ValueError("a chunk without an end")
            self._body += self._bytes[end + 2 : end + 2 + size]
            del self._bytes[: end + 4 + size]
            if size == 0:
                return True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
