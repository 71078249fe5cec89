"""The last dead-man layer: a stop that rests at the exchange and outlives all of us.

Optional ([supervisor] protective_stop_bps). For every position there is one conditional order,
STOP_MARKET with closePosition, so far from the average entry; it closes the position at the market
when the mark price reaches it, whether anybody here is alive or not. It is replaced when the
position turns or its entry has moved by a tenth of the distance, and cancelled when flat. It is
deliberately kept over a crash, a halt and a stop: only `flatten` and `cancel-all` (without
`--keep-stops`) take it away.

The stop's client id tells whose it is, so that a new start adopts it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aegis.execution.client_id import STOP_EPOCH
from aegis.execution.core import ExecutionCore
from aegis.execution.decimal_text import text_to_scaled
from aegis.execution.errors import ExchangeError, RefusedError
from aegis.execution.rest import RestClient
from aegis.risk.limits import InstrumentRules

__all__ = ["ProtectiveStops", "RestingStop", "wanted_trigger"]

_LOOK_EVERY_S = 0.5
_AGAIN_S = 5.0
# Asking for all conditional orders weighs 40 of the 2,400 a minute.
_ADOPT_EVERY_S = 30.0
_TOLERANCE = 0.1
_WOULD_TRIGGER = -2021


@dataclass(frozen=True, slots=True)
class RestingStop:
    """A stop at the exchange: it sells (-1) below a long position or buys (1) above a short one."""

    client_id: str
    side: int
    trigger_ticks: int


def wanted_trigger(lots: int, entry_ticks: float, distance: float) -> int:
    """Where the stop of a position belongs, in ticks: below a long, above a short one."""
    assert lots != 0 and entry_ticks > 0.0 and 0.0 < distance < 1.0
    if lots > 0:
        return max(int(entry_ticks * (1.0 - distance)), 1)
    return int(entry_ticks * (1.0 + distance)) + 1


class ProtectiveStops:
    """Keeps one stop for each position. `may_act`: only what is reconciled is protected anew."""

    def __init__(
        self,
        core: ExecutionCore,
        rest: RestClient,
        distance: float,
        may_act: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self.resting: dict[int, RestingStop] = {}
        self.placed = 0
        self._core = core
        self._rest = rest
        self._distance = distance
        self._may_act = may_act
        self._say = say
        self._look_due_s = 0.0

    async def run(self) -> None:
        """For ever: adopt what an earlier run left, then follow the positions."""
        while True:
            pause_s = _LOOK_EVERY_S
            if self._may_act():
                try:
                    if monotonic() >= self._look_due_s:
                        await self.adopt()
                        self._look_due_s = monotonic() + _ADOPT_EVERY_S
                    await self.turn()
                except ExchangeError as error:
                    self._say(f"protective stop: {error}")
                    # It may be there all the same: a look comes before another is placed.
                    self._look_due_s = 0.0
                    pause_s = _AGAIN_S
            await asyncio.sleep(pause_s)

    async def adopt(self) -> None:
        """Learn which of our stops rest; one that has gone (triggered, taken away) is forgotten."""
        found: dict[int, RestingStop] = {}
        for row in await self._rest.open_algo_orders():
            place = self._core.index.get(str(row.get("symbol")))
            name = str(row.get("clientAlgoId", ""))
            if place is not None and self._core.ids.is_own(name):
                found[place] = self._read(row, name, self._core.instruments[place])
        self.resting = found

    async def turn(self) -> None:
        """Bring the stops in line with the positions."""
        for place in range(self._count):
            lots = self._lots(place)
            stop = self.resting.get(place)
            if lots == 0:
                if stop is not None:
                    await self._cancel(place, stop)
                continue
            trigger = wanted_trigger(lots, self._entry_ticks(place), self._distance)
            side = -1 if lots > 0 else 1
            slack = self._distance * _TOLERANCE * self._entry_ticks(place)
            if (
                stop is not None
                and stop.side == side
                and abs(stop.trigger_ticks - trigger) <= slack
            ):
                continue
            if stop is not None:
                await self._cancel(place, stop)
            await self._place(place, side, trigger)

    @property
    def _count(self) -> int:
        return len(self._core.instruments)

    def _lots(self, place: int) -> int:
        return int(self._core.gate.exposure[place]["position_lots"])

    def _entry_ticks(self, place: int) -> float:
        held = self._core.gate.exposure[place]
        unit_e8 = int(self._core.gate.rules[place]["unit_e8"])
        return float(int(held["cost_e8"]) / (int(held["position_lots"]) * unit_e8))

    def _read(self, row: dict[str, Any], name: str, rules: InstrumentRules) -> RestingStop:
        scaled = text_to_scaled(str(row.get("triggerPrice", "0")), rules.tick_decimals)
        side = 1 if row.get("side") == "BUY" else -1
        return RestingStop(name, side, scaled // rules.tick_mantissa)

    async def _place(self, place: int, side: int, trigger_ticks: int) -> None:
        rules = self._core.instruments[place]
        # No two stops of an instance have the same millisecond.
        name = self._core.ids.text(STOP_EPOCH, time.time_ns() // 1_000_000)
        parameters: dict[str, str | int] = {
            "algoType": "CONDITIONAL",
            "symbol": rules.symbol,
            "side": "BUY" if side > 0 else "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": _price_text(trigger_ticks, rules),
            "workingType": "MARK_PRICE",
            "closePosition": "true",
            "clientAlgoId": name,
        }
        try:
            await self._rest.place_algo(parameters)
        except RefusedError as error:
            if error.code != _WOULD_TRIGGER:
                raise
            self._say(
                f"protective stop: {rules.symbol} is beyond {parameters['triggerPrice']} already; "
                "its position stands without a stop"
            )
            return
        self.resting[place] = RestingStop(name, side, trigger_ticks)
        self.placed += 1

    async def _cancel(self, place: int, stop: RestingStop) -> None:
        try:
            await self._rest.cancel_algo(stop.client_id)
        except RefusedError:
            # Triggered or taken away in the meantime: the next look tells.
            self.resting.pop(place, None)
            return
        self.resting.pop(place, None)


def _price_text(ticks: int, rules: InstrumentRules) -> str:
    scaled = ticks * rules.tick_mantissa
    places = rules.tick_decimals
    whole = f"{scaled:0{places + 1}d}"
    return f"{whole[:-places]}.{whole[-places:]}" if places else whole
