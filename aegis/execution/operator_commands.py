"""What an operator's command does in a running session, and how it is seen to be done.

Every command stops all new orders while it is carried out (the gate's operator block, which holds
reducing orders too), cancels through the order line, and is confirmed by asking the exchange: what
rests, and which positions there are. An answer that did not come is never taken for "nothing".

- halt, reduce: the latch, by hand; then everything that rests is cancelled.
- cancel-all: everything that rests is cancelled, conditional orders too; the latch stays.
- flatten: reduce, cancel all, then reduce-only market orders until every position is zero.
- arm: the account is compared with the exchange; only if it agrees is the latch ACTIVE again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from aegis.execution.decimal_text import text_to_scaled
from aegis.execution.errors import ExchangeError, ExecutionError
from aegis.execution.session import TradingSession
from aegis.execution.words import OPEN_COUNT
from aegis.risk.controls import Control, control_name
from aegis.risk.gate_state import BLOCK_OPERATOR
from aegis.risk.latch import LatchState

__all__ = ["OperatorCommands"]

_PATIENCE_NS = 20_000_000_000
# Between two looks of `flatten`, which weigh some ninety each: the second comes soon, and what does
# not become flat in 20 s takes half of a minute's request weight, not all that others need, too.
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_LAST_LOOK_NS = 1_000_000_000
_MOST_NAMED = 4
# Orders of the operator are named by an epoch that no brain has, and by references far beyond those
# of the protective stops (milliseconds) and of the orders of earlier runs (the journal's records),
# which have that epoch in the table.
_EPOCH, _REFERENCES = 0, 1 << 52

Answer = dict[str, Any]


class OperatorCommands:
    """The commands on one session. `session` gives the living one, None while there is none."""

    def __init__(
        self,
        session: Callable[[], TradingSession | None],
        say: Callable[[str], None],
        demand: Callable[[LatchState], None],
    ) -> None:
        """`demand` keeps where the latch of a session that has not begun must stand."""
        self._session = session
        self._say = say
        self._demand = demand
        self._next_ref = _REFERENCES
        self._handlers = {
            "halt": self._halt,
            "reduce": self._reduce,
            "cancel-all": self._cancel_all,
            "flatten": self._flatten,
            "arm": self._arm,
        }

    async def carry_out(self, command: str) -> Answer:
        """One command, to its end. Never raises for what the exchange does."""
        handler = self._handlers.get(command)
        session = self._session()
        if handler is None:
            known = ", ".join(self._handlers)
            return _refusal(f"{command[:40]!r} is no command; known: {known}")
        if session is None or not session.is_started:
            return self._before_the_start(command, session)
        self._say(f"operator: {command}")
        gate = session.gate
        gate.block(BLOCK_OPERATOR)
        try:
            answer = await handler(session, monotonic_ns() + _PATIENCE_NS)
        except ExecutionError as error:
            text = f"the exchange does not answer: {error}; the latch is {gate.latch}"
            answer = {"ok": False, "text": text}
        finally:
            gate.clear(BLOCK_OPERATOR)
        latch = gate.latch
        answer |= {"state": latch.state.name, "reason": _reason(latch.reason)}
        self._say(f"operator: {command}: {answer['text']}")
        return answer

    def _before_the_start(self, command: str, session: TradingSession | None) -> Answer:
        """Execution has not reconciled: it may be stopped, but nothing can be confirmed.

        There may be no session at all, or one that is given up when the exchange does not answer.
        """
        text = "execution has not reconciled with the exchange yet: nothing could be confirmed"
        if command in ("halt", "reduce", "flatten"):
            state = LatchState.HALTED if command == "halt" else LatchState.REDUCING
            self._demand(state)
            if session is not None:
                _trip(session, state)
            text += f"; it is {state.name} when it has, or stricter"
        return {"ok": False, "text": text, "resting": None}

    async def _halt(self, session: TradingSession, deadline_ns: int) -> Answer:
        _trip(session, LatchState.HALTED)
        return await self._clear_the_book(session, deadline_ns, with_algo=False)

    async def _reduce(self, session: TradingSession, deadline_ns: int) -> Answer:
        _trip(session, LatchState.REDUCING)
        return await self._clear_the_book(session, deadline_ns, with_algo=False)

    async def _cancel_all(self, session: TradingSession, deadline_ns: int) -> Answer:
        return await self._clear_the_book(session, deadline_ns, with_algo=True)

    async def _flatten(self, session: TradingSession, deadline_ns: int) -> Answer:
        _trip(session, LatchState.REDUCING)
        cancelled = 0
        pause_s, refused = _PAUSE_S, ""
        while True:
            # What was closed before the time was over is still looked at.
            until_ns = max(deadline_ns, monotonic_ns() + _LAST_LOOK_NS)
            answer = await self._clear_the_book(session, until_ns, with_algo=True)
            cancelled += answer["cancelled"]
            answer["cancelled"] = cancelled
            if not answer["ok"] or not answer["positions"]:
                return answer
            if monotonic_ns() > deadline_ns:
                left = ", ".join(f"{s} {q}" for s, q in answer["positions"].items())
                return answer | {"ok": False, "text": f"not flat in time: {left}{refused}"}
            for symbol, amount in answer["positions"].items():
                error = await self._close(session, symbol, amount)
                refused = f"; the last refusal: {error}" if error is not None else refused
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _arm(self, session: TradingSession, deadline_ns: int) -> Answer:
        latch = session.gate.latch
        if latch.state is LatchState.ACTIVE:
            return {"ok": True, "text": "is ACTIVE already"}
        before, core = str(latch), session.core
        others = core.foreign_orders
        # First, and to its end: whatever breaks off here, the latch stands as it was, on disk, too.
        await session.compare()
        now_ns = monotonic_ns()
        session.gate.rearm(now_ns)
        if core.positions_differ():
            latch.trip(LatchState.HALTED, Control.POSITION_MISMATCH, now_ns)
        elif session.reconciler.is_hedged:
            latch.trip(LatchState.HALTED, Control.ACCOUNT_SETUP, now_ns)
        elif core.foreign_halts and core.foreign_orders > others:
            latch.trip(LatchState.HALTED, Control.FOREIGN_ORDER, now_ns)
        core.revalue(now_ns)
        if latch.reason:
            return _refusal(f"not armed: the latch is {latch} again{_of_others(session)}")
        return {"ok": True, "text": f"armed; the latch was {before}"}

    async def _clear_the_book(
        self, session: TradingSession, deadline_ns: int, *, with_algo: bool
    ) -> Answer:
        """Cancel all, ask what rests and what is held. `cancelled` counts what rested before."""
        # A latch that has just moved cancels by itself, perhaps before the exchange answers.
        rested = int(session.core.words[OPEN_COUNT])
        try:
            rested = max(await session.reconciler.confirm_nothing_rests(), rested)
        except ExchangeError as error:
            # What cannot be counted can be cancelled all the same: the order line may be up.
            self._say(f"operator: what rests cannot be asked: {error}")
        is_clear = await session.cancel_and_see(deadline_ns)
        algos = await self._algo_orders(session) if with_algo else []
        for symbol in sorted({str(row.get("symbol")) for row in algos}):
            await session.rest.cancel_all_algo(symbol)
        resting = await session.reconciler.confirm_nothing_rests()
        if with_algo:
            resting += len(await self._algo_orders(session))
        positions = await _positions(session)
        ok = is_clear and resting == 0
        count = rested + len(algos)
        held = ", ".join(f"{symbol} {amount}" for symbol, amount in positions.items()) or "flat"
        text = f"{count} orders cancelled, {resting} rest, position {held}{_of_others(session)}"
        return {
            "ok": ok,
            "text": text if ok else f"NOT CONFIRMED: {text}",
            "cancelled": count,
            "resting": resting,
            "positions": positions,
        }

    async def _algo_orders(self, session: TradingSession) -> list[dict[str, Any]]:
        listed = set(session.core.index)
        rows = await session.rest.open_algo_orders()
        return [row for row in rows if row.get("symbol") in listed]

    async def _close(
        self, session: TradingSession, symbol: str, amount: str
    ) -> ExchangeError | None:
        """One reduce-only market order against a position, as large as the exchange takes.

        Returns what the exchange said, if it did not take it.
        """
        rules = session.core.instruments[session.core.index[symbol]]
        steps = text_to_scaled(amount, rules.step_decimals)
        most = min(rules.max_qty_lots, rules.max_market_qty_lots) * rules.step_mantissa
        scaled = min(abs(steps), most)
        self._next_ref += 1
        whole = f"{scaled:0{rules.step_decimals + 1}d}"
        places = rules.step_decimals
        quantity = f"{whole[:-places]}.{whole[-places:]}" if places else whole
        parameters: dict[str, str | int] = {
            "symbol": symbol,
            "side": "SELL" if steps > 0 else "BUY",
            "type": "MARKET",
            "quantity": quantity,
            "reduceOnly": "true",
            "newOrderRespType": "RESULT",
            "newClientOrderId": session.core.ids.text(_EPOCH, self._next_ref),
        }
        try:
            await session.rest.place(parameters)
        except ExchangeError as error:
            # Whether it was placed shows in the position, which is read again: reduce-only cannot
            # turn it, so asking twice for the same is safe.
            self._say(f"operator: flatten {symbol}: {error}")
            return error
        return None


def _trip(session: TradingSession, state: LatchState) -> None:
    session.gate.latch.trip(state, Control.OPERATOR, monotonic_ns())


def _of_others(session: TradingSession) -> str:
    """What rests of somebody else, by client id; it is left alone."""
    others = session.reconciler.others
    if not others:
        return ""
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return f"; {len(others)} orders are not ours and stay: {', '.join(others[:_MOST_NAMED])}{more}"


def _refusal(text: str) -> Answer:
    return {"ok": False, "refused": True, "text": text}


def _reason(control: int) -> str:
    return control_name(control) if control else ""


async def _positions(session: TradingSession) -> dict[str, str]:
    """Every position of ours that is not zero, as the exchange tells it now."""
    found = {}
    for row in await session.rest.positions():
        symbol = str(row.get("symbol"))
        place = session.core.index.get(symbol)
        if place is None:
            continue
        amount = str(row.get("positionAmt", ""))
        if text_to_scaled(amount, session.core.instruments[place].step_decimals) != 0:
            found[symbol] = amount
    return found
