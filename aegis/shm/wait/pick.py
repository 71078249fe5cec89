"""Choose a wait strategy by its number, inside a kernel. The profile's name gives the number."""

from typing import Any

from aegis.host.jit import kernel
from aegis.shm.wait import backoff, park, spin, yield_

__all__ = ["BACKOFF", "BY_NAME", "PARK", "SPIN", "YIELD", "wait_any"]

SPIN, YIELD, BACKOFF, PARK = 0, 1, 2, 3
BY_NAME = {"spin": SPIN, "yield": YIELD, "backoff": BACKOFF, "park": PARK}

_spin = spin.wait
_yield = yield_.wait
_backoff = backoff.wait
_park = park.wait


@kernel("i8(i8,u8[::1],u8,u8[::1],u8,i8,i8)")
def wait_any(
    strategy: Any,
    first: Any,
    first_seen: Any,
    second: Any,
    second_seen: Any,
    slot: Any,
    deadline_ns: Any,
) -> Any:
    """Wait by `strategy` until TAIL of either ring moved (1) or the deadline passed (0)."""
    if strategy == SPIN:
        return _spin(first, first_seen, second, second_seen, slot, deadline_ns)
    if strategy == YIELD:
        return _yield(first, first_seen, second, second_seen, slot, deadline_ns)
    if strategy == BACKOFF:
        return _backoff(first, first_seen, second, second_seen, slot, deadline_ns)
    return _park(first, first_seen, second, second_seen, slot, deadline_ns)
