"""Quote both sides at a fixed distance from the mid, and lean against what is held.

A strategy of your own as a plain Python class. Name it in aegis.toml: strategy = "./FILE";
`aegis strategy check FILE` tries it out, `aegis strategy list` shows it.

Decide by nothing but the events: no clock, no file, no network, so that a recording gives the same
orders again. A method that raises, or does not come back within a second, ends the strategy's part:
its orders are withdrawn and `aegis status` says why.
"""

from collections.abc import Sequence

from pydantic import Field

from aegis.strategies.contract import StrategyParameters
from aegis.strategies.plain import Fill, PlainStrategy, Quote, Wish


class QuotingParameters(StrategyParameters):
    """`[instances.X.parameters]`; a reload takes them over while it trades."""

    order_qty: float = Field(gt=0.0, le=1e9, description="size of each order, base units")
    max_inventory_qty: float = Field(gt=0.0, le=1e9, description="never hold more than this")
    half_spread_ticks: float = Field(default=20.0, ge=0.5, le=1e6)
    skew_ticks: float = Field(default=5.0, ge=0.0, le=1e6, description="for each order held")


class Plain(PlainStrategy):
    """One object for all symbols; `self.markets[symbol]` is what is known of each."""

    Parameters = QuotingParameters
    timer_ms = 0  # 1000: on_timer once a second, for each symbol

    def __init__(self, parameters: QuotingParameters) -> None:
        super().__init__(parameters)
        self.fills = 0

    def on_quote(self, quote: Quote) -> Sequence[Wish] | None:
        """Orders that should rest now: they replace all earlier ones of this symbol."""
        market, chosen = self.markets[quote.symbol], self.parameters
        if not market.valid:
            return []
        tick, held = market.tick_size, market.position
        fair = quote.mid - chosen.skew_ticks * tick * (held / chosen.order_qty)
        half = chosen.half_spread_ticks * tick
        wishes = []
        if held + chosen.order_qty <= chosen.max_inventory_qty:
            wishes.append(Wish("buy", min(fair - half, quote.ask - tick), chosen.order_qty))
        if held - chosen.order_qty >= -chosen.max_inventory_qty:
            wishes.append(Wish("sell", max(fair + half, quote.bid + tick), chosen.order_qty))
        return wishes

    def on_fill(self, fill: Fill) -> Sequence[Wish] | None:
        """A fill of ours; the next quote sees the new position."""
        self.fills += 1
        return None
