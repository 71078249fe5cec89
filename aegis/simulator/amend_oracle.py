"""What must hold of amends: sent once as wanted, and told as the exchange has dealt with them.

The part of the oracles that knows terms. An amend that the brain was told is refused must not have
been carried out, and must never be; one that it was told of must have been; both are counted by
order and terms, because an order may get the same terms more than once. `different_terms` is the
part of I6: in the end prices and quantities are those of the exchange.
"""

from __future__ import annotations

from collections import Counter

from aegis.execution.layouts import AMENDING
from aegis.execution.session import TradingSession
from aegis.shm.outcome import AMENDED
from aegis.simulator.brain import Brain, Wish
from aegis.simulator.exchange import RestingOrder

__all__ = ["AmendJudge", "different_terms"]

Terms = tuple[int, int]


class AmendJudge:
    """The judge of one trial's amends."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self._carried: Counter[tuple[int, int, int, int]] = Counter()
        self._made_smaller: set[tuple[int, int, int, int]] = set()
        self._told: Counter[tuple[int, int, int, int]] = Counter()
        brain.on_amend_told = self.on_told

    def note_sent(self, wish: Wish, side: int, terms: Terms, now_ns: int) -> tuple[int, str]:
        """An amend leaves: (its intent or 0, what is wrong with it or "")."""
        meant = [
            (intent_id, change)
            for intent_id, change in wish.amends.items()
            if change.ticks in (0, terms[0]) and change.lots in (0, terms[1])
        ]
        if side != wish.side or not meant:
            return 0, "an amend that nobody wanted was sent"
        unsent = [pair for pair in meant if pair[1].sent is None and not pair[1].is_answered]
        if not unsent:
            return 0, "an amend was sent twice, or after it had been refused"
        # Of several alike the gate has refused those that are too old.
        valid = [pair for pair in unsent if now_ns <= pair[1].valid_until_ns]
        intent_id, change = (valid or unsent)[0]
        change.sent = terms
        return intent_id, "" if valid else "an amend was sent after it had expired"

    def note_placed(self, key: tuple[int, int], ticks: int, lots: int) -> None:
        """An order that the exchange made smaller as it came has had these terms from the start.

        Who amends it to just them is told that there is nothing to change, and learns of them.
        """
        wish = self._brain.wishes.get(key)
        if wish is not None and lots < wish.lots:
            self._made_smaller.add((*key, ticks, lots))

    def note_carried_out(self, key: tuple[int, int], ticks: int, lots: int) -> None:
        """The exchange gives an order new terms."""
        self._carried[(*key, ticks, lots)] += 1
        wish = self._brain.wishes.get(key)
        if wish is not None:
            self._check_refused(wish, (ticks, lots))

    def on_told(self, wish: Wish, kind: int) -> None:
        """The brain has been told something of an amend of an order."""
        if kind == AMENDED:
            place = (wish.epoch, wish.ref, wish.now_ticks, wish.now_lots)
            self._told[place] += 1
            if self._told[place] > self._carried[place] + (place in self._made_smaller):
                text = f"order {wish.ref} was told amended to {place[2:]}, and is not: {wish}"
                self._brain.on_violation("told", text)
        for terms in {change.sent for change in wish.amends.values() if change.is_refused}:
            if terms is not None:
                self._check_refused(wish, terms)

    def _check_refused(self, wish: Wish, terms: Terms) -> None:
        alike = [change for change in wish.amends.values() if change.sent == terms]
        refused = sum(change.is_refused for change in alike)
        carried = self._carried[(wish.epoch, wish.ref, *terms)]
        if carried > len(alike) - refused:
            text = f"order {wish.ref} was amended to {terms}, which was told refused: {wish}"
            self._brain.on_violation("told", text)


def different_terms(session: TradingSession, own: dict[str, RestingOrder]) -> list[str]:
    """Prices and quantities here and there; what only reduces may have been made smaller there."""
    found = []
    for order in session.core.open_orders():
        there, row = own.get(order.client_id), session.core.tables.rows[order.slot]
        if there is None:
            continue
        if row["amends"] & AMENDING:
            found.append(f"{order.client_id} is being amended")
        ticks, lots = int(row["price_ticks"]), int(row["qty_lots"])
        is_larger = lots > there.lots and not there.reduces
        if ticks != there.ticks or lots < there.lots or is_larger:
            found.append(f"{order.client_id}: {lots} at {ticks} here, there {there}")
    return found
