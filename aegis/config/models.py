"""The shape of ``aegis.toml``: one pydantic model per table, every value typed and bounded.

``load.py`` fills these models, every process reads them. A model checks what can be said about its
own table; what concerns several tables or this machine (cores, sharing, spinning) is in
``rules.py``. The models are strict and frozen: no string becomes a number, no unknown key passes,
no NaN or infinity gets in, since ``order > nan`` is never true and a NaN limit would never trip.
A limit must never have a default: what is not written down is not allowed. Only the windows and
shares that shape some limits have one.
"""

import ipaddress
import math
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aegis.config import catalogue
from aegis.config.doctor import DoctorConfig
from aegis.config.intervals import (
    MAX_INTERVALS,
    interval_name,
    interval_seconds,
    known_interval,
)
from aegis.config.limits import LimitsConfig
from aegis.config.table import Table, only_of, unique

INSTANCE_NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,23}$"
SYMBOL_PATTERN: Final = r"^[A-Z0-9]{2,24}(_[0-9]{6})?$"
ASSET_PATTERN: Final = r"^[A-Z0-9]{2,12}$"
# A name, or a path: with a slash in it or .py at its end.
STRATEGY_PATTERN: Final = (
    r"^([a-z][a-z0-9_]{0,47}|[^\x00-\x1f]{0,200}/[^\x00-\x1f]{1,200}|[^/\x00-\x1f]{1,200}\.py)$"
)
DIRECTORY_PATTERN: Final = r"^/[^\x00-\x1f]{1,200}$"
JOURNAL_DIR_PATTERN: Final = r"^(auto|/[^\x00-\x1f]{1,200})$"
# Encrypted, or to this box alone.
REST_URL_PATTERN: Final = (
    r"^(https://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?)$"
)
STREAM_URL_PATTERN: Final = (
    r"^(wss://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?|ws://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?)$"
)
PROXY_URL_PATTERN: Final = r"^http://[A-Za-z0-9.-]{1,200}:[0-9]{1,5}$"
# A name below $CREDENTIALS_DIRECTORY, or a full path.
CREDENTIALS_PATTERN: Final = r"^([a-z][a-z0-9._-]{0,47}|/[^\x00-\x1f]{1,200})$"
FINGERPRINT_PATTERN: Final = r"^[0-9a-f]{16}$"
PARAMETER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"

MAX_CORE: Final = 1023  # CPU_SETSIZE of glibc: sched_setaffinity's plain mask holds no more.
MAX_SYMBOLS: Final = 512
MAX_ROWS: Final = 1_024  # of an instance that takes the whole exchange
ALL_SYMBOLS: Final = "all"
MAX_INT64: Final = 2**63 - 1
MAX_LIMIT: Final = 10_000_000  # of a rate limit: more than any client can do

Wait = Literal["spin", "yield", "backoff", "park"]
Scheduler = Literal["other", "fifo", "rr"]
Scalar = float | int | bool | str


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
Leverage = Annotated[int, Field(ge=1, le=125)]
Core = Annotated[int, Field(ge=0, le=MAX_CORE, examples=[0])]
Interval = Annotated[str, AfterValidator(known_interval), Field(examples=["1m"])]
Asset = Annotated[str, Field(pattern=ASSET_PATTERN)]
Balance = Annotated[float, Field(ge=0.0, le=1e12, examples=[1_000.0])]


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
        return unique(cores, "core")


class SupervisorConfig(Table):
    """``[supervisor]``: when a process counts as stalled, how often it may be restarted, and what
    stands at the exchange for the time when nobody is left.

    The exchange cancels our orders `countdown_s` after the last refresh, which comes only while all
    is well (0: no countdown); `protective_stop_bps` from a position's entry rests a stop (0: none).
    """

    restart_budget: int = Field(default=5, ge=0, le=1_000)
    restart_window_s: float = Field(default=60.0, ge=1.0, le=86_400.0)
    stall_timeout_ms: int = Field(default=3_000, ge=200, le=60_000)
    canary_timeout_ms: int = Field(default=3_000, ge=500, le=60_000)
    drain_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    heartbeat_timeout_ms: int = Field(default=2_000, ge=200, le=60_000)
    countdown_s: float = Field(default=60.0, ge=0.0, le=3_600.0)
    countdown_refresh_s: float = Field(default=15.0, ge=0.1, le=600.0)
    protective_stop_bps: float = Field(default=0.0, ge=0.0, le=5_000.0)


