"""A disk in memory: what was written, what of it was synced, and faults on demand."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field


@dataclass
class MemoryFile:
    """A preallocated file; `synced` is what a power loss leaves."""

    disk: MemoryDisk
    content: bytearray
    synced: bytes = b""

    def write(self, data: bytes | memoryview, offset: int) -> None:
        if self.disk.write_errors:
            part = data[: self.disk.torn_bytes]
            self.content[offset : offset + len(part)] = part
            raise OSError(self.disk.write_errors.pop(0), "injected")
        assert offset + len(data) <= len(self.content), "beyond what was allocated"
        self.content[offset : offset + len(data)] = data
        self.disk.events.append("write")

    def sync(self) -> None:
        self.disk.events.append("sync")
        if self.disk.sync_errors:
            raise OSError(self.disk.sync_errors.pop(0), "injected")
        self.synced = bytes(self.content)

    def trim(self, length: int) -> None:
        del self.content[length:]

    def close(self) -> None:
        return


@dataclass
class MemoryDisk:
    """`free_bytes` bounds what may be allocated in all; `torn_bytes` of a failed write are left."""

    files: dict[str, MemoryFile] = field(default_factory=dict)
    free_bytes: int = 1 << 40
    write_errors: list[int] = field(default_factory=list)
    sync_errors: list[int] = field(default_factory=list)
    torn_bytes: int = 0
    events: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        return sorted(self.files)

    def create(self, name: str, size: int) -> MemoryFile:
        assert name not in self.files
        if sum(len(file.content) for file in self.files.values()) + size > self.free_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.files[name] = MemoryFile(self, bytearray(size))
        return self.files[name]

    def read(self, name: str) -> bytearray:
        return bytearray(self.files[name].content)

    def size(self, name: str) -> int:
        return len(self.files[name].content)

    def rename(self, old: str, new: str) -> None:
        assert new not in self.files
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def cut(self, name: str, length: int, aside: str) -> None:
        file = self.files[name]
        self.files[aside] = MemoryFile(self, file.content[length:])
        del file.content[length:]

    def sync(self) -> None:
        return

    def close(self) -> None:
        return
