"""The recording of BTCUSDT as the measures take it: tops and prints of its 345 seconds."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from aegis.venue.stats.book import Tops
from aegis.venue.stats.takings import Takings, gather

TICK, STEP = 0.1, 0.001


class _Event(msgspec.Struct):
    e: str = ""
    T: int = 0
    b: object = None
    B: str = ""
    a: object = None
    A: str = ""
    p: str = ""
    q: str = ""
    m: bool = False
    X: str = ""


class _Message(msgspec.Struct):
    data: _Event | None = None


class Recorded(NamedTuple):
    tops: Tops
    takings: Takings
    seconds: float


def read(folder: Path) -> Recorded:
    """Read it; times of the exchange, in ms."""
    decoder = msgspec.json.Decoder(_Message)
    tops: list[tuple[int, ...]] = []
    prints: list[tuple[int, ...]] = []
    with gzip.open(folder / "usdm" / "btcusdt_20240808.gz") as lines:
        for line in lines:
            event = decoder.decode(line.partition(b" ")[2]).data
            if event is None:
                continue
            if event.e == "bookTicker":
                texts = (event.b, event.B, event.a, event.A)
                scales = (TICK, STEP, TICK, STEP)
                row = (round(float(str(t)) / s) for t, s in zip(texts, scales, strict=True))
                tops.append((event.T, *row))
            elif event.e == "trade" and event.X == "MARKET" and tops:
                price, lots = round(float(event.p) / TICK), round(float(event.q) / STEP)
                prints.append((event.T, price, lots, -1 if event.m else 1))
    columns = np.array(tops, np.int64).T
    return Recorded(
        Tops(*columns),
        gather(*np.array(prints, np.int64).T),
        float(columns[0][-1] - columns[0][0]) / 1e3,
    )
