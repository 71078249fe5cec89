"""Finding a running instance's supervisor, for the commands that send it a signal.

Used by `aegis stop` and `aegis reload`. A pid is signalled only when start time and boot match what
the supervisor wrote down about itself, through a pidfd, so that no stranger can ever be hit.
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.monitor.notes import Notes, read_notes

__all__ = ["RunningInstance", "find_running"]


@dataclass(slots=True)
class RunningInstance:
    """A live supervisor. `descriptor` is its pidfd: readable once it has ended."""

    notes: Notes
    directory: Path
    descriptor: int

    def send(self, number: signal.Signals) -> None:
        """Signal exactly this process. Raises ProcessLookupError when it has just gone."""
        signal.pidfd_send_signal(self.descriptor, number)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Whether it has ended within the time."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(int(timeout_s * 1000)))


def find_running(instance: str, shm_dir: str | Path) -> RunningInstance | None:
    """The supervisor of an instance, None when it does not run."""
    directory = Path(shm_dir) / f"aegis-{instance}"
    notes = read_notes(directory)
    if notes is None:
        return None
    try:
        descriptor = os.pidfd_open(notes.pid)
    except OSError:
        return None
    # The pidfd pins the process; only now is the comparison safe against a reused pid.
    if not is_alive(ProcessIdentity(notes.pid, notes.start_time_ticks, notes.boot_id)):
        os.close(descriptor)
        return None
    return RunningInstance(notes, directory, descriptor)
