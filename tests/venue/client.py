"""A client of the venue over real sockets, for tests: aiohttp for REST, websockets for streams.

It is written from the exchange's documents and shares nothing with the venue's encoders.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from websockets.asyncio.client import ClientConnection, connect

from aegis.venue.credentials import Credentials

PATIENCE_S = 10.0


class Client:
    """REST calls of one API key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: Credentials) -> None:
        self._session = session
        self.url = url
        self.ws_url = url.replace("http", "ws", 1)
        self.key = key

    async def call(
        self, method: str, path: str, signed: bool = True, **parameters: Any
    ) -> tuple[int, Any]:
        if signed:
            parameters["timestamp"] = time.time_ns() // 1_000_000
        query = urllib.parse.urlencode(parameters)
        if signed:
            digest = hmac.new(self.key.hmac_secret.encode(), query.encode(), hashlib.sha256)
            query += f"&signature={digest.hexdigest()}"
        headers = {"X-MBX-APIKEY": self.key.api_key}
        url = f"{self.url}{path}?{query}"
        async with self._session.request(method, url, headers=headers) as response:
            return response.status, await response.json()

    async def good(self, method: str, path: str, signed: bool = True, **parameters: Any) -> Any:
        status, body = await self.call(method, path, signed, **parameters)
        assert status == 200, body
        return body

    async def listen_key(self) -> str:
        return (await self.good("POST", "/fapi/v1/listenKey", signed=False))["listenKey"]


@contextlib.asynccontextmanager
async def client(url: str, key: Credentials) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session, url, key)


@contextlib.asynccontextmanager
async def stream(url: str, path: str) -> AsyncIterator[ClientConnection]:
    # Without a bound on the queue: a full one stops the client from reading, and then even the
    # server's answer to its goodbye waits behind what the test did not care to read.
    target = url.replace("http", "ws", 1) + path
    async with connect(target, compression=None, max_queue=None) as connection:
        yield connection


async def receive(connection: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(connection.recv(), PATIENCE_S))


async def receive_until(
    connection: ClientConnection, last: Callable[[Any], bool], limit: int = 10_000
) -> list[Any]:
    """Messages up to and including the first one for which `last` is true."""
    seen = []
    for _ in range(limit):
        seen.append(await receive(connection))
        if last(seen[-1]):
            return seen
    raise AssertionError(f"not within {limit} messages")


class Book:
    """A local book by the exchange's rules for futures: U, u and pu."""

    def __init__(self) -> None:
        self.levels: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.last_id = 0
        self.joined = False

    def load(self, snapshot: dict[str, Any]) -> None:
        self.levels = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        self.last_id = snapshot["lastUpdateId"]
        self.joined = False

    def apply(self, event: dict[str, Any]) -> bool:
        """False when the event cannot follow: fetch the snapshot again."""
        if event["u"] < self.last_id:
            return True
        if not self.joined:
            if event["U"] > self.last_id:
                return False
            self.joined = True
        elif event["pu"] != self.last_id:
            return False
        for side in ("b", "a"):
            for price, qty in event[side]:
                if float(qty) == 0:
                    self.levels[side].pop(price, None)
                else:
                    self.levels[side][price] = qty
        self.last_id = event["u"]
        return True


async def synchronised(rest: Client, connection: ClientConnection, symbol: str) -> Book:
    """Join a raw diff stream and a snapshot; further snapshots until they meet."""
    book = Book()
    for _ in range(20):
        event = await receive(connection)
        book.load(await rest.good("GET", "/fapi/v1/depth", False, symbol=symbol, limit=1000))
        while book.apply(event):
            if book.joined:
                return book
            event = await receive(connection)
    raise AssertionError("snapshot and stream never met")


def api_request(key: Credentials, method: str, **parameters: Any) -> str:
    """A WebSocket API request signed with Ed25519."""
    full = {"apiKey": key.api_key, "timestamp": time.time_ns() // 1_000_000, **parameters}
    payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
    private: Any = load_pem_private_key(key.ed25519_private_pem, None)
    signature = base64.b64encode(private.sign(payload.encode())).decode()
    return json.dumps({"id": 1, "method": method, "params": {**full, "signature": signature}})
