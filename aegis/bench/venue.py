"""`aegis bench venue`: how much exchange one core is.

Three figures. Messages: the whole venue, flow, matching, encoding and sockets, in one process on
one core with 320 symbols, its clock turned up until it cannot follow; a client on the other core
counts every frame, and what was sent must be what has come. Matching: a mixed stream of orders and
cancellations through the kernels. Acknowledgement: signed orders over the WebSocket API while ten
thousand messages a second flow. The first two stand beside the usual Python way, in the same run.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aegis.bench.child import ChildError, fork, pinned, processor_s
from aegis.bench.exchange import NO_LIMIT, serve_exchange, stream_paths
from aegis.bench.frame_counter import FrameCounter
from aegis.bench.pair import Cores, cores
from aegis.bench.venue_baseline import match_plainly, serve_plainly
from aegis.bench.venue_orders import OrderClient

__all__ = ["measure_venue"]

UNIVERSE: Final = 320
CONNECTIONS: Final = 4
STREAMS: Final = ("bookTicker", "trade", "depth@100ms")
LOAD_PER_S: Final = 10_000
SEED: Final = 42


def _serve_venue(keys: Any, speed: float, tell: Callable[[object], None]) -> None:
    from aegis.config.models import VenueConfig
    from aegis.venue.build import VenueOptions
    from aegis.venue.limits import RateLimits

    config = VenueConfig(universe=UNIVERSE, seed=SEED, balance_usdt=1e9)
    limits = RateLimits(
        weight_per_minute=NO_LIMIT, orders_per_10s=NO_LIMIT, orders_per_minute=NO_LIMIT
    )
    serve_exchange(VenueOptions(config=config, keys=(keys,), speed=speed, limits=limits), tell)


@dataclass(frozen=True, slots=True)
class _Flow:
    """What came in a while: messages, their bytes, and the time it took."""

    messages: int
    payload_bytes: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds


def _count(counter: FrameCounter, seconds: float) -> _Flow:
    messages, size = counter.messages, counter.payload_bytes
    began_s = time.perf_counter()
    while (elapsed_s := time.perf_counter() - began_s) < seconds:
        counter.read(0.05)
    return _Flow(counter.messages - messages, counter.payload_bytes - size, elapsed_s)


def _served(keys: Any, speed: float, seconds: float, where: Cores) -> dict[str, Any]:
    """Messages a second at one speed of the venue's clock, counted at both ends."""
    child = fork(lambda tell: _serve_venue(keys, speed, tell), where.child)
    try:
        counter = FrameCounter(child.port, stream_paths(UNIVERSE, STREAMS, CONNECTIONS))
        _count(counter, min(1.0, seconds))
        busy_s = processor_s(child.pid)
        flow = _count(counter, seconds)
        busy_s = processor_s(child.pid) - busy_s
        cut = counter.closed
    except BaseException:
        child.stop()
        raise
    os.kill(child.pid, signal.SIGTERM)
    while counter.closed < CONNECTIONS:
        counter.read(0.05)
    counter.close()
    words = child.stop()
    if not words:
        raise ChildError(f"the venue died at speed {speed:g}")
    return {
        "speed": round(speed, 2),
        "messages_per_s": round(flow.per_s),
        "megabytes_per_s": round(flow.payload_bytes / flow.seconds / 1e6, 1),
        "core_used": round(busy_s / flow.seconds, 3),
        "sent": int(words),
        "received": counter.messages,
        "cut": cut,
    }


def _messages(keys: Any, smoke: bool, where: Cores, say: Any) -> dict[str, Any]:
    """The clock is turned up from what one real second gives until a core is full."""
    seconds = 2.0 if smoke else 10.0
    first = _served(keys, 1.0, seconds, where)
    say(f"streams: {first['messages_per_s']:,} messages/s at the clock's own speed")
    rounds = [first]
    for wanted in (100_000,) if smoke else (50_000, 100_000, 200_000, 400_000):
        speed = wanted / max(first["messages_per_s"], 1)
        rounds.append(_served(keys, speed, seconds, where))
        latest = rounds[-1]
        say(
            f"streams: {latest['messages_per_s']:,} messages/s of {wanted:,} asked for, "
            f"{100 * latest['core_used']:.0f} % of a core"
        )
        if latest["messages_per_s"] < 0.8 * wanted or latest["cut"]:
            break
    # A connection that was cut for slowness had asked for more than could be served.
    best = max((one for one in rounds if not one["cut"]), key=lambda one: one["messages_per_s"])
    return {**best, "symbols": UNIVERSE, "rounds": rounds}