class FlowConfig(Table):
    """``[venue.flow]``: the seeded order flow of the embedded exchange; notionals in USDT.

    Rates, sizes, volatility and distances are BTCUSDT's; other symbols scale them by their activity
    and volatility. `deep_trade_share` of the takers reach beyond the touch, `informed_share` know
    where the price is going; the makers wait until it has strayed `maker_patience` times what it
    moves in a second, and a mean trade moves it by `trade_impact` of that. `volatility_regimes` is
    the standard deviation of the log of volatility, `session_swing` the depth of its daily curve,
    which begins at `opens_at_utc_h`. One trade excites `self_excitation` others. Takers work off
    `metaorders` hidden orders at a time, with Pareto lengths of exponent `metaorder_tail`.
    """

    trades_per_s: float = Field(default=12.0, gt=0.0, le=10_000.0)
    book_updates_per_s: float = Field(default=20.0, gt=0.0, le=10_000.0)
    volatility_bps_per_sqrt_s: float = Field(default=0.7, ge=0.0, le=100.0)
    depth_levels: int = Field(default=50, ge=5, le=1_000)
    spread_ticks: int = Field(default=1, ge=1, le=10_000)
    mean_trade_notional: float = Field(default=3_000.0, gt=0.0, le=1e9)
    mean_level_notional: float = Field(default=60_000.0, gt=0.0, le=1e9)
    trade_depth_decay_per_tick: float = Field(default=0.025, gt=0.0, le=10.0)
    deep_trade_share: float = Field(default=0.06, ge=0.0, le=1.0)
    informed_share: float = Field(default=0.25, ge=0.0, le=1.0)
    maker_patience: float = Field(default=0.8, ge=0.05, le=20.0)
    trade_impact: float = Field(default=0.05, ge=0.0, le=1.0)
    volatility_regimes: float = Field(default=0.48, ge=0.0, le=1.5)
    session_swing: float = Field(default=1.0, ge=0.0, le=3.0)
    opens_at_utc_h: float = Field(default=13.0, ge=0.0, lt=24.0)
    jumps_per_hour: float = Field(default=2.0, ge=0.0, le=3_600.0)
    jump_bps: float = Field(default=5.0, ge=0.0, le=500.0)
    self_excitation: float = Field(default=0.8, ge=0.0, le=0.95)
    metaorders: int = Field(default=3, ge=1, le=16)
    metaorder_tail: float = Field(default=1.5, gt=1.0, le=10.0)


class VenueSymbolConfig(Table):
    """``[venue.symbols.X]``: a contract of the embedded exchange, named as exchangeInfo does.

    `market_max_qty` bounds market orders, without it `max_qty` does. Activity (trades and sizes)
    and volatility are multiples of BTCUSDT's.
    """

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
    market_max_qty: float | None = Field(default=None, gt=0.0, le=1e12)
    activity: float = Field(default=0.01, ge=0.0, le=100.0)
    volatility: float = Field(default=2.0, ge=0.0, le=100.0)

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


def _with_known_symbols(given: object, info: ValidationInfo) -> object:
    """Lay the file's symbols over the catalogue's: a table may name only what it changes.

    Listed are the first `universe` contracts of the catalogue and whatever the file names.
    """
    if not isinstance(given, dict):
        return given
    rows = catalogue.listed(info.data.get("universe", catalogue.DEFAULT_UNIVERSE))
    merged: dict[Any, Any] = {name: dict(row) for name, row in rows.items()}
    for name, row in given.items():
        known = catalogue.known(name) if isinstance(name, str) else None
        merged[name] = {**known, **row} if known is not None and isinstance(row, dict) else row
    return merged


