"""Syncing beside the event loop: the bound on what a power loss can take.

`SyncWork.turn` does one round: fdatasync what was written since the last one, finish segments that
are full, keep a segment in reserve, drop the oldest ones that recovery does not need. It runs in
`SyncThread` every `sync_ms`; a simulator calls it when its own clock says so. A failed sync is
final: the pages that were not written may be gone from the cache, and a second fsync would lie
(the kernel reports the error once), so it is never tried again and the instance halts.

What it finds is left in plain attributes for the event loop to read; it never touches the latch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from aegis.execution.journal.disk import SegmentFile
from aegis.execution.journal.layout import is_segment
from aegis.execution.journal.writer import Retired, SegmentWriter

__all__ = ["SyncThread", "SyncWork"]

# Short runs leave small segments: there are never more of them than this.
_MOST_SEGMENTS = 1_000


class SyncWork:
    """One journal's rounds. `sync_error` and `space_error` tell what went wrong, "" for nothing."""

    def __init__(self, writer: SegmentWriter, keep_bytes: int, clock_ns: Callable[[], int]) -> None:
        self._writer = writer
        self._keep_bytes = keep_bytes
        self._clock_ns = clock_ns
        # Guards which files are current, in reserve and retired; never held during a sync.
        self.lock = threading.Lock()
        self.sync_error = ""
        self.space_error = ""
        self.syncs = 0
        self.longest_sync_ns = 0
        self.synced_writes = 0
        self.dropped: list[str] = []

    def turn(self) -> None:
        """One round."""
        writer = self._writer
        with self.lock:
            retired, writer.retired = writer.retired, []
            current, writes = writer.file, writer.writes
        try:
            for done in retired:
                self._finish(done)
            if current is not None and writes != self.synced_writes and not self.sync_error:
                self._sync(current)
                self.synced_writes = writes
        except OSError as error:
            self.sync_error = self.sync_error or f"{error.strerror} (errno {error.errno})"
        try:
            self._make_room(bool(retired))
            self.space_error = ""
        except OSError as error:
            self.space_error = f"{error.strerror} (errno {error.errno})"

    def _sync(self, file: SegmentFile) -> None:
        begun_ns = self._clock_ns()
        file.sync()
        self.syncs += 1
        self.longest_sync_ns = max(self.longest_sync_ns, self._clock_ns() - begun_ns)

    def _finish(self, done: Retired) -> None:
        if self.sync_error:
            done.file.close()
        else:
            self._writer.finish(done)

    def _make_room(self, is_due: bool) -> None:
        """Drop what is beyond `keep_bytes`, then see to the reserve. Raises OSError."""
        writer = self._writer
        if writer.spare is not None and not is_due:
            return
        self._drop_oldest()
        with self.lock:
            made = writer.file is not None and writer.prepare_spare()
        if made:
            writer.disk.sync()

    def _drop_oldest(self) -> None:
        """Never anything from the newest segment with a snapshot on, nor what is quarantined."""
        writer = self._writer
        names = [name for name in writer.disk.names() if is_segment(name)]
        sizes = {name: writer.disk.size(name) for name in names}
        total = sum(sizes.values())
        for number, name in enumerate(names):
            is_kept = total <= self._keep_bytes and len(names) - number <= _MOST_SEGMENTS
            if is_kept or name >= writer.base_name:
                return
            writer.disk.remove(name)
            self.dropped.append(name)
            total -= sizes[name]


class SyncThread:
    """Turns a `SyncWork` every `sync_ms` until closed."""

    def __init__(self, work: SyncWork, sync_ms: int) -> None:
        self._work = work
        self._pause_s = sync_ms / 1000
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            self._work.turn()

    def close(self) -> None:
        """End the thread; the writer's own close syncs what is left."""
        self._stop.set()
        self._thread.join()
