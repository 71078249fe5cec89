"""Whether what the feed has left in shared memory can be believed at this moment.

A feed that is killed leaves its last books there, still marked valid, until its successor clears
them. Books count only while the very process that wrote them lives and its loop turns.
"""

from __future__ import annotations

from typing import Final

from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.shm.instance import InstanceMemory

# The feed's loop turns fifty times a second; one that is so late does not read its sockets.
SILENCE_NS: Final = 1_000_000_000
# How often the kernel is asked whether the process is still there.
ASK_EVERY_NS: Final = 5_000_000

NO_FEED: Final = "the feed does not run"
SILENT_FEED: Final = "the feed has stopped reading"


class FeedWatch:
    """Asked before a command is carried out, and with every turn of the follower."""

    def __init__(self, memory: InstanceMemory, now_ns: int) -> None:
        self._control = memory.control
        self._counters = memory.counters["feed"]
        self._generation = self._control.generation("feed")
        # Only a turn after this moment proves that the feed we mean lives.
        self._since_ns = now_ns
        self._asked_ns = 0
        self._lives = False

    def doubt(self, now_ns: int) -> str:
        """Why the feed's books are not to be believed, empty if they are."""
        generation = self._control.generation("feed")
        if generation != self._generation:
            self._generation, self._since_ns = generation, now_ns
        counters = self._counters
        beat_ns = counters["loop_ts_ns"]
        if beat_ns <= self._since_ns:
            return NO_FEED
        if now_ns - beat_ns > SILENCE_NS:
            return SILENT_FEED
        if now_ns - self._asked_ns >= ASK_EVERY_NS or not self._lives:
            identity = ProcessIdentity(counters["pid"], counters["start_time_ticks"], "")
            self._lives, self._asked_ns = is_alive(identity), now_ns
        return "" if self._lives else NO_FEED
