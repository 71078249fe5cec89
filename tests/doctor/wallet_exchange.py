"""A small encrypted exchange that also tells what a key may do, which the embedded one does not.

Plain HTTP answers from a table, over TLS on loopback; no stream and no order line. Written for the
doctor's tests alone.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.execution.test_symbols import INFO

Reply = tuple[int, Any]


@dataclass
class WalletExchange:
    """`replies` by method and path; `skew_ms` is how far its clock is ahead."""

    port: int = 0
    skew_ms: int = 0
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, action: str) -> Reply:
        self.asked.append(action)
        if action == "GET /fapi/v1/time":
            return 200, {"serverTime": time.time_ns() // 1_000_000 + self.skew_ms}
        return self.replies.get(action, (404, {"code": -5000, "msg": "no such path"}))


def usual_replies() -> dict[str, Reply]:
    """An account in order, with a key that may trade and no more."""
    account = {"dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True}
    may = {
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableFutures": True,
        "ipRestrict": True,
    }
    return {
        "GET /fapi/v1/exchangeInfo": (200, INFO),
        "GET /fapi/v1/accountConfig": (200, account),
        "GET /fapi/v1/openOrders": (200, []),
        "POST /fapi/v1/countdownCancelAll": (200, {"symbol": "BTCUSDT", "countdownTime": "0"}),
        "POST /fapi/v1/listenKey": (200, {"listenKey": "secretListenKey"}),
        "GET /sapi/v1/account/apiRestrictions": (200, may),
    }


@contextlib.contextmanager
def wallet_exchange(pem: Path) -> Iterator[WalletExchange]:
    """Serve one with the certificate and key of a PEM file."""
    exchange = WalletExchange(replies=usual_replies())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = exchange.answer(f"{self.command} {urlsplit(self.path).path}")
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust us leaves in the middle of the handshake."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    exchange.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield exchange
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
