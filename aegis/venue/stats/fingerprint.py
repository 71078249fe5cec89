"""The fingerprint of a market: a hash over its first events, the same whenever it is run.

``cli.venue`` prints it, so that two people, or two days, can be compared. It runs all listed
symbols with their flow, without clients and sockets, as fast as they go.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions, build
from aegis.venue.credentials import mint
from aegis.venue.digest import EventDigest
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.stats.floor import ORIGIN_MS

TURN_S: Final = 1.0


class Fingerprint(NamedTuple):
    """The hash of `events` tape records, and how much of the market's time they took."""

    digest: str
    events: int
    market_s: float


def fingerprint(config: VenueConfig, events: int) -> Fingerprint:
    """Hash at least `events` events, to the end of the second in which that many are reached."""
    now_ms = ORIGIN_MS
    built = build(VenueOptions(config=config, keys=(mint(),)), lambda: now_ms, lambda: now_ms)
    core, digest = built.core, EventDigest()

    def after_step(step_ms: int) -> None:
        nonlocal now_ms
        now_ms = step_ms
        core.exchange.touched.clear()
        core.exchange.take_events()
        digest.consume(core.tape, ORIGIN_MS)
        core.tape.clear()

    specs = [market.spec for market in core.exchange.markets.values()]
    agents = make_agents(specs, config.flow, config.seed)
    core.treasury.marks.follow(agents.fair_ticks)
    driver = FlowDriver(core, agents, ORIGIN_MS, after_step, lambda: now_ms)
    driver.open_markets()
    reached_s = 0.0
    while digest.records < events:
        reached_s += TURN_S
        driver.run_until(reached_s)
    return Fingerprint(digest.hex(), digest.records, reached_s)
