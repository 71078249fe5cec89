"""Records, recordings and instances for the recorder's tests, from seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.recorder.converting import Output
from aegis.recorder.header import own_header
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import QUOTE, TICK, TRADE

Records = npt.NDArray[Any]


def random_bits(count: int, seed: int) -> Records:
    """Records of arbitrary bits: every NaN, infinity and extreme integer may be among them."""
    bits = np.random.default_rng(seed).integers(0, 256, count * TICK.itemsize, np.uint8)
    return bits.view(TICK)


def numbered(count: int, first: int = 0) -> Records:
    """Trades whose id is their number; what a reader got can be told from what it missed."""
    records = np.zeros(count, TICK)
    numbers = np.arange(first, first + count)
    records["kind"] = TRADE
    records["ts_event_ns"] = 1_700_000_000_000_000_000 + numbers
    records["ts_recv_ns"] = 1_000 + numbers
    records["a"], records["b"] = 60_000.0 + numbers % 100, 0.001
    records["c"], records["d"] = 1.0 - 2.0 * (numbers % 2), numbers
    return records


def quotes(prices: list[tuple[float, float]], event_ns: list[int], recv_ns: list[int]) -> Records:
    """Quotes of quantity 1 from (bid, ask) pairs."""
    records = np.zeros(len(prices), TICK)
    records["kind"] = QUOTE
    records["ts_event_ns"], records["ts_recv_ns"] = event_ns, recv_ns
    records["a"], records["c"] = np.array(prices).reshape(-1, 2).T
    records["b"] = records["d"] = 1.0
    return records


def rows(*symbols: str) -> npt.NDArray[Any]:
    """An instruments table."""
    table = np.zeros(len(symbols), INSTRUMENT)
    table["symbol"] = [symbol.encode() for symbol in symbols]
    table["tick_size"], table["step_size"], table["version"] = 0.1, 0.001, 7
    return table


def recording(path: Path, *parts: Records, symbols: tuple[str, ...] = ("BTCUSDT",)) -> Path:
    """A whole file of these records, each part in frames of its own, with a loss between parts."""
    with Output(path, own_header("test")) as output:
        output.table(rows(*symbols))
        for number, part in enumerate(parts):
            if number:
                output.loss(5 * number, number, 1)
            output.add(part)
    return path
