"""What the user sets: `[instances.X.parameters]` with strategy = "avellaneda_stoikov".

Checked when the configuration is read, packed into a record when the brain starts and at each
reload. Importing this must stay cheap: the configuration check does it.

Units: prices and distances in ticks, quantities in base units, times as their names say. One unit
of inventory is one order (`order_qty`), so `risk_aversion` is per tick and order: a larger order
with the same risk aversion is not skewed harder.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aegis.strategies.contract import MAX_LEVELS, StrategyParameters

__all__ = ["PARAMETERS", "AvellanedaStoikovParameters"]


class AvellanedaStoikovParameters(StrategyParameters):
    """Sizes have no default: how much money works must stand in the file."""

    one_symbol_reason: ClassVar[str] = (
        "order_qty and max_inventory_qty are amounts of one coin (0.002 of BTC is not 0.002 of "
        "DOGE), and risk_aversion, min_half_spread_ticks, intensity_a and intensity_k are in the "
        "ticks of one contract"
    )

    mode: Literal["glft", "session"] = Field(
        default="glft", description="steady state, or quotes towards the end of a session"
    )
    risk_aversion: float = Field(
        default=0.002, ge=0.0, le=10.0, description="wider quotes, faster return to flat"
    )
    order_qty: float = Field(gt=0.0, le=1e9, description="size of each order, base units")
    order_levels: int = Field(default=1, ge=1, le=MAX_LEVELS, description="orders on each side")
    level_spacing_ticks: int = Field(default=10, ge=1, le=1_000_000)
    min_half_spread_ticks: float = Field(default=1.0, ge=0.0, le=1e6)
    max_inventory_qty: float = Field(
        gt=0.0, le=1e9, description="beyond it only the reducing side is quoted"
    )
    skew_inventory: bool = Field(default=True, description="lean the quotes against the position")
    fair_price: Literal["mid", "weighted_mid", "micro_price", "vamp"] = Field(
        default="weighted_mid",
        description="what the quotes stand around; vamp is that of the best level, weighted_mid",
    )
    micro_price_halflife_s: float = Field(default=1_800.0, ge=1.0, le=86_400.0)
    micro_price_refresh_s: float = Field(default=5.0, ge=0.0, le=3_600.0)
    micro_price_min_moves: float = Field(
        default=200.0, ge=1.0, le=1e9, description="fewer moves of the mid seen: the weighted mid"
    )
    volatility_halflife_s: float = Field(default=30.0, gt=0.0, le=86_400.0)
    volatility_sample_ms: int = Field(default=100, ge=1, le=60_000)
    volatility_warmup_s: float = Field(
        default=2.0, ge=0.0, le=3_600.0, description="market time seen before the first quote"
    )
    intensity_a: float = Field(
        default=1.3, gt=0.0, le=1e6, description="orders a second that reach the fair price"
    )
    intensity_k: float = Field(
        default=0.025, gt=0.0, le=100.0, description="their decay per tick of distance"
    )
    intensity: Literal["fixed", "live"] = Field(
        default="fixed", description="live: A and k are fitted to the trades, and refreshed"
    )
    intensity_halflife_s: float = Field(default=300.0, ge=1.0, le=86_400.0)
    intensity_refresh_s: float = Field(default=5.0, ge=0.0, le=3_600.0)
    intensity_range_ticks: float = Field(
        default=70.0, gt=0.0, le=1e6, description="fitted up to this distance: where quotes stand"
    )
    intensity_min_orders: float = Field(
        default=30.0, ge=2.0, le=1e6, description="fewer market orders seen: the fixed A and k"
    )
    min_spread: float = Field(
        default=0.0, ge=0.0, le=100.0, description="least whole spread, percent of the fair price"
    )
    add_transaction_costs: bool = Field(
        default=False, description="each quote is further away by the maker's fee"
    )
    maker_fee_bps: float = Field(default=2.0, ge=-10.0, le=100.0)
    adverse_selection_s: float = Field(
        default=0.0,
        ge=0.0,
        le=3_600.0,
        description="with live intensity: quotes are further away by what the price does in this "
        "time after a market order and after a fill of our own; 0: not learned",
    )
    inventory_target_base_pct: float = Field(
        default=50.0, ge=0.0, le=100.0, description="0 short, 50 flat, 100 long, at the limit"
    )
    order_amount_shape_factor: float = Field(
        default=0.0, ge=0.0, le=100.0, description="eta: smaller orders that add to the position"
    )
    order_flow_skew_ticks: float = Field(
        default=0.0, ge=-1e6, le=1e6, description="how far a one-sided order flow moves the quotes"
    )
    order_flow_halflife_s: float = Field(default=2.0, gt=0.0, le=3_600.0)
    order_refresh_time: float = Field(
        default=0.0, ge=0.0, le=3_600.0, description="seconds; 0: reconsidered at each new top"
    )
    filled_order_delay: float = Field(
        default=0.0, ge=0.0, le=3_600.0, description="seconds that a side pauses after a fill"
    )
    hanging_orders_enabled: bool = Field(
        default=False, description="after a fill the reducing order stays where it is"
    )
    hanging_orders_cancel_pct: float = Field(
        default=10.0, gt=0.0, le=100.0, description="further from the fair price: given up"
    )
    session_s: float = Field(
        default=60.0, ge=1.0, le=86_400.0, description="length of a session (mode session)"
    )

    @model_validator(mode="after")
    def _room_for_one_order(self) -> "AvellanedaStoikovParameters":
        if self.max_inventory_qty < self.order_qty:
            raise PydanticCustomError(
                "inventory", "max_inventory_qty must be at least order_qty, or nothing is quoted"
            )
        return self


PARAMETERS = AvellanedaStoikovParameters
