"""What the intake's kernels do not believe: prices and times that nothing else confirms.

Called by the kernels of `digest` with every trade, quote and book. A price is compared with what
our other stream says and with the mark price; an event's time with the exchange's clock, as far as
the process has found it out, and with the stream's own last one. Changes nothing but counts.
"""

from typing import Any

from aegis.feed import layout
from aegis.feed.cross_check import RECENT_QUOTES, RECENT_ROWS, RECENT_TOPS
from aegis.feed.layout import NO_CLOCK, ROW_WORDS, floats, words
from aegis.feed.sync import Phase
from aegis.host.jit import kernel

__all__ = ["believed_ms", "book_bid", "is_late", "is_unreasonable", "note_lead", "quote_bid"]

_LIVE = int(Phase.LIVE)
_MS = 1_000_000
# A price so far from the mark price and from our other stream is no price (exchange document
# "Filters": PERCENT_PRICE keeps orders within 5 to 15 % of the mark).
_REASONABLE = 0.10
# A mark price that old says nothing.
_FRESH_NS = 5_000_000_000
# Event times may lead what the clocks allow by so much, and a stream's own last by minus so much.
_TIME_SLACK_MS = 1_000
# An event that took so long to us begins no book: what it shows is over.
_LATE_NS = 2_000_000_000


@kernel
def _is_far(price: Any, reference: Any) -> Any:
    """Whether two prices cannot be of one market at one time."""
    return abs(price - reference) > _REASONABLE * reference


@kernel
def is_unreasonable(context: Any, instrument: Any, price: Any, other: Any) -> Any:
    """Whether a price is far from `other`, our second stream's, and from the mark price.

    Two sources must speak against it, or the one that there is: a market that really jumps takes
    all its streams with it, and one that nobody contradicts is believed. 0 is unknown.
    """
    if other == 0.0 or not _is_far(price, other):
        return False
    rows = words(context, layout.ROWS)
    mark = floats(context, layout.MARKS)[instrument]
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    if recv_ns - rows[instrument * ROW_WORDS + layout.MARK_RECV_NS] > _FRESH_NS:
        mark = 0.0
    return mark == 0.0 or _is_far(price, mark)


@kernel
def book_bid(context: Any, instrument: Any) -> Any:
    """The best bid of the live book, 0 when there is none."""
    rows = words(context, layout.ROWS)
    base = instrument * ROW_WORDS
    count = rows[base + layout.TOP_COUNT]
    if rows[base + layout.PHASE] != _LIVE or count == 0:
        return 0.0
    place = instrument * RECENT_ROWS + RECENT_QUOTES + ((count - 1) & (RECENT_TOPS - 1))
    return floats(context, layout.RECENT_TOPS)[4 * place]


@kernel
def quote_bid(context: Any, instrument: Any) -> Any:
    """The last bookTicker's bid, 0 when it is old or there is none."""
    rows = words(context, layout.ROWS)
    base = instrument * ROW_WORDS
    count = rows[base + layout.QUOTE_COUNT]
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    if count == 0 or recv_ns - rows[base + layout.QUOTE_RECV_NS] > _FRESH_NS:
        return 0.0
    place = instrument * RECENT_ROWS + ((count - 1) & (RECENT_QUOTES - 1))
    return floats(context, layout.RECENT_TOPS)[4 * place]


@kernel
def believed_ms(context: Any, event_ms: Any, newest_ms: Any, is_newer: Any) -> Any:
    """An event's time, or what is put in its place when it cannot be.

    Ahead of what the clocks allow it is the time of arrival; far behind the stream's own last one
    (`newest_ms`) although the message is newer, that one. Without a known clock all is believed.
    """
    control = words(context, layout.CONTROL)
    lead_ns = control[layout.CLOCK_LEAD_NS]
    if lead_ns == NO_CLOCK:
        return event_ms
    now_ms = (control[layout.RECV_NS] + lead_ns) // _MS
    if event_ms > now_ms + _TIME_SLACK_MS:
        words(context, layout.TOTALS)[layout.TIMES_REFUSED] += 1
        return now_ms
    if is_newer and event_ms < newest_ms - _TIME_SLACK_MS:
        words(context, layout.TOTALS)[layout.TIMES_REFUSED] += 1
        return newest_ms
    return event_ms


@kernel
def is_late(context: Any, event_ms: Any, recv_ns: Any) -> Any:
    """Whether an event that came at `recv_ns` was long over by then, by the exchange's clock."""
    lead_ns = words(context, layout.CONTROL)[layout.CLOCK_LEAD_NS]
    return lead_ns != NO_CLOCK and recv_ns + lead_ns - event_ms * _MS > _LATE_NS


@kernel
def note_lead(context: Any, sent_ms: Any) -> Any:
    """Keep the largest lead of the exchange's clock that a message shows: it was least late.

    Those that the known clock speaks against are kept apart, for the case that there are no others.
    """
    control = words(context, layout.CONTROL)
    ahead = sent_ms * _MS - control[layout.RECV_NS]
    known = control[layout.CLOCK_LEAD_NS]
    word = layout.CLOCK_AHEAD_NS
    if known != NO_CLOCK and ahead > known + _TIME_SLACK_MS * _MS:
        word = layout.CLOCK_DOUBT_NS
        words(context, layout.TOTALS)[layout.TIMES_REFUSED] += 1
    if ahead > control[word] or control[word] == NO_CLOCK:
        control[word] = ahead
