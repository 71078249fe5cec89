"""A desk whose markets move: the synthetic flow on its clock, without sockets."""

from __future__ import annotations

from collections.abc import Callable

from aegis.config.models import VenueConfig
from aegis.venue.digest import EventDigest
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from tests.venue.desk import START_MS, Desk


class FlowDesk(Desk):
    """The flow has opened all books; `run` lets it go on. `each(now_ms)` sees every return."""

    def __init__(
        self, config: VenueConfig | None = None, each: Callable[[int], None] | None = None
    ) -> None:
        config = VenueConfig(seed=7) if config is None else config
        super().__init__(config)
        self.each = each
        self.digest = EventDigest()
        self.seconds: list[int] = []
        self.returns = 0
        specs = [market.spec for market in self.exchange.markets.values()]
        self.agents = make_agents(specs, config.flow, config.seed)
        self.core.treasury.marks.follow(self.agents.fair_ticks)
        self.exchange.settlements.append(self.seconds.append)
        self.driver = FlowDriver(
            self.core, self.agents, START_MS, self._after_step, lambda: self.now_ms
        )
        self.driver.open_markets()

    def run(self, until_s: float, step_s: float = 1e9) -> None:
        """Let the markets go on until so many seconds after the origin, in turns of `step_s`."""
        reached_s = 0.0
        while reached_s < until_s:
            reached_s = min(until_s, reached_s + step_s)
            self.driver.run_until(reached_s)

    def _after_step(self, now_ms: int) -> None:
        self.returns += 1
        self.now_ms = self.wall_ms = now_ms
        self.digest.consume(self.core.tape, START_MS)
        self.core.history.consume(self.core.tape)
        self.core.tape.clear()
        if self.each is not None:
            self.each(now_ms)
