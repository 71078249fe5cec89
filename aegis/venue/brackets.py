"""Leverage brackets: how much may be held at which leverage, and the margin that keeps it.

``margin`` and ``standing`` look maintenance margins up here, the gateway writes the schedules down.
The schedules are made from a few parameters per class of symbols, none is a copy of the exchange's:
a bracket's maintenance ratio is half of what its leverage asks as initial margin, its cap grows
from the smallest to the largest position that the class allows. Maintenance margin is notional *
ratio - cum, with `cum` such that it is continuous from bracket to bracket (section "Fees, margin,
funding"). Nothing here depends on an account or a price.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from aegis.venue.decimals import E8
from aegis.venue.symbols import SymbolSpec

E4: Final = 10_000
# Every schedule walks down this ladder from its own highest leverage.
LADDER: Final = (125, 100, 75, 50, 25, 20, 10, 5, 4, 3, 2, 1)
# Caps a trader would write: 1, 1.2, 1.5, 2 and so on, times a power of ten.
ROUND: Final = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
# Below 1 the caps rise steeply in the first brackets and flatten towards the last ones.
CURVE: Final = 0.6

MAJOR_BASES: Final = frozenset({"BTC", "ETH"})
LARGE_BASES: Final = frozenset(
    {"BNB", "SOL", "XRP", "DOGE", "ADA", "LTC", "BCH", "LINK", "AVAX", "DOT", "TRX", "SUI"}
)
# Others are classed by the largest order that their listing allows, in quote units.
MIDDLE_ORDER: Final = 5_000_000
SMALL_ORDER: Final = 500_000


class Bracket(NamedTuple):
    """One step: from above `floor_e8` up to `cap_e8` of notional, in 1e-8 quote."""

    number: int
    leverage: int
    floor_e8: int
    cap_e8: int
    ratio_e4: int
    cum_e8: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The brackets of a class of symbols, smallest notional first."""

    brackets: tuple[Bracket, ...]
    caps_e8: tuple[int, ...]

    @property
    def max_leverage(self) -> int:
        return self.brackets[0].leverage

    def bracket(self, notional_e8: int) -> Bracket:
        """The bracket that an absolute notional falls into; the last one above its cap."""
        at = bisect_left(self.caps_e8, notional_e8)
        return self.brackets[min(at, len(self.brackets) - 1)]

    def maintenance_e8(self, notional_e8: int) -> int:
        """The margin below which a position of that absolute notional is liquidated."""
        bracket = self.bracket(notional_e8)
        return notional_e8 * bracket.ratio_e4 // E4 - bracket.cum_e8

    def cap_e8(self, leverage: int) -> int:
        """The largest notional that may be held at a leverage."""
        return max(
            (bracket.cap_e8 for bracket in self.brackets if bracket.leverage >= leverage),
            default=0,
        )


def make_schedule(max_leverage: int, first_cap: int, last_cap: int) -> Schedule:
    """The schedule of a class: its highest leverage, smallest and largest caps in quote units."""
    leverages = [step for step in LADDER if step <= max_leverage]
    assert leverages[0] == max_leverage, f"no rung of the ladder is {max_leverage}"
    assert 0 < first_cap < last_cap, f"caps {first_cap} and {last_cap} leave no room"
    brackets: list[Bracket] = []
    floor_e8 = 0
    for number, (leverage, cap) in enumerate(
        zip(leverages, _caps(len(leverages), first_cap, last_cap), strict=True), start=1
    ):
        ratio = _maintenance_ratio_e4(leverage)
        before = brackets[-1] if brackets else None
        # Exact: floors are whole quote units, a multiple of the 1e-4 that the ratios come in.
        cum = before.cum_e8 + floor_e8 * (ratio - before.ratio_e4) // E4 if before else 0
        brackets.append(Bracket(number, leverage, floor_e8, cap * E8, ratio, cum))
        floor_e8 = cap * E8
    return Schedule(tuple(brackets), tuple(bracket.cap_e8 for bracket in brackets))


def _maintenance_ratio_e4(leverage: int) -> int:
    """Half the initial margin; high leverages in steps of 0.05 %, rounded down."""
    if leverage > 10:
        return E4 // (2 * leverage) // 5 * 5
    return round(E4 / (2 * leverage))


def _caps(count: int, first: int, last: int) -> Iterable[int]:
    """Rising round numbers from `first` to `last`."""
    before = 0
    for index in range(count):
        exact = first * (last / first) ** ((index / (count - 1)) ** CURVE)
        cap = last if index == count - 1 else _round(exact)
        # Where the parameters leave too little room, the schedule grows beyond `last`.
        before = max(cap, _next_round(before))
        yield before


def _round(value: float) -> int:
    """The nearest round number at or below."""
    power = 1
    while power * ROUND[-1] * 1.25 <= value:
        power *= 10
    # The largest rung that fits; the smallest one where none does.
    return max([step * power for step in ROUND if step * power <= value * (1 + 1e-9)], default=10)


def _next_round(value: int) -> int:
    """The first round number above `value`."""
    power = 1
    while ROUND[-1] * power <= value:
        power *= 10
    return next(step * power for step in ROUND if step * power > value)


MAJOR: Final = make_schedule(125, 300_000, 1_500_000_000)
LARGE: Final = make_schedule(100, 50_000, 200_000_000)
MIDDLE: Final = make_schedule(75, 10_000, 40_000_000)
SMALL: Final = make_schedule(50, 5_000, 10_000_000)
THIN: Final = make_schedule(25, 5_000, 2_000_000)
SCHEDULES: Final = (MAJOR, LARGE, MIDDLE, SMALL, THIN)


def schedule_of(spec: SymbolSpec) -> Schedule:
    """The schedule of a contract: by its base asset, else by the size of its largest order."""
    if spec.base in MAJOR_BASES:
        return MAJOR
    if spec.base in LARGE_BASES:
        return LARGE
    largest = spec.notional_e8(spec.start_price_ticks, spec.max_qty_lots) // E8
    if largest >= MIDDLE_ORDER:
        return MIDDLE
    return SMALL if largest >= SMALL_ORDER else THIN
