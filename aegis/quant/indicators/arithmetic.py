"""One operation that Python has no word for: a multiplication and an addition, rounded once.

Smoothing is a chain in which each value waits for the one before it. Fused, a link takes one
operation instead of two. The result does not depend on the machine: where a processor cannot fuse,
the C library's `fma` gives the same number.
"""

from __future__ import annotations

from typing import Any

from numba import types

from aegis.host.jit import intrinsic

__all__ = ["fused"]


@intrinsic
def fused(typing_context: Any, factor: Any, other: Any, added: Any) -> Any:
    """factor * other + added, of three float64, rounded once."""
    if not all(one == types.float64 for one in (factor, other, added)):
        return None

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), emit
