"""`aegis bench path`: tick to order through the whole appliance, beside the usual Python way.

Ours is the product itself: `aegis run` as a child process, its own supervisor, feed, brain and
execution, on a recording with quotes at an exact pace that the embedded exchange sends over real
sockets. Every quote moves the price and the strategy may re-quote every millisecond, so each quote
of the steady pace is a reason to act. The time is taken from the read of the quote's bytes in the
feed to the return of the call that hands the order's bytes to the socket in execution. The baseline
(see `path_baseline.py`) runs on the same recording, exchange and strategy, in the same run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aegis.bench.child import fork
from aegis.bench.exchange import NO_LIMIT, serve_exchange
from aegis.bench.path_baseline import MIN_REQUOTE_MS, Peer, run_baseline
from aegis.bench.quote_tape import SYMBOL, Pace, write_tape

__all__ = ["PathError", "measure_path"]

STEADY = Pace(steady_per_s=1_000, burst_per_s=1_000, burst_ms=0, period_ms=1_000)
BURST = Pace(steady_per_s=1_000, burst_per_s=20_000, burst_ms=500, period_ms=1_000)
WAIT = "park"
STAGES = ("socket_to_ring_ns", "hop_ns", "step_ns", "intent_hop_ns", "order_ack_ns")

PARAMETERS: dict[str, float] = {
    "risk_aversion": 0.002,
    "min_half_spread_ticks": 5.0,
    "intensity_a": 1.3,
    "intensity_k": 0.025,
}

PROFILE = """
[hardware]
cores = {{ feed = {feed}, brain = {brain}, execution = {execution}, venue = {venue} }}
share_cores = true
wait = "{wait}"

[journal]
dir = "{journal}"

[venue]
lockstep = false
orders_per_10s = 10000000
orders_per_minute = 10000000
balance_usdt = 10000000.0

[instances.{name}]
symbols = ["{symbol}"]
strategy = "avellaneda_stoikov"

[instances.{name}.parameters]
{parameters}
order_qty = 0.002
max_inventory_qty = 100.0
refresh_tolerance_ticks = 0
min_requote_ms = {requote}

