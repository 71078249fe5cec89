"""The life of one order: states, events, and the one table of what may follow what.

Theory of operation. A command to the exchange has four outcomes: accepted, rejected, denied by our
own gate (such an order never gets a row), or UNKNOWN. An error is not a rejection: a time-out, a
cut line, -1007 or the first of the 503 texts leave an order that may rest and may fill, so its
quantity stays reserved until the exchange has been asked. Evidence arrives on three ways (answers
of the order connection, the private stream, queries) in any order and more than once; the table
makes the result the same whatever comes first.

* FILL is no row of the table's business except for what it proves: a fill may come before the ACK,
  after a cancel, even after a wrong verdict; it is always booked, once (by its trade id).
* CLOSING: the exchange has said that the order is over, but not all fills that it counts have
  arrived. The final outcome waits for them, so that the brain hears of the end last.
* A trade may be in the books without having been counted to its order: one that a look at all
  trades has booked or taken over with the position. The list of the order's trades tells, and
  SETTLED counts it, without money.
* An amend that is under way leaves two terms (price and quantity) of which one holds: the row keeps
  both until the exchange has said which (`aegis.execution.amends`), and the larger counts. LIVE is
  an order whose terms are known, so a move to LIVE stops at PENDING_AMEND while they are not, and
  in UNKNOWN where it comes from there. A cancel may be sent meanwhile; a second amend may not.
* A cancel that finds no order (-2011) proves nothing by itself: the order was filled, or cancelled,
  or has not arrived yet. It leads to UNKNOWN and a query, never to a verdict.

The order table's kernel applies it; the tests walk all of it.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "ACCEPT",
    "AMBIGUOUS",
    "AMENDED",
    "AMEND_AMBIGUOUS",
    "AMEND_LOST",
    "AMEND_REFUSED",
    "AMEND_SENT",
    "ANOMALY",
    "CANCEL",
    "CANCELED",
    "CANCEL_AMBIGUOUS",
    "CANCEL_LOST",
    "CANCEL_REFUSED",
    "CANCEL_SENT",
    "CLOSING",
    "COMPLETE",
    "EVENTS",
    "EXPIRE",
    "EXPIRED",
    "FILL",
    "FILLED",
    "FREE",
    "IGNORED",
    "LIVE",
    "NEXT",
    "NOT_PLACED",
    "PENDING_AMEND",
    "PENDING_CANCEL",
    "PENDING_NEW",
    "REJECT",
    "REJECTED",
    "SETTLED",
    "STATES",
    "TERMINAL",
    "UNKNOWN",
]

STATES = (
    "FREE",  # no order
    "PENDING_NEW",  # sent, no word yet
    "LIVE",  # the exchange has it, it may fill
    "PENDING_CANCEL",  # as LIVE, and a cancel is on its way
    "UNKNOWN",  # nobody knows; ask. It may fill
    "CLOSING",  # over at the exchange, fills still to come
    "PENDING_AMEND",  # as LIVE, and an amend is on its way: the old terms hold, or the new ones
    "FILLED",
    "CANCELED",
    "EXPIRED",
    "REJECTED",  # never was: refused, or proven absent
)
FREE, PENDING_NEW, LIVE, PENDING_CANCEL, UNKNOWN, CLOSING, PENDING_AMEND = range(7)
FILLED, CANCELED, EXPIRED, REJECTED = range(7, 11)
TERMINAL = FILLED  # this state and all after it are final

EVENTS = (
    "ACCEPT",  # answer 200 to a placement, x=NEW, or a query that finds it open
    "REJECT",  # a definitive error to a placement
    "AMBIGUOUS",  # a placement whose answer is lost or says "unknown"
    "CANCEL_SENT",
    "CANCEL_REFUSED",  # a definitive error to a cancel: the order is as it was
    "CANCEL_LOST",  # -2011: no such open order
    "CANCEL_AMBIGUOUS",  # a cancel whose answer is lost
    "CANCEL",  # the exchange says CANCELED
    "EXPIRE",  # the exchange says EXPIRED or EXPIRED_IN_MATCH
    "COMPLETE",  # a query says FILLED
    "NOT_PLACED",  # -2013 after the recvWindow has closed: it can never appear
    "FILL",  # one distinct trade
    "AMEND_SENT",
    "AMENDED",  # the exchange tells of other terms than those in the row
    "AMEND_REFUSED",  # a definitive error to an amend: the old terms hold
    "AMEND_LOST",  # -2011, -2013 to an amend: nothing was amended, for there is no open order
    "AMEND_AMBIGUOUS",  # an amend whose answer is lost or says "unknown"
    "SETTLED",  # trades of it are in the books already, without having been counted as its own
)
ACCEPT, REJECT, AMBIGUOUS, CANCEL_SENT, CANCEL_REFUSED, CANCEL_LOST = range(6)
CANCEL_AMBIGUOUS, CANCEL, EXPIRE, COMPLETE, NOT_PLACED, FILL = range(6, 12)
AMEND_SENT, AMENDED, AMEND_REFUSED, AMEND_LOST, AMEND_AMBIGUOUS = range(12, 17)
SETTLED = 17

IGNORED = -1  # legal, late or repeated: nothing changes
ANOMALY = -2  # contradicts what is known: counted, nothing changes

_TABLE: dict[int, dict[int, int]] = {
    PENDING_NEW: {
        ACCEPT: LIVE,
        REJECT: REJECTED,
        AMBIGUOUS: UNKNOWN,
        CANCEL_SENT: PENDING_CANCEL,
        CANCEL_REFUSED: IGNORED,
        CANCEL_LOST: IGNORED,
        CANCEL_AMBIGUOUS: IGNORED,
        CANCEL: CANCELED,
        EXPIRE: EXPIRED,
        COMPLETE: FILLED,
        NOT_PLACED: ANOMALY,
        FILL: LIVE,
        AMEND_SENT: ANOMALY,
        AMENDED: IGNORED,
        AMEND_REFUSED: IGNORED,
        AMEND_LOST: IGNORED,
        AMEND_AMBIGUOUS: IGNORED,
        SETTLED: LIVE,
    },
    LIVE: {
        ACCEPT: IGNORED,
        REJECT: ANOMALY,
        AMBIGUOUS: IGNORED,
        CANCEL_SENT: PENDING_CANCEL,
        CANCEL_REFUSED: IGNORED,
        CANCEL_LOST: UNKNOWN,
        CANCEL_AMBIGUOUS: IGNORED,
        CANCEL: CANCELED,
        EXPIRE: EXPIRED,
        COMPLETE: FILLED,
        NOT_PLACED: ANOMALY,
        FILL: LIVE,
        AMEND_SENT: PENDING_AMEND,
        AMENDED: LIVE,
        AMEND_REFUSED: IGNORED,
        AMEND_LOST: IGNORED,
        AMEND_AMBIGUOUS: IGNORED,
        SETTLED: LIVE,
    },
    PENDING_AMEND: {
        ACCEPT: IGNORED,
        REJECT: ANOMALY,
        AMBIGUOUS: IGNORED,
        CANCEL_SENT: PENDING_CANCEL,
        CANCEL_REFUSED: IGNORED,
        CANCEL_LOST: UNKNOWN,
        CANCEL_AMBIGUOUS: IGNORED,
        CANCEL: CANCELED,
        EXPIRE: EXPIRED,
        COMPLETE: FILLED,
        NOT_PLACED: ANOMALY,
        FILL: PENDING_AMEND,
        AMEND_SENT: ANOMALY,
        AMENDED: LIVE,
        AMEND_REFUSED: LIVE,
        AMEND_LOST: UNKNOWN,
        AMEND_AMBIGUOUS: UNKNOWN,
        SETTLED: PENDING_AMEND,
    },
    PENDING_CANCEL: {
        ACCEPT: PENDING_CANCEL,
        REJECT: REJECTED,
        AMBIGUOUS: UNKNOWN,
        CANCEL_SENT: PENDING_CANCEL,
        CANCEL_REFUSED: LIVE,
        CANCEL_LOST: UNKNOWN,
        CANCEL_AMBIGUOUS: UNKNOWN,
        CANCEL: CANCELED,
        EXPIRE: EXPIRED,
        COMPLETE: FILLED,
        NOT_PLACED: ANOMALY,
        FILL: PENDING_CANCEL,
        AMEND_SENT: ANOMALY,
        # What becomes of the cancel settles the rest.
        AMENDED: PENDING_CANCEL,
        AMEND_REFUSED: PENDING_CANCEL,
        AMEND_LOST: PENDING_CANCEL,
        AMEND_AMBIGUOUS: IGNORED,
        SETTLED: PENDING_CANCEL,
    },
    UNKNOWN: {
        ACCEPT: LIVE,
        REJECT: REJECTED,
        AMBIGUOUS: IGNORED,
        CANCEL_SENT: UNKNOWN,
        CANCEL_REFUSED: IGNORED,
        CANCEL_LOST: IGNORED,
        CANCEL_AMBIGUOUS: IGNORED,
        CANCEL: CANCELED,
        EXPIRE: EXPIRED,
        COMPLETE: FILLED,
        NOT_PLACED: REJECTED,
        # It exists, but whether it is still open is as unknown as before.
        FILL: UNKNOWN,
        AMEND_SENT: ANOMALY,
        AMENDED: UNKNOWN,
        AMEND_REFUSED: UNKNOWN,
        AMEND_LOST: UNKNOWN,
        AMEND_AMBIGUOUS: IGNORED,
        SETTLED: UNKNOWN,
    },
    CLOSING: {
        ACCEPT: IGNORED,
        REJECT: ANOMALY,
        AMBIGUOUS: IGNORED,
        CANCEL_SENT: IGNORED,
        CANCEL_REFUSED: IGNORED,
        CANCEL_LOST: IGNORED,
        CANCEL_AMBIGUOUS: IGNORED,
        CANCEL: IGNORED,
        EXPIRE: IGNORED,
        COMPLETE: IGNORED,
        NOT_PLACED: ANOMALY,
        FILL: CLOSING,
        AMEND_SENT: ANOMALY,
        AMENDED: IGNORED,
        AMEND_REFUSED: IGNORED,
        AMEND_LOST: IGNORED,
        AMEND_AMBIGUOUS: IGNORED,
        SETTLED: CLOSING,
    },
}


def _final(state: int) -> dict[int, int]:
    """A final state: everything is late, and only what contradicts it is told."""
    row = dict.fromkeys(range(len(EVENTS)), IGNORED)
    if state == REJECTED:
        row |= {ACCEPT: ANOMALY, CANCEL: ANOMALY, EXPIRE: ANOMALY, COMPLETE: ANOMALY}
    else:
        row |= {REJECT: ANOMALY, NOT_PLACED: ANOMALY}
    # The money moved, whatever had been believed: it is booked, and told.
    row[FILL] = row[AMEND_SENT] = ANOMALY
    return row


_TABLE |= {state: _final(state) for state in (FILLED, CANCELED, EXPIRED, REJECTED)}
_TABLE[FREE] = dict.fromkeys(range(len(EVENTS)), ANOMALY)
assert sorted(_TABLE) == list(range(len(STATES))), "every state has its row"
assert all(sorted(row) == list(range(len(EVENTS))) for row in _TABLE.values()), "no event forgotten"

# NEXT[state, event]: the following state, or IGNORED, or ANOMALY.
NEXT = np.array(
    [[_TABLE[state][event] for event in range(len(EVENTS))] for state in range(len(STATES))],
    dtype=np.int64,
)
