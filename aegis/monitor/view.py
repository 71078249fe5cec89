"""What a look at an instance gives: plain values, in the shape that `aegis status --json` prints.

`reading.py` fills it, `problems.py` judges it, `render.py` shows it to people. The field names are
the documented keys of the JSON form; units stand last in a name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from aegis.monitor.last_run import LastRun

__all__ = [
    "LIVE_STATES",
    "BookLook",
    "InstanceView",
    "Problem",
    "ProcessView",
    "RingView",
    "mode_words",
    "seconds",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, why it matters or where it comes from, and what to do.

    `severity` is `fault` (the instance is not healthy) or `warning` (it trades, but look at it).
    """

    what: str
    why: str
    do: str
    severity: str = "fault"


@dataclass(slots=True)
class ProcessView:
    """One process. `heartbeat_age_ms` is the age of its last duty cycle, None before the first."""

    pid: int = 0
    alive: bool = False
    # The kernel's letter (R running, S sleeping, T stopped, D in I/O), empty when not alive.
    process_state: str = ""
    state: str = "absent"
    generation: int = 0
    restarts: int = 0
    heartbeat_age_ms: float | None = None
    loop_seq: int = 0
    max_cycle_ms: float = 0.0
    errors: int = 0
    core_asked: int = -1
    core_got: int = -1
    scheduler: str = "other"
    mlocked: bool = False
    rss_bytes: int = 0
    degraded: list[str] = field(default_factory=list)
    gc_collections: int = 0
    gc_collections_in_cycle: int = 0
    gc_pause_max_ns: int = 0
    parameters_version: int = 0
    last_end: str = ""


@dataclass(slots=True)
class RingView:
    """A ring's cursors; `lag` is what its reader has not taken yet."""

    capacity: int
    published: int
    consumed: int
    lag: int


@dataclass(slots=True)
class BookLook:
    """The top of one book; prices in quote units, None where a side is empty or unreadable."""

    instrument: int
    symbol: str
    valid: bool
    update_id: int | None
    bid: float | None
    ask: float | None
    age_ms: float | None
    # Whether the exchange trades it (a code of the instruments table says TRADING).
    trading: bool = True
    # Of a book that is not valid: why (in words), and for how long (None: since the feed started).
    why: str = ""
    absent_s: float | None = None


LIVE_STATES = ("running", "starting", "stopping")


def seconds(age_ms: float | None) -> str:
    """A duration as the problems tell it."""
    return "an unknown time" if age_ms is None else f"{age_ms / 1e3:.1f} s"


def mode_words(mode: str) -> str:
    """The mode as it stands everywhere a person looks: SIMULATED, PAPER, TESTNET or LIVE."""
    return "SIMULATED" if mode == "embedded" else mode.upper()


@dataclass(slots=True)
class InstanceView:
    """One instance. `state`: absent, starting, running, stopping, failed or dead."""

    instance: str
    state: str = "absent"
    healthy: bool = False
    simulated: bool = True
    mode: str = "embedded"
    market_host: str = ""
    ready: bool = False
    directory: str = ""
    config: str = ""
    strategy: str = ""
    build_id: str = ""
    uptime_s: float = 0.0
    processes: dict[str, ProcessView] = field(default_factory=dict)
    rings: dict[str, RingView] = field(default_factory=dict)
    latency: dict[str, dict[str, int]] = field(default_factory=dict)
    books: list[BookLook] = field(default_factory=list)
    position: dict[str, float] = field(default_factory=dict)
    # The prices of the newest PLACE intent of each side, first symbol; absent before the first.
    quotes: dict[str, float] = field(default_factory=dict)
    orders: int = 0
    open_orders: int = 0
    unknown_orders: int = 0
    orders_denied: int = 0
    fills: int = 0
    realized_pnl: float = 0.0
    fees: float = 0.0
    gate: dict[str, str] = field(default_factory=dict)
    canary: dict[str, float | int | None] = field(default_factory=dict)
    # For how long and until when (UTC) the exchange may not be asked, and whether that is a ban.
    silence_s: float = 0.0
    silence_until: str = ""
    banned: bool = False
    degraded: list[str] = field(default_factory=list)
    config_version: int = 0
    config_reload_failures: int = 0
    last_reload: dict[str, Any] = field(default_factory=dict)
    restarts: int = 0
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    # The last line that each process has said.
    said: dict[str, str] = field(default_factory=dict)
    # How the run before ended, where it is known; of an instance that does not run.
    last_run: LastRun | None = None
    # Where another one may be told of, which this user must not read.
    last_run_hidden: str = ""
    leftovers: list[str] = field(default_factory=list)
    # Why the shared memory of a running instance cannot be read, empty when it can.
    unreadable: str = ""
    problems: list[Problem] = field(default_factory=list)

    def as_object(self) -> dict[str, Any]:
        """The JSON form, keys as the fields."""
        return asdict(self)
