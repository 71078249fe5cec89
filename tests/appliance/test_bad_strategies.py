"""Bad strategies in a real appliance: contained, named by status, the box cancels and reports."""

from __future__ import annotations

import re
from typing import Any

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import Appliance

GOOD, RAISES, NAN, FLOOD, NO_SLOT, HANGS = range(1, 7)
RAISED, NONSENSICAL, TOO_SLOW = 1, 2, 3

PLAIN = """
from pydantic import ConfigDict
from aegis.strategies.contract import StrategyParameters
from aegis.strategies.plain import PlainStrategy, Wish

class MoodParameters(StrategyParameters):
    model_config = ConfigDict(extra="allow")
    order_levels: int = 1

class Moody(PlainStrategy):
    Parameters = MoodParameters

    def on_quote(self, quote):
        mood, away = self.parameters.order_levels, quote.bid - 20.0
        good = [Wish("buy", away, 0.002), Wish("sell", quote.ask + 20.0, 0.002)]
        if mood == 2:
            raise LookupError("in a bad mood")
        if mood == 3:
            return [Wish("buy", float("nan"), 0.002), *good]
        if mood == 4:
            return good * 5_000
        if mood == 5:
            return [Wish("buy", away, 0.002, level=8), Wish("up", away, 0.002)]
        while mood == 6:
            pass
        return good
"""

# The same in compiled form: 2 raises, 3 writes past the end, 6 loops for ever.
COMPILED = """
from pathlib import Path
import numpy as np
from pydantic import ConfigDict
from aegis.host.jit import checked_kernel
from aegis.shm.tick import QUOTE
from aegis.strategies.contract import Strategy, StrategyParameters

class MoodParameters(StrategyParameters):
    model_config = ConfigDict(extra="allow")
    order_levels: int = 1

PARAMETERS = np.dtype(
    [("refresh_tolerance_ticks", "<i8"), ("min_requote_ns", "<i8"), ("mood", "<i8")]
)

@checked_kernel
def step(event, market, position, params, state, out):
    if event.kind != QUOTE or market.valid == 0:
        return -1
    if params.mood == 2:
        raise ValueError("in a bad mood")
    last = 10_000 if params.mood == 3 else 1
    for place in range(last):
        wish = out[place]
        wish.side = 1
        wish.level = 0
        wish.price_ticks = market.bid_ticks - 200
        wish.qty_lots = 2
        wish.ttl_ms = 2_000
        wish.flags = 1
        wish.fair_price = 0.0
        wish.confidence = 1.0
    while params.mood == 6:
        state.turns += 1
    return last

def pack(parameters, instrument):
    record = np.zeros(1, PARAMETERS)[0]
    record["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    record["mood"] = parameters.order_levels
    return record

STRATEGY = Strategy(
    name="moody", parameters_model=MoodParameters, parameters_dtype=PARAMETERS,
    state_dtype=np.dtype([("turns", "<i8")]), step=step, pack=pack, source=Path(__file__),
)
"""

CHANGES = {
    "strategy": '"./moody.py"',
    "stall_timeout_ms": "2000",
    "canary_timeout_ms": "3000",
    "restart_budget": "1",
    "min_requote_ms": "50",
}


def brain(one: Appliance) -> dict[str, int]:
    return one.view().counters["brain"]


def becomes(one: Appliance, mood: int) -> None:
    """Change the strategy's mood by a reload."""
    text = one.config.read_text()
    one.config.write_text(
        re.sub(r"(?m)^order_levels = \d+", f"order_levels = {mood}", text, count=1)
    )
    assert one.call("reload", one.name).returncode == 0


def until_latched(one: Appliance, latch: int) -> Any:
    """Latched, its orders cancelled, the chain alive, and said with what to do; the problem."""
    one.until(f"latch {latch}", lambda: brain(one)["strategy_latch"] == latch)
    one.until("no order of ours", lambda: one.view().counters["execution"]["open_orders"] == 0)
    canary = one.view().counters["execution"]["canary_number"]
    one.until("canaries", lambda: one.view().counters["execution"]["canary_number"] > canary + 1)
    view = one.view()
    assert view.state == "running"
    assert not view.healthy
    assert view.processes["brain"].restarts == 0
    return next(problem for problem in view.problems if "./moody.py is latched" in problem.what)


def trades_again(one: Appliance) -> None:
    before = one.view().counters["execution"]["orders_accepted"]
    becomes(one, GOOD)
    one.until("orders", lambda: one.view().counters["execution"]["orders_accepted"] > before)
    one.until("health", lambda: one.view().healthy)


def test_a_plain_strategy_in_every_bad_mood(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES)
    (one.config.parent / "moody.py").write_text(PLAIN)
    one.start("--json").until_ready()
    one.until("orders", lambda: one.view().counters["execution"]["open_orders"] == 2)
    becomes(one, RAISES)
    problem = until_latched(one, RAISED)
    assert "in line 17" in problem.why
    assert "aegis strategy check ./moody.py" in problem.do
    assert "LookupError: in a bad mood (line 17); its orders are withdrawn" in one.said
    assert one.call("status", one.name).returncode == 1
    for mood, latch in ((NAN, NONSENSICAL), (FLOOD, NONSENSICAL), (NO_SLOT, NONSENSICAL)):
        trades_again(one)
        becomes(one, mood)
        until_latched(one, latch)
    trades_again(one)
    becomes(one, HANGS)
    # The loop has two lines; it was in one of them.
    assert re.search(r"in line 2[45]\b", until_latched(one, TOO_SLOW).why)
    assert one.stop() == 0
    assert one.summary()["open_orders"] == 0
    assert "Traceback" not in one.said
    one.gone()


def test_a_compiled_strategy_that_raises_and_then_loops(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES)
    (one.config.parent / "moody.py").write_text(COMPILED)
    one.start("--json").until_ready()
    one.until("an order", lambda: one.view().counters["execution"]["open_orders"] == 1)
    for mood, words in ((RAISES, "ValueError: in a bad mood"), (NAN, "IndexError")):
        becomes(one, mood)
        until_latched(one, RAISED)
        assert words in one.said
        trades_again(one)
    becomes(one, HANGS)
    # The watch finds it, one restart is in the budget and hangs as well: then the box gives up.
    assert one.finish(60) == 1
    reason = one.summary()["reason"]
    assert "inside the step of strategy ./moody.py on BTCUSDT" in reason
    assert "budget of 1 restarts" in reason
    assert one.summary()["open_orders"] == 0
    assert "Traceback" not in one.said
    one.gone()
