"""The private stream: its key's care, its planned replacement, and the route of each dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aegis.execution.endpoints import Endpoints
from aegis.execution.rest import RestClient
from aegis.execution.signing import HmacSigner
from aegis.execution.user_events import AccountUpdate, OrderUpdate
from aegis.execution.user_stream import UserStream
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run

EXPIRED_KEY = (400, '{"code":-1125,"msg":"This listenKey does not exist."}')


class Listener:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.events: list[OrderUpdate | AccountUpdate] = []
        self.order_times: set[int] = set()
        self.ups = self.downs = self.taken = 0

    def on_event(self, event: OrderUpdate | AccountUpdate, now_ns: int) -> None:
        assert now_ns > 0
        self.events.append(event)
        if isinstance(event, OrderUpdate):
            self.order_times.add(event.T)

    def on_event_taken(self) -> None:
        self.taken += 1

    async def on_stream_up(self) -> None:
        self.ups += 1

    def on_stream_down(self) -> None:
        self.downs += 1


@asynccontextmanager
async def streaming(
    dialect: str = "2026", **times: float
) -> AsyncIterator[tuple[FakeExchange, UserStream, Listener]]:
    async with FakeExchange() as exchange:
        web, socket = f"http://127.0.0.1:{exchange.port}", f"ws://127.0.0.1:{exchange.port}"
        secret = HmacSigner(exchange.credentials.hmac_secret)
        rest = RestClient(web, exchange.credentials.api_key, secret)
        endpoints = Endpoints(lambda: web, lambda: socket, lambda: socket, dialect=dialect)
        listener = Listener()
        stream = UserStream(rest, endpoints, listener, **times)
        task = asyncio.create_task(stream.run())
        try:
            await until(lambda: listener.ups == 1)
            yield exchange, stream, listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await rest.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(("dialect", "route"), [("2026", "/private/ws/"), ("2024", "/ws/")])
def test_each_dialect_has_its_route(dialect: str, route: str) -> None:
    async def day() -> None:
        async with streaming(dialect) as (exchange, _, _):
            assert exchange.stream_paths == [route + "l" * 64]

    run(day())


def test_a_connection_is_replaced_before_its_end_and_nobody_is_deaf_meanwhile() -> None:
    async def day() -> None:
        async with streaming(lifetime_s=0.15, overlap_s=0.1) as (exchange, stream, listener):
            order = exchange.add("somebody")
            told = 0
            while stream.replacements < 2:
                exchange.tell(order, "NEW")
                told += 1
                await asyncio.sleep(0.01)
            heard = listener.order_times
            await until(lambda: len(heard) == told)
            assert len(heard) == told, "every event was heard, some of them twice"
            assert (listener.ups, listener.downs, stream.losses) == (1, 0, 0)
            await until(lambda: len(exchange.streams) == 1)

    run(day())


def test_a_key_is_extended_and_one_that_has_ended_is_replaced() -> None:
    async def day() -> None:
        async with streaming(extend_every_s=0.05) as (exchange, _, listener):
            await until(lambda: exchange.requests.count("PUT v1/listenKey") >= 3)
            assert (listener.ups, listener.downs) == (1, 0)
            exchange.rest_faults["PUT v1/listenKey"] = [EXPIRED_KEY]
            await until(lambda: listener.ups == 2)
            assert listener.downs == 1
            assert exchange.requests.count("POST v1/listenKey") == 2

    run(day())


def test_an_expired_key_is_a_loss_although_the_socket_stays_open() -> None:
    async def day() -> None:
        async with streaming() as (exchange, stream, listener):
            exchange.push({"e": "listenKeyExpired", "E": 1, "listenKey": "l" * 64})
            await until(lambda: listener.ups == 2)
            assert listener.downs == 1 and stream.losses == 1

    run(day())
