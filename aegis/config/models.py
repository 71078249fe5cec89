"""The shape of ``aegis.toml``: one pydantic model per table, every value typed and bounded.

``load.py`` fills these models, every process reads them. A model checks what can be said about its
own table; what concerns several tables or this machine (cores, sharing, spinning) is in
``rules.py``. The models are strict and frozen: no string becomes a number, no unknown key passes,
no NaN or infinity gets in, since ``order > nan`` is never true and a NaN limit would never trip.
A limit must never have a default: what is not written down is not allowed.
"""

import ipaddress
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

INSTANCE_NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,23}$"
SYMBOL_PATTERN: Final = r"^[A-Z0-9]{2,24}(_[0-9]{6})?$"
STRATEGY_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"
DIRECTORY_PATTERN: Final = r"^/[^\x00-\x1f]{1,200}$"
PARAMETER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"

MAX_CORE: Final = 1023  # CPU_SETSIZE of glibc: sched_setaffinity's plain mask holds no more.
MAX_SYMBOLS: Final = 512
MAX_INT64: Final = 2**63 - 1

Wait = Literal["spin", "yield", "backoff", "park"]
Scheduler = Literal["other", "fifo", "rr"]
Scalar = float | int | bool | str
T = TypeVar("T", int, str)


def _finite_scalar(value: object) -> object:
    """Let a plain TOML scalar pass: a kernel's parameter record has no room for anything else."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if -MAX_INT64 - 1 <= value <= MAX_INT64:
            return value
        raise PydanticCustomError("integer_range", "must fit in 64 bits")
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise PydanticCustomError("finite_number", "must be a finite number")
    raise PydanticCustomError(
        "scalar", "must be a number, a string or true/false, not a table, list or date"
    )


Parameter = Annotated[Scalar, PlainValidator(_finite_scalar)]
ParameterName = Annotated[str, Field(pattern=PARAMETER_PATTERN)]
InstanceName = Annotated[str, Field(pattern=INSTANCE_NAME_PATTERN)]
Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN)]
Core = Annotated[int, Field(ge=0, le=MAX_CORE, examples=[0])]


class Table(BaseModel):
    """What all tables share: strict types, no unknown key, nothing infinite, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class CoresConfig(Table):
    """The core (its number in /sys/devices/system/cpu) that each process of an instance runs on."""

    feed: Core
    brain: Core
    execution: Core
    venue: Core

    def by_process(self) -> dict[str, int]:
        """Process name to core, in the fixed process order."""
        return {
            "feed": self.feed,
            "brain": self.brain,
            "execution": self.execution,
            "venue": self.venue,
        }


class HardwareConfig(Table):
    """``[hardware]``: what the box gives to every instance; ``hugepages`` counts pages of 2 MiB."""

    cores: CoresConfig = Field(examples=[{"feed": 0, "brain": 1, "execution": 0, "venue": 0}])
    share_cores: bool = True
    isolcpus: list[Core] = Field(default_factory=list, max_length=MAX_CORE + 1)
    hugepages: int = Field(default=0, ge=0, le=65_536)
    wait: Wait = "park"
    scheduler: Scheduler = "other"
    priority: int = Field(default=0, ge=0, le=99)
    mlock: bool = True
    gc_interval_ms: int = Field(default=1_000, ge=10, le=600_000)
    gc_force_ms: int = Field(default=60_000, ge=100, le=86_400_000)
    shm_dir: str = Field(default="/dev/shm", pattern=DIRECTORY_PATTERN)

    @field_validator("isolcpus")
    @classmethod
    def _each_core_once(cls, cores: list[int]) -> list[int]:
        return _unique(cores, "core")


class SupervisorConfig(Table):
    """``[supervisor]``: when a process counts as stalled, and how often it may be restarted."""

    restart_budget: int = Field(default=5, ge=0, le=1_000)
    restart_window_s: float = Field(default=60.0, ge=1.0, le=86_400.0)
    stall_timeout_ms: int = Field(default=3_000, ge=200, le=60_000)
    canary_timeout_ms: int = Field(default=3_000, ge=500, le=60_000)
    drain_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    heartbeat_timeout_ms: int = Field(default=2_000, ge=200, le=60_000)


