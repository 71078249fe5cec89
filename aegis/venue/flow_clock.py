"""The clockwork of the synthetic markets: a heap of due times over all symbols, in machine code.

``flow_driver`` calls `run` to catch up with a time. It does event after event, of whichever symbol
is due first (ties go to the one that is listed first), and comes back early when something wants
to be looked at in Python: a client's order was filled, a watched price was left, a second of event
time is over, the tape must be read. What happens, and in which order, depends on the seed and the
clients' commands alone; how often `run` comes back changes nothing.
"""

from typing import Any, Final

from aegis.host.jit import kernel
from aegis.venue.flow.kernels import step
from aegis.venue.matching.kernels import end_step
from aegis.venue.matching.layout import FILL_COUNT, WATCH_HITS
from aegis.venue.tape import HEADROOM

# ---- words of the clock; times in microseconds since the origin unless named otherwise
UNTIL_US = 0  # how far to go
SECOND_US = 1  # when the next whole second of event time begins
ORIGIN_MS = 2  # the origin, since the epoch
NEWEST_MS = 3  # of the exchange's events: no step is stamped before it
STEPS = 4  # done, ever
SYMBOL = 5  # whose step was done last
CLOCK_WORDS: Final = 8

SECOND_LENGTH_US: Final = 1_000_000

# ---- why `run` came back
CAUGHT_UP: Final = 0
SECOND: Final = 1
FILLED: Final = 2
WATCHED: Final = 3
TAPE_FULL: Final = 4


@kernel
def _sooner(due_us: Any, one: Any, other: Any) -> Any:
    return due_us[one] < due_us[other] or (due_us[one] == due_us[other] and one < other)


@kernel
def _sink(heap: Any, due_us: Any, place: Any) -> None:
    """The symbol at `place` has become due later: let it sink to where it belongs."""
    count = heap.shape[0]
    symbol = heap[place]
    while True:
        child = 2 * place + 1
        if child >= count:
            break
        if child + 1 < count and _sooner(due_us, heap[child + 1], heap[child]):
            child += 1
        if not _sooner(due_us, heap[child], symbol):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = symbol


@kernel
def arrange(heap: Any, due_us: Any) -> None:
    """Bring the symbols of a heap into order, whatever their due times are."""
    for place in range(heap.shape[0] // 2 - 1, -1, -1):
        _sink(heap, due_us, place)


@kernel
def run(books: Any, agents: Any, heap: Any, clock: Any) -> Any:
    """Do what is due up to `clock[UNTIL_US]`; returns why it came back."""
    due_us, state = agents.due_us, books.state
    last_record = books.tape.shape[0] - HEADROOM
    while True:
        symbol = heap[0]
        now_us = due_us[symbol]
        if clock[SECOND_US] <= min(now_us, clock[UNTIL_US]):
            return SECOND
        if now_us > clock[UNTIL_US]:
            return CAUGHT_UP
        if books.cursor[0] > last_record:
            return TAPE_FULL
        now_ms = max(clock[ORIGIN_MS] + now_us // 1000, clock[NEWEST_MS])
        clock[NEWEST_MS] = now_ms
        clock[SYMBOL] = symbol
        step(books, agents, symbol, now_ms)
        end_step(books, symbol, now_ms)
        clock[STEPS] += 1
        _sink(heap, due_us, 0)
        if state[FILL_COUNT] > 0:
            return FILLED
        if state[WATCH_HITS] > 0:
            return WATCHED
