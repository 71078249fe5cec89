"""Reconciliation: the account as the exchange has it, against the one that we believe in.

One code path for every start, clean or after a crash (`start`): time, account mode, filters, then
cancel what an earlier run left (or, by policy, adopt it), settle every order that the journal knew
to be open, book the trades that were missed, compare the positions (see `catching_up`), and book
the funding that was paid meanwhile (see `funding_look`).
Somebody else's orders on our instruments halt the instance, unless the policy says otherwise; they
are never touched. While running
(`check`, after the private stream was away, or when something contradicts): every order that we
believe open is asked about, every order of ours that rests unknown to us is cancelled, and
positions must be equal, or the latch goes to HALTED. A difference is never traded away, and an
account that could not be read is never taken for flat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aegis.config.models import JournalConfig
from aegis.config.settings import Settings
from aegis.execution import order_states as states
from aegis.execution.account_setup import check_leverage
from aegis.execution.catching_up import AT_START, DIFFERENT, EQUAL, YOUNG_MS, CatchUp
from aegis.execution.core import ExecutionCore
from aegis.execution.decimal_text import text_to_e8, text_to_scaled
from aegis.execution.errors import (
    ExchangeError,
    FateUnknownError,
    HedgePositionError,
    ReconcileError,
    RefusedError,
    UnusableSetupError,
)
from aegis.execution.evidence import WINDOW_SLACK_MS
from aegis.execution.funding_look import FundingLook
from aegis.execution.journal.journal import Journal
from aegis.execution.replies import OrderBody
from aegis.execution.resolver import Resolver
from aegis.execution.rest import RestClient
from aegis.execution.symbols import rules_of_symbols
from aegis.execution.transports import PrivateStream
from aegis.execution.words import FILLS
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.risk.limits import InstrumentRules

__all__ = ["Reconciler", "read_rules"]

_UNKNOWN_ORDER = -2011
_NOT_FOUND = 404
_ENTRY_DECIMALS = 12
# A position may have moved while it was being asked for: look again before crying wolf.
_LOOKS = 5
_PAUSE_S = 0.1
_LATE_LOOK_S = 0.25
_NS_PER_MS = 1_000_000
# CLOCK_MONOTONIC counts from the boot.
_BOOT_NS = 0
# Between two looks at an exchange that does not answer.
_LONGEST_PAUSE_S = 0.5
# As long as a placement can be under way, and its answer.
_MOST_LOOKS = 60
_MOST_SYMBOLS_ONE_BY_ONE = 5


async def read_rules(
    rest: RestClient, symbols: Sequence[str], settings: Settings
) -> list[InstrumentRules]:
    """Clock, account mode, leverage and filters: what must be known before there can be a core.

    Raises UnusableSetupError for an account mode that we cannot trade in, and for another leverage
    than `[instances.X.leverage]` expects.
    """
    await rest.synchronise()
    account = await rest.account_config()
    if account.get("dualSidePosition") is True:
        raise UnusableSetupError("the account is in hedge mode; one-way mode is needed")
    if account.get("multiAssetsMargin") is True:
        raise UnusableSetupError("the account is in multi-assets mode; single-asset is needed")
    if account.get("canTrade") is False:
        raise UnusableSetupError("the account may not trade")
    instance = settings.instance
    await check_leverage(rest, settings.name, instance.leverage)
    info = await rest.exchange_info()
    return rules_of_symbols(info, symbols, may_miss=instance.takes_all)


@dataclass(slots=True)
class _Held:
    lots: int
    cost_e8: int
    updated_ms: int


class Reconciler:
    """Reads one account back and brings one core in line with it."""

    def __init__(
        self,
        core: ExecutionCore,
        rest: RestClient,
        resolver: Resolver,
        journal: Journal | None = None,
        *,
        has_books: bool = False,
        policy: JournalConfig | None = None,
    ) -> None:
        """`has_books`: the core's positions come from a journal of this account."""
        policy = policy or JournalConfig()
        self._adopts = policy.on_start == "adopt"
        self._takes_foreign = policy.foreign_orders == "adopt"
        core.foreign_halts = policy.foreign_orders == "halt"
        rest.on_refused = core.on_refused
        self.has_books = has_books
        # After a power loss the journal may not know of the last orders that were sent before it:
        # until their window is over, one may yet come to rest.
        self._late_until_ns = _BOOT_NS + (core.recv_window_ms + WINDOW_SLACK_MS) * _NS_PER_MS
        self.catch_up = CatchUp(core, rest, resolver, journal)
        self.funding = FundingLook(core, rest, journal)
        self._core = core
        self._rest = rest
        self._resolver = resolver
        self.cancelled_stale = 0
        self.count = 0
        # Whether the last look found a position of hedge mode.
        self.is_hedged = False
        # Orders of somebody else that rested on our instruments at the last look, for a person.
        self.others: list[str] = []

    async def start(self) -> None:
        """The start-up. Raises ExchangeError or ReconcileError when it cannot be completed."""
        self.catch_up.begin()
        resting = await self._cancel_stale()
        await self._look_at_algo_orders()
        if self.has_books:
            await self.catch_up.settle_carried(resting)
            await self._compare_books()
        else:
            await self._take_positions()
        # Before the wallet: what is paid from here on is told, or found in the list later.
        await self.funding.look()
        for row in await self._rest.balances():
            if row.get("asset") == "USDT":
                self._core.wallet_e8 = text_to_e8(str(row.get("balance", "0")))
        self.count += 1

    async def _look_at_algo_orders(self) -> None:
        """Conditional orders on our instruments: ours (a protective stop) stay, others by policy.

        The policy cannot adopt them: what triggers becomes an order that is then seen as one.
        """
        core = self._core
        if len(core.instruments) > _MOST_SYMBOLS_ONE_BY_ONE:
            return
        for rules in core.instruments:
            try:
                waiting = await self._rest.open_algo_orders(rules.symbol)
            except RefusedError as error:
                if error.status == _NOT_FOUND:
                    return  # An exchange of before conditional orders had a service of their own.
                raise
            for row in waiting:
                if not core.ids.is_own(str(row.get("clientAlgoId", ""))):
                    core.foreign_orders += 1
                    if core.foreign_halts:
                        self._halt(Control.FOREIGN_ORDER)

    async def _take_positions(self) -> None:
        """No books yet: the exchange's positions, as of a moment in which nothing was traded."""
        places = self.catch_up.active_places()
        newest = await self.catch_up.take_newest_as_confirmed(places)
        for _ in range(_LOOKS):
            before = newest
            held = await self._read_positions()
            newest = await self.catch_up.take_newest_as_confirmed(places)
            if newest == before:
                break
        else:
            raise ReconcileError("the account is being traded on while it is read")
        for instrument, position in enumerate(held):
            lots, cost_e8 = position.lots, position.cost_e8
            self._core.accept_position(instrument, lots, cost_e8, monotonic_ns())
        self._core.snapshot_ms = max(position.updated_ms for position in held)
        self.catch_up.note_verdict(EQUAL, AT_START)

    async def _compare_books(self) -> None:
        """Book what was missed, then compare; a difference halts, with the exchange's positions."""
        core = self._core
        for _ in range(_LOOKS):
            await self.catch_up.book_missed(self.catch_up.active_places())
            held = await self._read_positions()
            own = self._own_lots()
            core.reported_lots = [position.lots for position in held]
            if own == core.reported_lots:
                self.catch_up.note_verdict(EQUAL, AT_START)
                return
            await asyncio.sleep(_PAUSE_S)
        self.catch_up.note_verdict(DIFFERENT, AT_START)
        self._halt(Control.POSITION_MISMATCH)
        for place, position in enumerate(held):
            # What may be reduced by hand is what is really there.
            if position.lots != own[place]:
                core.accept_position(place, position.lots, position.cost_e8, monotonic_ns())

    async def check(self) -> bool:
        """While running: orders, then positions. False when positions differ (and HALTED).

        So does a hedge-mode position: somebody changed the mode, and the process lives to tell it.

        Nothing is concluded from half the facts: positions that differ while an order is still
        unsettled prove nothing, nor does a position of a moment in which something was traded, so
        both are looked at again. Raises FateUnknownError when that does not end, and whatever a
        query raises.
        """
        differing_looks = 0
        for _ in range(_MOST_LOOKS):
            settled = await self._settle_orders()
            self.is_hedged = False
            before = self._own_lots()
            try:
                equal = await self._positions_equal()
            except HedgePositionError:
                self.count += 1
                self.is_hedged = True
                self._halt(Control.ACCOUNT_SETUP)
                return False
            if equal:
                self.count += 1
                return True
            if settled:
                # Perhaps trades of an order that nobody remembers, or that were not told yet.
                missed = await self.catch_up.book_missed(self.catch_up.active_places())
                differing_looks += not missed and self._own_lots() == before
            if differing_looks == _LOOKS:
                self.count += 1
                self._halt(Control.POSITION_MISMATCH)
                return False
            # A fill may be on its way on the stream.
            await asyncio.sleep(_PAUSE_S)
        text = "positions differ while orders are unsettled or the account is being traded on"
        raise FateUnknownError("reconciling", 0, 0, text)

    def _halt(self, control: Control) -> None:
        self._core.gate.latch.trip(LatchState.HALTED, control, monotonic_ns())

    async def finds_untold(
        self, compare: Callable[[], Awaitable[None]], stream: PrivateStream
    ) -> bool:
        """Compare; whether that booked fills of which the private stream does not tell, either.

        A list may be quicker than a stream that is well: it has as long as a young trade has.
        """
        words = self._core.words
        fills, heard = int(words[FILLS]), (stream.events, stream.losses)
        await compare()
        if int(words[FILLS]) == fills:
            return False
        until_ns = monotonic_ns() + YOUNG_MS * _NS_PER_MS
        while (stream.events, stream.losses) == heard and stream.is_connected:
            if monotonic_ns() > until_ns:
                return True
            await asyncio.sleep(_PAUSE_S)
        return False

    def _own_lots(self) -> list[int]:
        return [int(lots) for lots in self._core.gate.exposure["position_lots"]]

    async def _settle_orders(self) -> bool:
        """Ask about every order believed open; whether all of them are known now, fills too."""
        core = self._core
        asked_ms = self._rest.now_ms()
        resting = {order.client_order_id: order for order in await self._own_orders()}
        settled = True
        for order in core.open_orders():
            if not core.is_same(order):
                continue
            body = resting.get(order.client_id)
            if body is None or order.state == states.UNKNOWN:
                await self._resolver.settle(order)
            else:
                core.on_order_body(order.slot, body, monotonic_ns(), asked_ms=asked_ms)
            if not core.is_same(order) or core.state_of(order.slot) >= states.TERMINAL:
                continue
            if core.has_missing_fills(order.slot):
                await self._resolver.fetch_trades(core.view(order.slot))
                settled = settled and not core.has_missing_fills(order.slot)
            unclear = (states.PENDING_NEW, states.UNKNOWN, states.CLOSING)
            settled = settled and core.state_of(order.slot) not in unclear
        known = {order.client_id for order in core.open_orders()}
        for client_id in sorted(set(resting) - known):
            # Of an earlier run, or one that we had taken for finished: it must not rest.
            await self._cancel_one(client_id)
        return settled

    async def _positions_equal(self) -> bool:
        core = self._core
        equal = True
        for place, position in enumerate(await self._read_positions()):
            core.reported_lots[place] = position.lots
            equal = equal and position.lots == int(core.gate.exposure[place]["position_lots"])
        return equal

    async def confirm_nothing_rests(self) -> int:
        """How many of our orders rest at the exchange, asked now."""
        return len(await self._own_orders())

    async def see_nothing(self, deadline_ns: int) -> bool:
        """Cancel what rests of ours until a query shows that nothing does; True when seen.

        It may use the request weight that is kept for cancels, and leaves some of it to them.
        """
        self._rest.is_last_look = True
        pause_s = 0.02
        try:
            while (left_ns := deadline_ns - monotonic_ns()) > 0:
                try:
                    async with asyncio.timeout(max(0.05, left_ns / 1e9)):
                        await self._see_late_orders()
                        if await self.cancel_remaining() == 0:
                            return True
                except (ExchangeError, TimeoutError):
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            return False
        finally:
            self._rest.is_last_look = False

    async def _see_late_orders(self) -> None:
        """Cancel what rests, until nothing that nobody knows of can still come to rest."""
        while (left_ns := self._late_until_ns - monotonic_ns()) > 0:
            await self.cancel_remaining()
            await asyncio.sleep(min(left_ns / 1e9, _LATE_LOOK_S))

    async def cancel_remaining(self) -> int:
        """Cancel over REST what still rests of ours; returns how many that was."""
        remaining = await self._own_orders()
        for order in remaining:
            await self._cancel_body(order)
        return len(remaining)

    async def _cancel_stale(self) -> set[str]:
        """Cancel what an earlier run left and see that it is gone; what may stay is returned.

        With the policy "adopt" those stay that the journal knows: they count as open until they
        end, and are cancelled with all others.
        """
        known = {order.client_id for order in self._core.open_orders()} if self._adopts else set()
        for _ in range(_LOOKS):
            own = await self._own_orders()
            stale = [order for order in own if order.client_order_id not in known]
            if not stale:
                return {order.client_order_id for order in own}
            for order in stale:
                await self._cancel_body(order)
                self.cancelled_stale += 1
        raise ReconcileError(f"{len(await self._own_orders())} orders of an earlier run still rest")

    async def _cancel_one(self, client_id: str) -> None:
        for order in await self._own_orders():
            if order.client_order_id == client_id:
                await self._cancel_body(order)
                self.cancelled_stale += 1

    async def _cancel_body(self, order: OrderBody) -> None:
        try:
            await self._rest.cancel(order.symbol, order.client_order_id)
        except RefusedError as error:
            # Gone in the meantime: that is what was wanted.
            if error.code != _UNKNOWN_ORDER:
                raise

    async def _own_orders(self) -> list[OrderBody]:
        """Our open orders on our instruments; anybody else's there halt the instance."""
        core = self._core
        symbols = [rules.symbol for rules in core.instruments]
        if len(symbols) <= _MOST_SYMBOLS_ONE_BY_ONE:
            found = [order for name in symbols for order in await self._rest.open_orders(name)]
        else:
            listed = set(symbols)
            found = [order for order in await self._rest.open_orders() if order.symbol in listed]
        own = []
        self.others = []
        for order in found:
            if core.ids.is_own(order.client_order_id) or self._takes_foreign:
                own.append(order)
                continue
            self.others.append(f"{order.symbol} {order.client_order_id}")
            core.foreign_orders += 1
            if core.foreign_halts:
                self._halt(Control.FOREIGN_ORDER)
        return own

    async def _read_positions(self) -> list[_Held]:
        """The position of every instrument; absent rows are flat. Raises when it cannot be read."""
        rows = await self._rest.positions()
        held = [_Held(0, 0, 0) for _ in self._core.instruments]
        for row in rows:
            instrument = self._core.index.get(str(row.get("symbol")))
            if instrument is None:
                continue
            if row.get("positionSide", "BOTH") != "BOTH":
                raise HedgePositionError("a hedge-mode position; one-way mode is needed")
            try:
                held[instrument] = _held(row, self._core.instruments[instrument])
            except (KeyError, ValueError, TypeError) as error:
                raise ExchangeError(
                    "reading positions", 200, 0, f"{row.get('symbol')}: {error}"
                ) from None
        return held


def _held(row: dict[str, Any], rules: InstrumentRules) -> _Held:
    """One positionRisk row; the cost is entry times amount, rounded to 1e-8 quote."""
    amount = text_to_scaled(str(row["positionAmt"]), rules.step_decimals)
    entry = text_to_scaled(str(row["entryPrice"]), _ENTRY_DECIMALS)
    scale = 10 ** (_ENTRY_DECIMALS + rules.step_decimals - 8)
    cost = abs(amount) * entry
    cost_e8 = (cost + scale // 2) // scale
    updated = row.get("updateTime", 0)
    return _Held(
        lots=amount // rules.step_mantissa,
        cost_e8=cost_e8 if amount >= 0 else -cost_e8,
        updated_ms=updated if isinstance(updated, int) else 0,
    )
