"""The journal's disk: room, inodes, and how long it takes to be sure."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from time import monotonic_ns
from typing import Final

from aegis.config.journal_dir import journal_dir_to_read
from aegis.doctor.check import Check, Verdict, failed, passed, warned
from aegis.doctor.visit import Visit

__all__ = ["CHECKS", "sync_times_ms"]

_SEGMENTS: Final = 2  # the one that is written, and the one in reserve
_FEWEST_INODES: Final = 1_000
_SYNCS: Final = 200
_SYNC_BYTES: Final = 4_096
_GOOD_MS: Final = 20.0
_IN_MEMORY: Final = ("tmpfs", "ramfs")


def journal_disk(visit: Visit) -> Verdict:
    journal = visit.config.journal
    texts: list[str] = []
    fleeting: list[str] = []
    together: dict[int, int] = {}
    slow_ms = 0.0
    for name in visit.instances:
        folder = journal_dir_to_read(journal.dir, name)
        place = _existing(visit.box.path(folder))
        room = os.statvfs(place)
        held = sum(file.stat().st_size for file in visit.box.path(folder).glob("*"))
        wanted = max(journal.keep_bytes + _SEGMENTS * journal.segment_bytes - held, 0)
        free = room.f_bavail * room.f_frsize
        text = f"{folder}: {free >> 20} MiB free, {wanted >> 20} MiB may still be written"
        # Journals of several instances on one disk share its room.
        disk = place.stat().st_dev
        together[disk] = together.get(disk, 0) + wanted
        if together[disk] > wanted:
            text += f", {together[disk] >> 20} MiB together with those before"
        mount = visit.box.mount_of(str(folder))
        if mount is not None and mount.kind in _IN_MEMORY:
            fleeting.append(f"{folder} is on {mount.kind}")
        if free < together[disk]:
            return failed(text, "free some, [journal] dir on another disk, or less keep_bytes")
        if room.f_files > 0 and room.f_favail < _FEWEST_INODES:
            return failed(f"{text}; {room.f_favail} inodes free", "remove small files")
        if not os.access(place, os.W_OK | os.X_OK):
            return failed(f"{place}: user {visit.box.user_id} may not write there", "chown it")
        if not visit.quick:
            times = sync_times_ms(place)
            slow_ms = max(slow_ms, times[int(0.99 * (len(times) - 1))])
            text += f"; fsync p99 {slow_ms:.1f} ms"
        texts.append(text)
    found = "; ".join(texts)
    fix = "a local SSD for [journal] dir"
    if slow_ms > journal.sync_ms:
        return failed(f"{found}, beyond sync_ms = {journal.sync_ms}", fix)
    if fleeting:
        return warned(f"{found}; gone with the next boot: {', '.join(fleeting)}", fix)
    return warned(found, fix) if slow_ms > _GOOD_MS else passed(found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def sync_times_ms(folder: Path, count: int = _SYNCS) -> list[float]:
    """How long each of so many small writes takes until it is on the disk; sorted."""
    descriptor, name = tempfile.mkstemp(prefix=".aegis-doctor-", dir=folder)
    times: list[float] = []
    try:
        os.posix_fallocate(descriptor, 0, count * _SYNC_BYTES)
        os.fsync(descriptor)
        for turn in range(count):
            os.pwrite(descriptor, b"\xa5" * _SYNC_BYTES, turn * _SYNC_BYTES)
            before = monotonic_ns()
            os.fdatasync(descriptor)
            times.append((monotonic_ns() - before) / 1e6)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(name)
    return sorted(times)


CHECKS: Final = (
    Check(
        "36", "journal_disk", "fail", "statvfs of [journal] dir, 200 small writes with fdatasync",
        f"room for keep_bytes and {_SEGMENTS} segments; fsync p99 below {_GOOD_MS:.0f} ms, a "
        "failure beyond sync_ms", "an order is written down before it is sent", journal_disk,
    ),
)  # fmt: skip
