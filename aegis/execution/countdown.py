"""The exchange's own dead-man switch: `countdownCancelAll`, wound up only while all is well.

The exchange cancels the open orders of a symbol when its countdown runs out, so resting orders
outlive execution, the appliance and the box by `countdown_s` at the most. A timer that is refreshed
blindly proves nothing: it is wound up only while the feed, the brain, the supervisor and the
private stream are alive and the account is reconciled. When they are not, it runs.

Nor is anything new risked when the countdown may have run out meanwhile, because the calls did not
get through: an order placed then would rest for ever if we died.

An instance of few symbols has them all wound up before its first order, so that none ever rests
without; of many, those with open orders, from the next look on.

`Countdown` decides (no clock, no socket); `CountdownKeeper` carries it out over REST. A call weighs
10 of the 2,400 a minute that an address has: with many symbols the interval and the countdown grow
so that the calls stay below a fifth of that. Conditional orders are not covered by the countdown:
that is why the protective stop is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from aegis.execution.errors import ExchangeError
from aegis.execution.rest import RestClient
from aegis.host.clock import monotonic_ns

__all__ = ["Countdown", "CountdownKeeper", "Winding"]

WEIGHT = 10
WEIGHT_A_MINUTE = 480
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_MS_PER_S = 1_000
# As long as a placement is good for.
_TRIP_NS = 2 * _NS_PER_S
# A countdown must survive two refreshes that get lost.
_COUNTDOWN_REFRESHES = 3
_LOOK_EVERY_S = 0.1
_CALLS_AT_ONCE = 4


class Winding(NamedTuple):
    """Set the countdown of a symbol to so many milliseconds; 0 stops it."""

    symbol: str
    countdown_ms: int


@dataclass(slots=True)
class Countdown:
    """When which symbol is wound up. `countdown_s` 0: never."""

    countdown_s: float
    refresh_s: float
    _wound_ns: dict[str, int] = field(default_factory=dict)
    # Until when an order may be sent under it.
    _lapses_ns: dict[str, int] = field(default_factory=dict)

    def due(self, now_ns: int, is_well: bool, open_symbols: Iterable[str]) -> list[Winding]:
        """What is to be sent now; tell `sent` of what was. Nothing while something is amiss."""
        if self.countdown_s <= 0 or not is_well:
            return []
        wanted = set(open_symbols)
        refresh_s = max(self.refresh_s, len(wanted) * WEIGHT * 60.0 / WEIGHT_A_MINUTE)
        countdown_s = max(self.countdown_s, _COUNTDOWN_REFRESHES * refresh_s)
        countdown_ms = int(countdown_s * _MS_PER_S)
        refresh_ns = int(refresh_s * _NS_PER_S)
        windings = []
        for symbol in sorted(wanted | set(self._wound_ns)):
            wound_ns = self._wound_ns.get(symbol)
            if wound_ns is not None and now_ns - wound_ns < refresh_ns:
                continue
            # One that nobody needs any more is stopped: it would hit the next order.
            windings.append(Winding(symbol, countdown_ms if symbol in wanted else 0))
        return windings

    def sent(self, winding: Winding, now_ns: int) -> None:
        """The exchange has confirmed it."""
        if winding.countdown_ms:
            length_ns = winding.countdown_ms * _NS_PER_MS
            # Two thirds are left when it is wound up again; a very short one must not lapse before.
            spare_ns = min(_TRIP_NS, length_ns * 3 // 5)
            self._wound_ns[winding.symbol] = now_ns
            self._lapses_ns[winding.symbol] = now_ns + length_ns - spare_ns
        else:
            self._wound_ns.pop(winding.symbol, None)
            self._lapses_ns.pop(winding.symbol, None)

    def is_lapsing(self, now_ns: int) -> bool:
        """Whether one that was wound up may run out before an order sent now is surely there."""
        return any(lapses_ns < now_ns for lapses_ns in self._lapses_ns.values())

    @property
    def armed(self) -> list[str]:
        """The symbols whose countdown runs at the exchange, as far as we know."""
        return sorted(self._wound_ns)


class CountdownKeeper:
    """Winds the countdowns up until it is cancelled; one task of the session."""

    def __init__(
        self,
        countdown: Countdown,
        rest: RestClient,
        is_well: Callable[[], bool],
        open_symbols: Callable[[], Iterable[str]],
    ) -> None:
        self.countdown = countdown
        self.windings = 0
        self.failures = 0
        self._rest = rest
        self._is_well = is_well
        self._open_symbols = open_symbols

    async def begin(self) -> None:
        """Wind up what must be before anything is sent. Raises an ExchangeError."""
        for winding in self.countdown.due(monotonic_ns(), True, self._open_symbols()):
            await self._wind_up(winding)

    async def run(self) -> None:
        """For ever. A call that fails is due again at the next look."""
        while True:
            due = self.countdown.due(monotonic_ns(), self._is_well(), self._open_symbols())
            await asyncio.gather(*(self._wind(winding) for winding in due[:_CALLS_AT_ONCE]))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _wind(self, winding: Winding) -> None:
        try:
            await self._wind_up(winding)
        except ExchangeError:
            self.failures += 1

    async def _wind_up(self, winding: Winding) -> None:
        # The time before the call: the exchange's countdown begins no earlier.
        began_ns = monotonic_ns()
        await self._rest.countdown_cancel_all(winding.symbol, winding.countdown_ms)
        self.countdown.sent(winding, began_ns)
        self.windings += 1
