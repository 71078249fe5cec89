"""The operator's commands on a running execution: over the socket, confirmed at the exchange."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from aegis.cli.cancel_all import clear_directly
from aegis.execution import latch_keeper, operator_commands
from aegis.execution.client_id import STOP_EPOCH, ClientIds
from aegis.execution.standalone_cancel import clear_account, protective_stop_of
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.risk.latch_record import LatchRecord, read_record, record_file, write_record
from aegis.shm.intent import IOC, MARKET
from aegis.shm.operator import SOCKET_NAME, ask_operator_desk, socket_address
from aegis.shm.outcome import CANCELED, DENIED, FILL
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running
from tests.execution.test_against_venue import market, top


async def command(rig: Rig, name: str) -> dict[str, Any]:
    """As the command line gives it: blocking, from outside of the loop."""
    return await asyncio.to_thread(ask_operator_desk, rig.memory.directory, name, 60.0)


def test_halt_cancels_and_stays(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            refs = [await rig.placed(price_ticks=599_000 + at) for at in range(3)]
            answer = await command(rig, "halt")
            assert (answer["ok"], answer["cancelled"], answer["resting"]) == (True, 3, 0)
            assert (answer["state"], answer["reason"]) == ("HALTED", "OPERATOR")
            assert exchange.open_ids() == [] and answer["positions"] == {}
            for ref in refs:
                await rig.outcome(ref, CANCELED)
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL
            again = await command(rig, "reduce")
            assert again["ok"] and again["state"] == "HALTED", "a weaker word changes nothing"
            await rig.until(
                lambda: read_record(record_file("t")).state is LatchState.HALTED, "the record"
            )
            armed = await command(rig, "arm")
            assert armed["ok"] and armed["state"] == "ACTIVE"
            assert "HALTED because of OPERATOR" in armed["text"]
            await rig.placed()
            await rig.until(
                lambda: read_record(record_file("t")).state is LatchState.ACTIVE, "the record"
            )

    run(day())


def test_cancel_all_leaves_the_latch_alone(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            answer = await command(rig, "cancel-all")
            assert (answer["ok"], answer["cancelled"], answer["state"]) == (True, 1, "ACTIVE")
            await rig.placed()

    run(day())


def test_what_cannot_be_confirmed_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_commands, "_PATIENCE_NS", 1_000_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            exchange.rest_faults["GET v1/openOrders"] = [(503, '{"code":-1,"msg":"x"}')] * 1_000
            answer = await command(rig, "halt")
            assert not answer["ok"] and "does not answer" in answer["text"]
            assert rig.session.gate.latch.state is LatchState.HALTED, "halted all the same"
            exchange.rest_faults.clear()
            assert (await command(rig, "halt"))["ok"]

    run(day())


def test_what_cannot_be_counted_is_cancelled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order line is up, and only the list of what rests is not to be had."""
    monkeypatch.setattr(operator_commands, "_PATIENCE_NS", 1_000_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            for at in range(2):
                await rig.placed(price_ticks=599_000 + at)
            exchange.rest_faults["GET v1/openOrders"] = [(503, '{"code":-1,"msg":"x"}')] * 1_000
            answer = await command(rig, "cancel-all")
            assert exchange.open_ids() == []
            assert not answer["ok"] and "does not answer" in answer["text"], "nobody has seen it"
            exchange.rest_faults.clear()
            assert (await command(rig, "cancel-all"))["ok"]

    run(day())


@pytest.mark.parametrize("asked", ["GET v1/openOrders", "GET v3/positionRisk"])
def test_an_account_that_cannot_be_compared_is_not_armed(tmp_path: Path, asked: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await command(rig, "halt")
            exchange.rest_faults[asked] = [(503, '{"code":-1,"msg":"x"}')] * 50
            answer = await command(rig, "arm")
            assert not answer["ok"] and "the latch is HALTED because of OPERATOR" in answer["text"]
            assert (answer["state"], answer["reason"]) == ("HALTED", "OPERATOR")
            exchange.rest_faults.clear()
            assert rig.session.gate.latch.state is LatchState.HALTED, "and it does not arm later"
            assert (await command(rig, "arm"))["state"] == "ACTIVE"

    run(day())


def test_an_order_of_somebody_else_is_named(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            foreign = exchange.add("web_someone", qty="0.5")
            named = "1 orders are not ours and stay: BTCUSDT web_someone"
            answer = await command(rig, "cancel-all")
            assert answer["text"] == f"0 orders cancelled, 0 rest, position flat; {named}"
            assert foreign.status == "NEW", "never touched"
            assert answer["reason"] == "FOREIGN_ORDER"
            answer = await command(rig, "arm")
            assert answer["refused"] and answer["text"].endswith(named)

    run(day())


def test_a_position_that_differs_cannot_be_armed_away(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await command(rig, "halt")
            exchange.position += 1
            answer = await command(rig, "arm")
            assert not answer["ok"] and answer["refused"]
            assert answer["reason"] == "POSITION_MISMATCH"

    run(day())


@pytest.mark.parametrize(
    ("word", "state"), [("halt", "HALTED"), ("reduce", "REDUCING"), ("flatten", "REDUCING")]
)
def test_a_word_before_the_exchange_answers_holds_when_it_does(
    tmp_path: Path, word: str, state: str
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/time"] = [(503, '{"code":-1,"msg":"x"}')] * 1_000
            async with running(tmp_path, exchange, ready=False) as rig:
                await rig.until(
                    lambda: (rig.memory.directory / SOCKET_NAME).exists(), "the operator's desk"
                )
                answer = await command(rig, word)
                assert not answer["ok"] and f"it is {state} when it has" in answer["text"]
                await rig.until(
                    lambda: read_record(record_file("t")).state.name == state, "the record"
                )
                exchange.rest_faults.clear()
                await rig.until(lambda: rig.counters["ready"], "ready")
                assert rig.session.gate.latch.state.name == state
                assert (await command(rig, "arm"))["state"] == "ACTIVE"

    run(day())


def test_a_word_before_a_session_is_kept_although_the_disk_refuses_it_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before it has come to a session: what a person has said is on the disk."""
    written = []

    def write(file: Path, record: LatchRecord) -> None:
        written.append(record)
        if len(written) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_record(file, record)

    monkeypatch.setattr(latch_keeper, "write_record", write)
    monkeypatch.setattr(latch_keeper, "_AGAIN_S", 0.4)

    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/time"] = [(503, '{"code":-1,"msg":"x"}')] * 1_000
            async with running(tmp_path, exchange, ready=False) as rig:
                await rig.until(
                    lambda: (rig.memory.directory / SOCKET_NAME).exists(), "the operator's desk"
                )
                await command(rig, "halt")
                await rig.until(lambda: written, "the first try")
            assert read_record(record_file("t")).state is LatchState.HALTED

    run(day())


def test_nothing_comes_in_while_a_command_runs(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            exchange.rest_held = asyncio.Event()
            asked = asyncio.create_task(command(rig, "cancel-all"))
            await rig.until(lambda: rig.session.gate.blocks, "the command has begun")
            told = await rig.outcome(rig.send(), DENIED)
            assert told["reason"] == Control.OPERATOR
            exchange.rest_held.set()
            assert (await asked)["ok"]

    run(day())


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b'{"command": "sell"}\n', b"\xff\n", b'["halt"]\n']
)
def test_what_is_no_command_is_refused(tmp_path: Path, line: bytes) -> None:
    def talk(directory: Path) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            with socket_address(directory) as address:
                connection.connect(address)
            connection.sendall(line)
            found: dict[str, Any] = json.loads(connection.makefile().readline())
            return found

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            answer = await asyncio.to_thread(talk, rig.memory.directory)
            assert answer["refused"] and not answer["ok"]
            assert rig.session.gate.latch.state is LatchState.ACTIVE
            mode = stat.S_IMODE((rig.memory.directory / SOCKET_NAME).stat().st_mode)
            assert mode == 0o600

    run(day())


def test_what_the_latch_has_cancelled_first_is_counted(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            for price in (599_900, 599_901):
                await rig.placed(price_ticks=price)
            exchange.rest_held = asyncio.Event()
            asked = asyncio.create_task(command(rig, "halt"))
            await rig.until(lambda: not exchange.open_ids(), "the latch's own cancels")
            exchange.rest_held.set()
            answer = await asked
            assert (answer["ok"], answer["cancelled"], answer["resting"]) == (True, 2, 0)

    run(day())


def test_flatten_closes_what_is_held(tmp_path: Path) -> None:
    """At the embedded exchange: a resting order, a conditional one, and a position."""

    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bought = rig.send(price_ticks=0, flags=IOC | MARKET, qty_lots=7)
            await rig.outcome(bought, FILL)
            await rig.placed(price_ticks=top(venue)[0] - 500)
            await rig.session.rest.place_algo(stop_below(venue))
            answer = await command(rig, "flatten")
            assert answer["ok"], answer
            assert (answer["positions"], answer["resting"]) == ({}, 0)
            assert answer["cancelled"] == 2
            assert answer["state"] == "REDUCING"
            assert int(rig.session.gate.exposure[0]["position_lots"]) == 0, "the brain knows too"

    run(day())


def test_a_flatten_that_is_refused_says_why_and_leaves_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_commands, "_PATIENCE_NS", 3_000_000_000)

    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bought = rig.send(price_ticks=0, flags=IOC | MARKET, qty_lots=7)
            await rig.outcome(bought, FILL)
            venue.core.exchange.markets["BTCUSDT"].out_of_force = "nobody has seen its book"
            answer = await command(rig, "flatten")
            assert not answer["ok"]
            assert answer["text"].startswith("not flat in time: BTCUSDT 0.007; the last refusal: ")
            assert "nobody has seen its book" in answer["text"]
            venue.core.exchange.markets["BTCUSDT"].out_of_force = ""
            assert (await command(rig, "flatten"))["ok"]

    run(day())


def stop_below(venue: Any) -> dict[str, str | int]:
    return {
        "symbol": "BTCUSDT",
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": f"{top(venue)[0] / 10 - 3_000:.1f}",
        "closePosition": "true",
    }


def test_a_client_of_its_own_clears_the_account(tmp_path: Path) -> None:
    """What `cancel-all` does when execution is dead: nothing of execution is used but REST."""

    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bought = rig.send(price_ticks=0, flags=IOC | MARKET, qty_lots=7)
            await rig.outcome(bought, FILL)
            for distance in (500, 600):
                await rig.placed(price_ticks=top(venue)[0] - distance)
            await rig.session.rest.place_algo(stop_below(venue))
            answer = await clear_account(rig.session.rest, ["BTCUSDT"], 5.0)
            assert (answer["ok"], answer["cancelled"], answer["resting"]) == (True, 3, 0)
            assert answer["positions"] == {"BTCUSDT": "0.007"}, "told, never traded away"
            assert answer["text"].endswith("0 rest, position BTCUSDT 0.007")
            assert await rig.session.rest.open_orders() == []
            assert await rig.session.rest.open_algo_orders() == []

    run(day())


def test_protective_stops_stay_where_they_are_asked_to(tmp_path: Path) -> None:
    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            bought = rig.send(price_ticks=0, flags=IOC | MARKET, qty_lots=7)
            await rig.outcome(bought, FILL)
            await rig.placed(price_ticks=top(venue)[0] - 500)
            rest, ids = rig.session.rest, rig.ids
            own, others = ids.text(STOP_EPOCH, 77), ClientIds("other", 5).text(STOP_EPOCH, 77)
            stop = stop_below(venue)
            del stop["closePosition"]
            for name in (own, others, ids.text(1, 1_000_000)):
                await rest.place_algo(stop | {"quantity": "0.002", "clientAlgoId": name})
            spared = protective_stop_of("t")
            answer = await clear_account(rest, ["BTCUSDT"], 5.0, spared)
            assert (answer["ok"], answer["cancelled"], answer["resting"]) == (True, 3, 0)
            assert answer["text"] == (
                "3 orders cancelled, 0 rest but for 1 protective stops, which stay, position "
                "BTCUSDT 0.007"
            )
            assert [row["clientAlgoId"] for row in await rest.open_algo_orders()] == [own]
            assert (await clear_account(rest, ["BTCUSDT"], 5.0))["cancelled"] == 1
            assert await rest.open_algo_orders() == []

    run(day())


def remote_file(folder: Path, repository: Path, port: int, credentials: Any) -> Path:
    """The shipped file, its exchange a testnet at this port, its keys in a private file."""
    keys = folder / "exchange.key"
    keys.write_text(
        f'api_key = "{credentials.api_key}"\nhmac_secret = "{credentials.hmac_secret}"\n'
    )
    keys.chmod(0o600)
    venue = "\n".join(
        [
            'mode = "testnet"',
            f'rest_url = "http://127.0.0.1:{port}"',
            f'stream_url = "ws://127.0.0.1:{port}"',
            f'order_url = "ws://127.0.0.1:{port}"',
            f'credentials = "{keys}"',
        ]
    )
    text = (repository / "aegis.toml").read_text()
    file = folder / "remote.toml"
    file.write_text(re.sub(r'(?m)^mode = "embedded".*$', venue, text, count=1))
    return file


def test_cancel_all_needs_nothing_of_a_dead_appliance(tmp_path: Path, repository: Path) -> None:
    """With the keys of the file, at an exchange that outlives us: what systemd runs at the end."""

    async def day() -> None:
        async with market(tmp_path) as (venue, rig):
            credentials = rig.exchange.credentials
            file = remote_file(tmp_path, repository, venue.port, credentials)
            for distance in (500, 600):
                await rig.placed(price_ticks=top(venue)[0] - distance)
            answer = await asyncio.to_thread(clear_directly, "btc", file, 8.0, is_running=False)
            assert (answer["ok"], answer["cancelled"], answer["resting"]) == (True, 2, 0), answer
            assert await rig.session.rest.open_orders() == []
            (tmp_path / "exchange.key").chmod(0o644)
            answer = await asyncio.to_thread(clear_directly, "btc", file, 8.0, is_running=False)
            assert not answer["ok"] and answer["resting"] is None, "not asked is not empty"
            assert credentials.hmac_secret not in str(answer)

    run(day())
