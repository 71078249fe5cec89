"""Copies and stores of raw bytes and words for the encoders' kernels.

Each is one or a few machine instructions, where a loop over NumPy items would be a loop. None looks
at an array's end: whoever calls keeps SLACK bytes of room behind everything that is written or
copied from.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from aegis.host.jit import inline_kernel, intrinsic

__all__ = [
    "SLACK",
    "copy_bytes",
    "copy_text",
    "load_word",
    "move_words",
    "store_word",
    "trailing_zeros",
]

# `copy_text` and `store_word` write whole machine words: so many bytes too many at the most.
SLACK = 16

# Numba publishes no types for these.
_memcpy: Any = cgutils.raw_memcpy
_memmove: Any = cgutils.raw_memmove

assert sys.byteorder == "little", "digits are stored as little-endian words"


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """The address of an item of a contiguous one-dimensional array."""
    base = context.make_array(kind)(context, builder, array).data
    return builder.gep(base, [index])


@intrinsic
def copy_bytes(typingctx: Any, target: Any, at: Any, source: Any, begin: Any, count: Any) -> Any:
    """Copy `count` bytes of one u8 array to another: libc's memcpy, no overlap allowed."""
    if target.dtype != types.uint8 or source.dtype != types.uint8:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        goal = _place(context, builder, kinds[0], arguments[0], arguments[1])
        origin = _place(context, builder, kinds[2], arguments[2], arguments[3])
        _memcpy(builder, goal, origin, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.int64), codegen


@intrinsic
def _copy_block(typingctx: Any, target: Any, at: Any, source: Any, begin: Any) -> Any:
    """Copy 16 bytes, wherever they lie: one load and one store."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        block = ir.VectorType(ir.IntType(8), 16).as_pointer()
        goal = _place(context, builder, kinds[0], arguments[0], arguments[1])
        origin = _place(context, builder, kinds[2], arguments[2], arguments[3])
        value = builder.load(builder.bitcast(origin, block), align=1)
        builder.store(value, builder.bitcast(goal, block), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


@inline_kernel
def copy_text(target: Any, at: Any, source: Any, begin: Any, count: Any) -> Any:
    """Copy a short text, up to SLACK bytes too many; returns the place after it."""
    done = 0
    while done < count:
        _copy_block(target, at + done, source, begin + done)
        done += 16
    return at + count


@intrinsic
def store_word(typingctx: Any, target: Any, at: Any, word: Any) -> Any:
    """Store eight bytes anywhere in a u8 array, the lowest byte of `word` first."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        goal = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        pointer = builder.bitcast(goal, ir.IntType(64).as_pointer())
        builder.store(arguments[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, types.uint64), codegen


@intrinsic
def load_word(typingctx: Any, source: Any, at: Any) -> Any:
    """The eight bytes at a place of a u8 array, the first one lowest."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        origin = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load(builder.bitcast(origin, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(source, types.int64), codegen


@intrinsic
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """How many of the lowest bits are 0; 64 for 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


@intrinsic
def move_words(typingctx: Any, array: Any, target: Any, source: Any, count: Any) -> Any:
    """Move `count` items inside one array of words, overlap allowed: libc's memmove."""
    if array.dtype.bitwidth != 64:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        goal = _place(context, builder, kind, arguments[0], arguments[1])
        origin = _place(context, builder, kind, arguments[0], arguments[2])
        _memmove(builder, goal, origin, arguments[3], 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, types.int64), codegen
