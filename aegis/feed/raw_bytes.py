"""Reads of raw bytes for kernels: one byte or one machine word at any offset of a byte array.

Called by the scanner, whose every step is such a read. A NumPy index would cost a wrap-around
test and a widening each time; these are one load. They do no bounds check whatever: the scanner
must only walk forward inside a buffer that ends in a zero byte (see scan.py).
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from aegis.host.jit import intrinsic

# Numba publishes no types for it.
_memmove: Any = cgutils.raw_memmove

__all__ = ["byte_at", "move_words", "word", "word_at"]

# The comparison constants below are made little-endian, as every supported processor is.
assert sys.byteorder == "little", "the scanner compares little-endian words"


def _load(width: int) -> Any:
    def typed(typingctx: Any, array: Any, index: Any) -> Any:
        if not (isinstance(array, types.Array) and array.dtype == types.uint8):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            place = builder.gep(base, [arguments[1]])
            narrow = ir.IntType(width)
            # Frames start anywhere, so a word may lie across an alignment boundary.
            number = builder.load(builder.bitcast(place, narrow.as_pointer()), align=1)
            return number if width == 64 else builder.zext(number, ir.IntType(64))

        return types.int64(array, types.int64), codegen

    return typed


byte_at = intrinsic(_load(8))
word_at = intrinsic(_load(64))


@intrinsic
def move_words(typingctx: Any, array: Any, target: Any, source: Any, count: Any) -> Any:
    """Move `count` 8-byte items inside one array, overlap allowed: libc's memmove.

    A Python loop over NumPy items is not recognised as a move by LLVM and is 20 times slower.
    """
    if not (isinstance(array, types.Array) and array.dtype.bitwidth == 64):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        places = [builder.gep(base, [index]) for index in arguments[1:3]]
        _memmove(builder, places[0], places[1], arguments[3], 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, types.int64), codegen


def word(text: bytes) -> int:
    """The eight bytes of `text` as the signed integer that `word_at` returns for them."""
    assert len(text) == 8, f"{text!r} has {len(text)} bytes, a machine word has 8"
    return int.from_bytes(text, "little", signed=True)
