"""`aegis bench path`: tick to order through the whole appliance, beside the usual Python way.

Ours is the product itself: `aegis run` as a child process, its own supervisor, feed, brain and
execution, on a recording with quotes at an exact pace that the embedded exchange sends over real
sockets. Every quote moves the price and the strategy may re-quote every millisecond, so each quote
of the steady pace is a reason to act. The time is taken from the read of the quote's bytes in the
feed to the return of the call that hands the order's bytes to the socket in execution. The baseline
(see `path_baseline.py`) runs on the same recording, exchange and strategy, in the same run.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
max_orders_per_s = 100000.0
max_stale_ms = 5000
max_daily_loss = 1000000.0
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


def _profile(name: str, cores: dict[str, int], wait: str) -> str:
    parameters = "\n".join(f"{key} = {value}" for key, value in PARAMETERS.items())
    return PROFILE.format(
        name=name,
        symbol=SYMBOL,
        parameters=parameters,
        requote=MIN_REQUOTE_MS,
        wait=wait,
        **cores,
    )


def _ours(
    tape: Path, folder: Path, cores: dict[str, int], seconds: float, wait: str = WAIT
) -> dict[str, Any]:
    """The summary of `aegis run` on the tape."""
    name = f"bench{os.getpid()}"
    profile = folder / "aegis.toml"
    profile.write_text(_profile(name, cores, wait))
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


class _Exchange:
    """The embedded exchange on the tape, in a child process, for the baseline."""

    def __init__(self, tape: Path) -> None:
        from aegis.venue.credentials import mint

        self.keys = mint()
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            _serve(tape, self.keys, lambda port: os.write(writer, f"{port}\n".encode()))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            line = told.readline()
        if not line:
            os.waitpid(self.pid, 0)
            raise PathError("the embedded exchange did not start")
        self.port = int(line)

    def close(self) -> None:
        """End the child and reap it."""
        os.kill(self.pid, 15)
        os.waitpid(self.pid, 0)


def _serve(tape: Path, keys: Any, tell: Callable[[int], object]) -> None:
    import signal

    import uvloop

    from aegis.config.models import VenueConfig
    from aegis.venue.build import VenueOptions
    from aegis.venue.serve import Venue

    limit = 10_000_000
    config = VenueConfig(
        balance_usdt=1e7, orders_per_10s=limit, orders_per_minute=limit, lockstep=False
    )
    options = VenueOptions(config=config, keys=(keys,), mirror=tape, slice_ms=1)

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        venue = Venue(options)
        await venue.start()
        tell(venue.port)
        await venue.wait(stop)
        await venue.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _theirs(tape: Path, seconds: float) -> dict[str, int]:
    exchange = _Exchange(tape)
    try:
        symbol = SYMBOL.lower()
        base = f"ws://127.0.0.1:{exchange.port}"
        peer = Peer(
            stream_url=f"{base}/public/stream?streams={symbol}@bookTicker/{symbol}@depth@0ms",
            order_url=f"{base}/ws-fapi/v1",
            api_key=exchange.keys.api_key,
            hmac_secret=exchange.keys.hmac_secret,
            symbol=SYMBOL,
            parameters=PARAMETERS,
            seconds=seconds,
        )
        return run_baseline(peer)
    finally:
        exchange.close()


def _one(name: str, pace: Pace, seconds: float, folder: Path, say: Any) -> dict[str, Any]:
    tape = folder / f"{name}.gz"
    quotes = write_tape(tape, pace, seconds)
    cores = _placement()
    say(f"{name}: {quotes:,} quotes in {seconds:g} s through aegis")
    summary = _ours(tape, folder, cores, seconds)
    say(f"{name}: the same through asyncio, json and multiprocessing.Queue")
    baseline = _theirs(tape, seconds)
    return {"summary": summary, "baseline": baseline, "quotes": quotes, "cores": cores}


def measure_path(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Steady and burst, ours and the baseline; keys as documented. Raises PathError."""
    say = progress or (lambda text: None)
    assert threading.active_count() == 1, "forks: no thread may be running"
    seconds = 3.0 if smoke else 20.0
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        steady = _one("steady", STEADY, seconds, Path(folder), say)
        burst = _one("burst", BURST, seconds, Path(folder), say)
    latency, burst_latency = steady["summary"]["latency"], burst["summary"]["latency"]
    faster = {
        key: round(steady["baseline"][key] / max(latency["tick_to_order_ns"][key], 1), 2)
        for key in ("p50", "p99", "p999")
    }
    burst_faster = {
        key: round(burst["baseline"][key] / max(burst_latency["tick_to_order_ns"][key], 1), 2)
        for key in ("p50", "p99", "p999")
    }
    return {
        "tick_to_order_ns": latency["tick_to_order_ns"],
        "rate_per_s": STEADY.steady_per_s,
        "quotes": steady["quotes"],
        "orders": steady["summary"]["orders"],
        "lost": steady["summary"]["lost"] + burst["summary"]["lost"],
        "stages": {name: latency[name] for name in STAGES},
        "burst": {
            "rate_per_s": BURST.burst_per_s,
            "quotes": burst["quotes"],
            "tick_to_order_ns": burst_latency["tick_to_order_ns"],
            "stages": {name: burst_latency[name] for name in STAGES},
        },
        "baseline": {
            "tick_to_order_ns": steady["baseline"],
            "burst": {"tick_to_order_ns": burst["baseline"]},
        },
        "times_faster": faster,
        "times_faster_burst": burst_faster,
        "cores": steady["cores"],
        "shared_core": False,
    }
