"""What can go wrong with shared memory, one tree: `except ShmError` catches all of it."""

import errno

__all__ = ["LayoutMismatch", "NotEnoughMemory", "RegionGone", "ShmError", "error_kind"]

# EACCES and EPERM are not among them: more memory would not help.
_SHORTAGES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG})


class ShmError(Exception):
    """Base of every shared-memory error; the text names the file and the numbers."""


# The names say what happened; the base class already says that it is an error.
class NotEnoughMemory(ShmError):  # noqa: N818
    """The filesystem or the huge page pool cannot hold a region (checked before any write)."""


class LayoutMismatch(ShmError):  # noqa: N818
    """The region was written by another layout, version or build, or is not a region at all."""


class RegionGone(ShmError):  # noqa: N818
    """The region does not exist, or the file that was mapped is no longer the linked one."""


def error_kind(error: OSError) -> type[ShmError]:
    """NotEnoughMemory for a full filesystem or pool, ShmError for anything else."""
    return NotEnoughMemory if error.errno in _SHORTAGES else ShmError
