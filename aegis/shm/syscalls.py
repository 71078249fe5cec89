"""The few system calls a kernel may make: futex wait and wake, eventfd write, sched_yield.

Used by the wait strategies and by `wake`. A kernel cannot read errno, so a result below zero
means "look again", never "failed": every caller re-checks its condition in a bounded loop.
"""

import platform
from typing import Any

import numba.core.cgutils
from llvmlite import ir
from numba import types

from aegis.host.jit import intrinsic
from aegis.shm.atomics import accepts, word_pointer

__all__ = [
    "SUPPORTED",
    "eventfd_signal",
    "futex_wait_two",
    "futex_wake_all",
    "sched_yield",
    "sleep_until",
]

# Numbers are per architecture; futex_waitv (Linux 5.16) has one number on all of them.
_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
_FUTEX_WAITV = 449
SUPPORTED = _FUTEX != 0

_FUTEX_WAKE = 1
_FUTEX2_SIZE_U32 = 2
_CLOCK_MONOTONIC = 1
_TIMER_ABSTIME = 1
_EVERYBODY = 0x7FFFFFFF

# Numba's code generation helpers carry no types.
_cgutils: Any = numba.core.cgutils
_I8 = ir.IntType(8)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


def _syscall(builder: Any, number: int, *arguments: Any) -> Any:
    """Call glibc's `syscall` with six 64-bit arguments (unused ones are zero)."""
    function_type = ir.FunctionType(_I64, [_I64] * 7)
    function = _cgutils.get_or_insert_function(builder.module, function_type, "syscall")
    padded = [*arguments, *[ir.Constant(_I64, 0)] * (6 - len(arguments))]
    return builder.call(function, [ir.Constant(_I64, number), *padded])


def _address(builder: Any, pointer: Any) -> Any:
    return builder.ptrtoint(pointer, _I64)


def _timespec(builder: Any, time_ns: Any) -> Any:
    """A struct timespec on the stack, from nanoseconds."""
    # alloca_once places it in the entry block: an alloca in a loop would eat the stack.
    place = _cgutils.alloca_once(builder, ir.LiteralStructType([_I64, _I64]))
    billion = ir.Constant(_I64, 1_000_000_000)
    seconds = builder.sdiv(time_ns, billion)
    builder.store(seconds, _cgutils.gep_inbounds(builder, place, 0, 0))
    builder.store(builder.srem(time_ns, billion), _cgutils.gep_inbounds(builder, place, 0, 1))
    return place


@intrinsic
def futex_wake_all(typingctx: Any, words: Any, index: Any) -> Any:
    """Wake every process parked on the low half of `words[index]`; returns how many."""
    if not accepts(words, index):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = word_pointer(context, builder, words, *arguments)
        return _syscall(
            builder,
            _FUTEX,
            _address(builder, pointer),
            ir.Constant(_I64, _FUTEX_WAKE),
            ir.Constant(_I64, _EVERYBODY),
        )

    return types.int64(words, index), codegen


@intrinsic
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
    if not (accepts(first, first_index) and accepts(second, second_index)):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        waiter = ir.LiteralStructType([_I64, _I64, _I32, _I32])
        waiters = _cgutils.alloca_once(builder, ir.ArrayType(waiter, 2))
        timespec = _timespec(builder, arguments[6])
        for place, array, base in ((0, first, 0), (1, second, 3)):
            array_value, index, seen = arguments[base : base + 3]
            pointer = word_pointer(context, builder, array, array_value, index)
            entry = _cgutils.gep_inbounds(builder, waiters, 0, place)
            low_half = builder.and_(seen, ir.Constant(_I64, 0xFFFFFFFF))
            builder.store(low_half, _cgutils.gep_inbounds(builder, entry, 0, 0))
            builder.store(_address(builder, pointer), _cgutils.gep_inbounds(builder, entry, 0, 1))
            flags = ir.Constant(_I32, _FUTEX2_SIZE_U32)
            builder.store(flags, _cgutils.gep_inbounds(builder, entry, 0, 2))
            builder.store(ir.Constant(_I32, 0), _cgutils.gep_inbounds(builder, entry, 0, 3))
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


@intrinsic
def eventfd_signal(typingctx: Any, descriptor: Any) -> Any:
    """Add one to an eventfd, which wakes the event loop that watches it."""
    if not isinstance(descriptor, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = _cgutils.alloca_once(builder, _I64)
        builder.store(ir.Constant(_I64, 1), one)
        number = builder.trunc(arguments[0], _I32)
        function_type = ir.FunctionType(_I64, [_I32, _I64.as_pointer(), _I64])
        function = _cgutils.get_or_insert_function(builder.module, function_type, "write")
        return builder.call(function, [number, one, ir.Constant(_I64, 8)])

    return types.int64(types.int64), codegen


@intrinsic
def sched_yield(typingctx: Any) -> Any:
    """Give the core to another runnable process."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function_type = ir.FunctionType(_I32, [])
        function = _cgutils.get_or_insert_function(builder.module, function_type, "sched_yield")
        return builder.call(function, [])

    return types.int32(), codegen


@intrinsic
def sleep_until(typingctx: Any, deadline_ns: Any) -> Any:
    """Sleep until `deadline_ns` (absolute, CLOCK_MONOTONIC) or a signal."""
    if not isinstance(deadline_ns, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        timespec = _timespec(builder, arguments[0])
        pointer = timespec.type
        function_type = ir.FunctionType(_I32, [_I32, _I32, pointer, _I8.as_pointer()])
        function = _cgutils.get_or_insert_function(builder.module, function_type, "clock_nanosleep")
        clock = ir.Constant(_I32, _CLOCK_MONOTONIC)
        absolute = ir.Constant(_I32, _TIMER_ABSTIME)
        nothing = ir.Constant(_I8.as_pointer(), None)
        return builder.call(function, [clock, absolute, timespec, nothing])

    return types.int32(types.int64), codegen
