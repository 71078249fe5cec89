"""The four C library calls that Python does not wrap: mlockall, munlockall, prctl, and errno.

Called by ``memory_lock`` and ``prctl`` only. Each call raises OSError with the kernel's errno; it
must never be used on a hot path, ctypes costs a microsecond.
"""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mlockall.argtypes = (ctypes.c_int,)
_LIBC.munlockall.argtypes = ()
# prctl is variadic: without the types, ctypes passes 32-bit ints where the kernel reads longs.
_LIBC.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)


def mlockall(flags: int) -> None:
    """mlockall(2). Raises OSError."""
    _checked(_LIBC.mlockall(flags))


def munlockall() -> None:
    """munlockall(2). Raises OSError."""
    _checked(_LIBC.munlockall())


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one numeric argument, its return value. Raises OSError."""
    return _checked(_LIBC.prctl(option, value, 0, 0, 0))


def prctl_text(option: int, text: bytes) -> None:
    """prctl(2) with a pointer to a C string. Raises OSError."""
    buffer = ctypes.create_string_buffer(text)
    _checked(_LIBC.prctl(option, ctypes.addressof(buffer), 0, 0, 0))


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
