"""The contracts that the embedded exchange knows without being told: listings as of 2026.

``models`` lays the file's ``[venue.symbols]`` over them. The first are written down; those behind
them are made up, each from its place in the list alone, so that a larger universe begins with the
smaller one. Filters follow the habits of the real listing: ticks of a tenth to ten bps, steps by
price, 5 USDT at least. A row says what ``[venue.symbols.X]`` may say and passes its checks; nothing
here reads a file or a clock.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Row = Mapping[str, float | int]

DEFAULT_UNIVERSE: Final = 20
MAX_UNIVERSE: Final = 500

_KEYS: Final = (
    "price", "tick", "step", "max_qty", "market_max_qty", "min_notional", "min_price", "max_price",
    "price_precision", "quantity_precision", "activity", "volatility",
)  # fmt: skip
# Activity and volatility are multiples of BTCUSDT's. pricePrecision is not the tick: BTCUSDT says 2
# and ticks in 0.10.
_LISTED: Final[Mapping[str, tuple[float | int, ...]]] = {
    "BTCUSDT": (60_000.0, 0.1, 0.001, 1_000.0, 120.0, 50.0, 556.8, 4_529_764.0, 2, 3, 1.0, 1.0),
    "ETHUSDT": (2_600.0, 0.01, 0.001, 10_000.0, 2_000.0, 20.0, 39.86, 306_177.0, 2, 3, 0.8, 1.4),
    "SOLUSDT": (110.0, 0.01, 0.01, 1e6, 6_000.0, 5.0, 0.42, 6_857.0, 4, 2, 0.35, 1.7),
    "XRPUSDT": (1.8, 0.0001, 0.1, 1e7, 2e6, 5.0, 0.0143, 100_000.0, 4, 1, 0.22, 1.7),
    "BNBUSDT": (610.0, 0.01, 0.01, 10_000.0, 2_000.0, 5.0, 6.6, 100_000.0, 3, 2, 0.12, 1.1),
    "DOGEUSDT": (0.12, 1e-5, 1.0, 5e7, 3e7, 5.0, 0.00244, 30.0, 6, 0, 0.2, 2.0),
    "ADAUSDT": (0.42, 1e-4, 1.0, 1e7, 1e7, 5.0, 0.0174, 20_000.0, 5, 0, 0.08, 1.9),
    "1000PEPEUSDT": (0.0046, 1e-7, 1.0, 1e9, 1e7, 5.0, 1e-7, 200.0, 7, 0, 0.11, 2.8),
    "SUIUSDT": (1.15, 1e-4, 0.1, 1e7, 1e6, 5.0, 1e-4, 2_000.0, 6, 1, 0.1, 2.3),
    "LINKUSDT": (11.2, 0.001, 0.01, 100_000.0, 100_000.0, 5.0, 0.464, 100_000.0, 3, 2, 0.07, 1.9),
    "HYPEUSDT": (31.0, 0.001, 0.01, 30_000.0, 3_000.0, 5.0, 0.001, 20_000.0, 5, 2, 0.09, 2.4),
    "AVAXUSDT": (13.5, 0.001, 1.0, 1e6, 100_000.0, 5.0, 0.35, 2_403.0, 4, 0, 0.05, 2.0),
    "LTCUSDT": (74.0, 0.01, 0.001, 10_000.0, 10_000.0, 5.0, 3.61, 100_000.0, 2, 3, 0.05, 1.6),
    "1000SHIBUSDT": (0.0076, 1e-6, 1.0, 5e7, 1e7, 5.0, 0.000157, 2_000.0, 6, 0, 0.04, 2.0),
    "BCHUSDT": (430.0, 0.01, 0.001, 10_000.0, 850.0, 5.0, 13.93, 100_000.0, 2, 3, 0.04, 1.6),
    "TRXUSDT": (0.28, 1e-5, 1.0, 2e7, 5e6, 5.0, 0.00132, 20_000.0, 5, 0, 0.03, 0.9),
    "DOTUSDT": (1.9, 0.001, 0.1, 1e6, 1e6, 5.0, 0.001, 2_398.0, 3, 1, 0.03, 2.0),
    "ENAUSDT": (0.19, 1e-4, 1.0, 1e7, 1e6, 5.0, 0.001, 200.0, 7, 0, 0.06, 2.9),
    "WIFUSDT": (0.34, 1e-4, 0.1, 1e7, 500_000.0, 5.0, 1e-4, 1_000.0, 7, 1, 0.04, 3.0),
    "1000BONKUSDT": (0.0098, 1e-6, 1.0, 1e8, 1e7, 5.0, 1e-6, 200.0, 7, 0, 0.04, 2.8),
}  # fmt: skip

_HEADS: Final = (
    "AR", "BEL", "CO", "DRI", "EL", "FA", "GRO", "HA", "IN", "JU", "KA", "LU", "MO", "NE", "OR",
    "PO", "QUA", "RE", "SO", "TA", "UM", "VE", "WO", "XA", "YO", "ZE",
)  # fmt: skip
_TAILS: Final = (
    "BIT", "CA", "DEX", "FI", "GON", "HUB", "KIN", "LOR", "MIX", "NA", "PAD", "RUN", "SWAP", "TIC",
    "TO", "UMA", "VIA", "WEN", "X", "ZOR",
)  # fmt: skip
# Coprime to the number of names, so that neighbours in the list are none in the alphabet and no
# name comes twice.
_STRIDE: Final = 237
assert math.gcd(_STRIDE, len(_HEADS) * len(_TAILS)) == 1, "the stride visits every name"
assert len(_HEADS) * len(_TAILS) >= MAX_UNIVERSE, "there are names enough"
# Prices of coins spread over orders of magnitude around a sixth of a dollar.
_MEDIAN_PRICE: Final = 0.16
_PRICE_SPREAD: Final = 2.2
_LOWEST_PRICE, _HIGHEST_PRICE = 2e-6, 4_000.0
_LARGEST_ORDERS: Final = (2e5, 5e5, 1e6, 2e6, 5e6)  # in quote units
_EXTRA_DECIMALS: Final = (0, 0, 1, 2, 2, 2, 3)
_DECIMALS: Final = 7  # no listing has more, but for one that breaks the exactness rule


def listed(universe: int) -> dict[str, Row]:
    """The first `universe` contracts, by falling activity of the written-down and made-up ones."""
    assert 1 <= universe <= MAX_UNIVERSE, f"a universe of {universe} contracts"
    names = list(_all_rows())[:universe]
    return {name: _all_rows()[name] for name in names}


def known(symbol: str) -> Row | None:
    """The row of a contract of the catalogue, listed by default or not; None of any other."""
    return _all_rows().get(symbol)


@lru_cache(maxsize=1)
def _all_rows() -> Mapping[str, Row]:
    rows: dict[str, Row] = {}
    for name, values in _LISTED.items():
        row = dict(zip(_KEYS, values, strict=True))
        rows[name] = MappingProxyType({**row, "min_qty": row["step"]})
    for place in range(len(rows), MAX_UNIVERSE):
        name, made = _make(place)
        rows[name] = made
    assert len(rows) == MAX_UNIVERSE, "every contract has a name of its own"
    return MappingProxyType(rows)


def _make(place: int) -> tuple[str, Row]:
    """The contract at a place of the list, drawn from a generator of its own."""
    draw = random.Random(f"contract {place}")
    price = _MEDIAN_PRICE * math.exp(_PRICE_SPREAD * draw.gauss(0.0, 1.0))
    price = min(max(price, _LOWEST_PRICE), _HIGHEST_PRICE)
    head, tail = divmod(place * _STRIDE % (len(_HEADS) * len(_TAILS)), len(_TAILS))
    base = _HEADS[head] + _TAILS[tail]
    if price < 1e-3:
        # Coins of tiny prices are listed by the thousand.
        base, price = f"1000{base}", price * 1_000
    # A tick of 1 to 10 bps of the price, or, more often than not, of a tenth of that.
    fine = draw.random() < 0.6
    tick_decimals = max(1, min(_DECIMALS, 3 - math.floor(math.log10(price)) + fine))
    step_decimals = _step_decimals(price, draw)
    price_precision = min(_DECIMALS, tick_decimals + draw.choice(_EXTRA_DECIMALS))
    tick = 10.0**-tick_decimals
    band = 0.05 if draw.random() < 0.87 else 0.15
    largest = _round_down(draw.choice(_LARGEST_ORDERS) / price)
    step = 10.0**-step_decimals
    return f"{base}USDT", MappingProxyType(
        {
            "price": _significant(price, tick_decimals),
            "tick": _exact(tick, tick_decimals),
            "step": _exact(step, step_decimals),
            "min_qty": _exact(step, step_decimals),
            "max_qty": largest,
            "market_max_qty": _round_down(largest * draw.choice((0.1, 0.1, 0.1, 0.5, 1.0))),
            "min_notional": 5.0,
            "min_price": _exact(tick, tick_decimals),
            "max_price": 200.0 if price < 20 else 100_000.0,
            "price_precision": price_precision,
            "quantity_precision": step_decimals,
            "multiplier_up": 1.0 + band,
            "multiplier_down": 1.0 - band,
            "activity": round(1.6 * place**-1.2 * math.exp(0.4 * draw.gauss(0.0, 1.0)), 5),
            "volatility": round(2.2 * math.exp(0.3 * draw.gauss(0.0, 1.0)), 2),
        }
    )


def _step_decimals(price: float, draw: random.Random) -> int:
    """How fine quantities are: nearly always whole coins below a dollar, 0.001 above hundreds."""
    if price >= 200:
        return 3
    if price >= 20:
        return draw.choice((1, 2, 2))
    if price >= 1:
        return draw.choice((0, 1, 1))
    return 0


def _round_down(value: float) -> float:
    """The largest 1, 2, 3 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(max(step for step in (1, 2, 3, 5) if step * power <= value * (1 + 1e-9)) * power)


def _significant(value: float, decimals: int) -> float:
    """A price on its tick."""
    return float(f"{value:.{decimals}f}")


def _exact(value: float, decimals: int) -> float:
    """A power of ten as its shortest text says it."""
    return float(f"{value:.{decimals}f}")
