"""The resolver: asks the exchange about every order whose fate only the exchange knows.

A task beside the hot path. It looks over the order table a few times a second and

* counts an order without an answer after ANSWER_TIMEOUT as ambiguous (its answer may still come),
* queries every UNKNOWN order by its client id, after a short grace in which the stream usually
  settles it; "does not exist" is believed only when the receive window of the placement had closed
  when the question was asked, because until then it may still be on its way,
* asks about an order whose amend has no answer likewise, until the terms that it tells are certain:
  the new ones, or any once the receive window of the amend had closed when it was asked,
* takes an order that had existed, and that the exchange has not known for a while, for ended once
  its trades are booked (the exchange forgets what was cancelled without a fill days ago),
* fetches the trades of an order that is over but whose fills have not all come; those that no list
  has shown after a while cannot be accounted for: that halts, and ends the order,
* sends a wanted cancel again, for the same order, as long as it rests, and cancels what the latch
  does not allow to rest.

It never places anything, and it gives up on no order that may rest: a query that fails is asked
again, more slowly, and the order's quantity stays reserved meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aegis.execution import order_states as states
from aegis.execution.batch import CANCEL_AGAIN_NS
from aegis.execution.core import ExecutionCore, OpenOrder
from aegis.execution.errors import ExchangeError, RefusedError
from aegis.execution.evidence import WINDOW_SLACK_MS
from aegis.execution.replies import Verdict, verdict_of
from aegis.execution.rest import RestClient
from aegis.execution.words import RECONCILE_WANTED
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState

__all__ = ["ABSENT_CODE", "Resolver"]

ABSENT_CODE = -2013
_NS_PER_MS = 1_000_000
ANSWER_TIMEOUT_NS = 5_000 * _NS_PER_MS
# The stream usually settles a lost cancel or the last fills within this time.
GRACE_NS = 50 * _NS_PER_MS
_LONGEST_PAUSE_NS = 5_000 * _NS_PER_MS
_MOST_AT_ONCE = 16
# An answer may come from a copy of the exchange's books that is behind, but not by so much.
_VANISHED_NS = 10_000 * _NS_PER_MS


class Resolver:
    """Works on one core through one REST client."""

    # How long an order that is over waits for a list that accounts for its fills: longer than any
    # copy of the exchange's books is behind, and well within the time that a start has.
    patience_ns = 20_000 * _NS_PER_MS

    def __init__(
        self,
        core: ExecutionCore,
        rest: RestClient,
        clock_ns: Callable[[], int],
        cancel: Callable[[OpenOrder], bool],
        *,
        recv_window_ms: int,
    ) -> None:
        """`cancel` sends a cancel on the order connection; False when it cannot."""
        self._core = core
        self._rest = rest
        self._clock_ns = clock_ns
        self._cancel = cancel
        self._recv_window_ms = recv_window_ms
        self._not_before: dict[int, int] = {}
        # Until then a firewall wants silence: every question would make its block longer.
        self._silent_until_ns = 0
        self.queries = 0

    async def turn(self, until_ns: int | None = None) -> int:
        """Look over the table once; returns how many orders are unsettled.

        What has not answered by `until_ns` is asked again later: whoever has only so much time left
        must not spend it all on one question.
        """
        now_ns = self._clock_ns()
        unsettled = 0
        asked = 0
        orders = self._core.open_orders()
        slots = {order.slot for order in orders}
        self._not_before = {slot: at for slot, at in self._not_before.items() if slot in slots}
        for order in orders:
            if self._times_out(order, now_ns):
                unsettled += 1
                continue
            if order.state not in (states.UNKNOWN, states.CLOSING):
                self._cancel_again(order, now_ns)
                continue
            unsettled += 1
            due_ns = max(order.changed_ns + GRACE_NS, self._not_before.get(order.slot, 0))
            due_ns = max(due_ns, self._silent_until_ns)
            if now_ns >= due_ns and asked < _MOST_AT_ONCE:
                asked += 1
                left_s = None if until_ns is None else (until_ns - self._clock_ns()) / 1e9
                await self._settle_in_time(order, left_s)
        return unsettled

    async def _settle_in_time(self, order: OpenOrder, left_s: float | None) -> None:
        try:
            async with asyncio.timeout(left_s):
                await self.settle(order)
        except TimeoutError:
            pass
        except ExchangeError as error:
            self._silent_until_ns = self._clock_ns() + int(error.pause_s * 1e9)

    def _times_out(self, order: OpenOrder, now_ns: int) -> bool:
        """No answer for too long: nobody knows. Nothing is sent again."""
        if order.state == states.PENDING_NEW and now_ns - order.sent_ns > ANSWER_TIMEOUT_NS:
            self._core.apply(order.slot, states.AMBIGUOUS, now_ns)
            return True
        if (
            order.state == states.PENDING_CANCEL
            and now_ns - order.cancel_sent_ns > ANSWER_TIMEOUT_NS
        ):
            event = states.CANCEL_AMBIGUOUS if order.acknowledged else states.AMBIGUOUS
            self._core.apply(order.slot, event, now_ns)
            return True
        if order.state == states.PENDING_AMEND and now_ns - order.amend_sent_ns > ANSWER_TIMEOUT_NS:
            self._core.apply(order.slot, states.AMEND_AMBIGUOUS, now_ns)
            return True
        return False

    def _cancel_again(self, order: OpenOrder, now_ns: int) -> None:
        """An order that rests although its cancel was wanted, or that the latch no longer allows.

        The refusal of a cancel is no end of it, and an order that was a way out is none any more
        once the books were corrected.
        """
        if order.state not in (states.LIVE, states.PENDING_AMEND):
            return
        if not (order.cancel_wanted or self._core.must_not_rest(order.slot)):
            return
        if now_ns - order.cancel_sent_ns < CANCEL_AGAIN_NS:
            return
        self._cancel(order)

    async def settle(self, order: OpenOrder) -> bool:
        """Ask about one order and apply the answer; False when it is as unsettled as before.

        Raises an ExchangeError that wants a pause (`pause_s`), and no other.
        """
        self.queries += 1
        asked_ms, asked_ns = self._rest.now_ms(), self._clock_ns()
        try:
            if order.state == states.CLOSING and order.exchange_order_id > 0:
                return await self.fetch_trades(order)
            body = await self._rest.order(order.symbol, order.client_id)
        except RefusedError as error:
            if error.code == ABSENT_CODE:
                return await self._absent(order, asked_ms, asked_ns)
            if not _is_final(error):
                return self._not_answered(order, error)
            return self._not_accounted_for(order, asked_ns)
        except ExchangeError as error:
            return self._not_answered(order, error)
        if not self._core.is_same(order):
            return True
        self._core.on_order_body(order.slot, body, self._clock_ns(), asked_ms=asked_ms)
        if self._core.state_of(order.slot) == states.UNKNOWN:
            # It rests, but an amend of it may still arrive.
            self._ask_later(self._core.view(order.slot))
            return False
        return True

    async def _absent(self, order: OpenOrder, asked_ms: int, asked_ns: int) -> bool:
        """The exchange does not know it: a proof only if it could no longer arrive when asked.

        An answer may be old when it is read, because the network or we ourselves stood still.
        """
        if not self._core.is_same(order):
            return True
        gone_ms = order.sent_ms + self._recv_window_ms + WINDOW_SLACK_MS
        waited_ns = self._clock_ns() - order.changed_ns
        if order.acknowledged and order.state == states.UNKNOWN and waited_ns > _VANISHED_NS:
            return await self._vanished(order)
        if order.state == states.LIVE:
            # Neither listed as open nor known: it is asked about from here on, until that is clear.
            self._core.apply(order.slot, states.CANCEL_LOST, self._clock_ns(), code=ABSENT_CODE)
            return False
        if order.acknowledged or asked_ms <= gone_ms:
            return self._not_accounted_for(order, asked_ns)
        now_ns = self._clock_ns()
        moved = self._core.apply(order.slot, states.NOT_PLACED, now_ns, code=ABSENT_CODE)
        return moved > 0

    async def _vanished(self, order: OpenOrder) -> bool:
        """It existed, and for a while the exchange has not known it: it forgets what is long over.

        So it does not rest, unless the list of open orders says so. Its trades are booked before it
        ends, and then the whole account is compared. Where the exchange refuses to list them, some
        may be missing: that halts.
        """
        try:
            resting = await self._rest.open_orders(order.symbol)
            if any(body.client_order_id == order.client_id for body in resting):
                self._ask_later(order)
                return False
        except ExchangeError as error:
            return self._not_answered(order, error)
        asked_ns = self._clock_ns()
        try:
            if order.exchange_order_id > 0 and await self.fetch_trades(order):
                return True
        except ExchangeError as error:
            if not (_is_final(error) and self._is_overdue(order, asked_ns)):
                return self._not_answered(order, error)
            self._halt()
        if self._core.is_same(order):
            self._core.apply(order.slot, states.CANCEL, self._clock_ns(), code=ABSENT_CODE)
            self._core.words[RECONCILE_WANTED] += 1
        return True

    async def fetch_trades(self, order: OpenOrder) -> bool:
        """Fills are missing: book the order's trades, each once. True when the order is over."""
        asked_ns = self._clock_ns()
        trades = await self._rest.user_trades(order.symbol, order.exchange_order_id)
        if not self._core.is_same(order):
            return True
        now_ns = self._clock_ns()
        for trade in trades:
            fee = trade.commission if order.symbol.endswith(trade.commission_asset) else "0"
            self._core.on_trade_row(
                order.slot,
                trade.id,
                trade.price,
                trade.qty,
                fee,
                trade.maker,
                now_ns,
                trade.realized_pnl,
            )
        self._core.on_trades_listed(order.slot, [trade.qty for trade in trades], now_ns)
        if self._core.state_of(order.slot) >= states.TERMINAL:
            return True
        return self._not_accounted_for(order, asked_ns)

    def _is_overdue(self, order: OpenOrder, asked_ns: int) -> bool:
        """Whether the question itself came late: an answer may be old when it is read."""
        changed_ns = int(self._core.tables.rows[order.slot]["changed_ns"])
        return asked_ns - changed_ns > self.patience_ns

    def _not_accounted_for(self, order: OpenOrder, asked_ns: int) -> bool:
        """The exchange has answered, and the order is as unsettled as before: ask again later.

        One that is over is not asked about for ever. After a while it ends as if the missing fills
        were in the books, halted, because they are not; and the account is compared.
        """
        if not self._core.is_same(order):
            return True
        is_over = order.state == self._core.state_of(order.slot) == states.CLOSING
        if not is_over or not self._is_overdue(order, asked_ns):
            self._ask_later(order)
            return False
        self._halt()
        counted = int(self._core.tables.rows[order.slot]["reported_lots"])
        self._core.apply(order.slot, states.SETTLED, self._clock_ns(), cum_lots=counted)
        self._core.words[RECONCILE_WANTED] += 1
        return True

    def _halt(self) -> None:
        latch = self._core.gate.latch
        latch.trip(LatchState.HALTED, Control.UNACCOUNTED_FILLS, self._clock_ns())

    def _not_answered(self, order: OpenOrder, error: ExchangeError) -> bool:
        """Ask again later; where the exchange wants silence, whoever asks must keep it."""
        self._ask_later(order)
        if error.pause_s > 0:
            raise error
        return False

    def is_due(self, order: OpenOrder) -> bool:
        """Whether the pause after the last question about an order is over."""
        return self._clock_ns() >= self._not_before.get(order.slot, 0)

    def _ask_later(self, order: OpenOrder) -> None:
        """Ask again, each time after twice as long, at most every five seconds."""
        row = self._core.tables.rows[order.slot]
        tries = min(int(row["tries"]) + 1, 16)
        row["tries"] = tries
        pause_ns = min(GRACE_NS << tries, _LONGEST_PAUSE_NS)
        self._not_before[order.slot] = self._clock_ns() + pause_ns


def _is_final(error: ExchangeError) -> bool:
    """Whether an error is an answer: asked again, the exchange would refuse it again."""
    if not isinstance(error, RefusedError):
        return False
    return verdict_of(error.status, error.code, error.text) is not Verdict.OVERLOADED
