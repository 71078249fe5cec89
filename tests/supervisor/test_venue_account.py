"""The supervisor's REST calls: signed as the exchange wants it, and never an exception."""

from __future__ import annotations

import hashlib
import hmac
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from aegis.supervisor.venue_account import VenueAccount


@dataclass(frozen=True)
class Key:
    api_key: str = "the-key"
    hmac_secret: str = "the-secret"


class Venue:
    """Answers every request with `status` and `body`, and keeps what was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"[]"
        self.asked: list[tuple[str, str, str]] = []
        venue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                venue.asked.append((self.command, self.path, self.headers["X-MBX-APIKEY"]))
                self.send_response(venue.status)
                self.send_header("Content-Length", str(len(venue.body)))
                self.end_headers()
                self.wfile.write(venue.body)

            do_DELETE = do_GET  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                """Nothing on the test's console."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.close()


def test_open_orders_are_counted_and_the_call_is_signed(venue: Venue) -> None:
    venue.body = b'[{"orderId":1},{"orderId":2}]'
    assert VenueAccount(venue.url, Key()).open_orders() == 2
    method, target, key = venue.asked[0]
    path, _, query = target.partition("?")
    unsigned, _, signature = query.rpartition("&signature=")
    assert (method, path, key) == ("GET", "/fapi/v1/openOrders", "the-key")
    assert signature == hmac.new(b"the-secret", unsigned.encode(), hashlib.sha256).hexdigest()
    assert set(urllib.parse.parse_qs(unsigned)) == {"timestamp", "recvWindow"}


def test_cancel_all_names_every_symbol(venue: Venue) -> None:
    venue.body = b'{"code":200,"msg":"done"}'
    assert VenueAccount(venue.url, Key()).cancel_all(["BTCUSDT", "ETHUSDT"])
    assert [method for method, _, _ in venue.asked] == ["DELETE", "DELETE"]
    assert "symbol=BTCUSDT" in venue.asked[0][1]
    assert "symbol=ETHUSDT" in venue.asked[1][1]


@pytest.mark.parametrize(
    ("status", "body"), [(503, b"{}"), (200, b"not json"), (200, b""), (400, b'{"code":-1021}')]
)
def test_what_is_not_an_answer_is_not_believed(venue: Venue, status: int, body: bytes) -> None:
    venue.status, venue.body = status, body
    account = VenueAccount(venue.url, Key())
    assert account.open_orders() is None
    assert not account.cancel_all(["BTCUSDT"])


def test_a_venue_that_is_gone_is_not_believed_either(venue: Venue) -> None:
    account = VenueAccount("http://127.0.0.1:1", Key())
    assert account.open_orders() is None
    assert not account.cancel_all(["BTCUSDT"])


def test_a_url_without_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="host:port"):
        VenueAccount("https://example.com", Key())
