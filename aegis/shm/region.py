"""A region: one file of shared memory with a header that says what it is.

The supervisor creates regions and unlinks them; every other process maps what it inherited, or
attaches by path (the CLI, the tests, readers in C and Rust). The file is filled by
posix_fallocate before it is mapped: a sparse file on a full tmpfs would kill the process with
SIGBUS at the first touch, long after start-up. It is never truncated or resized afterwards.

Header, the first page (little endian; the rest of the page belongs to the region's own layout)::

    byte 0      8       12      16      24         32            40      48           56
         +-------+-------+-------+-------+----------+-------------+-------+------------+
         | magic | layout| kind  | build | capacity | record bytes| owner | owner start|
         +-------+-------+-------+-------+----------+-------------+-------+------------+
    byte 56           64           72                80
         +------------+------------+-----------------+
         | generation | created ns | boot id, 64 bits|
         +------------+------------+-----------------+

`magic` is the ASCII text AEGISSHM. `layout` and `kind` are u32, all others u64.
"""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis import BUILD_ID
from aegis.shm.errors import LayoutMismatch, NotEnoughMemory, RegionGone, ShmError

__all__ = ["HEADER_BYTES", "LAYOUT_VERSION", "LINE_WORDS", "Region", "Words", "boot_id"]

Words = npt.NDArray[np.uint64]

HEADER_BYTES = 4096
LAYOUT_VERSION = 1
# Two cache lines: the adjacent-line prefetcher pulls pairs, so a lone 64-byte line still shares.
LINE_WORDS = 16
MAGIC = b"AEGISSHM"
HUGE_PAGE_BYTES = 2 * 1024 * 1024

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("layout", "<u4"),
        ("kind", "<u4"),
        ("build", "<u8"),
        ("capacity", "<u8"),
        ("record_bytes", "<u8"),
        ("owner_pid", "<u8"),
        ("owner_start", "<u8"),
        ("generation", "<u8"),
        ("created_ns", "<u8"),
        ("boot", "<u8"),
    ]
)
assert HEADER.itemsize == 80, "the documented header is 80 bytes; C and Rust readers rely on it"

KINDS = {
    1: "broadcast ring",
    2: "gated ring",
    3: "books",
    4: "instruments",
    5: "counters",
    6: "control",
}


def boot_id() -> int:
    """The first 64 bits of this boot's id: a pid and start time mean nothing across boots."""
    text = Path("/proc/sys/kernel/random/boot_id")
    try:
        return int(text.read_text().replace("-", "")[:16], 16)
    except OSError:
        return 0


class Region:
    """One mapped file. Use `create` (the owner) or `attach` (everybody else)."""

    def __init__(self, path: Path, descriptor: int, size: int, *, writable: bool) -> None:
        self.path = path
        self.size = size
        self.writable = writable
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        try:
            self.inode = os.fstat(descriptor).st_ino
            self.memory = mmap.mmap(descriptor, size, flags=flags, prot=protection)
        finally:
            os.close(descriptor)
        self.header: npt.NDArray[Any] = np.frombuffer(self.memory, HEADER, 1)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        kind: int,
        capacity: int,
        record_bytes: int,
        body_bytes: int,
        owner: tuple[int, int],
        generation: int = 1,
        created_ns: int = 0,
        huge: bool = False,
    ) -> "Region":
        """Create, fill and map a region; `owner` is (pid, start time in clock ticks).

        Raises NotEnoughMemory when the filesystem cannot hold it, and ShmError when the file is
        already there (a leftover must be cleared first, never written over).
        """
        assert capacity > 0
        assert record_bytes > 0
        size = HEADER_BYTES + body_bytes
        unit = HUGE_PAGE_BYTES if huge else mmap.PAGESIZE
        size = (size + unit - 1) // unit * unit
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError as error:
            raise ShmError(f"{path}: already exists; clear the leftover first") from error
        except OSError as error:
            raise NotEnoughMemory(f"{path}: cannot create: {error.strerror}") from error
        try:
            # MAP_POPULATE on hugetlbfs reserves the pages; posix_fallocate does it on tmpfs.
            os.posix_fallocate(descriptor, 0, size)
            region = cls(path, descriptor, size, writable=True)
        except OSError as error:
            path.unlink(missing_ok=True)
            free = os.statvfs(path.parent)
            raise NotEnoughMemory(
                f"{path}: needs {size} bytes, {free.f_bavail * free.f_frsize} are free on its "
                f"filesystem: {error.strerror}"
            ) from error
        header = region.header[0]
        header["layout"] = LAYOUT_VERSION
        header["kind"] = kind
        header["build"] = int(BUILD_ID, 16)
        header["capacity"] = capacity
        header["record_bytes"] = record_bytes
        header["owner_pid"], header["owner_start"] = owner
        header["generation"] = generation
        header["created_ns"] = created_ns
        header["boot"] = boot_id()
        header["magic"] = MAGIC  # last: a reader that sees the magic sees the rest
        return region

    @classmethod
    def attach(cls, path: Path, *, kind: int, record_bytes: int, readonly: bool = True) -> "Region":
        """Map an existing region after checking its whole header.

        Raises RegionGone when there is no such file, LayoutMismatch when it is something else.
        """
        flags = (os.O_RDONLY if readonly else os.O_RDWR) | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            raise RegionGone(f"{path}: {error.strerror}") from error
        size = os.fstat(descriptor).st_size
        if size < HEADER_BYTES:
            os.close(descriptor)
            raise LayoutMismatch(f"{path}: {size} bytes; a region has at least {HEADER_BYTES}")
        region = cls(path, descriptor, size, writable=not readonly)
        header = region.header[0]
        for field, found, wanted in (
            ("magic", bytes(header["magic"]), MAGIC),
            ("layout version", int(header["layout"]), LAYOUT_VERSION),
            ("kind", int(header["kind"]), kind),
            ("record size", int(header["record_bytes"]), record_bytes),
        ):
            if found != wanted:
                region.close()
                raise LayoutMismatch(f"{path}: {field} is {found!r}, this build needs {wanted!r}")
        return region

    @property
    def capacity(self) -> int:
        """Records (or rows) the region was made for."""
        return int(self.header[0]["capacity"])

    @property
    def owner(self) -> tuple[int, int]:
        """(pid, start time in clock ticks) of the process that created the region."""
        return int(self.header[0]["owner_pid"]), int(self.header[0]["owner_start"])

    def words(self, offset: int = 0, count: int = HEADER_BYTES // 8) -> Words:
        """A u64 view of `count` words from byte `offset`."""
        return np.frombuffer(self.memory, np.uint64, count, offset)

    def array(self, dtype: npt.DTypeLike, count: int, offset: int = HEADER_BYTES) -> Any:
        """A structured view of `count` items from byte `offset`."""
        return np.frombuffer(self.memory, dtype, count, offset)

    def is_linked(self) -> bool:
        """Whether the path still names the file that is mapped (not a newer generation of it)."""
        try:
            return os.stat(self.path).st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        """Drop the mapping; views that are still referenced keep it alive until they die."""
        self.header = np.zeros(1, HEADER)
        try:
            self.memory.close()
        except BufferError:
            # A numpy view still points in: the mapping goes with the last of them.
            return

    def unlink(self) -> None:
        """Remove the file; mapped readers keep their pages and can see that it is gone."""
        self.path.unlink(missing_ok=True)
