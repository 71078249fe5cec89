"""I5: what the journal holds leads to the very state that execution has.

Every record that reaches the simulated disk is fed to a replay at once, and whenever execution has
nothing unwritten the two states must hash alike. When a process ends, the files are also read back
from their first byte, as a recovery would: that must lead to the same state again. A power loss is
no promise broken: what it takes was never synced, and the next comparison begins with what the next
process writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.journal.journal import Journal
from aegis.execution.journal.layout import RECORD
from aegis.execution.journal.reader import read_journal, recovery_base
from aegis.execution.journal.replay import Replay
from aegis.execution.journal.state import state_hash
from aegis.execution.session import TradingSession
from aegis.execution.words import JOURNAL_COUNT, JOURNAL_ON
from aegis.risk.latch import LATCH_REASON, LATCH_STATE
from aegis.simulator.disk import Storage

__all__ = ["Bookkeeping"]


class Bookkeeping:
    """The second set of books of one trial."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._replay = Replay()
        self._compared: tuple[int, bytes] = (-1, b"")
        # Whole records of a write that failed: a reader may find them, until they are overwritten.
        self._torn: npt.NDArray[Any] = np.zeros(0, RECORD)
        storage.on_records = self._feed
        storage.on_torn = self._note_torn

    def _feed(self, records: npt.NDArray[Any]) -> None:
        self._replay.feed(records)
        self._torn = self._torn[:0]

    def _note_torn(self, records: npt.NDArray[Any]) -> None:
        self._torn = records

    def finding(self, session: TradingSession, words: bytes) -> str:
        """What is wrong now, "" for nothing. `words` are execution's own, as they are now.

        Execution may know more than it has written between two flushes, and while its disk fails:
        there is nothing to compare then.
        """
        replay = self._replay
        seen = (replay.records, words)
        if seen == self._compared:
            return ""
        self._compared = seen
        if replay.hash_errors:
            return replay.hash_errors[0]
        core, journal = session.core, session.journal
        if journal is None or not core.words[JOURNAL_ON] or core.words[JOURNAL_COUNT]:
            return ""
        if not _latch_is_written(session, journal):
            return ""
        found, wanted = replay.hash, int(state_hash(core.directory)) & (1 << 64) - 1
        if found != wanted:
            return f"after {replay.records} records a replay is {found:016x}, we are {wanted:016x}"
        return ""

    def lose_power(self) -> None:
        """What was written may be gone: compare again from the next snapshot on."""
        self._replay = Replay()
        self._torn = self._torn[:0]

    def end_of_process(self) -> str:
        """Read everything back; what is wrong, "" for nothing. Call before any power is lost."""
        disk: Any = self._storage.mount()
        again = Replay()
        for segment in read_journal(disk, recovery_base(disk)):
            again.feed(segment.records)
        self._storage.owner = None
        if again.hash_errors:
            return again.hash_errors[0]
        if self._replay.tables is None or again.hash == self._replay.hash:
            return ""
        # What execution did not count as written may have got to the disk all the same.
        self._replay.feed(self._torn)
        if again.hash != self._replay.hash:
            return f"the files lead to {again.hash:016x}, their records to {self._replay.hash:016x}"
        return ""


def _latch_is_written(session: TradingSession, journal: Journal) -> bool:
    latch = session.gate.words
    return journal._latch_told == (latch[LATCH_STATE], latch[LATCH_REASON])
