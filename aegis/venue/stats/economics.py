"""What trading here costs: a naive quoter loses to those who know, a random taker pays its costs.

Two clients, each alone with the agents on a `floor.Floor`, once a second of event time:

*The quoter* cancels and quotes again on both sides, at the touch or a fixed number of ticks from
the middle, whatever happens. What it loses before fees is what informed flow takes from it.

*The taker* buys or sells at market by the toss of a coin. Its result is three things to the unit:
fees, the distance of its fills from the middle of the book (half the spread, and what it walked
up), and what the price did with what it held. The last is a sum of a position times a price change,
and has no drift if the market has none: its standard error comes from the same sum of squares.

Money is in 1e-8 of the quote asset; a middle is in half ticks, so that all of it stays integers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from aegis.config.models import VenueConfig
from aegis.venue.events import OrderEvent
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.stats.floor import Floor

E8: Final = 10**8
# A plain quoter minds its inventory in the plainest way: so many orders, and no more on that side.
MOST_ORDERS_HELD: Final = 3
MARKOUT_S: Final = 5
NOTIONALS: Final = 2  # of the smallest order that the exchange accepts


class _Book:
    """A client's own books: cash and position from its fills alone, and its fees."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.opening_e8 = floor.cash_e8()
        self.fills = 0
        self.lots_traded = 0
        self.held_lots = 0
        self.paid_e8 = 0  # notional bought less notional sold
        self.fees_e8 = 0

    def add(self, fills: list[OrderEvent]) -> None:
        for fill in fills:
            signed = fill.order.side * fill.last_lots
            self.fills += 1
            self.lots_traded += fill.last_lots
            self.held_lots += signed
            self.paid_e8 += self.floor.spec.notional_e8(fill.last_ticks, signed)
            self.fees_e8 += fill.fee_e8

    def mid_half_ticks(self) -> int:
        """Twice the middle of the book in ticks; twice the last price if a side is empty."""
        top = self.floor.top()
        if top.bid_ticks == 0 or top.ask_ticks == 0:
            return 2 * self.floor.market.last_ticks
        return top.bid_ticks + top.ask_ticks

    def worth_e8(self) -> int:
        """What the position is worth at the middle, doubled, so that half ticks stay whole."""
        return self.floor.spec.notional_e8(self.mid_half_ticks(), self.held_lots)

    def unexplained_e8(self) -> int:
        """What the exchange's ledger has that fills, fees and funding do not explain: 0."""
        moved = self.floor.cash_e8() - self.opening_e8
        return moved - (self.floor.funding_e8 - self.paid_e8 - self.fees_e8)


@dataclass(frozen=True, slots=True)
class Quoting:
    """How a plain symmetric quoter did. Ticks are per lot traded, before fees and funding."""

    seed: int
    offset_ticks: int  # from the middle; 0: at the touch
    seconds: int
    fills: int
    lots: int
    before_fees_e8: int
    fees_e8: int
    funding_e8: int
    markout_ticks: float  # MARKOUT_S after a fill: the middle less the price, on its side
    unexplained_e8: int

    @property
    def after_fees_e8(self) -> int:
        return self.before_fees_e8 - self.fees_e8


@dataclass(frozen=True, slots=True)
class Taking:
    """How a random taker did: `result = drift - costs - fees + funding`, to the unit."""

    seed: int
    seconds: int
    fills: int
    result_e8: int
    fees_e8: int
    expected_fees_e8: int  # the taker's rate on the notional of each fill
    costs_e8: int  # distance of the fills from the middle at their time
    half_spread_e8: int  # of these, what the spread alone would have cost
    drift_e8: int  # what the position gained from the middle's moves
    drift_error_e8: float
    funding_e8: int
    unexplained_e8: int

    @property
    def score(self) -> float:
        """The drift in standard errors."""
        return self.drift_e8 / self.drift_error_e8 if self.drift_error_e8 > 0.0 else 0.0


def order_lots(floor: Floor) -> int:
    """A small order: twice the smallest notional, and at least the smallest quantity."""
    spec = floor.spec
    one_e8 = spec.notional_e8(spec.start_price_ticks, 1)
    return max(spec.min_qty_lots, math.ceil(NOTIONALS * spec.min_notional_e8 / one_e8))


