"""Clocks: CLOCK_MONOTONIC in nanoseconds, from Python and from inside a kernel.

Every `*_recv_ns`, deadline and latency in the appliance is on this clock. Exchange times are kept
apart (`ts_event_ns`) and never compared with it except through the tracked offset.
"""

import time
from typing import Any

import numba.core.cgutils
from llvmlite import ir
from numba import types

from aegis.host.jit import intrinsic, kernel

__all__ = ["kernel_monotonic_ns", "monotonic_ns"]

monotonic_ns = time.monotonic_ns

_CLOCK_MONOTONIC = 1
# Numba's code generation helpers carry no types.
_cgutils: Any = numba.core.cgutils


@intrinsic
def _clock_gettime_ns(typingctx: Any) -> Any:
    """Return CLOCK_MONOTONIC in nanoseconds: libc's clock_gettime, which the vDSO serves."""
    signature = types.int64()

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        timespec = ir.LiteralStructType([word, word])
        # alloca_once places it in the entry block: an alloca in a loop would eat the stack.
        place = _cgutils.alloca_once(builder, timespec)
        function_type = ir.FunctionType(ir.IntType(32), [ir.IntType(32), timespec.as_pointer()])
        function = _cgutils.get_or_insert_function(builder.module, function_type, "clock_gettime")
        builder.call(function, [ir.Constant(ir.IntType(32), _CLOCK_MONOTONIC), place])
        seconds = builder.load(_cgutils.gep_inbounds(builder, place, 0, 0))
        nanoseconds = builder.load(_cgutils.gep_inbounds(builder, place, 0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(word, 1_000_000_000)), nanoseconds)

    return signature, codegen


@kernel("i8()")
def kernel_monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds, callable from kernels (and, slowly, from Python)."""
    now: int = _clock_gettime_ns()
    return now
