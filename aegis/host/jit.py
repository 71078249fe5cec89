"""The one place where a function becomes machine code.

Every kernel of the appliance is declared with `kernel` (or `inline_kernel`), so that all of them
share the same options and stay typed for mypy: their parameters are `Any`, because Numba infers the
types anew for every call. Kernels never raise, cannot allocate and never run Python's signal
handlers: keep their loops bounded. What must make arrays (batch indicators, research) is an
`allocating_kernel` and stays off the hot path.
"""

from collections.abc import Callable
from typing import Any, TypeVar, overload

import numba
import numba.extending

from aegis.host import kernel_cache

__all__ = ["allocating_kernel", "checked_kernel", "inline_kernel", "intrinsic", "kernel"]

kernel_cache.register()

F = TypeVar("F", bound=Callable[..., Any])

# No fastmath: a NaN must stay a NaN, the risk gate depends on it. No bounds checks: indices are
# masked or bounded where they are made, and the tests run the same rules in plain Python.
_COMMON: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
# Without Numba's runtime a kernel cannot allocate (the compiler refuses it), and arrays carry no
# reference counts: with them, passing a ring to a function costs two atomic calls, *measured* 10 of
# 15 ns of a publish.
_OPTIONS: dict[str, Any] = {**_COMMON, "_nrt": False}


@overload
def kernel(function: F, /) -> F: ...
@overload
def kernel(signature: str | list[str] | None = None, /) -> Callable[[F], F]: ...
def kernel(argument: Any = None, /) -> Any:
    """Compile a function with Numba's nopython mode, cached on disk, releasing the GIL.

    Use bare (`@kernel`, compiled at the first call for each combination of types) or with an
    explicit signature (`@kernel("i8(u8[::1])")`, compiled or loaded when the module is imported).
    """
    if callable(argument):
        return numba.njit(**_OPTIONS)(argument)
    if argument is None:
        return numba.njit(**_OPTIONS)
    return numba.njit(argument, **_OPTIONS)


def allocating_kernel(function: F, /) -> F:
    """Like `kernel`, but may create arrays. For batch work only, never in a duty cycle."""
    compiled: F = numba.njit(**_COMMON)(function)
    return compiled


def checked_kernel(function: F, /) -> F:
    """Like `kernel`, but an index out of bounds raises IndexError instead of hitting other memory.

    For code that is not the house's own: strategies of the user's.
    """
    compiled: F = numba.njit(boundscheck=True, **_OPTIONS)(function)
    return compiled


def inline_kernel(function: F, /) -> F:
    """Like `kernel`, but its Numba IR is pasted into every caller."""
    compiled: F = numba.njit(inline="always", **_OPTIONS)(function)
    return compiled


def intrinsic(function: Callable[..., Any], /) -> Any:
    """Numba's `intrinsic`: the function emits LLVM instructions where a kernel calls it."""
    return numba.extending.intrinsic(function)
