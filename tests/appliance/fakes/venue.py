"""Stands in for the embedded venue: answers the REST calls about open orders, nothing else.

The number of resting orders lives in the counter `orders_open`; a DELETE sets it to zero.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from tests.appliance.fakes.living import compile_kernels, live


def warm_up(settings: Any) -> None:
    compile_kernels()


def run(settings: Any, memory: Any, wiring: Any) -> int:
    counters = memory.counters["venue"]
    counters["orders_open"] = int(os.environ.get("FAKE_RESTING", "0"))
    server = socket.create_server(("127.0.0.1", settings.venue.port))
    server.setblocking(False)
    counters["port"] = server.getsockname()[1]

    def turn() -> None:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(1.0)
            request = connection.recv(4096).decode()
            if request.startswith("DELETE"):
                counters["orders_open"] = 0
            resting: Any = [{"orderId": number} for number in range(counters["orders_open"])]
            body = json.dumps(resting if request.startswith("GET") else {"code": 200})
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall((head + body).encode())

    return live("venue", memory, wiring, turn)
