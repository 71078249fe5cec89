"""What the user sets: `[instances.X.parameters]` with strategy = "smc".

Checked when the configuration is read, packed into a record when the brain starts and at each
reload. Importing this must stay cheap: the configuration check does it.

Sizes are in the quote currency and distances in average true ranges (ATR) of the candles, so the
same parameters mean the same for every symbol and fit `symbols = "all"`.
"""

from typing import ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aegis.strategies.contract import StrategyParameters

__all__ = ["PARAMETERS", "SmcParameters"]


class SmcParameters(StrategyParameters):
    """How much may be lost has no default: it must stand in the file."""

    interval_parameter: ClassVar[str] = "interval_s"
    further_interval_parameters: ClassVar[tuple[str, ...]] = ("trend_interval_s",)

    risk_quote: float = Field(
        gt=0.0, le=1e9, description="lost when a stop is hit, without fees and slippage"
    )
    max_notional_quote: float = Field(
        gt=0.0, le=1e12, description="largest position of one symbol, in the quote currency"
    )
    interval_s: int = Field(
        default=60, ge=1, le=86_400, description="length of a candle, one of [feed] candles"
    )
    trend_interval_s: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="longer candles, also of [feed] candles, whose trend a setup must follow; "
        "0: only the trend of its own; after a reload nothing is traded until their trend is known",
    )
    swing_length: int = Field(
        default=5, ge=1, le=50, description="candles on each side of a swing; its delay"
    )
    min_confidence: float = Field(
        default=0.6, ge=0.0, le=1.0, description="only a setup scored above it is traded"
    )
    min_reward_risk: float = Field(
        default=1.5, ge=0.1, le=100.0, description="target distance over stop distance, at least"
    )
    stop_buffer_atr: float = Field(
        default=0.25, ge=0.0, le=100.0, description="how far beyond area and sweep the stop lies"
    )
    pool_reach_atr: float = Field(
        default=0.1, ge=0.0, le=100.0, description="equal highs or lows lie so close together"
    )
    sweep_valid_candles: int = Field(
        default=30, ge=1, le=100_000, description="a setup follows its sweep within so many"
    )
    entry_valid_candles: int = Field(
        default=15, ge=1, le=100_000, description="an entry that is not filled is given up then"
    )
    max_hold_candles: int = Field(
        default=240, ge=1, le=1_000_000, description="a position is closed then, whatever it is"
    )
    exit_slip_ticks: int = Field(
        default=20, ge=0, le=1_000_000, description="how far through the book a stop may take"
    )
    close_break: bool = Field(default=True, description="structure breaks by the close, not a wick")

    @model_validator(mode="after")
    def _trend_of_longer_candles(self) -> "SmcParameters":
        if self.trend_interval_s and self.trend_interval_s <= self.interval_s:
            raise PydanticCustomError(
                "intervals",
                "trend_interval_s must be longer than interval_s ({interval_s}), or 0",
                {"interval_s": self.interval_s},
            )
        return self


PARAMETERS = SmcParameters