def quote(config: VenueConfig, symbol: str, seed: int, seconds: int, offset_ticks: int) -> Quoting:
    """Run the quoter. Raises OptionsError if the symbol is not listed."""
    floor = Floor(config, symbol, seed)
    book, lots = _Book(floor), order_lots(floor)
    open_marks: list[tuple[int, int, int, int]] = []  # due second, side, lots, twice the price
    markout = marked = 0
    for second in range(1, seconds + 1):
        fills = floor.run_until(float(second))
        book.add(fills)
        middle = book.mid_half_ticks()
        while open_marks and open_marks[0][0] <= second:
            _, side, filled, price = open_marks.pop(0)
            markout += side * filled * (middle - price)
            marked += filled
        open_marks += [
            (second + MARKOUT_S, fill.order.side, fill.last_lots, 2 * fill.last_ticks)
            for fill in fills
        ]
        floor.clear_quotes()
        _quote_both(floor, lots, offset_ticks)
    book.add(floor.take_fills())
    floor.clear_quotes()
    return Quoting(
        seed=seed,
        offset_ticks=offset_ticks,
        seconds=seconds,
        fills=book.fills,
        lots=book.lots_traded,
        before_fees_e8=book.worth_e8() // 2 - book.paid_e8,
        fees_e8=book.fees_e8,
        funding_e8=floor.funding_e8,
        markout_ticks=markout / (2 * marked) if marked else math.nan,
        unexplained_e8=book.unexplained_e8(),
    )


def _quote_both(floor: Floor, lots: int, offset_ticks: int) -> None:
    top = floor.top()
    if top.bid_ticks == 0 or top.ask_ticks == 0:
        return
    prices = {BUY: top.bid_ticks, SELL: top.ask_ticks}
    if offset_ticks:
        middle = top.bid_ticks + top.ask_ticks
        prices = {BUY: middle // 2 - offset_ticks, SELL: -(-middle // 2) + offset_ticks}
    for side, price in prices.items():
        if side * floor.lots < MOST_ORDERS_HELD * lots and price > 0:
            floor.quote(side, price, lots)


def take(config: VenueConfig, symbol: str, seed: int, seconds: int) -> Taking:
    """Run the taker. Raises OptionsError if the symbol is not listed."""
    floor = Floor(config, symbol, seed)
    book, lots = _Book(floor), order_lots(floor)
    coin = random.Random(seed)
    spec = floor.spec
    rate_e8 = floor.account.taker_rate_e8
    costs = spreads = drift = expected_fees = 0  # the first three doubled, for the half ticks
    squares = 0.0
    before = book.mid_half_ticks()
    for second in range(1, seconds + 1):
        floor.run_until(float(second))
        middle = book.mid_half_ticks()
        gained = spec.notional_e8(middle - before, book.held_lots)
        drift += gained
        squares += float(gained) ** 2
        top = floor.top()
        side = coin.choice((BUY, SELL))
        floor.take(side, lots)
        for fill in (fills := floor.take_fills()):
            signed = side * fill.last_lots
            costs += spec.notional_e8(2 * fill.last_ticks - middle, signed)
            spreads += spec.notional_e8(top.ask_ticks - top.bid_ticks, fill.last_lots)
            notional = spec.notional_e8(fill.last_ticks, fill.last_lots)
            expected_fees += (notional * rate_e8 + E8 // 2) // E8
        book.add(fills)
        before = middle
    drift += spec.notional_e8(book.mid_half_ticks() - before, book.held_lots)
    return Taking(
        seed=seed,
        seconds=seconds,
        fills=book.fills,
        result_e8=book.worth_e8() // 2 - book.paid_e8 - book.fees_e8 + floor.funding_e8,
        fees_e8=book.fees_e8,
        expected_fees_e8=expected_fees,
        costs_e8=costs // 2,
        half_spread_e8=spreads // 2,
        drift_e8=drift // 2,
        drift_error_e8=math.sqrt(squares) / 2.0,
        funding_e8=floor.funding_e8,
        unexplained_e8=book.unexplained_e8(),
    )
