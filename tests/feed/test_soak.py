"""The feed for an hour at 20,000 messages a second, with every connection lost once a minute.

Nothing may grow, and no stream may be dead for longer than the feed promises to notice it. The hour
is long; a shorter one is had with

    AEGIS_SOAK_S=1200 pytest -s --long tests/feed/test_soak.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.feed.deadlines import Deadlines
from aegis.host.clock import monotonic_ns
from aegis.host.resources import read_resources
from aegis.shm.control import RUN, STOP
from aegis.shm.instance import InstanceMemory
from tests.feed.soak_stand import CLOSE_EVERY_MS, be_feed, be_venue, venue_config
from tests.feed.venue_stand import arm

SYMBOLS = 90
WANTED_PER_S = 20_000
SAMPLE_S = 0.1
SILENCE_EVERY_S = 20.0
SILENT_MS = 9_000
# By then most books have waited for a snapshot at once, which is what takes the most memory.
SETTLED_S = 600.0
# Machine code that is not in the cache yet is made first.
STARTUP_S = 300.0
# What two processes on a shared machine may add to a promise of seconds.
SLACK_S = 1.0


@dataclass
class Watchman:
    """Looks at a feed from outside, as the brain does: through its shared memory alone."""

    memory: InstanceMemory
    pid: int
    symbols: list[str]
    url: str
    source: random.Random
    times_s: list[float] = field(default_factory=list)
    rss_kib: list[float] = field(default_factory=list)
    own_kib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    oldest_valid_s: float = 0.0
    noticed_s: list[float] = field(default_factory=list)
    unnoticed: list[str] = field(default_factory=list)
    _silenced: dict[int, int] = field(default_factory=dict)
    _next_silence_s: float = 5.0

    def count(self, name: str) -> int:
        return self.memory.counters["feed"][name]

    async def look(self, began_s: float) -> None:
        """One look at everything."""
        now_s = time.monotonic() - began_s
        used = read_resources(self.pid)
        assert used is not None, "the feed is gone"
        self.times_s.append(now_s)
        self.rss_kib.append(used.rss_bytes / 1024)
        self.own_kib.append(used.own_bytes / 1024)
        self.descriptors.append(used.descriptors)
        self._look_at_books()
        if now_s > self._next_silence_s:
            self._next_silence_s += SILENCE_EVERY_S
            await self._silence()

    def _look_at_books(self) -> None:
        for row in range(len(self.symbols)):
            view = self.memory.books.read(row)
            now_ns = monotonic_ns()
            since_ns = self._silenced.get(row)
            if view is None or not view.valid:
                if since_ns is not None:
                    self.noticed_s.append((now_ns - since_ns) / 1e9)
                    del self._silenced[row]
                continue
            self.oldest_valid_s = max(self.oldest_valid_s, (now_ns - view.ts_recv_ns) / 1e9)
            if since_ns is not None and now_ns - since_ns > SILENT_MS * 1_000_000:
                self.unnoticed.append(self.symbols[row])
                del self._silenced[row]

    async def _silence(self) -> None:
        """Stop one symbol's depth, or all of its streams, for a while."""
        row = self.source.randrange(len(self.symbols))
        streams = self.source.choice(("depth@0ms", "*"))
        name = f"{self.symbols[row].lower()}@{streams}"
        await arm(self.url, kind="silent", stream=name, for_ms=SILENT_MS)
        self._silenced[row] = monotonic_ns()

    def slope_kib_per_min(self) -> float:
        """Of the feed's own resident memory, once it has settled."""
        times, sizes = np.array(self.times_s), np.array(self.own_kib)
        settled = times > min(SETTLED_S, times[-1] / 2)
        return float(np.polyfit(times[settled] / 60.0, sizes[settled], 1)[0])

    def growth_kib(self) -> float:
        """Median of the last tenth of its own memory less that of the first settled one."""
        times, sizes = np.array(self.times_s), np.array(self.own_kib)
        settled = sizes[times > min(SETTLED_S, times[-1] / 2)]
        tenth = max(len(settled) // 10, 1)
        return float(np.median(settled[-tenth:]) - np.median(settled[:tenth]))


@contextmanager
def stand(folder: Path, repository: Path) -> Iterator[tuple[InstanceMemory, Any, int]]:
    """(memory, the feed's process, the exchange's port), both running."""
    spawn = multiprocessing.get_context("spawn")
    near, far = spawn.Pipe()
    symbols = list(venue_config(SYMBOLS).symbols)[:SYMBOLS]
    memory = InstanceMemory.create("soak", instruments=SYMBOLS, shm_dir=folder)
    memory.control.command = RUN
    venue = spawn.Process(target=be_venue, args=(SYMBOLS, far), daemon=True)
    venue.start()
    try:
        assert near.poll(STARTUP_S), "the exchange does not open"
        port = near.recv()
        arguments = ("soak", folder, repository, symbols, port)
        feed = spawn.Process(target=be_feed, args=arguments, daemon=True)
        feed.start()
        try:
            yield memory, feed, port
        finally:
            memory.control.command = STOP
            feed.join(STARTUP_S)
            assert feed.exitcode == 0, f"the feed left with {feed.exitcode}"
    finally:
        assert venue.pid is not None
        os.kill(venue.pid, signal.SIGTERM)
        venue.join(STARTUP_S)
        memory.close()
        memory.unlink()


async def soak(watchman: Watchman, seconds: float) -> float:
    """Look on for so long; returns the messages a second that came."""
    until_s = time.monotonic() + STARTUP_S
    while watchman.count("books_valid") < SYMBOLS:
        assert time.monotonic() < until_s, "books do not come into force"
        await asyncio.sleep(SAMPLE_S)
    began_s, before = time.monotonic(), watchman.count("messages")
    while time.monotonic() - began_s < seconds:
        await watchman.look(began_s)
        await asyncio.sleep(SAMPLE_S)
    return (watchman.count("messages") - before) / (time.monotonic() - began_s)


@pytest.mark.long
def test_an_hour_with_a_reconnect_a_minute_leaves_nothing_behind(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = float(os.environ.get("AEGIS_SOAK_S", "3600"))
    with stand(tmp_path, repository) as (memory, feed, port):
        symbols = list(venue_config(SYMBOLS).symbols)[:SYMBOLS]
        url = f"http://127.0.0.1:{port}"
        watchman = Watchman(memory, feed.pid, symbols, url, random.Random(5))
        per_s = asyncio.run(soak(watchman, seconds))
        counts = memory.counters["feed"].snapshot()
    descriptors = sorted(watchman.descriptors)
    settled = descriptors[len(descriptors) // 2]
    with capsys.disabled():
        print(
            f"\n{seconds:.0f} s at {per_s:,.0f} messages/s: {counts['reconnects']} reconnects, "
            f"{counts['handovers']} handovers ({counts['handovers_failed']} given up), "
            f"{counts['resyncs']} resyncs; RSS {watchman.rss_kib[-1] / 1024:.1f} MiB, "
            f"its own {watchman.own_kib[-1] / 1024:.1f} MiB, "
            f"{watchman.slope_kib_per_min():+.1f} KiB/min, growth {watchman.growth_kib():+.0f} "
            f"KiB; descriptors {descriptors[0]}..{descriptors[-1]}, mostly {settled}; oldest valid "
            f"book {watchman.oldest_valid_s:.2f} s; {len(watchman.noticed_s)} silences noticed "
            f"within {max(watchman.noticed_s, default=0.0):.2f} s, {len(watchman.unnoticed)} not; "
            f"top mismatches {counts['top_mismatches']} of {counts['top_checks']}"
        )
    assert per_s > 0.8 * WANTED_PER_S
    minutes = int(seconds * 1000 // CLOSE_EVERY_MS)
    assert counts["reconnects"] >= max(minutes - 1, 0) * 4
    assert counts["top_mismatches"] == 0
    assert counts["rate_limited"] == 0
    promise_s = Deadlines().stale_s + SLACK_S
    assert watchman.oldest_valid_s < promise_s
    assert watchman.unnoticed == []
    assert max(watchman.noticed_s, default=0.0) < promise_s
    # A connection more per shard while one takes over from another, and nothing for good.
    assert watchman.descriptors[-1] <= settled + len(symbols) // 25 + 1
    assert abs(watchman.slope_kib_per_min()) < 64.0
    assert abs(watchman.growth_kib()) < 2048.0
