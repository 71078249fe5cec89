"""What can go wrong with shared memory, one tree: `except ShmError` catches all of it."""

__all__ = ["LayoutMismatch", "NotEnoughMemory", "RegionGone", "ShmError"]


class ShmError(Exception):
    """Base of every shared-memory error; the text names the file and the numbers."""


class NotEnoughMemory(ShmError):
    """The filesystem or the huge page pool cannot hold a region (checked before any write)."""


class LayoutMismatch(ShmError):
    """The region was written by another layout, version or build, or is not a region at all."""


class RegionGone(ShmError):
    """The region does not exist, or the file that was mapped is no longer the linked one."""
