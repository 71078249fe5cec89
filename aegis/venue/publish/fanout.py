"""The fan-out: the messages of a turn, framed, gathered for one subscriber after the other.

``wire.hub`` calls `gather` once a turn, and hands each subscriber its bytes for one write. A
server's frames are unmasked (RFC 6455 section 5.1), so a frame is a short header and a copy. The
order within a subscriber is the order of the log.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.publish.log import (
    BARE_BEGIN,
    BARE_END,
    ENVELOPE_BEGIN,
    ENVELOPE_END,
    ENVELOPED,
    MESSAGES,
    STREAM,
)
from aegis.venue.publish.raw import copy_bytes

__all__ = ["MAX_HEADER", "frame", "gather"]

MAX_HEADER: Final = 10
_TEXT_FINAL: Final = 0x81
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_SHORT: Final = 126  # lengths below it stand in the second byte itself
_LONG: Final = 65_536


@inline_kernel
def frame(out: Any, at: Any, source: Any, begin: Any, end: Any) -> Any:
    """One final text frame with source[begin:end]; returns the place after it."""
    length = end - begin
    out[at] = _TEXT_FINAL
    if length < _SHORT:
        out[at + 1] = length
        at += 2
    elif length < _LONG:
        out[at + 1] = _TWO_BYTES
        out[at + 2] = length >> 8
        out[at + 3] = length & 0xFF
        at += 4
    else:
        out[at + 1] = _EIGHT_BYTES
        for place in range(8):
            out[at + 2 + place] = (length >> (56 - 8 * place)) & 0xFF
        at += MAX_HEADER
    copy_bytes(out, at, source, begin, length)
    return at + length


@kernel
def gather(
    log: Any, subscriptions: Any, rows: Any, first: Any, out: Any, bounds: Any, counts: Any
) -> Any:
    """Write the frames of the subscribers rows[first:] into `out`, one subscriber after the other.

    `subscriptions` is u8[subscribers, streams], BARE, ENVELOPED or 0. Subscriber number k of `rows`
    gets out[bounds[k] : bounds[k + 1]], counts[k] messages. Returns the first k for which there was
    no room any more: call again with it, with the same log, when `out` has been emptied. A whole
    log always fits for one subscriber if `out` has MAX_HEADER bytes a message more than the log.
    """
    messages = log.cursor[MESSAGES]
    at = 0
    for place in range(first, rows.shape[0]):
        wants = subscriptions[rows[place]]
        bounds[place] = at
        count = 0
        for number in range(messages):
            entry = log.entries[number]
            mode = wants[entry[STREAM]]
            if mode == 0:
                continue
            begin, end = entry[BARE_BEGIN], entry[BARE_END]
            if mode == ENVELOPED:
                begin, end = entry[ENVELOPE_BEGIN], entry[ENVELOPE_END]
            if at + MAX_HEADER + end - begin > out.shape[0]:
                return place
            at = frame(out, at, log.text, begin, end)
            count += 1
        bounds[place + 1] = at
        counts[place] = count
    return rows.shape[0]
