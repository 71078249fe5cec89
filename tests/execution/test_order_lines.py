"""Both order lines with both kinds of key, against the embedded exchange's own verification."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aegis.config.models import VenueConfig
from aegis.execution.client_id import ClientIds
from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.gateway import OrderGateway
from aegis.execution.order_messages import OrderMessages
from aegis.execution.replies import Answer
from aegis.execution.rest import RestClient
from aegis.execution.rest_line import RestOrderLine
from aegis.execution.signing import Ed25519Signer, HmacSigner, Signer
from aegis.execution.transports import OrderLine
from aegis.shm.intent import POST_ONLY
from aegis.venue.build import VenueOptions
from aegis.venue.credentials import mint
from aegis.venue.serve import running as venue_running
from aegis.venue.warm_up import warm_up
from tests.execution.harness import BTC
from tests.execution.rig import run
from tests.execution.test_against_venue import SYMBOL, top


class Bench:
    """A line on a venue, and the answers that came."""

    def __init__(self, line: OrderLine, rest: RestClient, answers: asyncio.Queue[Answer]) -> None:
        self.line = line
        self.rest = rest
        self.answers = answers
        self.messages = OrderMessages(ClientIds("t", 1_763_700_000), (BTC,), 2_000)

    async def ask(self, request: bytes) -> Answer:
        self.line.send(request)
        async with asyncio.timeout(30):
            return await self.answers.get()


@asynccontextmanager
async def bench(kind: str, line_name: str) -> AsyncIterator[tuple[Bench, int]]:
    # The exchange's kernels are compiled before an answer is waited for.
    warm_up()
    pair = mint()
    signers: dict[str, Signer] = {
        "hmac": HmacSigner(pair.hmac_secret),
        "ed25519": Ed25519Signer(pair.ed25519_private_pem),
    }
    keys = Keys(pair.api_key, signers[kind], signers[kind])
    async with venue_running(VenueOptions(config=VenueConfig(seed=7), keys=(pair,))) as venue:
        web, socket = f"http://127.0.0.1:{venue.port}", f"ws://127.0.0.1:{venue.port}"
        endpoints = Endpoints(lambda: web, lambda: socket, lambda: socket)
        rest = RestClient(web, keys.api_key, keys.signer)
        answers: asyncio.Queue[Answer] = asyncio.Queue()

        def answered(answer: Answer, now_ns: int) -> None:
            assert now_ns > 0
            answers.put_nowait(answer)

        await rest.synchronise()
        line: OrderLine
        if line_name == "websocket":
            line = OrderGateway(endpoints, keys, rest.now_ms, answered, lambda: None)
        else:
            line = RestOrderLine(endpoints, keys, answered)
        try:
            await line.connect()
            yield Bench(line, rest, answers), top(venue)[0]
        finally:
            line.close()
            await rest.close()


def intent(price_ticks: int):  # type: ignore[no-untyped-def]
    import numpy as np

    from aegis.shm.intent import INTENT, PLACE

    record = np.zeros(1, INTENT)
    fields = {"kind": PLACE, "side": 1, "flags": POST_ONLY, "qty_lots": 2, "epoch": 1}
    for name, value in (fields | {"order_ref": 1, "price_ticks": price_ticks}).items():
        record[0][name] = value
    return record


@pytest.mark.parametrize("line_name", ["websocket", "rest"])
@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_an_order_and_its_cancel(kind: str, line_name: str) -> None:
    async def day() -> None:
        async with bench(kind, line_name) as (desk, bid):
            messages, now_ms = desk.messages, desk.rest.now_ms
            placed = await desk.ask(messages.place(intent(bid - 500), 0, 7, now_ms()))
            assert (placed.id, placed.status, placed.error) == (7, 200, None)
            client_id = ClientIds("t", 1_763_700_000).text(1, 1)
            assert placed.result is not None and placed.result.client_order_id == client_id
            (resting,) = await desk.rest.open_orders(SYMBOL)
            assert resting.client_order_id == client_id
            gone = await desk.ask(messages.cancel(0, 1, 1, 8, now_ms()))
            assert gone.id == 8 and gone.result is not None and gone.result.status == "CANCELED"
            again = await desk.ask(messages.cancel(0, 1, 1, 9, now_ms()))
            assert again.error is not None and again.error.code == -2011
            late = await desk.ask(messages.place(intent(bid - 500), 0, 10, now_ms() - 60_000))
            assert late.error is not None and late.error.code == -1021

    run(day())


def test_no_repr_shows_a_key() -> None:
    pair = mint()
    signer = HmacSigner(pair.hmac_secret)
    keys = Keys(pair.api_key, signer, signer)
    endpoints = Endpoints(lambda: None, lambda: None, lambda: None)
    line = RestOrderLine(endpoints, keys, lambda answer, now_ns: None)
    gateway = OrderGateway(endpoints, keys, lambda: 0, lambda answer, ns: None, lambda: None)
    shown = repr((keys, signer, line, gateway))
    assert pair.api_key not in shown and pair.hmac_secret not in shown
