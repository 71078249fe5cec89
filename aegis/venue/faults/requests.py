"""Request faults: an answer that is not what happened, or comes late, twice or never.

The edges hand every admitted request to `carry_out` instead of straight to the dispatcher. What is
asked of the exchange is done by the exchange itself, when the fault says or not at all; only the
answer is a lie. The counters that a lockstep goes by are told what really went out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aegis.venue.codes import CODES, reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.faults.armed import Armed, matches
from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.held import Later
from aegis.venue.faults.lines import account_id
from aegis.venue.faults.menu import Room
from aegis.venue.gateway.calls import Call, Caller, Reply
from aegis.venue.gateway.market_data import depth

Deliver = Callable[[Reply], None]
Submit = Callable[[Call, Deliver], None]

LATE_MS: Final = 200
OVERTAKEN_MS: Final = 20
SNAPSHOT_LEVELS: Final = "1000"
DEFAULT_LEVELS: Final = 500
PAGE: Final = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>"

DEPTH: Final = ("GET /fapi/v1/depth", "depth")
CHANGES: Final = ("DELETE /fapi/v1/order", "PUT /fapi/v1/order", "order.cancel", "order.modify")


class Edge(Protocol):
    """The way back to one client for one request."""

    def deliver(self, reply: Reply) -> None:
        """Answer."""

    def twice(self, reply: Reply) -> None:
        """Answer, and answer again."""

    def cut(self) -> None:
        """End the connection without an answer."""

    def keep_waiting(self) -> None:
        """Never answer; the connection stays."""

    def owner(self) -> object:
        """The connection, for telling one from another."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One request that a fault has struck."""

    armed: Armed
    call: Call
    edge: Edge


class RequestFaults:
    """What becomes of requests while request faults are armed. `submit` is the dispatcher's."""

    def __init__(
        self,
        core: Core,
        board: FaultBoard,
        submit: Submit,
        later: Later,
        fill: Callable[[Call], bool],
    ) -> None:
        self._core = core
        self._board = board
        self._submit = submit
        self._later = later
        self._fill = fill
        # Answers that the next connection of an account gets: account -> (connection, answer).
        self._stale: dict[int, list[tuple[object, Reply]]] = {}

    @property
    def owes(self) -> bool:
        """Does an answer still wait for its account's next connection?"""
        return bool(self._stale)

    def carry_out(self, call: Call, edge: Edge) -> None:
        """Have a request done and answered, as the live faults will have it."""
        if self._stale:
            self._deliver_stale(call, edge)
        for armed in self._board.live(Room.REQUEST):
            if self._suits(armed, call) and armed.strikes(self._board.now_ms):
                EFFECTS[armed.fault.kind](self, _Case(armed, call, edge))
                return
        self._submit(call, edge.deliver)

    def take_snapshots(self, armed: Armed) -> None:
        """A stale_snapshot begins: this is the depth that it will go on answering with."""
        for symbol in self._core.exchange.markets:
            if matches(armed.fault.symbol, symbol):
                parameters = {"symbol": symbol, "limit": SNAPSHOT_LEVELS}
                armed.memory[symbol] = depth(self._core, Caller("", 0, "", parameters))

    # --- inside ---

    def _suits(self, armed: Armed, call: Call) -> bool:
        fault, facts = armed.fault, call.facts
        if fault.account is not None and account_id(fault.account) != facts.caller.account_id:
            return False
        if not (matches(fault.endpoint, facts.name) and matches(fault.symbol, facts.symbol)):
            return False
        if fault.kind == "throttled":
            return facts.places_order and not facts.reduces
        if fault.kind == "stale_snapshot":
            return facts.name in DEPTH and facts.symbol in armed.memory
        if fault.kind == "fill_first":
            return facts.name in CHANGES
        if fault.kind == "stale_answer":
            return " " not in facts.name  # a REST answer has no other connection to come by
        return True

    def _say(self, case: _Case, error: RejectError) -> None:
        """Refuse without having done anything."""
        self._tally(case.call, 1)
        case.edge.deliver(case.call.facts.refuse(error))

    def _tally(self, call: Call, answers: int) -> None:
        if call.facts.tallied:
            self._core.tally.ws_answers += answers

    def _untrue(self, case: _Case) -> None:
        """One of the errors that do not say what became of the request."""
        armed, call, edge = case.armed, case.call, case.edge
        error, truth = _error(armed.fault.kind), armed.fault.truth
        if truth == "placed":
            self._submit(call, lambda reply: edge.deliver(call.facts.refuse(error)))
            return
        self._say(case, error)
        if truth == "late":
            self._do_later(case)

    def _do_later(self, case: _Case) -> None:
        """Do it when the client has long been told something else."""
        delay_ms = LATE_MS if case.armed.fault.delay_ms is None else case.armed.fault.delay_ms
        unheard: Deliver = lambda reply: self._tally(case.call, -1)  # noqa: E731
        self._later(delay_ms / 1e3, lambda: self._submit(case.call, unheard))

    def _ack_lost(self, case: _Case) -> None:
        armed, call = case.armed, case.call

        def lose(reply: Reply | None) -> None:
            if reply is not None:
                self._tally(call, -1)
            if armed.fault.how == "cut":
                case.edge.cut()
            else:
                case.edge.keep_waiting()

        if armed.fault.truth == "placed":
            self._submit(call, lose)
            return
        lose(None)
        if armed.fault.truth == "late":
            self._do_later(case)

    def _slow(self, case: _Case) -> None:
        delay_ms = case.armed.fault.delay_ms
        delay_s = (OVERTAKEN_MS if delay_ms is None else delay_ms) / 1e3
        edge = case.edge
        self._submit(
            case.call, lambda reply: void(self._later(delay_s, lambda: edge.deliver(reply)))
        )

    def _late(self, case: _Case) -> None:
        delay_s = (case.armed.fault.delay_ms or 0) / 1e3
        self._later(delay_s, lambda: self._submit(case.call, case.edge.deliver))

    def _twice(self, case: _Case) -> None:
        self._tally(case.call, 1)
        self._submit(case.call, case.edge.twice)

    def _stale_answer(self, case: _Case) -> None:
        account, owner = case.call.facts.caller.account_id, case.edge.owner()

        def keep(reply: Reply) -> None:
            self._stale.setdefault(account, []).append((owner, reply))

        self._submit(case.call, keep)

    def _deliver_stale(self, call: Call, edge: Edge) -> None:
        account = call.facts.caller.account_id
        waiting = self._stale.get(account, [])
        here = [entry for entry in waiting if entry[0] is not edge.owner()]
        if " " in call.facts.name or not here:
            return
        self._stale[account] = [entry for entry in waiting if entry[0] is edge.owner()]
        if not self._stale[account]:
            del self._stale[account]
        for _, reply in here:
            edge.deliver(reply)

    def _banned(self, case: _Case) -> None:
        limiter, now_ms = self._core.limiter, self._core.wall_ms()
        address, ban_ms = case.call.facts.caller.address, case.armed.fault.ban_ms
        limiter.ban(address, now_ms, None if ban_ms is None else ban_ms / 1e3)
        try:
            limiter.check_ban(address, now_ms)
        except RejectError as error:
            self._say(case, error)

    def _blocked(self, case: _Case) -> None:
        """A page that no exchange wrote; the WebSocket API has a code for it."""
        status = int(case.armed.fault.status)
        if " " in case.call.facts.name:
            case.edge.deliver(Reply(status, PAGE % (status, status), {"Content-Type": "text/html"}))
        else:
            self._say(case, RejectError(-1011, "This IP cannot access this route.", status))

    def _old_snapshot(self, case: _Case) -> None:
        facts = case.call.facts
        text = facts.caller.parameters.get("limit", str(DEFAULT_LEVELS))
        levels = int(text) if text.isdecimal() and len(text) < 6 else DEFAULT_LEVELS
        kept: dict[str, Any] = case.armed.memory[facts.symbol]
        cut = {side: kept[side][:levels] for side in ("bids", "asks")}
        case.edge.deliver(facts.accept({**kept, **cut}))

    def _fill_first(self, case: _Case) -> None:
        if not self._fill(case.call):
            case.armed.struck -= 1
        self._submit(case.call, case.edge.deliver)


