"""The journal at the start of execution: whose it is, what it gave back, where profit begins."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns

from aegis import BUILD_ID
from aegis.config.journal_dir import journal_dir
from aegis.config.settings import Settings
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.errors import JournalDirError, JournalError
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.recovery import Identity, Recovered, open_journal, recover
from aegis.execution.journal.sync import SyncThread
from aegis.shm.instance import InstanceMemory

__all__ = ["OpenedJournal", "open_instance_journal"]


@dataclass(frozen=True, slots=True)
class OpenedJournal:
    """A journal whose run has begun, and what the runs before left in it."""

    journal: Journal
    recovered: Recovered
    # There were books of this account, and none can be read any more.
    has_lost_books: bool


def open_instance_journal(
    settings: Settings, memory: InstanceMemory, api_key: str, say: Callable[[str], None]
) -> OpenedJournal:
    """Recover the journal and begin a run of it; what was found is told. Raises a JournalError."""
    config = settings.journal
    # An embedded exchange is another one with every key: nothing of an earlier one is true.
    account = f"{settings.venue.mode}-{hashlib.sha256(api_key.encode()).hexdigest()[:16]}"
    disk = FolderDisk(journal_dir(config.dir, settings.name))
    try:
        recovered = recover(disk, account)
        identity = Identity(settings.name, account, BUILD_ID, settings.config_hash)
        journal = open_journal(
            disk,
            identity,
            recovered,
            monotonic_ns,
            time.time_ns,
            segment_bytes=config.segment_bytes,
            keep_bytes=config.keep_bytes,
        )
    except JournalError:
        disk.close()
        raise
    except OSError as error:
        disk.close()
        raise JournalDirError(
            f"the journal in {disk.folder} cannot be used: {error.strerror} ({error.filename})"
        ) from None
    if recovered.other_account and not account.startswith("embedded-"):
        say(f"journal: begun anew, it was of {recovered.other_account}, not of {account}")
    for finding in recovered.findings:
        say(f"journal: {finding}")
    _set_base(journal, recovered, memory)
    journal.thread = SyncThread(journal.work, config.sync_ms)
    # An own exchange begins anew with its instance: only a restarted process has books to lose.
    is_first = settings.has_own_venue and memory.control.generation("execution") <= 1
    return OpenedJournal(journal, recovered, recovered.has_lost_books and not is_first)


def _set_base(journal: Journal, recovered: Recovered, memory: InstanceMemory) -> None:
    """Where the shared counters of profit and fees begin, see `gauges`."""
    supervisor = memory.counters["supervisor"]
    journal.memory_id = supervisor["start_time_ticks"] << 22 | supervisor["pid"]
    before = recovered.replay.run_record if recovered.replay is not None else None
    if before is not None and journal.memory_id and before["number"] == journal.memory_id:
        journal.base_e8 = (int(before["amount_e8"]), int(before["cum_lots"]))
        return
    realized_e8, fees_e8 = recovered.sums_e8
    counters = memory.counters["execution"]
    journal.base_e8 = (counters["realized_pnl_e8"] - realized_e8, counters["fees_e8"] - fees_e8)
