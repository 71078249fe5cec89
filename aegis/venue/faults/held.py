"""Messages that a fault holds back: one queue per stream of a connection, in the order they came.

While a stream has messages in here, all its later ones queue behind them: a late stream is late,
it does not overtake itself. Bounded: what does not fit any more falls out at the front and is
counted, as it would from a router's buffer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

MOST_HELD: Final = 20_000

# (delay in seconds, what to do then): the event loop's call_later, or a test's.
Later = Callable[[float, Callable[[], None]], object]


class HeldStream:
    """The waiting messages of one stream. `send` gets them when their time has come."""

    def __init__(self, later: Later, send: Callable[[bytes], None]) -> None:
        self._later = later
        self._send = send
        # (frame, whether a timer of its own releases it)
        self._frames: deque[tuple[bytes, bool]] = deque()
        self._dripping = False
        self._bursting = False
        self.lost = 0

    @property
    def is_open(self) -> bool:
        """Does anything wait, so that later messages must queue?"""
        return bool(self._frames) or self._bursting

    def delay(self, frame: bytes, delay_ms: int) -> None:
        """Send this message, and those that by then have queued behind it, `delay_ms` from now."""
        self.follow(frame, timed=True)
        self._later(delay_ms / 1e3, self._release_timed)

    def follow(self, frame: bytes, timed: bool = False) -> None:
        """Queue behind the others; released with or after them."""
        if len(self._frames) >= MOST_HELD:
            self._frames.popleft()
            self.lost += 1
        self._frames.append((frame, timed))

    def drip(self, frame: bytes, every_ms: int) -> None:
        """Send one message now and one per interval from then on, however many come."""
        self.follow(frame)
        if not self._dripping:
            self._dripping = True
            self._drop_falls(every_ms)

    def burst(self, frame: bytes, delay_ms: int) -> None:
        """Hold everything for `delay_ms`, then send it in one go."""
        self.follow(frame)
        if not self._bursting:
            self._bursting = True
            self._later(delay_ms / 1e3, self.release_all)

    def release_all(self) -> None:
        """Send all that waits."""
        self._bursting = False
        while self._frames:
            self._release_one()

    def _release_one(self) -> bool:
        """Send the first; was it a timed one?"""
        frame, timed = self._frames.popleft()
        self._send(frame)
        return timed

    def _release_timed(self) -> None:
        while self._frames and not self._release_one():
            pass
        while self._frames and not self._frames[0][1]:
            self._release_one()

    def _drop_falls(self, every_ms: int) -> None:
        if not self._frames:
            self._dripping = False
            return
        self._release_one()
        self._later(every_ms / 1e3, lambda: self._drop_falls(every_ms))
