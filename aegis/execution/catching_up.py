"""Catching up: what moved the account while nobody listened, booked once, and the books compared.

At a start the journal has given back positions, sums and the orders that were open. The exchange is
then asked, in this order: what became of each such order; every trade since the last one that was
confirmed, which is booked unless it is known; the positions. Only when these equal the books is the
instance reconciled; a difference halts, and is never traded away. Without a journal of this account
(its first start) the exchange's positions are taken over instead.

While running, the same list of trades is read now and then and compared with the books: the
independent look (FIA 4.1 "drop copy") at what the private stream should have told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from aegis.execution import order_states as states
from aegis.execution.core import ExecutionCore, OpenOrder
from aegis.execution.errors import ReconcileError, RefusedError
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.layout import CONFIRMED, VERDICT
from aegis.execution.resolver import ABSENT_CODE, Resolver
from aegis.execution.rest import RestClient, UserTrade
from aegis.host.clock import monotonic_ns

__all__ = ["AT_START", "DIFFERENT", "EQUAL", "YOUNG_MS", "CatchUp"]

EQUAL, DIFFERENT = 1, 2
# What a verdict was about.
AT_START, POSITIONS, TRADES = 1, 2, 3

_MOST_TRADES = 1_000
# As long as a placement can be on its way (its window and the slack), and a few queries.
_PATIENCE_NS = 8_000_000_000
_PAUSE_S = 0.1
_MOST_SYMBOLS = 5
# A trade may be this young and still on its way on the stream.
YOUNG_MS = 5_000
_UNKNOWN_ORDER = -2011
_RESTING = (states.LIVE, states.PENDING_CANCEL, states.PENDING_AMEND)


class CatchUp:
    """Works on one core through one REST client; notes verdicts in the journal, if there is one."""

    def __init__(
        self, core: ExecutionCore, rest: RestClient, resolver: Resolver, journal: Journal | None
    ) -> None:
        self._core = core
        self._rest = rest
        self._resolver = resolver
        self._journal = journal
        self.missed_fills = 0
        self.cancelled_late = 0
        # The instruments whose lists were never read: their books hold no trade of before them.
        self._unread: set[int] = set()

    def begin(self) -> None:
        """A start begins, and with it the books of what the journal does not know.

        Of many symbols also of those of which no trade was confirmed yet: their lists were not
        read when the journal began. Where the journal notes a first trade, the books began before
        it, and what happened since then is news.
        """
        core = self._core
        confirmed = core.confirmed_trades
        many = len(confirmed) > _MOST_SYMBOLS
        self._unread = set(core.unbooked)
        for place, trade_id in enumerate(confirmed):
            if not trade_id and (many or place in core.begun_ms):
                self._unread.add(place)
        now_ms = self._rest.now_ms()
        for place in self._unread:
            core.begun_ms.setdefault(place, now_ms)

    # Orders of earlier runs

    async def settle_carried(self, resting: Collection[str]) -> None:
        """Learn what became of every order that was open when the last process ended.

        `resting` are the client ids that may stay open (policy "adopt"). An order that comes into
        being only now, after what rested was cancelled, is cancelled as well. Raises
        ReconcileError when one stays unknown.
        """
        deadline_ns = monotonic_ns() + _PATIENCE_NS
        while True:
            unsettled = [
                order for order in self._core.open_orders() if not _may_stay(order, resting)
            ]
            if not unsettled:
                return
            for order in unsettled:
                # A list that is waited for is asked for ever more slowly: many times its weight in
                # a few seconds is more than a minute has.
                if order.state != states.CLOSING or self._resolver.is_due(order):
                    await self._settle(order)
            is_any_over = any(
                self._core.state_of(order.slot) == states.CLOSING for order in unsettled
            )
            # What is over ends within the resolver's patience, whatever the exchange lists.
            patience_ns = self._resolver.patience_ns if is_any_over else 0
            if monotonic_ns() > deadline_ns + patience_ns:
                raise ReconcileError(
                    f"{len(unsettled)} orders of an earlier run are still unsettled, "
                    f"the first is {unsettled[0].client_id}"
                )
            await asyncio.sleep(_PAUSE_S)

    async def _settle(self, order: OpenOrder) -> None:
        if order.state == states.UNKNOWN and order.acknowledged:
            try:
                await self._rest.order(order.symbol, order.client_id)
            except RefusedError as error:
                if error.code == ABSENT_CODE:
                    # It existed and does not rest; the exchange forgets what ended days ago. Its
                    # trades are in the list that is read next.
                    self._core.apply(order.slot, states.CANCEL, monotonic_ns())
                    return
        if order.state in _RESTING:
            await self._cancel_late(order)
        else:
            await self._resolver.settle(order)

    async def _cancel_late(self, order: OpenOrder) -> None:
        """It was still on its way when what rested was cancelled."""
        try:
            body = await self._rest.cancel(order.symbol, order.client_id)
        except RefusedError as error:
            if error.code != _UNKNOWN_ORDER:
                raise
            # Filled or gone in the meantime: it is asked about, not concluded.
            await self._resolver.settle(order)
            return
        self.cancelled_late += 1
        if self._core.is_same(order):
            self._core.on_order_body(order.slot, body, monotonic_ns())

    # Trades

    def active_places(self) -> list[int]:
        """Instruments whose list of trades is worth its weight: all of a few, or the used."""
        core = self._core
        if len(core.instruments) <= _MOST_SYMBOLS:
            return list(range(len(core.instruments)))
        held = core.gate.exposure
        used = (held["position_lots"] != 0) | (held["fees_e8"] != 0) | (held["open_orders"] != 0)
        known = core.confirmed_trades
        return [place for place in range(len(used)) if used[place] or known[place]]

    async def book_missed(self, places: Iterable[int], *, up_to_ms: int | None = None) -> int:
        """Book every trade since the last confirmed one, each once; returns how many were missing.

        With `up_to_ms` (exchange clock) younger trades are left for later, and so are those that
        may be of an order whose number at the exchange we do not know yet: booked without it, they
        would be missing from it for ever. These count as missing, too.
        """
        return sum([await self._book_list(place, up_to_ms) for place in places])

    async def _book_list(self, place: int, up_to_ms: int | None) -> int:
        core = self._core
        symbol = core.instruments[place].symbol
        missed = 0
        while True:
            last = core.confirmed_trades[place]
            trades = await self._rest.user_trades_since(symbol, last + 1)
            for trade in sorted(trades, key=lambda trade: trade.id):
                if up_to_ms is not None and trade.time > up_to_ms:
                    break
                if self._may_be_of_a_nameless_order(place, trade):
                    self.missed_fills += missed
                    return missed + 1
                if not self._is_older_than_the_books(place, trade):
                    missed += self._book(place, trade)
                core.confirmed_trades[place] = max(core.confirmed_trades[place], trade.id)
            if core.confirmed_trades[place] == last:
                break
            self._confirm(place)
            if len(trades) < _MOST_TRADES:
                break
        self._unread.discard(place)
        self.missed_fills += missed
        return missed

    def _is_older_than_the_books(self, place: int, trade: UserTrade) -> bool:
        """Whether the position that the books of an instrument began with holds it already.

        The list goes months back, and is read from its front where nothing is confirmed.
        """
        if place not in self._unread or trade.time >= self._core.begun_ms[place]:
            return False
        return self._core.slot_of_exchange_id(place, trade.order_id) < 0

    def _may_be_of_a_nameless_order(self, place: int, trade: UserTrade) -> bool:
        core = self._core
        rows = core.tables.rows
        nameless = (rows["state"] != states.FREE) & (rows["state"] < states.TERMINAL)
        nameless &= (rows["exchange_order_id"] == 0) & (rows["instrument"] == place)
        nameless &= rows["side"] == (1 if trade.side == "BUY" else -1)
        if not nameless.any() or core.slot_of_exchange_id(place, trade.order_id) >= 0:
            return False
        return not core.knows_trade(place, trade.id)

    def _book(self, place: int, trade: UserTrade) -> bool:
        """One row of the list; whether it was news."""
        core = self._core
        rules = core.instruments[place]
        fee = trade.commission if rules.symbol.endswith(trade.commission_asset) else "0"
        slot = core.slot_of_exchange_id(place, trade.order_id)
        if slot >= 0:
            return core.on_trade_row(
                slot,
                trade.id,
                trade.price,
                trade.qty,
                fee,
                trade.maker,
                monotonic_ns(),
                trade.realized_pnl,
            )
        return core.on_stray_row(
            place,
            1 if trade.side == "BUY" else -1,
            trade.id,
            trade.price,
            trade.qty,
            fee,
            trade.maker,
            trade.order_id,
            monotonic_ns(),
            trade.realized_pnl,
        )

    async def compare_trades(self) -> bool:
        """While running: the exchange's list against the books. False when fills were missing."""
        up_to_ms = self._rest.now_ms() - YOUNG_MS
        missed = await self.book_missed(self.active_places(), up_to_ms=up_to_ms)
        self.note_verdict(DIFFERENT if missed else EQUAL, TRADES)
        return missed == 0

    async def take_newest_as_confirmed(self, places: Iterable[int]) -> list[int]:
        """The newest trade of each instrument, from which on the books are complete."""
        newest = []
        for place in places:
            await self._confirm_newest(place)
            newest.append(self._core.confirmed_trades[place])
        return newest

    async def _confirm_newest(self, place: int) -> None:
        """Confirm up to the account's newest trade; what is confirmed stays so if a page fails.

        An account that trades much has more pages than one minute's request weight.
        """
        symbol = self._core.instruments[place].symbol
        trades = await self._rest.newest_trades(symbol)
        self._confirm_up_to(place, trades)
        # Without a number only the last seven days are listed, with one also what is older: a
        # later look must not find that and take it for news.
        while not trades or len(trades) >= _MOST_TRADES:
            after = self._core.confirmed_trades[place]
            trades = await self._rest.user_trades_since(symbol, after + 1)
            if not trades:
                break
            self._confirm_up_to(place, trades)

    def _confirm_up_to(self, place: int, trades: Iterable[UserTrade]) -> None:
        newest = max((trade.id for trade in trades), default=0)
        if newest > self._core.confirmed_trades[place]:
            self._core.confirmed_trades[place] = newest
            self._confirm(place)

    # The journal

    def _confirm(self, place: int) -> None:
        if self._journal is not None:
            trade_id = self._core.confirmed_trades[place]
            self._journal.note(CONFIRMED, instrument=place, trade_id=trade_id)

    def note_verdict(self, verdict: int, about: int) -> None:
        """Write down what a comparison has found."""
        if self._journal is not None:
            self._journal.note(VERDICT, code=verdict, ident=about)


def _may_stay(order: OpenOrder, resting: Collection[str]) -> bool:
    return order.state == states.LIVE and order.client_id in resting
