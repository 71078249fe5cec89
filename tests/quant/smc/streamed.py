"""Running the engine over columns of candles, and folding its events into the library's columns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.quant.smc.streaming import layout
from aegis.quant.smc.streaming.engine import follow, make_settings, make_states

Columns = dict[str, npt.NDArray[np.float64]]
MINUTE_NS = 60_000_000_000


def times_of(candles: Columns, step_min: int = 15) -> npt.NDArray[np.int64]:
    return (np.arange(candles["close"].size, dtype=np.int64) + 1) * (step_min * MINUTE_NS)


def run(
    candles: Columns,
    ts_ns: npt.NDArray[np.int64] | None = None,
    room: int = 40,
    states: npt.NDArray[Any] | None = None,
    **options: Any,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """All events over the candles, and the state after them."""
    states = make_states() if states is None else states
    settings = np.zeros(1, layout.SETTINGS)
    settings[0] = make_settings(**options)
    out = np.zeros(layout.EVENTS_MAX, layout.EVENT)
    log = np.zeros(room * candles["close"].size + layout.EVENTS_MAX, layout.EVENT)
    count = follow(
        states[0],
        settings[0],
        times_of(candles) if ts_ns is None else ts_ns,
        *(candles[name] for name in ("open", "high", "low", "close", "volume")),
        out,
        log,
        0,
    )
    assert count <= log.size, "the log is too small for this test"
    assert states[0]["lost"] == 0
    return log[:count].copy(), states


class Folded(NamedTuple):
    """Columns as the batch functions give them."""

    side: npt.NDArray[np.int64]
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    third: npt.NDArray[np.float64]
    at: npt.NDArray[np.int64]


def fold(
    events: npt.NDArray[Any],
    size: int,
    born: int,
    changed: tuple[int, ...],
    ended: tuple[int, ...],
    gone: tuple[int, ...],
    fields: tuple[str, str, str],
    at_birth: bool = False,
) -> Folded:
    """The things of one kind that stand at the end, by their origin.

    `ended` events set `at`, `gone` events take the thing back.
    """
    standing: dict[int, Any] = {}
    ends: dict[int, int] = {}
    for event in events:
        kind, thing = event["kind"], int(event["id"])
        if kind == born or kind in changed:
            standing[thing] = event
            if at_birth:
                ends[thing] = int(event["at"])
        elif kind in ended:
            ends[thing] = int(event["at"])
        elif kind in gone:
            standing.pop(thing, None)
    columns = Folded(
        np.zeros(size, np.int64),
        *(np.full(size, math.nan) for _ in range(3)),
        np.full(size, -1, np.int64),
    )
    # Bullish first, as the library goes over them: a bearish thing at the same candle wins.
    for thing, event in sorted(standing.items(), key=lambda item: -item[1]["side"]):
        origin = event["origin"]
        columns.side[origin] = event["side"]
        for column, name in zip(
            (columns.first, columns.second, columns.third), fields, strict=True
        ):
            column[origin] = event[name]
        columns.at[origin] = ends.get(thing, -1)
    return columns


def swings(events: npt.NDArray[Any], size: int) -> Folded:
    return fold(
        events, size, layout.SWING, (), (), (layout.SWING_SUPERSEDED,), ("level", "top", "bottom")
    )


def gaps(events: npt.NDArray[Any], size: int) -> Folded:
    return fold(
        events,
        size,
        layout.GAP,
        (),
        (layout.GAP_MITIGATED,),
        (layout.GAP_REPLACED,),
        ("top", "bottom", "level"),
    )


def structure(events: npt.NDArray[Any], size: int, kind: int) -> Folded:
    return fold(
        events,
        size,
        kind,
        (),
        (),
        (layout.STRUCTURE_RETRACTED,),
        ("level", "top", "bottom"),
        at_birth=True,
    )


def blocks(events: npt.NDArray[Any], size: int) -> Folded:
    return fold(
        events,
        size,
        layout.ORDER_BLOCK,
        (),
        (layout.ORDER_BLOCK_MITIGATED,),
        (layout.ORDER_BLOCK_ERASED,),
        ("top", "bottom", "level"),
    )


def pools(events: npt.NDArray[Any], size: int) -> Folded:
    return fold(
        events,
        size,
        layout.POOL,
        (layout.POOL_CHANGED,),
        (layout.POOL_SWEPT,),
        (layout.POOL_RETRACTED,),
        ("level", "top", "at"),
    )