class VenueLimitsConfig(Table):
    """``[venue.limits]``: what the embedded exchange lets one address, account or connection do.

    Defaults are production's where they are documented. `refusals_before_ban`, `floods_before_ban`,
    `ban_growth` and `connections_per_5min` are this venue's choice (the last is the spot market's).
    0 switches `throttle_orders_per_s` (-1008) and `max_recv_window_ms` off.
    """

    weight_per_minute: int = Field(default=2_400, ge=1, le=MAX_LIMIT)
    orders_per_10s: int = Field(default=300, ge=1, le=MAX_LIMIT)
    orders_per_minute: int = Field(default=1_200, ge=1, le=MAX_LIMIT)
    throttle_orders_per_s: int = Field(default=0, ge=0, le=MAX_LIMIT)
    refusals_before_ban: int = Field(default=20, ge=1, le=MAX_LIMIT)
    ban_first_s: float = Field(default=120.0, gt=0.0, le=259_200.0)
    ban_longest_s: float = Field(default=259_200.0, gt=0.0, le=259_200.0)
    ban_growth: float = Field(default=4.0, ge=1.0, le=1_000.0)
    messages_per_s: int = Field(default=10, ge=1, le=MAX_LIMIT)
    api_pings_per_s: int = Field(default=5, ge=1, le=MAX_LIMIT)
    floods_before_ban: int = Field(default=5, ge=1, le=MAX_LIMIT)
    streams_per_connection: int = Field(default=1_024, ge=1, le=100_000)
    connections_per_5min: int = Field(default=300, ge=1, le=MAX_LIMIT)
    max_recv_window_ms: int = Field(default=60_000, ge=0, le=MAX_INT64)
    ping_every_s: float = Field(default=180.0, gt=0.0, le=86_400.0)
    pong_within_s: float = Field(default=600.0, gt=0.0, le=86_400.0)
    lifetime_s: float = Field(default=86_400.0, gt=0.0, le=31_536_000.0)


class VenueConfig(Table):
    """``[venue]``: the exchange to trade on: `embedded` or `paper` (no money), `testnet`, `live`.

    The embedded one serves this box alone unless `allow_remote` says otherwise. `accounts` are
    opened by a venue that runs on its own; under a supervisor there is one. The order limits may
    stand here or in ``[venue.limits]``. On paper it matches on the live market's data.

    The others have their addresses; `rest_url`, `stream_url` and `order_url` override them, and
    `ca_file` (PEM) replaces the system's trust. `credentials` names where the keys are: a name
    below $CREDENTIALS_DIRECTORY, or the path of a file that its owner alone can read.
    `fingerprint` ties the key to the address. Live trading needs `armed = true` besides.
    """

    mode: Literal["embedded", "paper", "testnet", "live"] = "embedded"
    rest_url: str | None = Field(default=None, pattern=REST_URL_PATTERN)
    stream_url: str | None = Field(default=None, pattern=STREAM_URL_PATTERN)
    order_url: str | None = Field(default=None, pattern=STREAM_URL_PATTERN)
    ca_file: str | None = Field(default=None, pattern=DIRECTORY_PATTERN)
    credentials: str | None = Field(default=None, pattern=CREDENTIALS_PATTERN)
    fingerprint: str | None = Field(default=None, pattern=FINGERPRINT_PATTERN)
    armed: bool = False
    dialect: Literal["2024", "2026"] = "2026"
    allow_remote: bool = False  # before `host`, whose check asks for it
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    seed: int = Field(default=42, ge=0, le=MAX_INT64)
    maker_fee_bps: float = Field(default=2.0, ge=-10.0, le=100.0)
    taker_fee_bps: float = Field(default=5.0, ge=0.0, le=100.0)
    balance_usdt: float = Field(default=10_000.0, gt=0.0, le=1e12)
    # What every account is opened with of other assets, such as USDC or BNB.
    balances: dict[Asset, Balance] = Field(default_factory=dict, max_length=16)
    insurance_fund_usdt: float = Field(default=1_000_000.0, ge=0.0, le=1e12)
    accounts: int = Field(default=1, ge=1, le=1_000)
    orders_per_10s: int | None = Field(default=None, ge=1, le=MAX_LIMIT)
    orders_per_minute: int | None = Field(default=None, ge=1, le=MAX_LIMIT)
    limits: VenueLimitsConfig = Field(default_factory=VenueLimitsConfig)
    # A recording waits for the trader (the same intents every time) or runs by the clock alone.
    lockstep: bool = True
    flow: FlowConfig = Field(default_factory=FlowConfig)
    # How many contracts of the catalogue are listed; before `symbols`, which are laid over them.
    universe: int = Field(default=catalogue.DEFAULT_UNIVERSE, ge=1, le=catalogue.MAX_UNIVERSE)
    symbols: Annotated[dict[Symbol, VenueSymbolConfig], BeforeValidator(_with_known_symbols)] = (
        Field(default_factory=dict, validate_default=True, max_length=MAX_SYMBOLS)
    )

    @field_validator("balances")
    @classmethod
    def _usdt_has_its_own_key(cls, balances: dict[str, float]) -> dict[str, float]:
        if "USDT" in balances:
            raise PydanticCustomError("asset", "give USDT as balance_usdt")
        return balances

    def own_symbols(self) -> dict[str, VenueSymbolConfig]:
        """The contracts that are not just as the catalogue has them: those of the file."""
        own = {}
        for name, row in self.symbols.items():
            known = catalogue.known(name)
            if known is None or row != VenueSymbolConfig.model_validate(dict(known)):
                own[name] = row
        return own

    @field_validator("host")
    @classmethod
    def _loopback_unless_told(cls, host: str, info: ValidationInfo) -> str:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise PydanticCustomError(
                "address", "must be an IP address, such as 127.0.0.1"
            ) from None
        if not address.is_loopback and not info.data.get("allow_remote", False):
            raise PydanticCustomError(
                "loopback",
                "must be a loopback address: the venue serves this box; "
                "allow_remote = true serves others, without encryption",
            )
        return host

    @model_validator(mode="after")
    def _each_limit_once(self) -> "VenueConfig":
        for name in ("orders_per_10s", "orders_per_minute"):
            if getattr(self, name) is not None and name in self.limits.model_fields_set:
                raise PydanticCustomError(
                    "limit_twice",
                    "{name} stands in [venue] and in [venue.limits]; keep one of them",
                    {"name": name},
                )
        return self