def void(_: object) -> None:
    """Nothing: for callbacks that must not return what they called."""


def _error(kind: str) -> RejectError:
    if kind == "unknown_503":
        text = "Unknown error, please check your request or try again later."
        return RejectError(-1000, text, 503)
    if kind == "unavailable_503":
        return RejectError(-1000, "Service Unavailable.", 503)
    if kind == "internal_503":
        plain = reject(-1001)
        return RejectError(plain.code, plain.message, 503)
    return reject({"timeout_1007": -1007, "unexpected_1006": -1006}[kind])


def _documented(code: int) -> RejectError:
    """A refusal with its text; where that names a parameter, some name stands in."""
    status, texts = CODES[code]
    return RejectError(code, texts[0].replace("%s", "quantity"), status)


def _refusing(make: Callable[[RequestFaults, _Case], RejectError]) -> Effect:
    return lambda self, case: self._say(case, make(self, case))


Effect = Callable[[RequestFaults, _Case], None]
EFFECTS: Final[dict[str, Effect]] = {
    "unknown_503": RequestFaults._untrue,
    "unavailable_503": RequestFaults._untrue,
    "internal_503": RequestFaults._untrue,
    "timeout_1007": RequestFaults._untrue,
    "unexpected_1006": RequestFaults._untrue,
    "engine_window": _refusing(lambda self, case: reject(-5028)),
    "rate_limited": _refusing(
        lambda self, case: reject(-1003, self._core.limiter.limits.weight_per_minute)
    ),
    "throttled": _refusing(lambda self, case: reject(-1008, variant=1)),
    "refused": _refusing(lambda self, case: _documented(case.armed.fault.code)),
    "banned": RequestFaults._banned,
    "blocked": RequestFaults._blocked,
    "ack_lost": RequestFaults._ack_lost,
    "slow_answer": RequestFaults._slow,
    "fill_before_ack": RequestFaults._slow,
    "late_execution": RequestFaults._late,
    "duplicate_answer": RequestFaults._twice,
    "stale_answer": RequestFaults._stale_answer,
    "stale_snapshot": RequestFaults._old_snapshot,
    "fill_first": RequestFaults._fill_first,
}
