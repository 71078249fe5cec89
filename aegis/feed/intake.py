"""The intake: bytes of market data in, records, books and counters out. No socket, no clock.

Called by the connection's listener (`stage`, `flush`), by the process (`on_snapshot`, `canary`,
connection events) and by tests. It owns all market state of the feed. The hot path is one kernel
call a batch (digest.py); this class handles what the kernel hands back: unusual frames, books that
must wait for a snapshot, books that broke. It never waits, and a payload can never raise out of
it: what is bad is counted and dropped, and a book that may have missed it is marked invalid.
"""

from __future__ import annotations

import random
import re
import struct

import numpy as np
import numpy.typing as npt

from aegis.feed import digest as codes
from aegis.feed import layout, wire
from aegis.feed.absences import REASONS, Absences
from aegis.feed.book import FullBook
from aegis.feed.candle_desk import CandleDesk
from aegis.feed.conflate import forget_tops, release_tops
from aegis.feed.decoded import VOID, load_snapshot, put_message
from aegis.feed.digest import announce_book, apply_depth, digest, take_message
from aegis.feed.doubt import is_late
from aegis.feed.emit import flush, push_tick
from aegis.feed.errors import BadSnapshotError, WireError
from aegis.feed.held_events import DepthEvent, HeldEvents
from aegis.feed.intake_memory import MAX_FRAME_BYTES, make_memory
from aegis.feed.layout import ROW_WORDS, TOTAL_NAMES
from aegis.feed.news import MarketNews
from aegis.feed.snapshot_body import SnapshotBody
from aegis.feed.snapshots import SnapshotQueue, SnapshotRequest
from aegis.feed.streams import CONTRACT_STREAM
from aegis.feed.symbols import SymbolTable
from aegis.feed.sync import BookSync, Phase, Verdict, depth_event, put_head
from aegis.feed.tokens import MAX_LEVELS
from aegis.shm.absence import Reason
from aegis.shm.books import Books
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.candles import Candles
from aegis.shm.counters import Counters
from aegis.shm.marks import Marks
from aegis.shm.tick import CANARY, GAP, RESYNC, STATUS

__all__ = ["Intake"]

SIDE_CAPACITY = 8192
MAX_NOTICES = 4096

# FRAMES, FRAME, START, END, RECV_NS, and with a lone message its size.
_PACK_BATCH = struct.Struct("<5q").pack_into
_PACK_LONE = struct.Struct("<6q").pack_into
assert (layout.FRAMES, layout.FRAME, layout.START, layout.END) == (0, 1, 2, 3)
assert (layout.RECV_NS, layout.FIRST_SIZE) == (4, 5)

FEED_UP, BOOK_VALID, BOOK_INVALID, TRADING_STATUS = 1.0, 2.0, 3.0, 4.0
# CANARY and "feed up" belong to nobody; readers may index by instrument, so 0 it is.
_NO_INSTRUMENT = 0

_DEPTH_FRAME = re.compile(rb'\s*\{\s*"stream"\s*:\s*"([^"@\\]{1,64})@depth["@]')


