"""A contract of the venue: its integer scales, filters and texts.

Made once at start from ``[venue.symbols]``; read by every rule. All prices are ticks, all
quantities lots (steps); `unit_e8` (one tick times one lot, in 1e-8 quote) turns their product
into money.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from aegis.config.models import VenueSymbolConfig
from aegis.venue.catalogue import FIRST_ONBOARD_MS, terms_of
from aegis.venue.decimals import format_scaled, parse_scaled
from aegis.venue.errors import OptionsError

QUOTES: Final = ("USDT", "USDC")
# exchangeInfo of 2026 for BTCUSDT: the furthest a MARKET order may walk from the mark price.
MARKET_TAKE_BOUND_E4: Final = 500
MAX_OPEN_ORDERS: Final = 200


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One contract. `tick_points` is the tick in units of 10**-price_precision, likewise steps."""

    symbol: str
    base: str
    quote: str
    price_precision: int
    quantity_precision: int
    tick_points: int
    step_points: int
    unit_e8: int
    tick_e8: int
    start_price_ticks: int
    min_price_ticks: int
    max_price_ticks: int
    min_qty_lots: int
    max_qty_lots: int
    min_notional_e8: int
    multiplier_up_e4: int
    multiplier_down_e4: int
    market_take_bound_e4: int = MARKET_TAKE_BOUND_E4
    max_open_orders: int = MAX_OPEN_ORDERS
    number: int = 0  # its place in the venue's list: its row in all arrays
    market_max_lots: int = 0  # of a MARKET order; 0: as of any other
    trigger_protect_e4: int = 500
    liquidation_fee_e6: int = 12_500
    onboard_ms: int = FIRST_ONBOARD_MS
    sub_types: tuple[str, ...] = ()
    # What the order flow makes of it, as multiples of BTCUSDT's.
    activity: float = 1.0
    volatility: float = 1.0
    # What tickSize and stepSize ask of clients, in ticks and lots: more than 1 after a change.
    price_filter_ticks: int = 1
    lot_filter_lots: int = 1

    def price_text(self, ticks: int) -> str:
        """A price as the wire has it, padded to price_precision: "61800.20"."""
        return format_scaled(ticks * self.tick_points, self.price_precision)

    def qty_text(self, lots: int) -> str:
        """A quantity as the wire has it, padded to quantity_precision: "2.507"."""
        return format_scaled(lots * self.step_points, self.quantity_precision)

    def notional_e8(self, ticks: int, lots: int) -> int:
        """Price times quantity in 1e-8 quote units, exactly."""
        return ticks * lots * self.unit_e8

    def price_e8(self, notional_e8: int, lots: int) -> int:
        """The average price in 1e-8 of `notional_e8` traded over `lots`; 0 lots give 0."""
        if lots == 0:
            return 0
        scale: int = 10**self.quantity_precision
        return abs(notional_e8) * scale // (abs(lots) * self.step_points)

    def ticks_of(self, price_e8: int) -> int:
        """The nearest tick at or below a price given in 1e-8."""
        return price_e8 // self.tick_e8

    def read_price(self, text: str) -> int:
        """Ticks of a recorded price text. Raises BadDecimalError; a broken tick rounds down."""
        return _read_padded(text, self.price_precision) // self.tick_points

    def read_qty(self, text: str) -> int:
        """Lots of a recorded quantity text. Raises BadDecimalError; a broken step rounds down."""
        return _read_padded(text, self.quantity_precision) // self.step_points


def _read_padded(text: str, decimals: int) -> int:
    # The exchange pads to the precision, so nearly always the dot only has to be taken out.
    if decimals and text[-decimals - 1 : -decimals] == ".":
        digits = text[: -decimals - 1] + text[-decimals:]
        if digits.isdecimal():
            return int(digits)
    return parse_scaled(text, decimals)


def make_symbol(symbol: str, config: VenueSymbolConfig, number: int = 0) -> SymbolSpec:
    """Build the integer form of one ``[venue.symbols.X]``. Raises OptionsError if it has none."""
    price_scale = config.price_precision
    qty_scale = config.quantity_precision
    tick = _points(symbol, "tick", config.tick, price_scale)
    step = _points(symbol, "step", config.step, qty_scale)
    unit = Decimal(tick * step).scaleb(8 - price_scale - qty_scale)
    if unit != int(unit) or unit < 1:
        raise OptionsError(
            f"{symbol}: tick {config.tick} times step {config.step} is {unit}e-8 USDT; "
            "it must be a whole number of 1e-8 USDT, or no sum would be exact"
        )
    quote = next((name for name in QUOTES if symbol.endswith(name)), symbol[-4:])
    terms = terms_of(symbol, number)
    market_max_qty = config.max_qty if config.market_max_qty is None else config.market_max_qty
    return SymbolSpec(
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        price_precision=price_scale,
        quantity_precision=qty_scale,
        tick_points=tick,
        step_points=step,
        unit_e8=int(unit),
        tick_e8=tick * 10 ** (8 - price_scale),
        start_price_ticks=round(_exact(config.price).scaleb(price_scale) / tick),
        min_price_ticks=-int(-_exact(config.min_price).scaleb(price_scale) // tick),
        max_price_ticks=int(_exact(config.max_price).scaleb(price_scale) // tick),
        min_qty_lots=max(1, -int(-_exact(config.min_qty).scaleb(qty_scale) // step)),
        max_qty_lots=int(_exact(config.max_qty).scaleb(qty_scale) // step),
        min_notional_e8=int(_exact(config.min_notional).scaleb(8)),
        multiplier_up_e4=int(_exact(config.multiplier_up).scaleb(4)),
        multiplier_down_e4=int(_exact(config.multiplier_down).scaleb(4)),
        market_take_bound_e4=terms.market_take_bound_e4,
        number=number,
        market_max_lots=int(_exact(market_max_qty).scaleb(qty_scale) // step),
        trigger_protect_e4=terms.trigger_protect_e4,
        liquidation_fee_e6=terms.liquidation_fee_e6,
        onboard_ms=terms.onboard_ms,
        sub_types=terms.sub_types,
        activity=config.activity,
        volatility=config.volatility,
    )


def _exact(value: float) -> Decimal:
    # The shortest text of a float is what the file says: 0.1 is a tenth again, not its binary
    # neighbour.
    return Decimal(repr(value))


def _points(symbol: str, name: str, value: float, decimals: int) -> int:
    scaled = _exact(value).scaleb(decimals)
    if scaled != int(scaled) or scaled < 1:
        raise OptionsError(
            f"{symbol}: {name} {value} is no whole number of 1e-{decimals}; "
            f"raise its precision or the {name}"
        )
    return int(scaled)
