"""What a listing says beside its filters: order protections, fees, the day it began, its kind.

``symbols`` looks a contract up here when it is made; the numbers a user may set stand in the
configuration (``aegis.config.catalogue``). Contracts that are not in the table get the terms that
most small listings of 2026 have. Nothing here depends on a price or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

# The exchange's first contracts went live on 2019-09-25; the small ones of the catalogue are
# spread over the years after 2021, two and a half days apart.
FIRST_ONBOARD_MS: Final = 1_569_398_400_000
SMALL_ONBOARD_MS: Final = 1_640_995_200_000
ONBOARD_STEP_MS: Final = 216_000_000


class Terms(NamedTuple):
    """A listing's terms: ratios in the unit of their names, the day it was listed in ms."""

    market_take_bound_e4: int
    trigger_protect_e4: int
    liquidation_fee_e6: int
    onboard_ms: int
    sub_types: tuple[str, ...] = ()


_KNOWN: Final[Mapping[str, Terms]] = {
    "BTCUSDT": Terms(500, 500, 12_500, FIRST_ONBOARD_MS, ("PoW",)),
    "ETHUSDT": Terms(500, 500, 12_500, 1_569_398_400_000, ("Layer-1",)),
    "SOLUSDT": Terms(500, 500, 15_000, 1_600_066_800_000, ("Layer-1",)),
    "XRPUSDT": Terms(500, 500, 15_000, 1_578_380_400_000, ("Payment",)),
    "BNBUSDT": Terms(500, 500, 12_500, 1_581_318_000_000, ("Layer-1",)),
    "DOGEUSDT": Terms(500, 500, 15_000, 1_594_364_400_000, ("Meme",)),
    "ADAUSDT": Terms(500, 500, 15_000, 1_580_454_000_000, ("Layer-1",)),
    "1000PEPEUSDT": Terms(1_000, 1_500, 15_000, 1_683_158_400_000, ("Meme",)),
    "SUIUSDT": Terms(1_000, 1_500, 15_000, 1_683_072_000_000, ("Layer-1",)),
    "LINKUSDT": Terms(500, 500, 15_000, 1_579_244_400_000, ("Infrastructure",)),
    "HYPEUSDT": Terms(1_000, 1_500, 20_000, 1_748_601_000_000, ("DEFI",)),
    "AVAXUSDT": Terms(500, 500, 15_000, 1_600_844_400_000, ("Layer-1",)),
    "LTCUSDT": Terms(500, 500, 15_000, 1_578_553_200_000, ("PoW",)),
    "1000SHIBUSDT": Terms(1_000, 500, 15_000, 1_620_630_000_000, ("Meme",)),
    "BCHUSDT": Terms(500, 500, 15_000, 1_576_652_400_000, ("PoW",)),
    "TRXUSDT": Terms(500, 500, 15_000, 1_579_071_600_000, ("Layer-1",)),
    "DOTUSDT": Terms(500, 500, 15_000, 1_598_079_600_000, ("Layer-1",)),
    "ENAUSDT": Terms(1_500, 1_500, 15_000, 1_712_061_000_000, ("DEFI",)),
    "WIFUSDT": Terms(1_500, 1_500, 15_000, 1_705_536_000_000, ("Meme",)),
    "1000BONKUSDT": Terms(1_500, 1_500, 15_000, 1_700_661_600_000, ("Meme",)),
}


def terms_of(symbol: str, number: int) -> Terms:
    """The terms of a contract; `number` (its place in the list) dates one that is not known."""
    known = _KNOWN.get(symbol)
    if known is not None:
        return known
    return Terms(1_500, 1_500, 20_000, SMALL_ONBOARD_MS + number * ONBOARD_STEP_MS)
