"""The few system calls a kernel may make: futex wait and wake, eventfd write, sched_yield.

Used by the wait strategies and by `wake`. A kernel cannot read errno, so a result below zero
means "look again", never "failed": every caller re-checks its condition in a bounded loop.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from aegis.shm.atomics import _accepts, _word_pointer

__all__ = ["SUPPORTED", "eventfd_signal", "futex_wait_two", "futex_wake_all", "sched_yield"]

# Numbers are per architecture; futex_waitv (Linux 5.16) has one number on all of them.
_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
_FUTEX_WAITV = 449
SUPPORTED = _FUTEX != 0

_FUTEX_WAKE = 1
_FUTEX2_SIZE_U32 = 2
_CLOCK_MONOTONIC = 1
_EVERYBODY = 0x7FFFFFFF

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


def _syscall(builder: Any, number: int, *arguments: Any) -> Any:
    """Call glibc's `syscall` with six 64-bit arguments (unused ones are zero)."""
    function_type = ir.FunctionType(_I64, [_I64] * 7)
    function = cgutils.get_or_insert_function(builder.module, function_type, "syscall")
    padded = [*arguments, *[ir.Constant(_I64, 0)] * (6 - len(arguments))]
    return builder.call(function, [ir.Constant(_I64, number), *padded])


def _address(builder: Any, pointer: Any) -> Any:
    return builder.ptrtoint(pointer, _I64)


@intrinsic  # type: ignore[untyped-decorator]
def futex_wake_all(typingctx: Any, words: Any, index: Any) -> Any:
    """Wake every process parked on the low half of `words[index]`; returns how many."""
    if not _accepts(words, index):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _word_pointer(context, builder, signature, arguments)
        return _syscall(
            builder,
            _FUTEX,
            _address(builder, pointer),
            ir.Constant(_I64, _FUTEX_WAKE),
            ir.Constant(_I64, _EVERYBODY),
        )

    return types.int64(words, index), codegen


@intrinsic  # type: ignore[untyped-decorator]
def futex_wait_two(
    typingctx: Any,
    first: Any,
    first_index: Any,
    first_seen: Any,
    second: Any,
    second_index: Any,
    second_seen: Any,
    deadline_ns: Any,
) -> Any:
    """Park until either word's low half differs from what was seen, or the deadline passes.

    One futex_waitv(2) over both words, so that no wake-up between the check and the sleep is
    lost on either. `deadline_ns` is absolute on CLOCK_MONOTONIC. Returns the kernel's result
    (below zero: time out, or a value had already changed).
    """
    if not (_accepts(first, first_index) and _accepts(second, second_index)):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        waiter = ir.LiteralStructType([_I64, _I64, _I32, _I32])
        waiters = cgutils.alloca_once(builder, ir.ArrayType(waiter, 2))
        timespec = cgutils.alloca_once(builder, ir.LiteralStructType([_I64, _I64]))
        for place, base in ((0, 0), (1, 3)):
            part = _Signature(signature.args[base : base + 2])
            pointer = _word_pointer(context, builder, part, arguments[base : base + 2])
            entry = cgutils.gep_inbounds(builder, waiters, 0, place)
            low_half = builder.and_(arguments[base + 2], ir.Constant(_I64, 0xFFFFFFFF))
            builder.store(low_half, cgutils.gep_inbounds(builder, entry, 0, 0))
            builder.store(_address(builder, pointer), cgutils.gep_inbounds(builder, entry, 0, 1))
            flags = ir.Constant(_I32, _FUTEX2_SIZE_U32)
            builder.store(flags, cgutils.gep_inbounds(builder, entry, 0, 2))
            builder.store(ir.Constant(_I32, 0), cgutils.gep_inbounds(builder, entry, 0, 3))
        billion = ir.Constant(_I64, 1_000_000_000)
        seconds = builder.sdiv(arguments[6], billion)
        builder.store(seconds, cgutils.gep_inbounds(builder, timespec, 0, 0))
        rest = builder.srem(arguments[6], billion)
        builder.store(rest, cgutils.gep_inbounds(builder, timespec, 0, 1))
        return _syscall(
            builder,
            _FUTEX_WAITV,
            _address(builder, waiters),
            ir.Constant(_I64, 2),
            ir.Constant(_I64, 0),
            _address(builder, timespec),
            ir.Constant(_I64, _CLOCK_MONOTONIC),
        )

    signature = types.int64(
        first,
        first_index,
        types.uint64,
        second,
        second_index,
        types.uint64,
        types.int64,
    )
    return signature, codegen


class _Signature:
    """The slice of a signature that `_word_pointer` reads."""

    def __init__(self, args: Any) -> None:
        self.args = args


@intrinsic  # type: ignore[untyped-decorator]
def eventfd_signal(typingctx: Any, descriptor: Any) -> Any:
    """Add one to an eventfd, which wakes the event loop that watches it."""
    if not isinstance(descriptor, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = cgutils.alloca_once(builder, _I64)
        builder.store(ir.Constant(_I64, 1), one)
        number = builder.trunc(arguments[0], _I32)
        function_type = ir.FunctionType(_I64, [_I32, _I64.as_pointer(), _I64])
        function = cgutils.get_or_insert_function(builder.module, function_type, "write")
        return builder.call(function, [number, one, ir.Constant(_I64, 8)])

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def sched_yield(typingctx: Any) -> Any:
    """Give the core to another runnable process."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function_type = ir.FunctionType(_I32, [])
        function = cgutils.get_or_insert_function(builder.module, function_type, "sched_yield")
        return builder.call(function, [])

    return types.int32(), codegen
