"""Runs what `aegis venue stats` was asked for and puts the answers together, without printing.

``cli.venue_stats`` calls `survey` and `trade`, shows progress, and prints. Every figure is measured
in the call; nothing is remembered between two of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from aegis.config.models import VenueConfig
from aegis.venue.stats.bands import BANDS, FACTS, Band, mean_of, measure
from aegis.venue.stats.curves import Curves, curves_of
from aegis.venue.stats.economics import Quoting, Taking, quote, take
from aegis.venue.stats.observe import DAY_S, Market

Say = Callable[[str], None]

# The naive quoter's places: the touch, and a few ticks from the middle.
OFFSETS_TICKS: Final = (0, 5)
# A drift of more standard errors than this is no chance.
LARGEST_SCORE: Final = 3.0
WARM_S: Final = 1.0


@dataclass(slots=True)
class Survey:
    """The statistics of one symbol, by seed in the order of `seeds`."""

    symbol: str
    days: float
    seeds: list[int] = field(default_factory=list)
    values: list[dict[str, float]] = field(default_factory=list)
    curves: list[Curves] = field(default_factory=list)
    records: int = 0
    steps: int = 0
    wall_s: float = 0.0

    @property
    def records_per_s(self) -> float:
        """Records that the kernels wrote to the tape in a second of the wall's time."""
        return self.records / self.wall_s if self.wall_s > 0.0 else math.nan

    def verdict(self, band: Band) -> bool | None:
        """Whether all seeds lie in a band; None if it could not be measured."""
        values = [row[band.key] for row in self.values]
        if any(math.isnan(value) for value in values):
            return None
        return all(band.holds(value) for value in values)

    @property
    def holds(self) -> bool:
        """Nothing that could be measured lies outside of its band."""
        return all(self.verdict(band) is not False for band in BANDS)

    def as_object(self) -> dict[str, Any]:
        """For `--json`; what could not be measured is null."""
        return {
            "symbol": self.symbol,
            "days": self.days,
            "seeds": self.seeds,
            "holds": self.holds,
            "bands": [
                {**self._row(band), "low": _finite(band.low), "high": _finite(band.high),
                 "holds": self.verdict(band)}
                for band in BANDS
            ],
            "facts": [self._row(fact) for fact in FACTS],
            "flow": {
                "steps": self.steps,
                "records": self.records,
                "wall_s": round(self.wall_s, 3),
                "records_per_s": _finite(self.records_per_s),
            },
        }  # fmt: skip

    def _row(self, band: Band) -> dict[str, Any]:
        values = [_finite(row[band.key]) for row in self.values]
        return {"key": band.key, "text": band.text, "values": values}


@dataclass(slots=True)
class Trading:
    """What the two clients of ``economics`` made of it, by seed."""

    symbol: str
    seconds: int
    quoters: list[Quoting] = field(default_factory=list)
    takers: list[Taking] = field(default_factory=list)

    @property
    def quoter_loses(self) -> bool:
        """Every quoter has lost money to the others, before any fee."""
        return all(one.before_fees_e8 < 0 for one in self.quoters)

    @property
    def taker_pays_costs(self) -> bool:
        """Every taker's result is its costs to the unit, and a drift that is chance."""
        return all(
            one.unexplained_e8 == 0
            and one.fees_e8 == one.expected_fees_e8
            and one.result_e8 == one.drift_e8 - one.costs_e8 - one.fees_e8 + one.funding_e8
            and abs(one.score) < LARGEST_SCORE
            for one in self.takers
        )

    def as_object(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol,
            "seconds": self.seconds,
            "quoter_loses": self.quoter_loses,
            "taker_pays_costs": self.taker_pays_costs,
            "quoters": [asdict(one) for one in self.quoters],
            "takers": [{**asdict(one), "score": one.score} for one in self.takers],
        }


def survey(
    config: VenueConfig, symbol: str, seeds: Sequence[int], days: float, say: Say, *, draws: bool
) -> Survey:
    """Measure a symbol with each seed for so many days. Raises OptionsError.

    Each whole day, and what is left of one, is measured by itself; the values are their means.
    `draws` keeps the curves of the first day for ``plots``.
    """
    found = Survey(symbol, days)
    Market(config, symbol, seeds[0]).watch(WARM_S)  # compiling is no part of the speed
    for seed in seeds:
        market = Market(config, symbol, seed)
        measured = []
        for span_s in _spans(days):
            seen = market.watch(span_s)
            measured.append(measure(seen))
            if draws and len(measured) == 1:
                found.curves.append(curves_of(seen, market.spec.tick_e8 / 1e8))
            found.records += seen.records
            found.steps += seen.steps
            found.wall_s += seen.wall_s
        found.seeds.append(seed)
        found.values.append(mean_of(measured))
        say(f"seed {seed}: {days:g} days, {found.records_per_s / 1e6:.1f} M records a second")
    return found


def trade(
    config: VenueConfig, symbol: str, seeds: Sequence[int], seconds: int, say: Say
) -> Trading:
    """Let the clients trade with each seed. Raises OptionsError."""
    found = Trading(symbol, seconds)
    for seed in seeds:
        for offset in OFFSETS_TICKS:
            found.quoters.append(quote(config, symbol, seed, seconds, offset))
        found.takers.append(take(config, symbol, seed, seconds))
        say(f"seed {seed}: the clients have traded for {seconds} s")
    return found


def _spans(days: float) -> list[float]:
    whole = int(days)
    rest = days - whole
    return [float(DAY_S)] * whole + ([rest * DAY_S] if rest > 1e-9 else [])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