class FlowConfig(Table):
    """``[venue.flow]``: the seeded order flow of the embedded exchange; notionals in USDT."""

    trades_per_s: float = Field(default=12.0, gt=0.0, le=10_000.0)
    book_updates_per_s: float = Field(default=20.0, gt=0.0, le=10_000.0)
    volatility_bps_per_sqrt_s: float = Field(default=0.5, ge=0.0, le=100.0)
    depth_levels: int = Field(default=50, ge=5, le=1_000)
    spread_ticks: int = Field(default=1, ge=1, le=10_000)
    mean_trade_notional: float = Field(default=3_000.0, gt=0.0, le=1e9)
    mean_level_notional: float = Field(default=60_000.0, gt=0.0, le=1e9)
    trade_depth_decay_per_tick: float = Field(default=0.025, gt=0.0, le=10.0)


class VenueSymbolConfig(Table):
    """``[venue.symbols.X]``: a contract of the embedded exchange, named as exchangeInfo does."""

    price: float = Field(gt=0.0, le=1e9, examples=[100.0])
    tick: float = Field(gt=0.0, le=1e6, examples=[0.01])
    step: float = Field(gt=0.0, le=1e6, examples=[0.001])
    min_qty: float = Field(default=0.001, gt=0.0, le=1e9)
    max_qty: float = Field(default=1_000.0, gt=0.0, le=1e12)
    min_notional: float = Field(default=5.0, ge=0.0, le=1e9)
    min_price: float = Field(default=0.01, gt=0.0, le=1e9)
    max_price: float = Field(default=10_000_000.0, gt=0.0, le=1e12)
    multiplier_up: float = Field(default=1.05, gt=1.0, le=10.0)
    multiplier_down: float = Field(default=0.95, gt=0.0, lt=1.0)
    price_precision: int = Field(default=2, ge=0, le=8)
    quantity_precision: int = Field(default=3, ge=0, le=8)

    @model_validator(mode="after")
    def _is_consistent(self) -> "VenueSymbolConfig":
        if not self.min_price <= self.price <= self.max_price:
            raise PydanticCustomError(
                "price_bounds", "price must lie between min_price and max_price"
            )
        if not self.step <= self.min_qty <= self.max_qty:
            raise PydanticCustomError("qty_bounds", "wanted: step <= min_qty <= max_qty")
        for name, size, precision in (
            ("tick", self.tick, self.price_precision),
            ("step", self.step, self.quantity_precision),
        ):
            scaled = size * 10**precision
            if abs(scaled - round(scaled)) > 1e-6 or round(scaled) < 1:
                raise PydanticCustomError(
                    "precision",
                    "{name} has more decimals than its precision of {precision} can write",
                    {"name": name, "precision": precision},
                )
        return self


# Production filters of 2026: pricePrecision is not the tick, BTCUSDT says 2 and ticks in 0.10.
DEFAULT_VENUE_SYMBOLS: Final[Mapping[str, Mapping[str, float | int]]] = {
    "BTCUSDT": {
        "price": 60_000.0, "tick": 0.1, "step": 0.001, "min_qty": 0.001, "max_qty": 1_000.0,
        "min_notional": 50.0, "min_price": 556.8, "max_price": 4_529_764.0,
        "price_precision": 2, "quantity_precision": 3,
    },
    "ETHUSDT": {
        "price": 2_600.0, "tick": 0.01, "step": 0.001, "min_qty": 0.001, "max_qty": 10_000.0,
        "min_notional": 20.0, "min_price": 39.86, "max_price": 306_177.0,
        "price_precision": 2, "quantity_precision": 3,
    },
}  # fmt: skip


def _with_known_symbols(given: object) -> object:
    """Lay the file's symbols over the built-in ones: a table may name only what it changes."""
    if not isinstance(given, dict):
        return given
    merged: dict[Any, Any] = {name: dict(row) for name, row in DEFAULT_VENUE_SYMBOLS.items()}
    for name, row in given.items():
        known = DEFAULT_VENUE_SYMBOLS.get(name) if isinstance(name, str) else None
        merged[name] = {**known, **row} if known is not None and isinstance(row, dict) else row
    return merged


