"""Conflation: of an instrument's tops of book within a window only the newest reaches the ring.

Called by the intake's kernels for every QUOTE and BOOK record, and by the process between messages
to let out what is due. The first top after a quiet window passes at once; what follows within the
window waits, newer replacing older, until the window ends. Trades, marks, candles, gaps and
statuses never wait, and the shared books always hold the newest levels, so a top in the ring may be
up to a window older than a trade before it. With a window of 0 everything passes as it comes.

Time is that of the socket reads, except for a replayed recording: there it is the exchange's, so
that the same recording gives the same records however fast it is played.

One row of CONFLATION for each of an instrument's two kinds (QUOTE, BOOK)::

    word 0        1          2           3
         +--------+----------+-----------+---------+
         | waits  | due (ns) | is listed | spare   |   its record: WAITING_TOPS[row]
         +--------+----------+-----------+---------+

LISTED holds the rows that wait, in the order in which they began to.
"""

from typing import Any

import numpy as np

from aegis.feed import layout
from aegis.feed.emit import push_tick
from aegis.feed.layout import ticks, words
from aegis.host.jit import kernel
from aegis.shm.tick import QUOTE

__all__ = ["CONFLATION_WORDS", "forget_tops", "push_top", "release_tops"]

CONFLATION_WORDS = 4
_WAITS, _DUE, _IS_LISTED = 0, 1, 2
_NEVER = np.int64(2**62)


@kernel
def push_top(
    context: Any,
    instrument: Any,
    kind: Any,
    event_ns: Any,
    recv_ns: Any,
    a: Any,
    b: Any,
    c: Any,
    d: Any,
    e: Any,
) -> Any:
    """Stage a QUOTE or BOOK record, or let it wait for the end of its window."""
    control = words(context, layout.CONTROL)
    window_ns = control[layout.CONFLATE_NS]
    none = np.int64(0)
    if window_ns == 0:
        push_tick(context, instrument, kind, none, event_ns, recv_ns, a, b, c, d, e)
        return
    conflation = words(context, layout.CONFLATION)
    row = 2 * instrument + (0 if kind == QUOTE else 1)
    base = row * CONFLATION_WORDS
    now_ns = event_ns if control[layout.CONFLATE_BY_EVENT] == 1 else recv_ns
    if conflation[base + _WAITS] == 0 and now_ns >= conflation[base + _DUE]:
        conflation[base + _DUE] = now_ns + window_ns
        push_tick(context, instrument, kind, none, event_ns, recv_ns, a, b, c, d, e)
        return
    if conflation[base + _WAITS] == 1:
        words(context, layout.TOTALS)[layout.CONFLATED] += 1
    conflation[base + _WAITS] = 1
    record = ticks(context, layout.WAITING_TOPS)[row]
    record.instrument = instrument
    record.kind = kind
    record.flags = 0
    record.ts_event_ns = event_ns
    record.ts_recv_ns = recv_ns
    record.a = a
    record.b = b
    record.c = c
    record.d = d
    record.e = e
    if conflation[base + _IS_LISTED] == 0:
        conflation[base + _IS_LISTED] = 1
        words(context, layout.LISTED)[control[layout.LISTED_COUNT]] = row
        control[layout.LISTED_COUNT] += 1
    control[layout.CONFLATE_NEXT_NS] = min(
        control[layout.CONFLATE_NEXT_NS], conflation[base + _DUE]
    )


@kernel
def release_tops(context: Any, now_ns: Any) -> Any:
    """Stage every waiting record whose window has ended at `now_ns`, in the order of waiting."""
    control = words(context, layout.CONTROL)
    if control[layout.LISTED_COUNT] == 0 or now_ns < control[layout.CONFLATE_NEXT_NS]:
        return
    conflation = words(context, layout.CONFLATION)
    listed = words(context, layout.LISTED)
    records = ticks(context, layout.WAITING_TOPS)
    kept = np.int64(0)
    next_ns = _NEVER
    for place in range(control[layout.LISTED_COUNT]):
        row = listed[place]
        base = row * CONFLATION_WORDS
        due_ns = conflation[base + _DUE]
        if conflation[base + _WAITS] == 1 and now_ns < due_ns:
            listed[kept] = row
            kept += 1
            next_ns = min(next_ns, due_ns)
            continue
        conflation[base + _IS_LISTED] = 0
        if conflation[base + _WAITS] == 1:
            conflation[base + _WAITS] = 0
            conflation[base + _DUE] = now_ns + control[layout.CONFLATE_NS]
            top = records[row]
            push_tick(
                context, np.int64(top.instrument), np.int64(top.kind), np.int64(0),
                top.ts_event_ns, top.ts_recv_ns, top.a, top.b, top.c, top.d, top.e,
            )  # fmt: skip
    control[layout.LISTED_COUNT] = kept
    control[layout.CONFLATE_NEXT_NS] = next_ns


@kernel
def forget_tops(context: Any, instrument: Any) -> Any:
    """The book went out of force: what waits is void, and the next top passes at once."""
    conflation = words(context, layout.CONFLATION)
    for row in range(2 * instrument, 2 * instrument + 2):
        base = row * CONFLATION_WORDS
        words(context, layout.TOTALS)[layout.CONFLATED] += conflation[base + _WAITS]
        conflation[base + _WAITS] = 0
        conflation[base + _DUE] = 0
