"""Forbid one system call to this process (for good): the proof that code does not make it.

Used in forked children only. With `deny` the call fails with an errno, with `kill` it is SIGSYS.
"""

from __future__ import annotations

import ctypes
import struct

FUTEX = 202
FUTEX_WAITV = 449

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_MODE_FILTER = 2
_KILL_PROCESS = 0x8000_0000
_ERRNO = 0x0005_0000
_ALLOW = 0x7FFF_0000
_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_RETURN = 0x06


def kill_on(number: int) -> None:
    """From now on system call `number` kills this process with SIGSYS."""
    _install(number, _KILL_PROCESS)


def deny(number: int, error: int) -> None:
    """From now on system call `number` fails with errno `error`."""
    _install(number, _ERRNO | error)


def _install(number: int, verdict: int) -> None:
    instructions = (
        (_LOAD_WORD, 0, 0, 0),  # the system call's number is the first word of seccomp_data
        (_JUMP_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, verdict),
        (_RETURN, 0, 0, _ALLOW),
    )
    program = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *each) for each in instructions)
    )
    descriptor = ctypes.create_string_buffer(
        struct.pack("@HP", len(instructions), ctypes.addressof(program))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(descriptor), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