class VenueConfig(Table):
    """``[venue]``: the exchange to trade on. So far the embedded one, on loopback, only."""

    mode: Literal["embedded"] = "embedded"
    dialect: Literal["2024", "2026"] = "2026"
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    seed: int = Field(default=42, ge=0, le=MAX_INT64)
    maker_fee_bps: float = Field(default=2.0, ge=-10.0, le=100.0)
    taker_fee_bps: float = Field(default=5.0, ge=0.0, le=100.0)
    balance_usdt: float = Field(default=10_000.0, gt=0.0, le=1e12)
    orders_per_10s: int = Field(default=300, ge=1, le=10_000_000)
    orders_per_minute: int = Field(default=1_200, ge=1, le=10_000_000)
    # A recording waits for the trader (the same intents every time) or runs by the clock alone.
    lockstep: bool = True
    flow: FlowConfig = Field(default_factory=FlowConfig)
    symbols: Annotated[dict[Symbol, VenueSymbolConfig], BeforeValidator(_with_known_symbols)] = (
        Field(default_factory=dict, validate_default=True, max_length=MAX_SYMBOLS)
    )

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise PydanticCustomError(
                "address", "must be an IP address, such as 127.0.0.1"
            ) from None
        if not address.is_loopback:
            raise PydanticCustomError(
                "loopback", "must be a loopback address: the venue serves this box"
            )
        return host


class LimitsConfig(Table):
    """``[instances.X.limits]``: what the risk gate enforces; all required, so unset means refused.

    Quantities in base units, notional (per order) and loss (per UTC day) in quote units, the collar
    in bps from the mid; the position counts open orders.
    """

    max_order_qty: float = Field(gt=0.0, le=1e9, examples=[0.01])
    max_order_notional: float = Field(gt=0.0, le=1e8, examples=[2_000.0])
    max_position_qty: float = Field(gt=0.0, le=1e9, examples=[0.05])
    price_collar_bps: float = Field(gt=0.0, le=2_000.0, examples=[50.0])
    max_open_orders: int = Field(gt=0, le=10_000, examples=[10])
    max_orders_per_s: float = Field(gt=0.0, le=10_000.0, examples=[20.0])
    max_stale_ms: int = Field(gt=0, le=60_000, examples=[2_000])
    max_daily_loss: float = Field(gt=0.0, le=1e9, examples=[200.0])


class InstanceConfig(Table):
    """``[instances.X]``: one set of processes: what it trades, how, and within which limits."""

    symbols: list[Symbol] = Field(min_length=1, max_length=MAX_SYMBOLS, examples=[["BTCUSDT"]])
    strategy: str = Field(pattern=STRATEGY_PATTERN, examples=["avellaneda_stoikov"])
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict, max_length=128)
    limits: LimitsConfig
    cores: CoresConfig | None = None

    @field_validator("symbols")
    @classmethod
    def _each_symbol_once(cls, symbols: list[str]) -> list[str]:
        return _unique(symbols, "symbol")


class AegisConfig(Table):
    """The whole file."""

    hardware: HardwareConfig
    supervisor: SupervisorConfig = Field(default_factory=SupervisorConfig)
    venue: VenueConfig = Field(default_factory=VenueConfig)
    instances: dict[InstanceName, InstanceConfig] = Field(min_length=1)

    def cores_of(self, instance: str) -> CoresConfig:
        """The cores of an instance: its own table, or ``[hardware] cores``. Raises KeyError."""
        return self.instances[instance].cores or self.hardware.cores


def _unique(items: list[T], what: str) -> list[T]:
    repeated = sorted({item for item in items if items.count(item) > 1})
    if repeated:
        raise PydanticCustomError(
            "repeated",
            "{what} {items} stands more than once",
            {"what": what, "items": ", ".join(map(str, repeated))},
        )
    return items