class Intake:
    """All market state of one feed process.

    `symbols` in instrument order, with room for `rows` of them; ring, books and counters are the
    instance's shared memory. The caller hands over a lone frame with `take`, several of one socket
    read with `stage` and `flush`. `wanted` tells whose streams should be open: what still comes of
    the others changes no book.
    """

    def __init__(
        self,
        symbols: list[str],
        ring: BroadcastRing,
        books: Books,
        counters: Counters,
        *,
        side_capacity: int = SIDE_CAPACITY,
        source: random.Random | None = None,
        rows: int = 0,
        marks: Marks | None = None,
        candles: Candles | None = None,
        candle_update_ms: int = 0,
    ) -> None:
        self.symbols = SymbolTable(symbols, rows)
        self.books = books
        self.counters = counters
        self.memory = make_memory(
            self.symbols, ring, books, counters, side_capacity, candles, candle_update_ms, marks
        )
        self.candles = CandleDesk(self.memory, candles)
        self.context = self.memory.context
        self.news = MarketNews(self.memory)
        self.side_capacity = side_capacity
        self.rows: npt.NDArray[np.int64] = self.memory["rows"].reshape(-1, ROW_WORDS)
        capacity = self.symbols.capacity
        levels = self.memory["level_keys"], self.memory["level_quantities"], MAX_LEVELS
        self.held = HeldEvents(capacity, *levels)
        self.syncs = [BookSync(self.rows[row], self.held, row) for row in range(capacity)]
        self.valid = [False] * capacity
        self._absences = Absences(capacity)
        self.wanted = [number < len(symbols) for number in range(capacity)]
        self.snapshots = SnapshotQueue(
            capacity, source or random.Random(0), deferred=self.rows[:, layout.DEFERRED]
        )
        self.bodies = SnapshotBody()
        self.replies: list[wire.Reply] = []
        # Frames of `!contractInfo`, for whoever keeps the universe.
        self.notices: list[bytes] = []
        self.ignored = 0
        self.last_error = ""
        self.recv_ns = 0
        self._staging = self.memory["staging"].data
        self._sizes = self.memory["sizes"].data
        self._control_bytes = self.memory["control"].data.cast("B")
        self._control: npt.NDArray[np.int64] = self.memory["control"]
        self._totals: npt.NDArray[np.int64] = self.memory["totals"]
        self._integers: npt.NDArray[np.int64] = self.memory["integers"]
        self._frames = 0
        self._used = 0
        self._count_valid()
        for number in range(len(symbols)):
            books.set_valid(number, False, Reason.STARTING)

    # ---- the universe

    def add_symbol(self, symbol: str) -> int:
        """Give a symbol that was listed while we run its number; raises ValueError as the table."""
        instrument = self.symbols.add(symbol)
        self.books.set_valid(instrument, False, Reason.STARTING)
        return instrument

    def set_wanted(self, instrument: int, is_wanted: bool) -> None:
        """Whether the instrument's streams should be open; the caller opens and closes them."""
        self.wanted[instrument] = is_wanted
        if not is_wanted:
            self.candles.forget(instrument)
        self._count_valid()

    def tell_status(self, instrument: int, status: int, now_ns: int) -> None:
        """STATUS: the exchange trades the instrument now, or does not (a code of the row)."""
        self._push(instrument, STATUS, 0, now_ns, TRADING_STATUS, float(status))
        flush(self.context)

    def conflate(self, window_ms: int, *, by_event: bool) -> None:
        """Let only the newest top of a window reach the ring; 0 lets all (see conflate.py)."""
        self._control[layout.CONFLATE_NS] = window_ms * 1_000_000
        self._control[layout.CONFLATE_BY_EVENT] = int(by_event)

    def release(self, now_ns: int) -> None:
        """Let out the tops whose window has ended; a recording lets them out by its own events."""
        if self._control[layout.LISTED_COUNT] and not self._control[layout.CONFLATE_BY_EVENT]:
            release_tops(self.context, now_ns)
            flush(self.context)

    # ---- the hot path

    def take(self, payload: bytes, size: int, recv_ns: int) -> None:
        """Process one frame that came alone: what `stage` and `flush` do, in fewer steps."""
        if self._frames or size > MAX_FRAME_BYTES:
            self.stage(payload, size)
            self.flush()
            return
        self.recv_ns = recv_ns
        self._staging[:size] = payload
        _PACK_LONE(self._control_bytes, 0, 1, 0, 0, 0, recv_ns, size)
        code = digest(self.context)
        if code:
            self._go_on(code)

    def stage(self, payload: memoryview | bytes, size: int) -> None:
        """Copy one frame's payload (of `size` bytes) behind those that wait.

        `recv_ns` must have been set to the time of the socket read that brought it. Nothing is
        processed before `flush`, except when the staging area is full.
        """
        end = self._used + size
        if self._frames == layout.MAX_FRAMES or end > MAX_FRAME_BYTES:
            self.flush()
            end = size
            if size > MAX_FRAME_BYTES:
                self._refuse(f"frame of {size} bytes, at most {MAX_FRAME_BYTES} are accepted")
                self._count(size)
                flush(self.context)
                return
        self._staging[self._used : end] = payload
        self._sizes[self._frames] = size
        self._used = end
        self._frames += 1

    def flush(self) -> None:
        """Process what is staged, publish the records, then the counters."""
        if self._frames == 0:
            return
        _PACK_BATCH(self._control_bytes, 0, self._frames, 0, 0, 0, self.recv_ns)
        self._frames = 0
        self._used = 0
        code = digest(self.context)
        if code:
            self._go_on(code)

    def _go_on(self, code: int) -> None:
        """Handle what the kernel handed back, and let it process the rest of the batch."""
        while code != codes.DONE:
            self._handle(code)
            code = digest(self.context)

    # ---- what the kernel hands back

    def _handle(self, code: int) -> None:
        if code == codes.FRAME_UNUSUAL:
            start, end = self._control[layout.START], self._control[layout.END]
            self._decode(bytes(self._staging[start:end]))
        elif code == codes.DEPTH_HELD:
            instrument = int(self._integers[layout.INSTRUMENT])
            recv_ns = int(self._control[layout.RECV_NS])
            self._on_event(instrument, depth_event(self._integers, recv_ns))
        elif code == codes.DEPTH_ON_TIME:
            self._put_in_force(int(self._integers[layout.INSTRUMENT]), self.recv_ns)
        else:
            self._break_book(int(self._integers[layout.INSTRUMENT]), REASONS[code])

    def _decode(self, payload: bytes) -> None:
        """A frame that the scanner left to the careful decoder."""
        try:
            message = wire.decode(payload)
            if isinstance(message, wire.Reply):
                self.replies.append(message)
                return
            self._count(len(payload))
            if isinstance(message, wire.Ignored):
                self.ignored += 1
                if message.stream == CONTRACT_STREAM and len(self.notices) < MAX_NOTICES:
                    self.notices.append(payload)
            else:
                self._take(message)
        except WireError as error:
            self._refuse(str(error))
            self._count(len(payload))
            # A depth event that cannot be read is a gap: say so now, not at the next event.
            found = _DEPTH_FRAME.match(payload)
            symbol = found.group(1).decode("utf-8", "replace") if found else ""
            instrument = self.symbols.index_of_stream(symbol)
            if instrument >= 0:
                self._break_book(instrument, Reason.GAP)

    def _count(self, size: int) -> None:
        self._totals[layout.MESSAGES] += 1
        self._totals[layout.BYTES] += size

    def _refuse(self, text: str) -> None:
        self._totals[layout.DECODE_ERRORS] += 1
        self.last_error = text

    def _take(self, message: wire.Message) -> None:
        """Put a decoded message where the scanner would have put it, and process it."""
        instrument = self.symbols.index(message.s)
        if instrument < 0:
            self.ignored += 1
            return
        if isinstance(message, wire.ForceOrder):
            self.news.take_liquidation(instrument, message, self.recv_ns)
            return
        kind = put_message(self.memory, instrument, message)
        if kind == VOID:
            self.ignored += 1
            self.candles.take_void(instrument, int(self.rows[instrument][layout.TRADE_ID]))
            return
        code = take_message(self.context, kind)
        if code != codes.DONE:
            self._handle(code)

    # ---- books in and out of force

    def _on_event(self, instrument: int, event: DepthEvent) -> None:
        if not self.wanted[instrument]:
            self.ignored += 1
            return
        sync = self.syncs[instrument]
        phase, expected = sync.phase, sync.last_id
        verdict = sync.on_event(event)
        if verdict is Verdict.APPLY:
            # It is still at hand, and joins the snapshot that was waiting for it.
            self._join(instrument, event)
        elif verdict is Verdict.DUPLICATE:
            self._totals[layout.DUPLICATES] += 1
        elif verdict is Verdict.HOLD:
            self.snapshots.want(instrument, self.recv_ns)
        elif verdict is Verdict.GAP:
            if phase is Phase.LIVE:
                self._totals[layout.GAPS] += 1
                self._push(
                    instrument, GAP, event.event_ms * 1_000_000, event.recv_ns,
                    float(expected), float(event.previous_id),
                )  # fmt: skip
                self._invalidate(instrument, Reason.GAP)
            self.snapshots.want(instrument, self.recv_ns)

    def _join(self, instrument: int, event: DepthEvent | None) -> None:
        """Apply the event at hand and all that are held to a book that has their snapshot.

        Then put the book in force, unless the last of them came late: the snapshot was fresh, so
        only the delay is what this book is old by, and it waits for an event that has none.
        """
        sync, integers = self.syncs[instrument], self._integers
        while event is not None:
            integers[layout.INSTRUMENT] = instrument
            put_head(integers, event)
            code = apply_depth(self.context, 0)
            if code != codes.DONE:
                self._break_book(instrument, REASONS[code])
                return
            last, event = event, sync.take()
        if is_late(self.context, last.event_ms, last.recv_ns):
            self.rows[instrument][layout.WITHHELD] = 1
        else:
            self._put_in_force(instrument, last.recv_ns)

    def _put_in_force(self, instrument: int, recv_ns: int) -> None:
        self.rows[instrument][layout.WITHHELD] = 0
        self.valid[instrument] = True
        self._push(instrument, STATUS, 0, self.recv_ns, BOOK_VALID)
        told = self._absences.end(
            instrument, int(self.rows[instrument][layout.LAST_ID]), self.recv_ns
        )
        self._push(instrument, RESYNC, 0, self.recv_ns, *told)
        self._control[layout.RECV_NS] = recv_ns
        announce_book(self.context, instrument)
        self._control[layout.RECV_NS] = self.recv_ns
        self._count_valid()

    def _break_book(self, instrument: int, reason: Reason) -> None:
        """The book cannot be right any more: say so, forget it, and start again."""
        sync = self.syncs[instrument]
        if sync.phase is not Phase.WAITING:
            if reason is Reason.GAP:
                self._totals[layout.GAPS] += 1
                if self.valid[instrument]:
                    self._push(instrument, GAP, 0, self.recv_ns, float(sync.last_id))
            self._invalidate(instrument, reason)
            sync.restart()
        self._invalidate(instrument, reason)
        if self.wanted[instrument]:
            self.snapshots.want(instrument, self.recv_ns)

    def _invalidate(self, instrument: int, reason: Reason) -> None:
        self.rows[instrument][layout.WITHHELD] = 0
        if not self.valid[instrument]:
            return
        self.valid[instrument] = False
        self.books.set_valid(instrument, False, reason, self.recv_ns)
        forget_tops(self.context, instrument)
        last_id = int(self.rows[instrument][layout.LAST_ID])
        self._absences.begin(instrument, reason, last_id, self.recv_ns)
        self._push(instrument, STATUS, 0, self.recv_ns, BOOK_INVALID, float(reason))
        self._count_valid()

    def _count_valid(self) -> None:
        self.counters["books_valid"] = sum(self.valid)
        self.counters["books_total"] = sum(self.wanted)

    def on_snapshot(
        self, request: SnapshotRequest, body: bytes, now_ns: int, limit: int = 0
    ) -> bool:
        """Take a depth snapshot's JSON; whether it was of use (if not, another is due later).

        `limit` is how many levels a side were asked for: a side that has as many may go on behind
        the last of them. 0 for a snapshot that is whole.
        """
        if not self.snapshots.is_current(request):
            return False
        self.flush()
        self.recv_ns = now_ns
        instrument = request.instrument
        sync = self.syncs[instrument]
        if sync.phase is Phase.LIVE:
            self.snapshots.placed(instrument, now_ns)
            return False
        try:
            symbol = self.symbols.symbols[instrument]
            last_id, bids, asks = self.bodies.read(body, symbol)
        except BadSnapshotError as error:
            self._refuse(str(error))
            self.snapshots.failed(instrument, now_ns)
            flush(self.context)
            return False
        if not sync.on_snapshot(last_id):
            self.snapshots.failed(instrument, now_ns)
            return False
        load_snapshot(self.full_book(instrument), self.rows[instrument], bids, asks, limit)
        self.snapshots.placed(instrument, now_ns)
        self._totals[layout.RESYNCS] += 1
        if sync.waiting:
            self._join(instrument, sync.take())
        flush(self.context)
        return True

    # ---- connections, canaries, and views

    def on_subscribed(self, instrument: int, now_ns: int) -> None:
        """The instrument's depth stream is open: events may come, a snapshot is wanted."""
        self.snapshots.want(instrument, now_ns)

    def is_hopeless(self, instrument: int, now_ns: int, bridge_s: float) -> bool:
        """Whether only a new connection can help: no snapshot has joined the stream for long."""
        if self.snapshots.is_hopeless(instrument):
            return True
        if self.syncs[instrument].phase is not Phase.BRIDGING:
            return False
        # A snapshot is loaded, events come, and all of them are older than it.
        placed_ns = self.snapshots.placed_ns(instrument)
        return (
            now_ns - placed_ns > bridge_s * 1e9
            and int(self.rows[instrument][layout.DEPTH_RECV_NS]) > placed_ns
        )

    def on_disconnected(self, instruments: list[int], reason: Reason, now_ns: int) -> None:
        """The streams of these instruments are cut: their books are invalid from here on."""
        self.flush()
        self.recv_ns = now_ns
        self.candles.on_cut(instruments)
        for instrument in instruments:
            self.snapshots.cancel(instrument)
            self._invalidate(instrument, reason)
            self.syncs[instrument].restart()
            # Numbering, times and remembered tops belong to the connection that is gone.
            self.rows[instrument][:] = 0
        flush(self.context)

    def announce_up(self, now_ns: int) -> None:
        """STATUS: the feed's loop runs, and no book is in force yet.

        Readers that outlived a feed which was killed still hold its last books to be valid.
        """
        self._push(_NO_INSTRUMENT, STATUS, 0, now_ns, FEED_UP)
        for instrument in range(len(self.symbols.symbols)):
            self._push(instrument, STATUS, 0, now_ns, BOOK_INVALID, float(Reason.STARTING))
        flush(self.context)

    def canary(self, number: int, now_ns: int) -> None:
        """Send one numbered CANARY record through the ring."""
        self._push(_NO_INSTRUMENT, CANARY, 0, now_ns, float(number))
        self.counters["canary_number"] = number
        flush(self.context)

    def take_replies(self) -> list[wire.Reply]:
        """Answers to SUBSCRIBE and its like since the last call."""
        found, self.replies = self.replies, []
        return found

    def take_clock_lead_ns(self) -> int | None:
        """The largest (exchange time - receive time) since the last call; None without data.

        Of messages whose time the known clock speaks against only if there were no others.
        """
        lead, doubt = (
            int(self._control[word]) for word in (layout.CLOCK_AHEAD_NS, layout.CLOCK_DOUBT_NS)
        )
        self._control[[layout.CLOCK_AHEAD_NS, layout.CLOCK_DOUBT_NS]] = layout.NO_CLOCK
        lead = doubt if lead == layout.NO_CLOCK else lead
        return None if lead == layout.NO_CLOCK else lead

    def set_clock_lead_ns(self, lead_ns: int) -> None:
        """What the exchange's clock is ahead of CLOCK_MONOTONIC: event times are judged by it."""
        self._control[layout.CLOCK_LEAD_NS] = lead_ns

    def full_book(self, instrument: int) -> FullBook:
        """The instrument's whole book (a view; copy before the next message)."""
        shape = (-1, 2, self.side_capacity)
        keys = self.memory["book_keys"].reshape(shape)[instrument]
        quantities = self.memory["book_quantities"].reshape(shape)[instrument]
        counts = self.rows[instrument][[layout.BIDS, layout.ASKS]]
        return FullBook(keys, quantities, counts)

    def total(self, name: str) -> int:
        """One of the totals (TOTAL_NAMES), as far as it has been counted."""
        return int(self._totals[TOTAL_NAMES.index(name)])

    def _push(
        self,
        instrument: int,
        kind: int,
        event_ns: int,
        recv_ns: int,
        a: float,
        b: float = 0.0,
        c: float = 0.0,
        d: float = 0.0,
    ) -> None:
        push_tick(self.context, instrument, kind, 0, event_ns, recv_ns, a, b, c, d, 0.0)
