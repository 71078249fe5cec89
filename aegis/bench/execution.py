"""`aegis bench execution`: from an intent on the ring to its bytes on the socket, and its parts.

Ours is execution itself, the whole process with gate, journal, dispatcher and reconciliation, on an
embedded exchange in another process and woken by a third that publishes intents. The time is taken
from the publication to the return of the call that hands the order's bytes to the socket; REST is
on kept-alive connections. As on a box that is set up for it, execution has a core of its own and
keeps looking (`wait = "spin"`); the same is measured with `wait = "park"`, where the kernel has to
wake it, and on a machine with one core there is only that. The baseline sends the same orders the
usual Python way from the same core, in the same run. The order table is measured on its own, up to
ten million orders, and so is the risk gate.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aegis.bench.child import pinned
from aegis.bench.gate import measure_gate
from aegis.bench.order_flow import (
    SYMBOL,
    ChildProcess,
    in_microseconds,
    run_baseline,
    serve_exchange,
    stand_in,
)
from aegis.bench.order_table import LIMITS, MARKS, measure_table
from aegis.bench.runaway import CAREFUL, run_away, runaway
from aegis.config.models import Wait

__all__ = ["ExecutionBenchError", "measure_execution"]

RATE_PER_S = 200
_PATIENCE_S = 60.0
# An address where nobody listens: without an order connection REST stands in.
_NOWHERE = "ws://127.0.0.1:9"


class ExecutionBenchError(Exception):
    """The benchmark could not run; the text says which part failed."""


def measure_execution(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Latencies by transport, the baseline's, the gate's and the table's cost.

    Keys: intent_to_socket_us (`ws` and `rest`, each with p50, p99 and count, with the `wait` that
    is told), parked_us (the same with `wait = "park"`), gate_ns (percentiles of one order through
    every control), order_table_ns (by how many orders there were), runaway (from its first order
    of 10,000 a second to the latch, and to nothing resting), baseline, and details. Raises
    ExecutionBenchError.
    """
    say = progress or (lambda text: None)
    assert threading.active_count() == 1, "forks: no thread may be running"
    from aegis.venue.credentials import mint

    keys, orders = mint(), 400 if smoke else 4_000
    latency: dict[str, dict[str, dict[str, float]]] = {}
    usable = sorted(os.sched_getaffinity(0))
    own, other = usable[0], usable[-1]
    wait: Wait = "spin" if own != other else "park"
    exchange = ChildProcess(lambda tell: serve_exchange(keys, tell), other)
    try:
        told = exchange.told().split()
        if len(told) != 2:
            raise ExecutionBenchError("the embedded exchange did not start")
        port, bid = int(told[0]), int(told[1])
        for how in dict.fromkeys((wait, "park")):
            latency[how] = {}
            for transport in ("ws", "rest"):
                say(f"{transport}, {how}: {orders:,} orders at {RATE_PER_S}/s through execution")
                with pinned(own):
                    latency[how][transport] = _ours(transport, port, bid, keys, orders, how, other)
        say("a strategy that runs away")
        stopped = _runaway(port, bid, keys)
        say("the same through multiprocessing.Queue, json, hmac, websockets and aiohttp")
        with pinned(other):
            baseline = run_baseline(port, keys, bid, orders // 2, RATE_PER_S, own)
    finally:
        exchange.close()
    say(f"the order table, up to {MARKS[-1]:,} orders")
    table = measure_table()
    gate = measure_gate(smoke=smoke, progress=say)
    return {
        "rate_per_s": RATE_PER_S,
        "orders": orders,
        "wait": wait,
        "intent_to_socket_us": latency[wait],
        "parked_us": latency["park"],
        "baseline": {"intent_to_socket_us": baseline},
        "times_faster": {
            name: {
                key: round(baseline[name][key] / max(latency[wait][name][key], 0.1), 2)
                for key in ("p50", "p99")
            }
            for name in latency[wait]
        },
        "runaway": stopped,
        "gate_ns": gate["gate_ns"],
        "gate": gate,
        "order_table_ns": table["ns"],
        "order_table": table,
    }


@contextmanager
def _rigged(
    transport: str, port: int, keys: Any, limits: dict[str, Any], wait: Wait = "park"
) -> Iterator[Any]:
    """Settings, memory and wiring of an instance that trades on the exchange at `port`."""
    from aegis.shm.control import RUN
    from aegis.shm.instance import InstanceMemory
    from aegis.shm.wiring import Wiring

    with tempfile.TemporaryDirectory(prefix="aegis.bench-", dir="/dev/shm") as folder:
        memory = InstanceMemory.create(
            "bench", instruments=1, shm_dir=Path(folder), owner=(os.getpid(), 1)
        )
        memory.instruments.set(0, symbol=SYMBOL.encode(), status=1, tick_size=0.1, step_size=0.001)
        memory.control.command = RUN
        memory.control.next_generation("brain")
        wiring = Wiring.make("bench", memory)
        # What outlives a run stays in its folder: a latch that was tripped on purpose must not
        # meet the next run, nor an instance of the same name.
        before = os.environ.get("STATE_DIRECTORY")
        os.environ["STATE_DIRECTORY"] = folder
        try:
            yield _settings(transport, port, Path(folder), keys, limits, wait), memory, wiring
        finally:
            if before is None:
                del os.environ["STATE_DIRECTORY"]
            else:
                os.environ["STATE_DIRECTORY"] = before
            wiring.close()
            memory.close()


def _ours(
    transport: str, port: int, bid: int, keys: Any, orders: int, wait: Wait, other: int
) -> dict[str, float]:
    """One run of execution on one transport, its brain on the `other` core; percentiles in µs."""
    with _rigged(transport, port, keys, LIMITS, wait) as (settings, memory, wiring):
        counters = memory.counters["execution"]
        brain = ChildProcess(lambda tell: stand_in(memory, bid, orders, RATE_PER_S), other)

        async def sent(execution: Any) -> None:
            # A placement and a cancel each; one that had to wait too long is neither sent nor
            # denied.
            while counters["intents_consumed"] < 2 * orders and not execution.done():
                await asyncio.sleep(0.05)

        try:
            _live(settings, memory, wiring, sent, orders / RATE_PER_S)
            found = memory.histograms["execution"]["tick_to_order_ns"].percentiles()
            if found["count"] < orders // 2:
                denied = counters["orders_denied"]
                raise ExecutionBenchError(
                    f"{transport}: only {found['count']} of {orders} orders left, {denied} denied"
                )
            return {**in_microseconds(found), "count": found["count"]}
        finally:
            brain.close()


def _runaway(port: int, bid: int, keys: Any) -> dict[str, Any]:
    """A strategy that runs away: how soon it is halted, and how soon nothing rests."""
    with _rigged("ws", port, keys, {**LIMITS, **CAREFUL}) as (settings, memory, wiring):
        brain = ChildProcess(lambda tell: run_away(memory, bid, tell))
        found: dict[str, Any] = {}

        async def ended(execution: Any) -> None:
            found.update(await runaway(brain, memory.counters["execution"], execution))

        try:
            _live(settings, memory, wiring, ended, 10.0)
        finally:
            brain.close()
    if not found:
        raise ExecutionBenchError("a strategy that ran away was not halted, or something rests")
    return found


def _live(settings: Any, memory: Any, wiring: Any, until: Any, patience_s: float) -> None:
    """Be execution until what `until` waits for has come."""
    import uvloop

    from aegis.execution.process import ExecutionProcess

    async def live() -> None:
        main = asyncio.create_task(ExecutionProcess(settings, memory, wiring).main())
        try:
            async with asyncio.timeout(_PATIENCE_S + patience_s):
                await until(main)
        except TimeoutError:
            raise ExecutionBenchError("execution did not send its orders in time") from None
        finally:
            memory.control.drain("execution")
            await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


def _settings(
    transport: str, port: int, folder: Path, keys: Any, limits: dict[str, Any], wait: Wait
) -> Any:
    """A testnet's settings that point at the exchange in the other process."""
    from aegis.config.limits import LimitsConfig
    from aegis.config.models import (
        CoresConfig,
        HardwareConfig,
        InstanceConfig,
        JournalConfig,
        SupervisorConfig,
        VenueConfig,
    )
    from aegis.config.settings import Settings

    file = folder / "exchange.key"
    pem = keys.ed25519_private_pem.decode()
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(f'api_key = "{keys.api_key}"\ned25519_private_key = """\n{pem}"""\n')
    stream = f"ws://127.0.0.1:{port}"
    usable = sorted(os.sched_getaffinity(0))
    cores = CoresConfig(feed=usable[0], brain=usable[0], execution=usable[0], venue=usable[-1])
    return Settings(
        name="bench",
        instance=InstanceConfig(symbols=[SYMBOL], strategy="none", limits=LimitsConfig(**limits)),
        hardware=HardwareConfig(cores=cores, shm_dir=str(folder), wait=wait),
        venue=VenueConfig(
            mode="testnet",
            rest_url=f"http://127.0.0.1:{port}",
            stream_url=stream,
            order_url=stream if transport == "ws" else _NOWHERE,
            credentials=str(file),
        ),
        supervisor=SupervisorConfig(),
        source=Path("aegis.toml"),
        journal=JournalConfig(dir=str(folder)),
    )
