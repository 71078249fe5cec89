"""Cancelling everything from outside: a short-lived client that needs no other part of us.

`aegis cancel-all` uses it when execution is dead, and systemd after the appliance has ended: time,
then for every symbol all regular and all conditional orders, again and again until the exchange
says that none rests or the time is over. It shares only the signed REST client with execution. It
never takes a missing answer for an empty one.

A protective stop of the instance may be kept: it rests for the very time when nobody is left.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from aegis.config.environments import environment_of
from aegis.config.settings import Settings
from aegis.execution.client_id import STOP_EPOCH, ClientIds
from aegis.execution.credentials import DIRECTORY_VARIABLE, load_keys
from aegis.execution.endpoints import Endpoints
from aegis.execution.errors import ExchangeError, FateUnknownError, UnusableSetupError
from aegis.execution.rest import RestClient

__all__ = ["cancel_everything", "clear_account", "protective_stop_of"]

_PAUSE_S = 0.2
_NO_SUCH_ORDER = (-2011, -2013)

Answer = dict[str, Any]


def cancel_everything(settings: Settings, timeout_s: float, *, keeps_stops: bool = False) -> Answer:
    """Clear the account of an instance at its testnet or live exchange; blocks for so long.

    With `symbols = "all"` that is every symbol of the account. `keeps_stops` spares what
    `supervisor.protective_stop_bps` has placed.
    """
    environment = environment_of(settings.venue)
    assert environment is not None, "the embedded exchange has no address of its own"
    try:
        keys, _ = load_keys(settings.venue, environment, os.environ.get(DIRECTORY_VARIABLE))
        endpoints = Endpoints.of(settings, lambda _: None)
        url = endpoints.rest_url()
    except UnusableSetupError as error:
        return {"ok": False, "cancelled": None, "resting": None, "text": f"NOT DONE: {error}"}
    assert url is not None

    async def clear() -> Answer:
        rest = RestClient(url, keys.api_key, keys.signer, tls=endpoints.tls)
        try:
            kept = protective_stop_of(settings.name) if keeps_stops else _nothing
            return await clear_account(rest, settings.instance.symbols, timeout_s, kept)
        finally:
            await rest.close()

    return asyncio.run(clear())


def protective_stop_of(instance: str) -> Callable[[str], bool]:
    """Whether a conditional order, by its client id, is a protective stop of this instance."""
    ids = ClientIds(instance, 1)

    def is_stop(client_id: str) -> bool:
        name = ids.parse(client_id)
        return name is not None and name.epoch == STOP_EPOCH

    return is_stop


def _nothing(_: str) -> bool:
    return False


async def clear_account(
    rest: RestClient,
    symbols: Sequence[str],
    timeout_s: float,
    is_kept: Callable[[str], bool] = _nothing,
) -> Answer:
    """Cancel all orders of these symbols (empty: of every symbol that has one) and see it done.

    Conditional orders that `is_kept` (by client id) stay. The answer's `resting` is None when the
    exchange could not be asked to the end.
    """
    deadline_s = monotonic() + timeout_s
    cancelled: int | None = None
    last = "the time was over before it answered"
    while monotonic() < deadline_s:
        try:
            async with asyncio.timeout(max(deadline_s - monotonic(), 0.1)):
                await rest.synchronise()
                resting, kept = await _resting(rest, symbols, is_kept)
                cancelled = len(resting) if cancelled is None else cancelled
                if not resting:
                    positions = await _positions(rest, symbols)
                    held = ", ".join(f"{name} {amount}" for name, amount in positions.items())
                    return {
                        "ok": True,
                        "cancelled": cancelled,
                        "resting": 0,
                        "positions": positions,
                        "text": f"{cancelled} orders cancelled, 0 rest{_but_for(kept)}, "
                        f"position {held or 'flat'}",
                    }
                last = f"{len(resting)} orders rest"
                await _cancel(rest, resting)
        except FateUnknownError as error:
            last = f"the exchange does not answer: {error}"
        except ExchangeError as error:
            last = f"the exchange refuses: {error}"
            if error.status in (401, 403, 418):
                break
        except TimeoutError:
            break
        await asyncio.sleep(_PAUSE_S)
    text = f"NOT CONFIRMED: {last}"
    return {"ok": False, "cancelled": cancelled, "resting": None, "text": text}


def _but_for(kept: int) -> str:
    return f" but for {kept} protective stops, which stay" if kept else ""


async def _resting(
    rest: RestClient, symbols: Sequence[str], is_kept: Callable[[str], bool]
) -> tuple[list[tuple[str, str]], int]:
    """(symbol, client id if it is conditional) of every order that must go; how many are kept."""
    wanted = set(symbols)
    found = [(order.symbol, "") for order in await rest.open_orders()]
    kept = 0
    for row in await rest.open_algo_orders():
        symbol, name = str(row.get("symbol")), str(row.get("clientAlgoId"))
        if is_kept(name):
            kept += not wanted or symbol in wanted
        else:
            found.append((symbol, name))
    return [row for row in found if not wanted or row[0] in wanted], kept


async def _cancel(rest: RestClient, resting: list[tuple[str, str]]) -> None:
    for symbol, conditional in sorted(set(resting)):
        try:
            if conditional:
                await rest.cancel_algo(conditional)
            else:
                await rest.cancel_all(symbol)
        except ExchangeError as error:
            # Gone in the meantime: that is what was wanted.
            if error.code not in _NO_SUCH_ORDER:
                raise


async def _positions(rest: RestClient, symbols: Sequence[str]) -> dict[str, str]:
    wanted = set(symbols)
    return {
        str(row["symbol"]): str(row["positionAmt"])
        for row in await rest.positions()
        if float(row.get("positionAmt", 0)) != 0 and (not wanted or row.get("symbol") in wanted)
    }
