"""Who gets which market stream: subscribers, their subscriptions, and the fan-out.

The publisher's kernels and the mirror write messages into the log, sessions subscribe. Once a turn
`flush` gathers each subscriber's frames in machine code and writes them in one go. A subscriber is
a connection or, in tests, anything with `enqueue` and `flush`. What was logged before a change of
subscriptions is handed out before it; nothing is kept for a reader that does not read: its socket
cuts it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from aegis.venue.publish.fanout import MAX_HEADER, gather
from aegis.venue.publish.log import (
    BARE,
    BYTES,
    ENVELOPED,
    INDEX_WORDS,
    MESSAGES,
    Log,
    StreamTable,
    make_log,
)
from aegis.venue.publish.scales import Bytes, Words
from aegis.venue.wire.frames import text_frame

_ENTRY: Final = struct.Struct(f"={INDEX_WORDS}q")
# A message longer than this share of the log goes to its readers without it.
LARGE_SHARE: Final = 4

Diversion = Callable[[str, bytes], None]


class Subscriber(Protocol):
    """The receiving end of a subscription."""

    def enqueue(self, frame: bytes) -> None:
        """Queue encoded frames, one or many, behind the others."""

    def flush(self) -> None:
        """Hand the queued frames to the socket in one write."""

    def backlog(self) -> int:
        """Bytes that are written but not yet taken by the network."""


class Hub:
    """All market subscriptions. `sent` counts a message once per subscriber it went to."""

    def __init__(self, log: Log | None = None) -> None:
        self.log = make_log() if log is None else log
        self.table = StreamTable()
        self.version = 0  # grows with every change of what is wanted by anybody
        self.sent = 0
        self.sent_tracked = 0
        self._text = self.log.text.data
        self._entries = self.log.entries.data.cast("B")
        self._cursor = self.log.cursor.data
        # How many want a stream bare and enveloped; what each subscriber wants, a row for each.
        self._counts: Words = np.zeros((ENVELOPED + 1, 64), np.int64)
        self._subscriptions: Bytes = np.zeros((4, 64), np.uint8)
        self._rows: dict[Subscriber, int] = {}
        self._free: list[int] = [3, 2, 1, 0]
        self._gathered: list[Subscriber] = []
        self._gathered_rows: Words = np.zeros(0, np.int64)
        self._bounds: Words = np.zeros(1, np.int64)
        self._sent: Words = np.zeros(1, np.int64)
        self._diversions: dict[Subscriber, Diversion] = {}
        room = 2 * len(self.log.text) + MAX_HEADER * len(self.log.entries)
        self._out: Bytes = np.zeros(room, np.uint8)
        self._out_view = self._out.data
        self._waiting: dict[Subscriber, None] = {}
        self._written: dict[Subscriber, None] = {}
        self._tracked: set[Subscriber] = set()
        self._vacancies = 0
        # Loads the kernel, before anybody waits for it.
        gather(
            self.log, self._subscriptions, self._gathered_rows, 0, self._out, self._bounds,
            self._sent,
        )  # fmt: skip

    # --- publishing ---

    def reserve(self, streams: Sequence[str]) -> int:
        """Give these streams numbers in a row; returns the first. None may have one yet."""
        first = len(self.table.names)
        for stream in streams:
            self.table.number(stream)
        assert len(self.table.names) == first + len(streams), "a stream is reserved once"
        self._fit()
        return first

    def wants(self, stream: str) -> bool:
        number = self.table.find(stream)
        return number >= 0 and self.table.arrays.wanted[number] != 0

    def publish(self, stream: str, message: bytes) -> None:
        """Send a payload, bare or in its envelope as each subscriber has asked for."""
        number = self.table.find(stream)
        wanted = self.table.arrays.wanted[number] if number >= 0 else 0
        if wanted == 0:
            return
        if wanted & ENVELOPED:
            opening = b'{"stream":"' + stream.encode() + b'","data":'
            self._append(number, opening + message + b"}", len(opening), len(message))
        else:
            self._append(number, message, 0, len(message))

    def publish_recorded(self, stream: str, enveloped: bytes, message: bytes) -> None:
        """Send a recorded message: the envelope's very bytes, or its payload's very bytes."""
        number = self.table.find(stream)
        if number >= 0 and self.table.arrays.wanted[number]:
            at = enveloped.rfind(message)
            if at >= 0:
                self._append(number, enveloped, at, len(message))
            else:
                end = len(enveloped)
                self._append(number, enveloped + message, end, len(message), end)

    # --- subscribing ---

    def subscribe(self, stream: str, subscriber: Subscriber, combined: bool) -> None:
        """Add a subscription; a second one for the same stream changes nothing."""
        self.distribute()
        number = self.table.number(stream)
        self._fit()
        row = self._rows.get(subscriber)
        if row is None:
            row = self._rows[subscriber] = self._take_row()
            self._regroup()
        if self._subscriptions[row, number]:
            return
        mode = ENVELOPED if combined else BARE
        self._subscriptions[row, number] = mode
        self._counts[mode, number] += 1
        self._update(number)
        if self._vacancies:
            # A tracked subscriber has left, and this is the next one to come: its successor.
            self._vacancies -= 1
            self._tracked.add(subscriber)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        row, number = self._rows.get(subscriber), self.table.find(stream)
        if row is None or number < 0 or not self._subscriptions[row, number]:
            return
        self.distribute()
        self._counts[self._subscriptions[row, number], number] -= 1
        self._subscriptions[row, number] = 0
        self._update(number)

    def forget(self, subscriber: Subscriber) -> None:
        """The subscriber is gone, whatever it had subscribed to."""
        self._waiting.pop(subscriber, None)
        self._written.pop(subscriber, None)
        self._diversions.pop(subscriber, None)
        row = self._rows.pop(subscriber, None)
        if row is not None:
            wants = self._subscriptions[row]
            for number in np.flatnonzero(wants).tolist():
                self._counts[wants[number], number] -= 1
                self._update(number)
            wants[:] = 0
            self._free.append(row)
            self._regroup()
        if subscriber in self._tracked:
            self._tracked.remove(subscriber)
            self._vacancies += 1

    def divert(self, subscriber: Subscriber, diversion: Diversion | None) -> None:
        """From now on hand a subscriber's messages, one by one, to `diversion(stream, frame)`.

        `frame` is what would have been written. None ends the diversion.
        """
        self.distribute()
        self._diversions.pop(subscriber, None)
        if diversion is not None:
            self._diversions[subscriber] = diversion
        self._regroup()

    def note_sent(self, subscriber: Subscriber, messages: int) -> None:
        """So many messages went to the subscriber; a diversion that drops some takes them back."""
        self.sent += messages
        if subscriber in self._tracked:
            self.sent_tracked += messages

    def track(self) -> int:
        """From now on count what goes to the present subscribers apart; returns how many.

        A mirror in lockstep waits until exactly these have read everything. Others, that come and
        look, are served but not waited for.
        """
        self._tracked = {
            subscriber for subscriber, row in self._rows.items() if self._subscriptions[row].any()
        }
        self._vacancies = 0
        return len(self._tracked)

    # --- writing ---

    def backlog(self) -> int:
        """The longest backlog of those written to by the last `flush`, in bytes."""
        return max((subscriber.backlog() for subscriber in self._written), default=0)

    def flush(self) -> None:
        """Write what is logged and queued, one write per subscriber."""
        self.distribute()
        if not self._waiting:
            return
        self._written, self._waiting = self._waiting, {}
        for subscriber in self._written:
            subscriber.flush()

    def distribute(self) -> None:
        """Queue what is logged for its subscribers, without writing it; empties the log."""
        if self._cursor[MESSAGES] == 0:
            return
        self._gather()
        diverted = [
            (subscriber, diversion, self._frames_of(self._rows[subscriber]))
            for subscriber, diversion in self._diversions.items()
            if subscriber in self._rows
        ]
        self._cursor[MESSAGES] = self._cursor[BYTES] = 0
        # Only now: a diversion may close connections, or ask for anything else of this hub.
        for subscriber, diversion, frames in diverted:
            self.note_sent(subscriber, len(frames))
            for stream, frame in frames:
                diversion(stream, frame)

    # --- inside ---

    def _append(
        self, number: int, text: bytes, at: int, length: int, envelope_end: int | None = None
    ) -> None:
        """Log `text`: its payload stands at [at, at + length), its envelope begins with it."""
        if envelope_end is None:
            envelope_end = len(text)
        if len(text) > len(self._text) // LARGE_SHARE:
            self._send_large(number, text[:envelope_end], text[at : at + length])
            return
        messages, begin = self._cursor[MESSAGES], self._cursor[BYTES]
        if messages == len(self.log.entries) or begin + len(text) > len(self._text):
            self.flush()
            messages = begin = 0
        end = begin + len(text)
        self._text[begin:end] = text
        _ENTRY.pack_into(
            self._entries, messages * _ENTRY.size,
            number, begin, begin + envelope_end, begin + at, begin + at + length,
        )  # fmt: skip
        self._cursor[MESSAGES] = messages + 1
        self._cursor[BYTES] = end

    def _send_large(self, number: int, enveloped: bytes, message: bytes) -> None:
        """Queue a message that is too long for the log, behind everything that is in it."""
        self.distribute()
        stream = self.table.names[number]
        for subscriber, row in list(self._rows.items()):
            mode = self._subscriptions[row, number]
            if mode == 0:
                continue
            frame = text_frame(enveloped if mode == ENVELOPED else message)
            self.note_sent(subscriber, 1)
            diversion = self._diversions.get(subscriber)
            if diversion is not None:
                diversion(stream, frame)
            else:
                self._queue(subscriber, frame)

    def _gather(self) -> None:
        """Queue the log's frames for everybody who is not diverted."""
        rows = self._gathered_rows
        first = 0
        while first < len(rows):
            reached = gather(
                self.log, self._subscriptions, rows, first, self._out, self._bounds, self._sent
            )
            assert reached > first, "a whole log fits for one subscriber"
            bounds, sent = self._bounds.tolist(), self._sent.tolist()
            for place in range(first, reached):
                if sent[place]:
                    subscriber = self._gathered[place]
                    self.note_sent(subscriber, sent[place])
                    frames = bytes(self._out_view[bounds[place] : bounds[place + 1]])
                    self._queue(subscriber, frames)
            first = reached

    def _frames_of(self, row: int) -> list[tuple[str, bytes]]:
        """The log's frames for one subscriber, one by one, with their streams."""
        frames = []
        wants, names = self._subscriptions[row], self.table.names
        for entry in self.log.entries[: self._cursor[MESSAGES]].tolist():
            mode = int(wants[entry[0]])
            if mode:
                begin, end = entry[1:3] if mode == ENVELOPED else entry[3:5]
                frames.append((names[entry[0]], text_frame(bytes(self._text[begin:end]))))
        return frames

    def _queue(self, subscriber: Subscriber, frames: bytes) -> None:
        subscriber.enqueue(frames)
        self._waiting[subscriber] = None

    def _update(self, number: int) -> None:
        """What is wanted of a stream may have changed."""
        bare, enveloped = self._counts[BARE, number], self._counts[ENVELOPED, number]
        wanted = (BARE if bare else 0) | (ENVELOPED if enveloped else 0)
        if wanted != self.table.arrays.wanted[number]:
            self.table.arrays.wanted[number] = wanted
            self.version += 1

    def _regroup(self) -> None:
        """Somebody came, went, or is diverted: who is gathered for."""
        self._gathered = [one for one in self._rows if one not in self._diversions]
        rows = [self._rows[one] for one in self._gathered]
        self._gathered_rows = np.array(rows, np.int64)
        self._bounds = np.zeros(len(rows) + 1, np.int64)
        self._sent = np.zeros(max(1, len(rows)), np.int64)

    def _take_row(self) -> int:
        if not self._free:
            rows = len(self._subscriptions)
            self._subscriptions = np.concatenate(
                (self._subscriptions, np.zeros_like(self._subscriptions))
            )
            self._free = list(range(2 * rows - 1, rows - 1, -1))
        return self._free.pop()

    def _fit(self) -> None:
        """Have a column for every stream that has a number."""
        missing = len(self.table.arrays.wanted) - self._counts.shape[1]
        if missing > 0:
            self._counts = np.pad(self._counts, ((0, 0), (0, missing)))
            self._subscriptions = np.pad(self._subscriptions, ((0, 0), (0, missing)))
