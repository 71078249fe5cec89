"""What an answer says of the limits counts once, however often it comes."""

from __future__ import annotations

from pathlib import Path

from aegis.execution.dispatcher import Level
from aegis.execution.replies import ANSWER_DECODER
from aegis.host.clock import monotonic_ns
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running

LIMITED = b'{"id":%d,"status":429,"error":{"code":-1003,"msg":"Too many requests."}}'


def test_a_429_that_comes_again_neither_lengthens_the_pause_nor_stops_cancels(
    tmp_path: Path,
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            session = rig.session
            requests = session.core.tables.requests
            ref = await rig.placed()
            (number,) = requests["request_id"][requests["order_ref"] == ref].tolist()
            requests["answered"][number % len(requests)] = 0
            answer = ANSWER_DECODER.decode(LIMITED % number)
            session._answered(answer, monotonic_ns())
            quiet_ms = session.dispatcher.quiet_until_ms
            assert quiet_ms > session.rest.now_ms()
            session._answered(answer, monotonic_ns())
            assert session.dispatcher.quiet_until_ms == quiet_ms
            assert session.dispatcher.rate_limited == 1
            assert session.dispatcher.admit(Level.CANCEL, session.rest.now_ms())

    run(day())
