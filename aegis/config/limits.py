"""``[instances.X.limits]``: the table of the risk gate's limits, and which way each is looser."""

from typing import Final

from pydantic import Field

from aegis.config.table import Table

__all__ = ["LIMITS_FROM_BELOW", "LimitsConfig"]


class LimitsConfig(Table):
    """``[instances.X.limits]``: what the risk gate enforces; what is not set here has no default.

    Quantities in base units, notional, loss and equity in quote units, collars and deviations in
    bps. The windows and shares at the end only shape the limits above them, and have defaults. The
    position counts open orders; the margin buffer is the share of the equity that stays free, with
    `margin_rate` the initial margin that the account's leverage asks for (0.05: 20 times).
    """

    max_order_qty: float = Field(gt=0.0, le=1e9, examples=[0.01])
    max_order_notional: float = Field(gt=0.0, le=1e8, examples=[2_000.0])
    max_position_qty: float = Field(gt=0.0, le=1e9, examples=[0.05])
    max_gross_notional: float = Field(gt=0.0, le=1e10, examples=[10_000.0])
    max_leverage: float = Field(gt=0.0, le=125.0, examples=[2.0])
    min_margin_buffer: float = Field(gt=0.0, lt=1.0, examples=[0.5])
    min_equity: float = Field(gt=0.0, le=1e9, examples=[1_000.0])
    max_daily_loss: float = Field(gt=0.0, le=1e9, examples=[200.0])
    max_drawdown: float = Field(gt=0.0, le=1e9, examples=[300.0])
    price_collar_bps: float = Field(gt=0.0, le=2_000.0, examples=[50.0])
    price_collar_window_bps: float = Field(gt=0.0, le=10_000.0, examples=[200.0])
    max_mark_deviation_bps: float = Field(gt=0.0, le=2_000.0, examples=[50.0])
    max_open_orders: int = Field(gt=0, le=10_000, examples=[10])
    max_orders_per_s: float = Field(gt=0.0, le=10_000.0, examples=[20.0])
    max_cancels_per_s: float = Field(gt=0.0, le=10_000.0, examples=[40.0])
    max_same_side_fills: int = Field(gt=0, le=64, examples=[20])
    max_stale_ms: int = Field(gt=0, le=60_000, examples=[2_000])
    price_collar_window_s: float = Field(default=60.0, ge=0.001, le=86_400.0)
    same_side_fills_window_s: float = Field(default=60.0, ge=0.001, le=86_400.0)
    duplicate_window_ms: float = Field(default=50.0, gt=0.0, le=60_000.0)
    margin_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    pilot_hours: float = Field(default=0.0, ge=0.0, le=10_000.0)
    pilot_share: float = Field(default=1.0, gt=0.0, le=1.0)


# Of the limits those that are looser when they are smaller.
LIMITS_FROM_BELOW: Final = frozenset(
    {
        "min_margin_buffer",
        "min_equity",
        "price_collar_window_s",
        "same_side_fills_window_s",
        "duplicate_window_ms",
        "margin_rate",
        "pilot_hours",
    }
)
