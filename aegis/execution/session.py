"""A trading session: one core with its lines to the exchange, from the first query to the last.

`process` makes one when the account's rules are known, starts it, turns it every few milliseconds
and drains it. It holds the tasks that keep the order line and the private stream up, settle what is
unknown, and reconcile after every gap. Whatever is not certain blocks new risk at once and is
cleared only by evidence; it decides no trade and reads no configuration file.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Any

import numpy as np

from aegis.config.settings import Settings
from aegis.execution.account_setup import AccountSetup
from aegis.execution.client_id import ClientIds
from aegis.execution.core import ExecutionCore, OpenOrder
from aegis.execution.dead_man import DeadMan
from aegis.execution.dispatcher import Dispatcher
from aegis.execution.ending import end_tasks
from aegis.execution.errors import (
    ExchangeError,
    FateUnknownError,
    FiltersChangedError,
    OrderLinkError,
    ReconcileError,
)
from aegis.execution.intake import Intake
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.recovery import Recovered, restore
from aegis.execution.limit_news import tell_limits
from aegis.execution.order_routes import OrderRoutes
from aegis.execution.reconcile import Reconciler
from aegis.execution.replies import Answer
from aegis.execution.resolver import Resolver
from aegis.execution.rest import RestClient
from aegis.execution.rest_cancels import RestCancels
from aegis.execution.symbols import changed_symbols
from aegis.execution.transports import Connections
from aegis.execution.user_events import ConfigUpdate, MarginCall, OrderUpdate, UserEvent
from aegis.execution.words import OPEN_COUNT, RECONCILE_WANTED
from aegis.risk.controls import Control
from aegis.risk.gate_state import (
    BLOCK_DRAINING,
    BLOCK_NOT_READY,
    BLOCK_ORDER_LINK,
    BLOCK_PRIVATE_STREAM,
    NET_REALIZED_E8,
    Gate,
)
from aegis.risk.latch import LatchState
from aegis.risk.limits import InstrumentRules, LimitsError, fill_rules
from aegis.shm.instance import InstanceMemory
from aegis.shm.rate_ledger import RateLedger

__all__ = ["RECV_WINDOW_MS", "TradingSession"]

# A placement is good for two seconds: that bounds how long its fate can stay open.
RECV_WINDOW_MS = 2_000
_RESOLVE_EVERY_S = 0.05
_LOOK_EVERY_S = 0.25
_CLOCK_EVERY_S = 30.0
# A strategy that asks for the impossible must not have exchangeInfo read for every order.
_FILTERS_PAUSE_NS = 60_000_000_000
_DIFFERENCE_NS = 2_000_000_000
# The looks that nothing has called for, and the used weight of a minute above which they wait.
_ORDERS_EVERY_NS = 30_000_000_000
_TRADES_EVERY_NS = 60_000_000_000
_BUSY_WEIGHT = 1_400
_LONGEST_PAUSE_S = 5.0
_MS_PER_DAY = 86_400_000


class TradingSession:
    """One run of trading on one account. All methods belong to the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        memory: InstanceMemory,
        rest: RestClient,
        rules: list[InstrumentRules],
        ids: ClientIds,
        connections: Connections,
        journal: Journal | None = None,
        recovered: Recovered | None = None,
        dispatcher: Dispatcher | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`journal` notes what happens from here on, `recovered` is what it has given back.

        Without a `dispatcher` nothing is limited. Raises OSError when there can be no journal.
        """
        limits = settings.instance.limits.model_dump()
        self.gate = Gate(len(rules), limits, monotonic_ns())
        self.gate.block(BLOCK_ORDER_LINK | BLOCK_PRIVATE_STREAM)
        self._rules = rules
        self._takes_all = settings.instance.takes_all
        self.set_limits(limits)
        self.core = ExecutionCore(memory, self.gate, ids, rules, RECV_WINDOW_MS)
        self.core.use_tape_time(settings.mirrored)
        self.journal = journal
        # What the books know of symbols that cannot be carried on: a reason to halt.
        self.unplaced: list[str] = []
        if journal is not None:
            self.unplaced = restore(self.core, recovered or Recovered(), monotonic_ns())
            journal.attach(self.core)
        self.rest = rest
        self.gateway = connections.order_line(self._answered, self._line_cut)
        self._fallback = connections.fallback_line(self._answered, self._judge_link)
        self.dispatcher = dispatcher or Dispatcher(RateLedger.private())
        self.routes = OrderRoutes(self.gateway, self._fallback)
        self.stream = connections.private_stream(self, ids.run)
        self._counters = memory.counters["execution"]
        self._answers = self._counters.index("responses")
        self._events = self._counters.index("user_events")
        self._rest_cancels = RestCancels(self.core, rest, lambda: self.intake.publish())
        self.intake = Intake(
            self.core,
            self.routes,
            memory,
            rest.now_ms,
            self.resync,
            self._rest_cancels.begin,
            self.dispatcher,
            journal,
        )
        self.resolver = Resolver(
            self.core, rest, monotonic_ns, self._cancel_again, recv_window_ms=RECV_WINDOW_MS
        )
        self.setup = AccountSetup(self.core, rest)
        self._orders_due_ns = monotonic_ns() + _ORDERS_EVERY_NS
        self._trades_due_ns = monotonic_ns() + _TRADES_EVERY_NS
        self._day_known = recovered.replay.day if recovered and recovered.replay else 0
        self.reconciler = Reconciler(
            self.core,
            rest,
            self.resolver,
            journal,
            has_books=recovered is not None and recovered.has_state,
            policy=settings.journal,
        )
        # `is_calm` is what the process sees of the others' vital signs.
        self.is_started = self.is_reconciled = self.is_calm = False
        self.dead_man = DeadMan(settings, self, say)
        self._stand_still(ids.run, say)

    def _stand_still(self, seed: int, say: Callable[[str], None]) -> None:
        """The state of a session that has not begun."""
        self.reconciler.funding.say = say
        self.failure: BaseException | None = None
        self._say = say
        self._stream_ready = asyncio.Event()
        self._line_wanted = asyncio.Event()
        self._resync_id = 0
        self._day = 0
        self._differing_since_ns = 0
        self._filters_due_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._resync_task: asyncio.Task[None] | None = None
        self._jitter = random.Random(seed)

    def set_limits(self, limits: dict[str, Any]) -> None:
        """Take limits over, all or none. Raises LimitsError.

        Where the exchange decides which symbols there are, one that the limits do not fit (less
        than a step of it, say) gets a row that allows nothing.
        """
        filled = self.gate.rules.copy()
        for place, rules in enumerate(self._rules):
            try:
                fill_rules(filled[place], rules, limits)
            except LimitsError:
                if not self._takes_all:
                    raise
                filled[place] = np.zeros(1, filled.dtype)[0]
        self.gate.set_limits(limits)
        self.gate.rules[:] = filled

    @property
    def asked_by(self) -> int:
        """The intent that last asked for the positions, 0 for none."""
        return self._resync_id

    # The way up and the way down

    async def start(self, epoch: int, resync_id: int) -> None:
        """Bring both lines up, reconcile, and tell the brain. Raises an ExecutionError.

        `resync_id` is the intent that asked for the positions, 0 when nobody has.
        """
        self.core.follow_epoch(epoch)
        self._spawn(self.stream.run())
        try:
            async with asyncio.timeout(5.0):
                await self._stream_ready.wait()
        except TimeoutError:
            raise ReconcileError("the private stream did not come up within 5 s") from None
        await self._connect_either()
        losses = self.stream.losses
        await self.reconciler.start()
        if self.unplaced:
            self.gate.latch.trip(LatchState.HALTED, Control.POSITION_MISMATCH, monotonic_ns())
        self._carry_the_day_on()
        await self.dead_man.begin()
        self.is_started = True
        self.gate.clear(BLOCK_NOT_READY)
        if self.stream.is_connected and self.stream.losses == losses:
            self.is_reconciled = True
            self.gate.clear(BLOCK_PRIVATE_STREAM)
        elif self.stream.is_connected:
            # It was away while the account was read: what happened then was heard by nobody.
            await self.compare()
        self.core.tell_positions(self._resync_id or resync_id, monotonic_ns())
        self.intake.publish()
        for keeper in (self._keep_line(), self._settle_unknown(), self._watch_account()):
            self._spawn(keeper)
        self._spawn(self.dead_man.run())

    def _carry_the_day_on(self) -> None:
        """What an earlier process of this run won or lost today still counts."""
        self._day = self.rest.now_ms() // _MS_PER_DAY
        self._take_the_day_over()
        self.gate.start_peak()
        self._note_day()

    def _take_the_day_over(self) -> None:
        if self._day_known:
            # The journal has given back the sums, and the zero of the day that they are from.
            if self._day != self._day_known:
                self.gate.start_day()
            return
        counters = self._counters
        net_e8 = counters["realized_pnl_e8"] - counters["fees_e8"]
        if net_e8:
            self.gate.words[NET_REALIZED_E8] = net_e8
        else:
            self.gate.start_day()

    def _note_day(self) -> None:
        if self.journal is not None:
            self.journal.note_day(self._day)

    def turn_of_day(self) -> None:
        """At midnight UTC the day's result starts from zero."""
        day = self.rest.now_ms() // _MS_PER_DAY
        if self.is_started and day != self._day:
            self._day = day
            self.gate.start_day()
            self._note_day()

    async def drain(self, deadline_ns: int) -> bool:
        """The end of the session: nothing new, and nothing of ours rests. True when seen."""
        self.gate.block(BLOCK_DRAINING)
        return await self.cancel_and_see(deadline_ns)

    async def cancel_and_see(self, deadline_ns: int) -> bool:
        """Cancel everything of ours and see by query that nothing rests. True when seen."""
        # An order that nobody can settle must leave time to ask what rests.
        begun_ns = monotonic_ns()
        settle_by_ns = begun_ns + (deadline_ns - begun_ns) * 6 // 10
        while monotonic_ns() < settle_by_ns:
            self.intake.cancel_all()
            await self.resolver.turn(settle_by_ns)
            self.intake.publish()
            if int(self.core.words[OPEN_COUNT]) == 0:
                break
            await asyncio.sleep(0.005)
        return await self.reconciler.see_nothing(deadline_ns)

    async def close(self) -> None:
        """End the tasks and the lines."""
        tasks = [*self._tasks, *self._rest_cancels.under_way(), *filter(None, [self._resync_task])]
        for task in await end_tasks(tasks):
            self._say(f"did not end: {task}")
        self.routes.close()
        if self.journal is not None:
            self.journal.close()
        self.is_reconciled = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # A task that breaks is a bug: the process ends and starts again from the account.
            self.failure = self.failure or task.exception()

    # The order line

    async def _connect_either(self) -> None:
        """The order connection; one that cannot be had is no reason not to trade over REST."""
        if self._fallback is not None:
            self._spawn(self._fallback.keep())
        try:
            await self._connect()
        except OrderLinkError:
            if self._fallback is None:
                raise
            await self._fallback.connect()

    async def _connect(self) -> None:
        await self.gateway.connect()
        self._judge_link()

    def _line_cut(self) -> None:
        """The order line is lost: what was under way is unknown, and REST takes over if it can."""
        self._judge_link()
        elsewhere = (*self.routes.kept(), *self.dispatcher.waiting_ids())
        self.core.line_cut(monotonic_ns(), elsewhere)
        self._line_wanted.set()
        self.intake.publish()

    def _judge_link(self) -> None:
        """Nothing new is asked for while no line is up."""
        if self.routes.is_up:
            self.gate.clear(BLOCK_ORDER_LINK)
        else:
            self.gate.block(BLOCK_ORDER_LINK)

    async def _keep_line(self) -> None:
        pause_s = 0.05
        while True:
            if self.gateway.is_connected:
                pause_s = 0.05
                self._line_wanted.clear()
                await self._line_wanted.wait()
                continue
            try:
                await self._connect()
            except OrderLinkError:
                self._judge_link()
                await asyncio.sleep(pause_s * (0.5 + self._jitter.random()))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _answered(self, answer: Answer, now_ns: int) -> None:
        is_first = self.core.is_first_answer(answer)
        self.core.on_answer(answer, now_ns)
        if is_first:
            tell_limits(self.dispatcher, answer, self.rest.now_ms())
        self.intake.release()
        self.intake.publish()
        # After its effects: whoever sees the answer counted has seen what it led to.
        self._counters.add(self._answers, 1)

    def turn(self) -> None:
        """Called every turn: the box's use of the limits, and what waited for room."""
        self.dispatcher.refresh(self.rest.now_ms())
        self.intake.release()

    # The private stream

    async def on_stream_up(self) -> None:
        """The stream is connected: before anything is trusted again, compare."""
        if not self.is_started:
            self._stream_ready.set()
            return
        self.reconciler.funding.want()
        await self.compare()

    async def compare(self) -> None:
        """Orders and positions against the exchange's, now. Raises an ExchangeError."""
        try:
            equal = await self.reconciler.check()
        except FateUnknownError:
            # Positions differ and nobody can say why yet: no new risk until it is known.
            self.on_stream_down()
            self.core.words[RECONCILE_WANTED] += 1
            raise
        self.core.words[RECONCILE_WANTED] = 0
        self.intake.publish()
        if self.stream.is_connected:
            # Positions that differ have halted the latch, and our own books prove nothing.
            self.is_reconciled = equal
            (self.gate.clear if equal else self.gate.block)(BLOCK_PRIVATE_STREAM)

    def on_stream_down(self) -> None:
        self.is_reconciled = False
        self.gate.block(BLOCK_PRIVATE_STREAM)

    def on_event(self, event: UserEvent, now_ns: int) -> None:
        if isinstance(event, OrderUpdate):
            self.core.on_order_update(event, now_ns)
        elif isinstance(event, ConfigUpdate | MarginCall):
            self.setup.on_update(event)
        else:
            self.core.on_account_update(event, now_ns)
        self.intake.publish()

    def on_event_taken(self) -> None:
        """An event of whatever kind has been dealt with."""
        self._counters.add(self._events, 1)

    # What the brain asks for

    def resync(self, epoch: int, intent_id: int) -> None:
        """Cancel everything, and tell the positions once nothing rests.

        What an earlier brain has asked for, and was not heard in time, is nobody's wish any more.
        """
        if epoch < self.core.epoch:
            return
        self.core.follow_epoch(epoch)
        self._resync_id = intent_id
        if not self.is_started:
            return
        self.intake.cancel_all()
        if self._resync_task is None or self._resync_task.done():
            self._resync_task = asyncio.get_running_loop().create_task(self._answer_resync())

    async def _answer_resync(self) -> None:
        while int(self.core.words[OPEN_COUNT]):
            await asyncio.sleep(0.002)
            self.intake.cancel_all()
        self.core.tell_positions(self._resync_id, monotonic_ns())
        self.intake.publish()

    # Cancels beside the order line

    def _cancel_again(self, order: OpenOrder) -> bool:
        is_up = self.routes.is_up
        (self.intake.cancel_one if is_up else self._rest_cancels.begin)(order.slot)
        return is_up

    # Keepers

    async def _settle_unknown(self) -> None:
        while True:
            if int(self.core.words[OPEN_COUNT]):
                await self.resolver.turn()
                self.intake.publish()
            await asyncio.sleep(_RESOLVE_EVERY_S)

    async def _watch_account(self) -> None:
        """Compare when something contradicts; keep the clock; one thing at a time."""
        clock_due_ns = monotonic_ns() + int(_CLOCK_EVERY_S * 1e9)
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_ns = monotonic_ns()
            try:
                if self.core.clock_skewed or now_ns > clock_due_ns:
                    await self.rest.synchronise()
                    self.core.clock_skewed = False
                    clock_due_ns = now_ns + int(_CLOCK_EVERY_S * 1e9)
                if self.core.filters_suspect and now_ns > self._filters_due_ns:
                    self._filters_due_ns = now_ns + _FILTERS_PAUSE_NS
                    await self._look_at_filters()
                if self._must_compare(now_ns) and self.stream.is_connected:
                    await self.compare()
                await self._look_without_cause(now_ns)
            except ExchangeError as error:
                # The exchange does not answer: what is unknown stays blocked, ask again later.
                await asyncio.sleep(error.pause_s)

    async def _look_without_cause(self, now_ns: int) -> None:
        """Orders and positions, and the list of trades, every so often: the independent look.

        It costs about 30 of request weight a minute for one symbol, and waits while the exchange
        says that much of the minute's weight is used.
        """
        if self.rest.used_weight > _BUSY_WEIGHT or not self.stream.is_connected:
            return
        if now_ns > self._orders_due_ns:
            self._orders_due_ns = now_ns + _ORDERS_EVERY_NS
            if await self.reconciler.finds_untold(self.compare, self.stream):
                self.stream.distrust()
        await self.reconciler.funding.look_if_due(now_ns)
        if now_ns > self._trades_due_ns:
            self._trades_due_ns = now_ns + _TRADES_EVERY_NS
            await self.setup.look()
            if not await self.reconciler.catch_up.compare_trades():
                self.stream.distrust()
            self.intake.publish()

    async def _look_at_filters(self) -> None:
        """An order broke a filter: a changed one is in every row and limit, so start anew."""
        self.core.filters_suspect = False
        changed = changed_symbols(await self.rest.exchange_info(), self._rules, self._takes_all)
        if changed:
            self.failure = FiltersChangedError(f"the exchange has changed its filters of {changed}")

    def _must_compare(self, now_ns: int) -> bool:
        """Evidence that contradicts, or positions that have differed for two seconds."""
        if not self.core.positions_differ():
            self._differing_since_ns = 0
        elif self._differing_since_ns == 0:
            self._differing_since_ns = now_ns
        lasting = 0 < self._differing_since_ns <= now_ns - _DIFFERENCE_NS
        if lasting:
            self._differing_since_ns = now_ns
        return lasting or int(self.core.words[RECONCILE_WANTED]) > 0
