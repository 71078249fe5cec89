"""Acquire/release words in shared memory, for kernels.

Numba has no CPU atomics and LLVM is free to hoist a plain array load out of a loop: `while a[0] <
n` spins for ever. These intrinsics emit LLVM's atomic loads, stores and fences on one 64-bit word
of an array, plus the processor's pause hint. Every ring, book and counter that two processes
share is built on them.

Memory orders, by the C11 names:

=====================  =======================================================================
load_acquire           nothing after it moves before it: read a cursor, then the data it guards
store_release          nothing before it moves after it: write the data, then the cursor
load_relaxed           one untorn load, no order
store_relaxed          one untorn store, no order
fence_acquire          orders earlier loads before everything after (the seqlock's re-check)
fence_release          orders everything before it ahead of later stores
fence_full             store-to-load order, the only one that costs on x86 (about 20 cycles)
=====================  =======================================================================

Arrays are one-dimensional and contiguous, of 8-byte items; indices should be unsigned (`U8`
constants or `np.uint64` values): a signed index costs a wrap-around test at each access.
"""

from typing import Any

import numba.core.cgutils
from llvmlite import ir
from numba import types

from aegis.host.jit import intrinsic

__all__ = [
    "accepts",
    "fence_acquire",
    "fence_full",
    "fence_release",
    "load_acquire",
    "load_relaxed",
    "pause",
    "store_relaxed",
    "store_release",
    "word_pointer",
]

WORD_BYTES = 8
# Numba's code generation helpers carry no types.
_cgutils: Any = numba.core.cgutils


def word_pointer(context: Any, builder: Any, array_type: Any, array_value: Any, index: Any) -> Any:
    """Address of `array[index]`, computed without wrap-around or bounds."""
    array = context.make_array(array_type)(context, builder, array_value)
    word = ir.IntType(64)
    if index.type.width < word.width:
        index = builder.zext(index, word)
    base = builder.bitcast(array.data, word.as_pointer())
    return builder.gep(base, [index], inbounds=True)


def accepts(array: Any, index: Any) -> bool:
    """Whether the types are those of a word of an array, as `word_pointer` needs them."""
    return (
        isinstance(array, types.Array)
        and array.ndim == 1
        and array.layout == "C"
        and array.dtype in (types.int64, types.uint64)
        and isinstance(index, types.Integer)
    )


def _load(ordering: str) -> Any:
    def typed(typingctx: Any, array: Any, index: Any) -> Any:
        if not accepts(array, index):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = word_pointer(context, builder, array, *arguments[:2])
            return builder.load_atomic(pointer, ordering, WORD_BYTES)

        return array.dtype(array, index), codegen

    return typed


def _store(ordering: str) -> Any:
    def typed(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
        if not (accepts(array, index) and isinstance(value, types.Integer)):
            return None
        if not array.mutable:
            # A store to memory that was mapped read-only would be a SIGSEGV at run time.
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = word_pointer(context, builder, array, *arguments[:2])
            number = context.cast(builder, arguments[2], signature.args[2], array.dtype)
            builder.store_atomic(number, pointer, ordering, WORD_BYTES)
            return context.get_dummy_value()

        return types.void(array, index, value), codegen

    return typed


def _fence(ordering: str) -> Any:
    def typed(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.fence(ordering)
            return context.get_dummy_value()

        return types.void(), codegen

    return typed


load_acquire = intrinsic(_load("acquire"))
load_relaxed = intrinsic(_load("monotonic"))
store_release = intrinsic(_store("release"))
store_relaxed = intrinsic(_store("monotonic"))
fence_acquire = intrinsic(_fence("acquire"))
fence_release = intrinsic(_fence("release"))
fence_full = intrinsic(_fence("seq_cst"))


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the core that this is a spin loop (x86 PAUSE; nothing elsewhere)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "x86_64" in context.codegen().magic_tuple()[0]:
            function_type = ir.FunctionType(ir.VoidType(), [])
            hint = _cgutils.get_or_insert_function(
                builder.module, function_type, "llvm.x86.sse2.pause"
            )
            builder.call(hint, [])
        return context.get_dummy_value()

    return types.void(), codegen
