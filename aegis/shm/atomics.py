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

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "fence_acquire",
    "fence_full",
    "fence_release",
    "load_acquire",
    "load_relaxed",
    "pause",
    "store_relaxed",
    "store_release",
]

WORD_BYTES = 8


def _word_pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Address of `array[index]`, computed without wrap-around or bounds."""
    array_type = signature.args[0]
    array = context.make_array(array_type)(context, builder, arguments[0])
    word = ir.IntType(64)
    index = arguments[1]
    if index.type.width < word.width:
        index = builder.zext(index, word)
    base = builder.bitcast(array.data, word.as_pointer())
    return builder.gep(base, [index], inbounds=True)


def _accepts(array: Any, index: Any) -> bool:
    return (
        isinstance(array, types.Array)
        and array.ndim == 1
        and array.layout == "C"
        and isinstance(array.dtype, types.Integer)
        and array.dtype.bitwidth == 64
        and isinstance(index, types.Integer)
    )


def _load(ordering: str) -> Any:
    def typed(typingctx: Any, array: Any, index: Any) -> Any:
        if not _accepts(array, index):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _word_pointer(context, builder, signature, arguments)
            return builder.load_atomic(pointer, ordering, WORD_BYTES)

        return array.dtype(array, index), codegen

    return typed


def _store(ordering: str) -> Any:
    def typed(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
        if not (_accepts(array, index) and isinstance(value, types.Integer)):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _word_pointer(context, builder, signature, arguments)
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


load_acquire: Any = intrinsic(_load("acquire"))
load_relaxed: Any = intrinsic(_load("monotonic"))
store_release: Any = intrinsic(_store("release"))
store_relaxed: Any = intrinsic(_store("monotonic"))
fence_acquire: Any = intrinsic(_fence("acquire"))
fence_release: Any = intrinsic(_fence("release"))
fence_full: Any = intrinsic(_fence("seq_cst"))


@intrinsic  # type: ignore[untyped-decorator]
def pause(typingctx: Any) -> Any:
    """Tell the core that this is a spin loop (x86 PAUSE; nothing elsewhere)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "x86_64" in context.codegen().magic_tuple()[0]:
            function_type = ir.FunctionType(ir.VoidType(), [])
            hint = cgutils.get_or_insert_function(
                builder.module, function_type, "llvm.x86.sse2.pause"
            )
            builder.call(hint, [])
        return context.get_dummy_value()

    return types.void(), codegen
