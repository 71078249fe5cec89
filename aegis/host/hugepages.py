"""Huge pages of 2 MiB: how many the kernel holds, how many are free, and where they are mounted.

Read by the creator of the shared memory and by ``aegis check``. It only reads: reserving pages is
the work of the provisioning (``vm.nr_hugepages``), since a running box is often too fragmented.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegis.host.grant import Grant

HUGE_PAGE_BYTES: Final = 2 << 20
_POOL: Final = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
_MOUNTS: Final = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class HugePages:
    """The pool, in pages. ``available`` is what a new mapping can still get."""

    total: int
    free: int
    reserved: int

    @property
    def available(self) -> int:
        """Free pages that nobody has been promised."""
        return max(self.free - self.reserved, 0)


def read_huge_pages(pool: Path = _POOL) -> HugePages | None:
    """The kernel's pool of 2 MiB pages; None where the kernel has none of that size."""
    names = ("nr_hugepages", "free_hugepages", "resv_hugepages")
    try:
        return HugePages(*(int((pool / name).read_text()) for name in names))
    except (OSError, ValueError):
        return None


def hugetlbfs_mounts(mounts: Path = _MOUNTS) -> list[Path]:
    """The hugetlbfs mount points of 2 MiB pages, in mount order."""
    found: list[Path] = []
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 4 or fields[2] != "hugetlbfs":
            continue
        size = next((o[9:] for o in fields[3].split(",") if o.startswith("pagesize=")), "2M")
        if size in ("2M", "2048K", "2097152"):
            # The kernel writes blanks in a path as octal escapes.
            found.append(Path(fields[1].encode().decode("unicode_escape")))
    return found


def huge_pages_grant(asked: int, pool: Path = _POOL, mounts: Path = _MOUNTS) -> Grant:
    """Whether ``asked`` pages can be had now, and if not, what is missing."""
    wanted = f"{asked} pages of 2 MiB"
    if asked == 0:
        return Grant("hugepages", "none", "none", True)
    pages = read_huge_pages(pool)
    if pages is None:
        reason = "the kernel has no 2 MiB pages"
        return Grant("hugepages", wanted, "4 KiB pages", False, reason, "set hugepages = 0")
    if pages.available < asked:
        reason = f"{pages.available} of {pages.total} are available"
        remedy = f"sysctl vm.nr_hugepages={pages.total - pages.available + asked}"
        return Grant("hugepages", wanted, "4 KiB pages", False, reason, remedy)
    writable = [mount for mount in hugetlbfs_mounts(mounts) if os.access(mount, os.W_OK | os.X_OK)]
    if not writable:
        reason = "no hugetlbfs mount that this user may write"
        remedy = "mount -t hugetlbfs -o pagesize=2M,uid=aegis none /dev/hugepages"
        return Grant("hugepages", wanted, "4 KiB pages", False, reason, remedy)
    return Grant("hugepages", wanted, f"{asked} pages on {writable[0]}", True)
