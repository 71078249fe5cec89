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
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis import BUILD_ID
from aegis.shm.errors import LayoutMismatch, NotEnoughMemory, RegionGone, ShmError, error_kind

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
    7: "candles",
    8: "marks",
}


def boot_id() -> int:
    """The first 64 bits of this boot's id: a pid and start time mean nothing across boots."""
    text = Path("/proc/sys/kernel/random/boot_id")
    try:
        return int(text.read_text().replace("-", "")[:16], 16)
    except OSError:
        return 0


def _identity(state: os.stat_result) -> tuple[int, int]:
    """What tells one file from another of the same name."""
    return state.st_dev, state.st_ino


class Region:
    """One mapped file. Use `create` (the owner) or `attach` (everybody else)."""

    def __init__(self, path: Path, descriptor: int, size: int, *, writable: bool) -> None:
        self.path = path
        self.size = size
        self.writable = writable
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        self.file = _identity(os.fstat(descriptor))
        self.memory = mmap.mmap(descriptor, size, flags=flags, prot=protection)
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
        already there (a leftover must be cleared first, never written over) or cannot be made.
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
            raise error_kind(error)(f"{path}: cannot create: {error.strerror}") from error
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
        finally:
            os.close(descriptor)
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
    def attach(
        cls,
        path: Path,
        *,
        kind: int,
        record_bytes: int | None,
        body_bytes: int = 0,
        readonly: bool = True,
    ) -> "Region":
        """Map an existing region after checking its whole header, and its size against it.

        `record_bytes` None takes any size: it is for the caller to check. `body_bytes` is the least
        that the caller's layout needs, where that is more than capacity times record bytes. Raises
        RegionGone when there is no such file, LayoutMismatch when it is something else.
        """
        flags = (os.O_RDONLY if readonly else os.O_RDWR) | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            # O_NONBLOCK: somebody's FIFO of this name must not hold us for ever.
            descriptor = os.open(path, flags | os.O_NONBLOCK)
        except OSError as error:
            raise RegionGone(f"{path}: {error.strerror}") from error
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or state.st_size < HEADER_BYTES:
                raise LayoutMismatch(
                    f"{path}: {state.st_size} bytes; a region is a file of {HEADER_BYTES} or more"
                )
            region = cls(path, descriptor, state.st_size, writable=not readonly)
        except OSError as error:
            raise RegionGone(f"{path}: cannot map: {error.strerror}") from error
        finally:
            os.close(descriptor)
        try:
            region._check(kind, record_bytes, body_bytes)
        except LayoutMismatch:
            region.close()
            raise
        return region

    def _check(self, kind: int, record_bytes: int | None, body_bytes: int) -> None:
        """Raise LayoutMismatch unless the header is that of the layout the caller knows."""
        # Plain values: a view in this frame would keep the refused file mapped with the traceback.
        magic, layout, found_kind, _, _, found_bytes = self.header[0].tolist()[:6]
        record_bytes = found_bytes if record_bytes is None else record_bytes
        for field, found, wanted in (
            ("magic", magic, MAGIC),
            ("layout version", layout, LAYOUT_VERSION),
            ("kind", found_kind, kind),
            ("record size", found_bytes, record_bytes),
        ):
            if found != wanted:
                raise LayoutMismatch(
                    f"{self.path}: {field} is {found!r}, this build needs {wanted!r}"
                )
        if self.capacity == 0:
            raise LayoutMismatch(f"{self.path}: capacity is 0, a region holds at least 1")
        needed = HEADER_BYTES + max(self.capacity * record_bytes, body_bytes)
        if self.size < needed:
            raise LayoutMismatch(
                f"{self.path}: {self.size} bytes, its header speaks of {needed}: truncated"
            )

    @property
    def capacity(self) -> int:
        """Records (or rows) the region was made for."""
        return int(self.header[0]["capacity"])

    @property
    def record_bytes(self) -> int:
        """Bytes of one record (or row)."""
        return int(self.header[0]["record_bytes"])

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
            return _identity(os.stat(self.path)) == self.file
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
