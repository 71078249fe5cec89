"""The venue as a child of the supervisor: its settings, its counters, its end.

`run` is called in the forked child and returns an exit code. The accounts are kept in the
instance's own directory, the port in the venue's counters, the place in the recording as well: a
venue that is killed and forked again is the same exchange, on the same port, with the same
orders.
"""

from __future__ import annotations

import asyncio
import signal
import time

import uvloop

from aegis.config.settings import Settings
from aegis.host.gc_scope import GcScope
from aegis.shm.counters import Counters
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.venue.build import DEFAULT_SLICE_MS, VenueOptions
from aegis.venue.errors import OptionsError
from aegis.venue.pace import CounterPace
from aegis.venue.paper.follower import Follower
from aegis.venue.paper.listing import Contract, contracts_of, is_told
from aegis.venue.serve import BEAT_S, Venue
from aegis.venue.warm_up import warm_up

__all__ = ["Gauges", "run", "warm_up"]

READY, DRAINING, STOPPED = 2, 4, 5
# A restarted venue must be found where the others know it, and the kernel may not have let go yet.
BIND_PATIENCE_S = 2.0
# A recording that waits for nobody is written as finely as the event loop's clock allows.
FREE_SLICE_MS = 1


def run(settings: Settings, memory: InstanceMemory, wiring: Wiring) -> int:
    """Serve until the supervisor says stop. Raises VenueError or OSError if it cannot serve."""
    if wiring.credentials is None:
        raise OptionsError("the venue was started without API keys; the supervisor mints them")
    counters = memory.counters["venue"]
    contracts: tuple[Contract, ...] = ()
    if settings.is_paper:
        if not _await_contracts(memory, wiring):
            return 0
        contracts = contracts_of(memory.instruments, takes_all=settings.instance.takes_all)
    port = counters["port"] or settings.venue.port
    options = VenueOptions(
        config=settings.venue.model_copy(update={"port": port}),
        keys=(wiring.credentials,),
        mirrors=settings.mirrors,
        # Nobody else could set what execution will expect of this account.
        leverages=settings.instance.leverage,
        contracts=tuple(contract.spec for contract in contracts),
        loop=settings.loop,
        speed=settings.speed,
        slice_ms=DEFAULT_SLICE_MS if settings.venue.lockstep else FREE_SLICE_MS,
        state_dir=memory.directory,
        skip_lines=counters["mirror_lines"] if settings.mirrors else 0,
        bind_patience_s=BIND_PATIENCE_S if counters["port"] else 0.0,
    )
    scope = GcScope(
        counters.__setitem__,
        interval_ms=settings.hardware.gc_interval_ms,
        force_ms=settings.hardware.gc_force_ms,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Venue(options), memory, wiring, scope, contracts))
    counters["state"] = STOPPED
    return 0


def _await_contracts(memory: InstanceMemory, wiring: Wiring) -> bool:
    """Wait until the feed has told what the exchange lists; False when told to stop before."""
    counters, feed = memory.counters["venue"], memory.counters["feed"]
    while not is_told(feed["universe_source"]):
        if wiring.stopping("venue"):
            counters["state"] = STOPPED
            return False
        counters["loop_ts_ns"] = time.monotonic_ns()
        counters["loop_seq"] += 1
        time.sleep(BEAT_S)
    return True


async def _serve(
    venue: Venue,
    memory: InstanceMemory,
    wiring: Wiring,
    scope: GcScope,
    contracts: tuple[Contract, ...],
) -> None:
    counters = memory.counters["venue"]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    try:
        lockstep = venue.options.config.lockstep and not contracts

        def follow(one: Venue) -> Follower:
            return Follower(
                one.core, one.built.followed, contracts, memory, one.pump, one.hub,
                one.faults.advance,
            )  # fmt: skip

        # Not page by page while it trades.
        venue.core.history.touch()
        await venue.start(
            (lambda one: CounterPace(memory, one.core, one.hub, one.feed)) if lockstep else None,
            follow if contracts else None,
        )
        gauges = Gauges(venue, counters)
        if venue.conductor is not None:
            venue.conductor.on_slice = gauges.mirror
        gauges.begin()
        with scope:

            def beat() -> None:
                if wiring.stopping("venue"):
                    stop.set()
                gauges.write()
                scope.safe_point(time.monotonic_ns(), idle=True)

            await venue.wait(stop, beat)
        counters["state"] = DRAINING
        gauges.write()
    finally:
        await venue.close()


class Gauges:
    """The venue's row of counters; its process is their only writer."""

    def __init__(self, venue: Venue, counters: Counters) -> None:
        self._venue = venue
        self._counters = counters
        # Counts go on where a predecessor left them, so that nothing seems to run backwards.
        self._before = counters.snapshot()
        self._last_ns = 0
        self._lines = counters.index("mirror_lines")

    def begin(self) -> None:
        """The port is open: the others may come."""
        counters, venue = self._counters, self._venue
        counters["seed"] = venue.options.config.seed
        counters["mirror_total"] = sum(reel.recording.summary.lines for reel in venue.built.reels)
        self.write()
        counters["state"] = READY
        counters["port"] = venue.port

    def mirror(self, lines_done: int) -> None:
        """A slice of the recording has been played: where a successor would go on."""
        self._counters.set(self._lines, lines_done)

    def write(self) -> None:
        """Called about 20 times a second from the event loop: a proof that it turns."""
        venue, counters, before = self._venue, self._counters, self._before
        now_ns = time.monotonic_ns()
        if self._last_ns:
            # By how much the beat came late: the longest time in which the loop served nobody.
            late_ns = now_ns - self._last_ns - round(BEAT_S * 1e9)
            counters["max_cycle_ns"] = max(counters["max_cycle_ns"], late_ns)
        self._last_ns = now_ns
        tally, exchange = venue.core.tally, venue.core.exchange
        counts = {
            "market_messages": venue.hub.sent,
            "rest_requests": tally.rest_requests,
            "ws_requests": tally.ws_requests,
            "responses": tally.ws_answers,
            "orders": exchange.orders_accepted,
            "fills": tally.fills,
            "user_events": venue.feed.sent,
            "errors": venue.memory.failures,
        }
        for name, count in counts.items():
            counters[name] = before[name] + count
        counters["connections"] = len(venue.keeper)
        counters["orders_open"] = len(exchange.orders.open)
        follower = venue.follower
        if follower is not None:
            counters["books_in_force"] = follower.in_force
            counters["ticks_lost"] = before["ticks_lost"] + follower.lost
            counters["fundings"] = before["fundings"] + follower.fundings
        conductor = venue.conductor
        if conductor is not None:
            counters["conductor_timeouts"] = before["conductor_timeouts"] + conductor.timeouts
            counters["mirror_done"] = int(conductor.done)
        counters["loop_ts_ns"] = now_ns
        counters["loop_seq"] = before["loop_seq"] + venue.beats + 1