def _list_or_all(given: object, check: ValidatorFunctionWrapHandler) -> list[str]:
    """A list of symbols; "all" becomes the empty list, which no file can give."""
    if given == ALL_SYMBOLS:
        return []
    if isinstance(given, str):
        raise PydanticCustomError("symbols", 'must be a list of symbols, or "all"')
    checked: list[str] = check(given)
    return checked


class InstanceConfig(Table):
    """``[instances.X]``: one set of processes: what it trades, how, and within which limits.

    With ``symbols = "all"`` (then `symbols` is empty) the instance follows every USDT-margined
    perpetual that the exchange trades, in at most `max_symbols` rows of shared memory.
    """

    symbols: Annotated[
        list[Symbol],
        Field(min_length=1, max_length=MAX_SYMBOLS),
        WrapValidator(_list_or_all),
    ] = Field(examples=[["BTCUSDT"]])
    max_symbols: int = Field(default=512, ge=1, le=MAX_ROWS)
    strategy: str = Field(pattern=STRATEGY_PATTERN, examples=["avellaneda_stoikov"])
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict, max_length=128)
    limits: LimitsConfig
    # What the account's leverage of a symbol must be; it is compared at the start, never set.
    leverage: dict[Symbol, Leverage] = Field(default_factory=dict, max_length=MAX_SYMBOLS)
    cores: CoresConfig | None = None

    @field_validator("symbols")
    @classmethod
    def _each_symbol_once(cls, symbols: list[str]) -> list[str]:
        return unique(symbols, "symbol")

    @field_validator("leverage")
    @classmethod
    def _of_our_symbols(cls, leverage: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        return only_of(leverage, info.data.get("symbols"), "symbols")

    @field_serializer("symbols")
    def _as_in_the_file(self, symbols: list[str]) -> list[str] | str:
        return symbols or ALL_SYMBOLS

    @property
    def takes_all(self) -> bool:
        """Whether the exchange decides which symbols there are."""
        return not self.symbols

    @property
    def rows(self) -> int:
        """Rows of shared memory to reserve: one a symbol, or all that may ever be listed."""
        return len(self.symbols) or self.max_symbols


class FeedConfig(Table):
    """``[feed]``: how market data is fetched; endpoints count when `venue.mode` is no embedded one.

    A connection is replaced `lifetime_s` after it was made, before the exchange cuts it after 24 h:
    a second one takes over after `overlap_s` of hearing the same. Of the request weight of a minute
    `weight_reserve` is left to others on this address. `ca_file` (PEM) replaces the system's trust.
    The shared books show the `book_levels` best of each side. Of an instrument's tops within
    `conflate_ms` only the newest reaches the brain (0: all do); a brain more than
    `catch_up_records` behind goes on from the books (0: only when it was lapped).
    The last `candle_history` candles of every interval in `candles` are kept in shared memory; an
    open one is told at most every `candle_update_ms`, 0: only when it closes.
    """

    rest_url: str | None = Field(default=None, pattern=REST_URL_PATTERN)
    stream_url: str | None = Field(default=None, pattern=STREAM_URL_PATTERN)
    proxy: str | None = Field(default=None, pattern=PROXY_URL_PATTERN)
    ca_file: str | None = Field(default=None, pattern=DIRECTORY_PATTERN)
    symbols_per_connection: int = Field(default=60, ge=1, le=300)
    lifetime_s: float = Field(default=84_600.0, ge=1.0, le=86_000.0)
    overlap_s: float = Field(default=2.0, ge=0.1, le=60.0)
    weight_reserve: float = Field(default=0.25, ge=0.0, le=0.9)
    book_levels: int = Field(default=20, ge=1, le=500)
    conflate_ms: int = Field(default=0, ge=0, le=10_000)
    catch_up_records: int = Field(default=8_192, ge=0, le=16_384)
    snapshots_at_once: int = Field(default=4, ge=1, le=16)
    discovery_tries: int = Field(default=5, ge=1, le=1_000)
    candles: list[Interval] = Field(default=["1m"], max_length=MAX_INTERVALS)
    candle_history: int = Field(default=480, ge=2, le=10_000)
    candle_update_ms: int = Field(default=250, ge=0, le=86_400_000)

    @field_validator("candles")
    @classmethod
    def _each_interval_once(cls, names: list[str]) -> list[str]:
        unique([interval_name(interval_seconds(name)) for name in names], "interval")
        return names

    @property
    def intervals_s(self) -> tuple[int, ...]:
        """The lengths of the candles in seconds, shortest first."""
        return tuple(sorted(interval_seconds(name) for name in self.candles))


class JournalConfig(Table):
    """``[journal]``: what execution writes down before it sends, and keeps for the next start.

    A power loss takes at most the last ``sync_ms``; a killed process loses nothing. One segment is
    written, one more stands in reserve, and older ones go when all take more than ``keep_bytes``
    (never what a recovery needs). ``dir`` has a folder for each instance; ``"auto"`` is the state
    directory of systemd or of the user.
    """

    dir: str = Field(default="auto", pattern=JOURNAL_DIR_PATTERN)
    sync_ms: int = Field(default=100, ge=1, le=60_000)
    segment_bytes: int = Field(default=16_777_216, ge=4_194_304, le=1_073_741_824)
    keep_bytes: int = Field(default=1_073_741_824, ge=8_388_608, le=1_099_511_627_776)
    on_start: Literal["cancel", "adopt"] = "cancel"
    foreign_orders: Literal["halt", "ignore", "adopt"] = "halt"


class AegisConfig(Table):
    """The whole file."""

    hardware: HardwareConfig
    feed: FeedConfig = Field(default_factory=FeedConfig)
    supervisor: SupervisorConfig = Field(default_factory=SupervisorConfig)
    venue: VenueConfig = Field(default_factory=VenueConfig)
    journal: JournalConfig = Field(default_factory=JournalConfig)
    doctor: DoctorConfig = Field(default_factory=DoctorConfig)
    instances: dict[InstanceName, InstanceConfig] = Field(min_length=1)

    def cores_of(self, instance: str) -> CoresConfig:
        """The cores of an instance: its own table, or ``[hardware] cores``. Raises KeyError."""
        return self.instances[instance].cores or self.hardware.cores
