"""The oracles: what must hold at every step, judged by the truth that execution cannot see.

Numbers as in the promise: I1 nothing is sent before it is durable, I2 at most one order for one
intent, I3 position and open orders within the limit, I4 no new risk while anything is stale,
unknown or latched, I5 (`bookkeeping`) a replay gives the same state, I6 converge or HALT, I7 and I8
(`deadlines`) no order outlives a death by more than the countdown and every stall is noticed in
time, I9 rates and weight under their caps, I10 no secret in any output.
What breaks one is kept with its time; the trial ends at the first.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from aegis.execution import order_states as states
from aegis.execution.layouts import AMENDING
from aegis.execution.session import TradingSession
from aegis.execution.words import (
    FREE_COUNT,
    OPEN_COUNT,
    UNKNOWN_COUNT,
)
from aegis.risk.latch import LatchState
from aegis.shm.intent import REDUCE_ONLY
from aegis.simulator.amend_oracle import AmendJudge, different_terms
from aegis.simulator.bookkeeping import Bookkeeping
from aegis.simulator.brain import MAX_STALE_NS, Brain
from aegis.simulator.disk import Storage
from aegis.simulator.exchange import Exchange, RestingOrder
from aegis.simulator.loop import Timeline
from aegis.simulator.money_oracle import different_money

__all__ = ["Oracles", "Violation"]

_MS = 1_000_000
_NAME = re.compile(r"at-[0-9a-z]{3}([0-9a-z]{6})([0-9a-z]{3})-([0-9a-z]+)")
_decode = msgspec.json.Decoder().decode
_AUDITED = [OPEN_COUNT, UNKNOWN_COUNT, FREE_COUNT]
# The turn looks at the other processes every 100 ms of a trial.
_NOTICE_NS = 250 * _MS
_NEWEST_INTENT = 1 << 62


class Violation(Exception):  # noqa: N818  a finding, not a failure of ours
    """An oracle was broken."""

    def __init__(self, oracle: str, text: str) -> None:
        self.oracle = oracle
        self.text = text
        super().__init__(f"{oracle}: {text}")


class Oracles:
    """The judge of one trial."""

    def __init__(
        self,
        timeline: Timeline,
        exchange: Exchange,
        brain: Brain,
        storage: Storage,
        secrets: tuple[str, ...],
        limits: dict[str, float],
        heartbeat_ns: int,
    ) -> None:
        self._timeline = timeline
        self.exchange = exchange
        self.brain = brain
        self._storage = storage
        self.session: TradingSession | None = None
        self._secrets = secrets
        self._limit_lots = round(limits["max_position_qty"] * 1_000)
        self.rate = int(limits["max_orders_per_s"])
        self._heartbeat_ns = heartbeat_ns
        self._sent: dict[tuple[int, int], str] = {}
        # Which session sent what: its successors tell the brain nothing of it, see `take_snapshot`
        # of the brain: a POSITION of execution's own start knows of no order.
        self._sender: dict[tuple[int, int], TradingSession | None] = {}
        self._born: dict[tuple[int, int], RestingOrder] = {}
        self._left_ns: deque[int] = deque(maxlen=self.rate)
        self._audit_of: Any = None
        self.bookkeeping = Bookkeeping(storage)
        # The position was moved from outside: the limit is not ours alone to keep.
        self.is_tainted = False
        # The books were begun in the middle: what was traded before is not in their sums.
        self.is_begun_anew = False
        self.placements = 0
        # Orders that the exchange holds to reducing: they pass while nobody winds the countdown up.
        self.ways_out: set[str] = set()
        self.found: Violation | None = None
        exchange.on_new = self.on_new
        exchange.on_amended = self.on_amended
        exchange.on_self_trade = self.on_self_trade
        self._amends = AmendJudge(brain)

    @property
    def now_ns(self) -> int:
        """The time of the trial, whatever line a request leaves on."""
        return self._timeline.now_ns

    # What leaves execution

    def on_request(self, data: bytes) -> None:
        """One request on the order line."""
        try:
            self._check_secrets(data.decode())
            request = _decode(data)
            if request["method"] == "order.place":
                self._on_placement(request["params"])
            elif request["method"] == "order.modify":
                self._on_amend(request["params"])
        except Violation as violation:
            self.flag(violation)

    def flag(self, violation: Violation) -> None:
        """Keep the first violation: it may come up inside execution's own calls."""
        self.found = self.found or violation

    def check_text(self, text: str) -> None:
        """Something that execution says to a person."""
        try:
            self._check_secrets(text)
        except Violation as violation:
            self.flag(violation)

    def on_http(self, method: str, path: str, text: str) -> None:
        """One REST request."""
        try:
            self._check_secrets(text)
            if method == "POST" and path == "fapi/v1/order":
                self._on_placement(dict(parse_qsl(text)))
            elif method == "PUT" and path == "fapi/v1/order":
                self._on_amend(dict(parse_qsl(text)))
        except Violation as violation:
            self.flag(violation)

    def _check_secrets(self, text: str) -> None:
        """I10: neither secret is in anything that leaves the process."""
        for secret in self._secrets:
            if secret in text:
                raise Violation("I10", "a secret left the process")

    def _on_placement(self, parameters: dict[str, Any]) -> None:
        """I1 to I4 and I9 at the moment of sending."""
        now_ns = self.now_ns
        self.placements += 1
        client_id = parameters["newClientOrderId"]
        key = self._key_of(client_id)
        wish = self.brain.wishes.get(key)
        if wish is None:
            raise Violation("I2", f"{client_id} was sent, and nobody wanted it")
        if key not in self._storage.placed:
            raise Violation("I1", f"{client_id} was sent before it was written down")
        known = self._sent.setdefault(key, client_id)
        self._sender[key] = self.session
        if known != client_id:
            raise Violation("I2", f"intent {key} was sent as {known}, then as {client_id}")
        side = 1 if parameters["side"] == "BUY" else -1
        lots = round(float(parameters["quantity"]) * 1_000)
        ticks = round(float(parameters.get("price", 0)) * 10)
        if (side, lots, ticks) != (wish.side, wish.lots, wish.ticks):
            raise Violation("I2", f"{client_id} is not what was wanted: {wish}")
        if (parameters.get("reduceOnly") == "true") != bool(wish.flags & REDUCE_ONLY):
            raise Violation("I2", f"{client_id}: reduceOnly is not what was wanted")
        if not wish.is_sound:
            raise Violation("I4", f"{client_id} is nonsense and was sent: {wish}")
        if now_ns > wish.valid_until_ns:
            late_ms = (now_ns - wish.valid_until_ns) / 1e6
            raise Violation("I4", f"{client_id} was sent {late_ms:.1f} ms after it had expired")
        reduces = parameters.get("reduceOnly") == "true"
        if reduces:
            self.ways_out.add(client_id)
        self._check_risk(client_id, key, side, wish.intent_id, reduces=reduces)

    def _on_amend(self, parameters: dict[str, Any]) -> None:
        """I1 to I4 and I9 of an amend, at the moment of sending."""
        client_id = parameters["origClientOrderId"]
        key = self._key_of(client_id)
        wish = self.brain.wishes.get(key)
        if wish is None or self._sent.get(key) != client_id:
            raise Violation("I2", f"{client_id} is amended, and nobody has placed it")
        lots = round(float(parameters["quantity"]) * 1_000)
        ticks = round(float(parameters["price"]) * 10)
        if (*key, ticks, lots) not in self._storage.amended:
            raise Violation("I1", f"an amend of {client_id} was sent before it was written down")
        side = 1 if parameters["side"] == "BUY" else -1
        intent_id, wrong = self._amends.note_sent(wish, side, (ticks, lots), self.now_ns)
        if wrong:
            raise Violation("I2" if intent_id == 0 else "I4", f"{client_id}: {wrong}: {wish}")
        reduces = bool(wish.flags & REDUCE_ONLY)
        self._check_risk(client_id, key, wish.side, intent_id, reduces=reduces)

    def forget_rate(self) -> None:
        """A new process counts its rate from the start."""
        self._left_ns.clear()

    def _check_rate(self) -> None:
        """I9: what leaves the socket, whether it had to wait or not."""
        left_ns = self._left_ns
        if len(left_ns) == self.rate and self.now_ns - left_ns[0] < 1_000 * _MS:
            raise Violation("I9", f"{self.rate + 1} placements left within a second")
        left_ns.append(self.now_ns)

    def _check_risk(
        self, client_id: str, key: tuple[int, int], side: int, intent_id: int, *, reduces: bool
    ) -> None:
        """I3 and I9, and I4 unless the exchange itself keeps the order from adding risk.

        The gate asks more than I4 when it judges a reduce-only order; what it learns between that
        and the socket (that the journal cannot be written) stops new risk only.
        """
        session = self.session
        if session is None:
            raise Violation("I4", f"{client_id} was sent without a session")
        # The order itself is among the open ones by now, and so are those of its batch after it.
        position, *open_lots = self._recount(session, up_to=intent_id)
        if side * position < 0 and open_lots[side < 0] <= abs(position):
            if not reduces:
                self._check_books_known(client_id, session)
            return
        _, *open_lots = self._recount(session)
        same = open_lots[side < 0]
        if side * position + same > self._limit_lots:
            raise Violation(
                "I3", f"{client_id}: {side * position} held and {same} open of {self._limit_lots}"
            )
        self._check_rate()
        if not reduces:
            self._check_moment(client_id, key, session)

    def _check_books_known(self, client_id: str, session: TradingSession) -> None:
        """I4: that an order reduces is proven by the exchange, or by books that are reconciled."""
        if not (session.is_started and session.is_reconciled and session.stream.is_connected):
            raise Violation("I4", f"{client_id} reduces by books that nobody has reconciled")

    def _check_moment(self, client_id: str, key: tuple[int, int], session: TradingSession) -> None:
        now_ns, brain = self.now_ns, self.brain
        reasons = []
        if session.gate.latch.state is not LatchState.ACTIVE:
            reasons.append(f"the latch is {session.gate.latch}")
        if not (session.is_started and session.is_reconciled):
            reasons.append("nothing has been reconciled")
        if not session.stream.is_connected:
            reasons.append("the private stream is down")
        if now_ns - brain.feed_ns > MAX_STALE_NS:
            reasons.append("market data is stale")
        if now_ns - brain.brain_ns > self._heartbeat_ns + _NOTICE_NS:
            reasons.append("the brain is dead")
        if key[0] != brain.epoch and now_ns - brain.epoch_since_ns > _NOTICE_NS:
            reasons.append(f"epoch {key[0]} is over")
        if reasons:
            raise Violation("I4", f"{client_id} was sent although {' and '.join(reasons)}")

    # What the exchange takes

    def on_new(self, order: RestingOrder) -> None:
        """I2 and I3 at the exchange."""
        try:
            key = self._key_of(order.client_id)
            if key in self._born:
                raise Violation("I2", f"a second order for intent {key}: {order}")
            self._born[key] = order
            self._amends.note_placed(key, order.ticks, order.lots)
            self._check_exposure()
        except Violation as violation:
            self.flag(violation)

    def on_amended(self, order: RestingOrder) -> None:
        """I3 at the exchange, of an order that has new terms."""
        try:
            key = self._key_of(order.client_id)
            self._amends.note_carried_out(key, order.ticks, order.lots)
            self._check_exposure()
        except Violation as violation:
            self.flag(violation)

    def on_self_trade(self, order: RestingOrder, met: list[RestingOrder]) -> None:
        """I4: an amended order meets what is our own, and the exchange lets them trade."""
        if any(other not in self.exchange.by_hand for other in met):
            self.flag(Violation("I4", f"{order} was amended into {met}"))

    def _check_exposure(self) -> None:
        """I3: the true position with all that may still fill."""
        if self.is_tainted:
            return
        exchange = self.exchange
        position = exchange.position
        # Somebody else's orders are not ours to bound, whether they have filled or may yet.
        not_ours = sum(order.side * order.filled for order in exchange.by_hand)
        for side in (1, -1):
            open_lots = exchange.open_lots(side)
            open_lots -= sum(o.left for o in exchange.by_hand if o.is_open and o.side == side)
            # A side that only reduces cannot lead beyond the limit.
            worst = side * position + open_lots
            if min(worst, worst - side * not_ours) > self._limit_lots and open_lots:
                raise Violation(
                    "I3", f"{side * position} held, {open_lots} open, limit {self._limit_lots}"
                )

    def _key_of(self, client_id: str) -> tuple[int, int]:
        found = _NAME.fullmatch(client_id)
        if found is None:
            raise Violation("I2", f"{client_id} is no id of this instance")
        return int(found[2], 36), int(found[3], 36)

    # After every step

    def _recount(
        self, session: TradingSession, up_to: int = _NEWEST_INTENT
    ) -> tuple[int, int, int]:
        """(position, open buys, open sells), counted over the rows up to an intent's.

        An order that is being amended counts by the larger of what it is and may be.
        """
        rows, terms = session.core.tables.rows, session.core.tables.terms
        state = rows["state"]
        buys = sells = 0
        for slot in np.flatnonzero((state > states.FREE) & (state < states.TERMINAL)).tolist():
            row = rows[slot]
            if row["intent_id"] > up_to:
                continue
            lots = int(row["qty_lots"])
            if row["amends"] & AMENDING and terms[slot]["intent_id"] <= up_to:
                lots = max(lots, int(terms[slot]["qty_lots"]))
            left = max(lots - int(row["filled_lots"]), 0)
            if row["side"] > 0:
                buys += left
            else:
                sells += left
        return int(session.gate.exposure[0]["position_lots"]), buys, sells

    def after_step(self) -> None:
        """Whether what has changed in the step still fits."""
        try:
            self._check_books()
        except Violation as violation:
            self.flag(violation)

    def _check_books(self) -> None:
        """The books of execution agree with themselves whenever they have changed."""
        session = self.session
        if session is None:
            return
        words = session.core.words
        seen = words.tobytes()
        wrong = self.bookkeeping.finding(session, seen)
        if wrong:
            raise Violation("I5", wrong)
        if seen == self._audit_of:
            return
        self._audit_of = seen
        marks = words[_AUDITED].tolist()
        _, buys, sells = self._recount(session)
        held = session.gate.exposure[0]
        if (buys, sells) != (held["open_buy_lots"], held["open_sell_lots"]):
            raise Violation(
                "books",
                f"open {buys}/{sells} by the rows, "
                f"{held['open_buy_lots']}/{held['open_sell_lots']} by the gate",
            )
        state = session.core.tables.rows["state"]
        live = int(((state > states.FREE) & (state < states.TERMINAL)).sum())
        unknown = int((state == states.UNKNOWN).sum())
        if (live, unknown) != (marks[0], marks[1]):
            raise Violation("books", f"{live} open, {unknown} unknown by the rows; {marks[:2]}")
        if live + marks[2] != len(state):
            raise Violation("books", f"{live} open and {marks[2]} free of {len(state)} rows")

    def read_back(self) -> None:
        """I5 once more: the process has ended, and this is what the next one will find."""
        wrong = self.bookkeeping.end_of_process()
        if wrong:
            self.flag(Violation("I5", wrong))

    # At the end

    def differences(self) -> list[str]:
        """I6: in what execution and the exchange differ now; empty when converged."""
        session = self.session
        if session is None or not session.is_started:
            return ["execution has not started"]
        core, gate, exchange = session.core, session.gate, self.exchange
        own = {o.client_id: o for o in exchange.open.values() if o.client_id.startswith("at-")}
        local = {order.client_id for order in core.open_orders()}
        found = []
        if local != set(own):
            found.append(f"open here {sorted(local - set(own))}, there {sorted(set(own) - local)}")
        found += different_terms(session, own)
        if int(core.words[UNKNOWN_COUNT]):
            found.append(f"{int(core.words[UNKNOWN_COUNT])} orders are unknown")
        if gate.latch.state is not LatchState.ACTIVE:
            risky = [o for o in own.values() if o.side * exchange.position >= 0]
            return [*found, f"{risky} rest although {gate.latch}"] if risky else found
        if gate.blocks:
            found.append(f"blocks {gate.blocks}")
        held = int(gate.exposure[0]["position_lots"])
        if held != exchange.position:
            found.append(f"position {held} here, {exchange.position} there")
        if not (self.is_tainted or self.is_begun_anew):
            found += different_money(session, exchange)
        found += self._told_differences()
        return found

    def _told_differences(self) -> list[str]:
        """What the brain was told of its orders against what the exchange did with them."""
        found = []
        epoch = self.brain.epoch
        for key, order in self._born.items():
            wish = self.brain.wishes[key]
            # Also one that arrives late is its sender's: what counts is who sent it, not when.
            if key[0] == epoch and self._sender.get(key) is self.session:
                if wish.filled != order.filled:
                    found.append(f"{key}: told {wish.filled} filled, {order.filled} there")
                if not order.is_open and not wish.ended:
                    found.append(f"{key}: over there, the brain was told {wish.told}")
        return found