def _plain_messages(smoke: bool, where: Cores) -> float:
    """The baseline's messages a second."""
    seconds = 2.0 if smoke else 5.0
    child = fork(lambda tell: tell(serve_plainly(tell, seconds + 3.0)), where.child)
    try:
        counter = FrameCounter(child.port, ["/"])
        _count(counter, 0.5)
        flow = _count(counter, seconds)
        counter.close()
    finally:
        child.stop()
    return flow.per_s


def _percentile(values: list[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _acknowledged(
    keys: Any, speed: float, smoke: bool, where: Cores
) -> tuple[dict[str, float], float]:
    """Times from an order's last byte out to its answer in, us, and the flow beside it."""
    child = fork(lambda tell: _serve_venue(keys, speed, tell), where.child)
    reader = None
    try:
        paths = stream_paths(UNIVERSE, STREAMS, CONNECTIONS)
        reader = fork(lambda tell: _read_along(child.port, paths, tell), where.parent)
        orders = OrderClient(child.port, keys.api_key, keys.hmac_secret)
        times, began_s = list[int](), time.perf_counter()
        for number in range(200 if smoke else 5_000):
            side, price = ("BUY", "59000.00") if number % 2 else ("SELL", "61000.00")
            order_id, took_ns = orders.place("BTCUSDT", side, price, "0.010")
            orders.cancel("BTCUSDT", order_id)
            if number >= 50:  # the first ones wake everything up
                times.append(took_ns)
        seconds = time.perf_counter() - began_s
        orders.close()
    finally:
        read = reader.stop() if reader is not None else "0"
        child.stop()
    p50, p99, p999 = (_percentile(times, share) / 1000 for share in (0.5, 0.99, 0.999))
    acks = {"p50": round(p50, 1), "p99": round(p99, 1), "p999": round(p999, 1)}
    return {**acks, "count": len(times)}, int(read or 0) / seconds


def _read_along(port: int, paths: list[str], tell: Callable[[object], None]) -> None:
    """Count frames until told to stop; says how many there were."""
    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    counter = FrameCounter(port, paths)
    tell(port)
    while not stopped and counter.closed < len(paths):
        counter.read(0.05)
    tell(counter.messages)


def measure_venue(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Keys: market_messages_per_s, matching_orders_per_s, place_ack_us, baseline, and details."""
    from aegis.venue.credentials import mint
    from aegis.venue.matching import workload

    say = progress or (lambda text: None)
    where, keys = cores(), mint()
    with pinned(where.parent):
        say("matching: orders and cancellations through the kernels")
        sizes = (1_000_000, 1) if smoke else (10_000_000, 5)
        poured = [workload.measure(sizes[0]).orders_per_s for _ in range(sizes[1])]
        plain_orders = match_plainly(20_000 if smoke else 200_000)
        streams = _messages(keys, smoke, where, say)
        plain_messages = _plain_messages(smoke, where)
        slowest = streams["messages_per_s"] / streams["speed"]
        say(f"orders while about {LOAD_PER_S:,} messages/s flow")
        acks, load_per_s = _acknowledged(keys, LOAD_PER_S / slowest, smoke, where)
    matching = statistics.median(poured)
    return {
        "market_messages_per_s": streams["messages_per_s"],
        "matching_orders_per_s": round(matching),
        "place_ack_us": acks,
        "load_messages_per_s": round(load_per_s),
        "streams": streams,
        "baseline": {
            "market_messages_per_s": round(plain_messages),
            "matching_orders_per_s": round(plain_orders),
        },
        "times_faster": {
            "market_messages": round(streams["messages_per_s"] / plain_messages, 1),
            "matching": round(matching / plain_orders, 1),
        },
        "cores": {"venue": where.child, "client": where.parent},
        "shared_core": where.shared,
    }
