"""The message log of one turn: every message that somebody wants, written once, in order.

The encoders and ``wire.hub`` append to it, the fan-out reads it, then it starts again from its
beginning: a turn's messages stay in the cache of one core. A message lies in it bare, and where an
enveloped copy is wanted, with `{"stream":"<name>","data":` before and `}` behind it, so that both
forms are slices of the same bytes. Streams are numbers; `StreamTable` gives them out and keeps
their names. It must never hold a message across a change of subscriptions: the hub sees to that.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.publish.raw import SLACK, copy_text
from aegis.venue.publish.scales import Bytes, Words

__all__ = [
    "BARE",
    "BYTES",
    "ENVELOPED",
    "MESSAGES",
    "Log",
    "StreamTable",
    "Streams",
    "close_message",
    "has_room",
    "make_log",
    "open_message",
]

TEXT_BYTES: Final = 2 * 1024 * 1024
MAX_MESSAGES: Final = 16_384
# `{"stream":"` + name + `","data":`; the longest names have some 50 bytes.
MAX_OPENING: Final = 160

# The columns of the entries: a message's stream, and where its two forms begin and end.
STREAM, ENVELOPE_BEGIN, ENVELOPE_END, BARE_BEGIN, BARE_END = range(5)
INDEX_WORDS: Final = 5
# The words of the cursor.
MESSAGES, BYTES = 0, 1

# How a stream is wanted, and how a subscriber wants it.
BARE, ENVELOPED = 1, 2
_BRACE: Final = ord("}")


class Log(NamedTuple):
    """The arrays of a message log."""

    text: Bytes
    entries: Words  # [messages, INDEX_WORDS]
    cursor: Words  # [2]: messages and bytes that are good


class Streams(NamedTuple):
    """What kernels may know of the streams, by their number."""

    wanted: Bytes  # BARE and ENVELOPED, as somebody has subscribed; 0: nobody
    openings: Bytes  # the envelopes' openings, one behind the other
    opening_at: Words  # [streams + 1]


def make_log(text_bytes: int = TEXT_BYTES, messages: int = MAX_MESSAGES) -> Log:
    """An empty log."""
    return Log(
        np.zeros(text_bytes + SLACK, np.uint8),
        np.zeros((messages, INDEX_WORDS), np.int64),
        np.zeros(2, np.int64),
    )


class StreamTable:
    """Names of streams to numbers and back. Numbers are given out in order and never taken back."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._wanted: Bytes = np.zeros(64, np.uint8)
        self._openings: Bytes = np.zeros(4_096, np.uint8)
        self._opening_at: Words = np.zeros(65, np.int64)
        self.arrays = Streams(self._wanted, self._openings, self._opening_at)

    def find(self, name: str) -> int:
        """The number of a stream, -1 if it has none yet."""
        return self._numbers.get(name, -1)

    def number(self, name: str) -> int:
        """The number of a stream; the next free one if it has none yet."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
            self._enter(number, b'{"stream":"' + name.encode() + b'","data":')
        return number

    def _enter(self, number: int, opening: bytes) -> None:
        assert len(opening) <= MAX_OPENING, f"{opening!r} has {len(opening)} bytes"
        if number == len(self._wanted):
            self._wanted = np.concatenate((self._wanted, np.zeros_like(self._wanted)))
            self._opening_at = np.concatenate(
                (self._opening_at, np.zeros(number, np.int64)), dtype=np.int64
            )
        begin = int(self._opening_at[number])
        end = begin + len(opening)
        if end + SLACK > len(self._openings):
            self._openings = np.concatenate((self._openings, np.zeros_like(self._openings)))
        self._openings[begin:end] = np.frombuffer(opening, np.uint8)
        self._opening_at[number + 1] = end
        self.arrays = Streams(self._wanted, self._openings, self._opening_at)


@inline_kernel
def has_room(log: Any, messages: Any, count: Any) -> Any:
    """Is there room for so many messages more, of `count` bytes together without envelopes?"""
    return (
        log.cursor[MESSAGES] + messages <= log.entries.shape[0]
        and log.cursor[BYTES] + count + messages * MAX_OPENING + SLACK < log.text.shape[0]
    )


@kernel
def open_message(log: Any, streams: Any, stream: Any) -> Any:
    """Begin a message of a wanted stream; returns where its payload goes in `log.text`."""
    at = log.cursor[BYTES]
    if streams.wanted[stream] & ENVELOPED:
        begin = streams.opening_at[stream]
        length = streams.opening_at[stream + 1] - begin
        at = copy_text(log.text, at, streams.openings, begin, length)
    return at


@kernel
def close_message(log: Any, streams: Any, stream: Any, begin: Any, end: Any) -> None:
    """The payload stands at [begin, end): close its envelope and enter it."""
    row = log.entries[log.cursor[MESSAGES]]
    row[STREAM] = stream
    row[ENVELOPE_BEGIN] = 0
    row[ENVELOPE_END] = 0
    row[BARE_BEGIN] = begin
    row[BARE_END] = end
    if streams.wanted[stream] & ENVELOPED:
        log.text[end] = _BRACE
        row[ENVELOPE_BEGIN] = log.cursor[BYTES]
        end += 1
        row[ENVELOPE_END] = end
    log.cursor[MESSAGES] += 1
    log.cursor[BYTES] = end