[instances.{name}.limits]
max_order_qty = 1.0
max_order_notional = 100000.0
max_position_qty = 500.0
price_collar_bps = 500.0
max_open_orders = 100
max_orders_per_s = 10000.0
max_stale_ms = 5000
max_daily_loss = 1000000.0
max_drawdown = 1000000.0
min_equity = 1.0
max_gross_notional = 100000000.0
max_leverage = 100.0
min_margin_buffer = 0.01
price_collar_window_bps = 5000.0
max_mark_deviation_bps = 500.0
max_cancels_per_s = 10000.0
max_same_side_fills = 64
same_side_fills_window_s = 0.001
duplicate_window_ms = 0.01
"""


class PathError(Exception):
    """The benchmark could not run; the text says which part failed and how."""


def _placement() -> dict[str, int]:
    """The three trading processes on one core, the exchange on another (on two cores).

    A wake-up on the same core is a context switch; across cores of a virtual machine it is an
    interrupt to a halted processor, ten times as dear.
    """
    usable = sorted(os.sched_getaffinity(0))
    ours, theirs = usable[0], usable[min(1, len(usable) - 1)]
    return {"feed": ours, "brain": ours, "execution": ours, "venue": theirs}


def _profile(name: str, cores: dict[str, int], wait: str, journal: Path) -> str:
    parameters = "\n".join(f"{key} = {value}" for key, value in PARAMETERS.items())
    return PROFILE.format(
        name=name,
        symbol=SYMBOL,
        parameters=parameters,
        requote=MIN_REQUOTE_MS,
        wait=wait,
        journal=journal,
        **cores,
    )


def _ours(
    tape: Path, folder: Path, cores: dict[str, int], seconds: float, wait: str = WAIT
) -> dict[str, Any]:
    """The summary of `aegis run` on the tape."""
    name = f"bench{os.getpid()}"
    profile = folder / "aegis.toml"
    profile.write_text(_profile(name, cores, wait, folder / "journal"))
    command = [
        sys.executable, "-c", "import sys; from aegis.cli.main import main; sys.exit(main())",
        "run", name, "--config", str(profile), "--mirror", str(tape), "--json",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 300, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PathError(f"aegis run did not end within {error.timeout:.0f} s") from error
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise PathError(f"aegis run ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    summary: dict[str, Any] = json.loads(lines[-1])
    if summary["latency"]["tick_to_order_ns"]["count"] == 0:
        raise PathError(f"aegis run sent no order: {summary['reason']}")
    return summary


def _serve(tape: Path, keys: Any, tell: Callable[[object], None]) -> None:
    from aegis.config.models import VenueConfig
    from aegis.venue.build import VenueOptions

    config = VenueConfig(
        balance_usdt=1e7, orders_per_10s=NO_LIMIT, orders_per_minute=NO_LIMIT, lockstep=False
    )
    serve_exchange(VenueOptions(config=config, keys=(keys,), mirrors=(tape,), slice_ms=1), tell)


def _theirs(tape: Path, seconds: float) -> dict[str, int]:
    from aegis.venue.credentials import mint

    keys = mint()
    exchange = fork(lambda tell: _serve(tape, keys, tell), None)
    try:
        symbol = SYMBOL.lower()
        base = f"ws://127.0.0.1:{exchange.port}"
        peer = Peer(
            stream_url=f"{base}/public/stream?streams={symbol}@bookTicker/{symbol}@depth@0ms",
            order_url=f"{base}/ws-fapi/v1",
            api_key=keys.api_key,
            hmac_secret=keys.hmac_secret,
            symbol=SYMBOL,
            parameters=PARAMETERS,
            seconds=seconds,
        )
        return run_baseline(peer)
    finally:
        exchange.stop()


def _median(rounds: list[dict[str, int]]) -> dict[str, int]:
    """Percentile by percentile, the median over the rounds; counts are added up."""
    result = {
        key: int(statistics.median(times[key] for times in rounds))
        for key in ("p50", "p99", "p999", "max")
    }
    return {**result, "count": sum(times["count"] for times in rounds)}


def _one(name: str, pace: Pace, smoke: bool, folder: Path, say: Any) -> dict[str, Any]:
    """Some rounds of ours and theirs in turn, so that a slow phase of the machine meets both."""
    seconds, rounds = (3.0, 1) if smoke else (8.0, 3)
    tape = folder / f"{name}.gz"
    quotes = write_tape(tape, pace, seconds)
    cores = _placement()
    ours, theirs = list[dict[str, Any]](), list[dict[str, int]]()
    for number in range(1, rounds + 1):
        say(f"{name} {number}/{rounds}: {quotes:,} quotes in {seconds:g} s through aegis")
        ours.append(_ours(tape, folder, cores, seconds))
        say(f"{name} {number}/{rounds}: the same through asyncio, json, multiprocessing.Queue")
        theirs.append(_theirs(tape, seconds))
    latency = _median([summary["latency"]["tick_to_order_ns"] for summary in ours])
    baseline = _median(theirs)
    return {
        "rate_per_s": max(pace.steady_per_s, pace.burst_per_s),
        "quotes": quotes * rounds,
        "rounds": rounds,
        "orders": sum(summary["orders"] for summary in ours),
        "lost": sum(summary["lost"] for summary in ours),
        "tick_to_order_ns": latency,
        "stages": {
            stage: _median([summary["latency"][stage] for summary in ours]) for stage in STAGES
        },
        "baseline": {"tick_to_order_ns": baseline},
        "times_faster": {
            key: round(baseline[key] / max(latency[key], 1), 2) for key in ("p50", "p99", "p999")
        },
    }


def measure_path(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Steady and burst, ours and the baseline; keys as documented. Raises PathError.

    The keys of the steady pace stand at the top, those of the burst below `burst`.
    """
    say = progress or (lambda text: None)
    assert threading.active_count() == 1, "forks: no thread may be running"
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        steady = _one("steady", STEADY, smoke, Path(folder), say)
        burst = _one("burst", BURST, smoke, Path(folder), say)
    return {**steady, "burst": burst, "cores": _placement(), "shared_core": False}
