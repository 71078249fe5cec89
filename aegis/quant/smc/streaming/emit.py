"""Writing one event: the only way a finding leaves the engine."""

from typing import Any

from aegis.host.jit import kernel

__all__ = ["emit", "new_id"]


@kernel
def new_id(state: Any) -> Any:
    """The next number for a thing, from 1, counted for each state apart."""
    state.ids += 1
    return state.ids


@kernel
def emit(
    state: Any,
    out: Any,
    kind: Any,
    side: Any,
    thing: Any,
    level: Any,
    top: Any,
    bottom: Any,
    quantity: Any,
    origin: Any,
    at: Any,
) -> None:
    """Append an event that the current candle made known."""
    if state.emitted >= out.size:
        state.lost += 1
        return
    event = out[state.emitted]
    state.emitted += 1
    event.kind = kind
    event.side = side
    event.flags = 0
    event.id = thing
    event.level = level
    event.top = top
    event.bottom = bottom
    event.quantity = quantity
    event.origin = origin
    event.at = at
    event.known_at = state.candles
