"""Market making against informed flow: GLFT with live calibration beside symmetric quoting.

`aegis bench maker` runs both on the same seeds of the embedded exchange, in its own process and by
event time: the agents, the matching, the fees are the exchange's, the decisions the compiled step
of `strategies.avellaneda_stoikov`. Both know the fee and learn A, k and what takers know from the
trades and from what becomes of their own fills. The symmetric quoter is the same step with the same
limit and the same calibration, and no lean against what it holds: what differs is the inventory's
part alone. Orders are looked at five times a second: both lose by it to whoever is faster.

The maker's fee is nothing unless told otherwise: that is what those who make markets pay. Beyond
the 2 bp of a new account there is next to nothing to earn here: a few fills an hour, and which of
the two ends the day with more, or with the better ratio, is chance (`--maker-fee-bps 2` shows it).

Risk-adjusted is told in two ways: the ratio of the minutes' mean profit to their deviation, times
the root of their number; and the profit after fees less half the risk aversion times the variance
of the minutes' profits summed (the certainty equivalent of a CARA trader, in the exchange's money).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.config.models import VenueConfig
from aegis.host.jit import kernel
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import QUOTE, TICK, TRADE
from aegis.strategies.avellaneda_stoikov.strategy import STRATEGY
from aegis.strategies.avellaneda_stoikov.strategy import step as decide
from aegis.strategies.contract import EVENT_FILL, MARKET, MAX_WISHES, POSITION, WISH
from aegis.strategies.registry import read_parameters
from aegis.venue.events import OrderEvent
from aegis.venue.stats.floor import Floor
from aegis.venue.tape import STEP
from aegis.venue.tape import TRADE as TAPE_TRADE

__all__ = ["Made", "compare", "draw", "make_market", "summary"]

GLFT: Final[dict[str, Any]] = {
    "intensity": "live",
    "intensity_range_ticks": 300.0,
    # Beyond the fee there is a market order every half minute: enough of them take this long.
    "intensity_halflife_s": 1_200.0,
    "adverse_selection_s": 1.0,
    "add_transaction_costs": True,
    "refresh_tolerance_ticks": 10.0,
    "fair_price": "weighted_mid",
}
SYMMETRIC: Final[dict[str, Any]] = {**GLFT, "skew_inventory": False}
ORDER_QTY: Final = 0.01
LIMIT_ORDERS: Final = 10
RISK_AVERSION: Final = 0.002  # per tick and order, as shipped
LOOKS_PER_S: Final = 5
_MINUTE: Final = 60 * LOOKS_PER_S


@dataclass(frozen=True, slots=True)
class Made:
    """How one quoter did on one seed. Money in quote units, after fees and funding."""

    quoter: str
    seed: int
    maker_fee_bps: float
    seconds: int
    fills: int
    profit: float
    fees: float
    deviation: float  # of the minutes' profits
    certain: float  # profit less the price of its risk
    ratio: float  # mean minute over deviation, times the root of the minutes
    most_held_lots: int
    limit_lots: int
    live_k: float  # of the calibration in force at the end, per tick; 0: never fitted


@kernel
def watch(
    tape: Any, count: Any, event: Any, market: Any, position: Any, params: Any, state: Any, out: Any
) -> Any:
    """Show the step every top and trade of the tape; how many wishes stand after the last."""
    wished = -1
    for item in range(count):
        row = tape[item]
        if row.kind == STEP and row.c > 0 and row.e > 0:
            event.kind = QUOTE
            market.bid_ticks = row.c
            market.bid_qty = row.d * market.step_size
            market.ask_ticks = row.e
            market.ask_qty = row.f * market.step_size
            market.valid = 1
        elif row.kind == TAPE_TRADE:
            event.kind = TRADE
            market.trade_ticks = row.b
            market.trade_qty = row.c * market.step_size
            market.trade_side = row.d
        else:
            continue
        event.ts_event_ns = row.time_ms * 1_000_000
        found = decide(event, market, position, params, state, out)
        if found >= 0:
            wished = found
    return wished


class _Pit(Floor):
    """A floor whose public tape is kept until the client has seen it."""

    def __init__(self, config: VenueConfig, symbol: str, seed: int) -> None:
        self._seen: list[npt.NDArray[Any]] = []
        super().__init__(config, symbol, seed)

    def public(self) -> list[npt.NDArray[Any]]:
        """Everything public since the last call, a piece for each step of the market."""
        seen, self._seen = self._seen, []
        return seen

    def _after_step(self, now_ms: int) -> None:
        tape = self._core.tape
        self._seen.append(tape.records[: len(tape)].copy())
        super()._after_step(now_ms)


class _Maker:
    """One quoter's records, and the orders it has out."""

    def __init__(self, pit: _Pit, maker_fee_bps: float, changes: dict[str, Any]) -> None:
        spec = pit.spec
        row = np.zeros(1, INSTRUMENT)[0]
        row["symbol"] = spec.symbol.encode()
        row["tick_size"] = spec.tick_e8 / 1e8
        row["step_size"] = spec.step_points / 10**spec.quantity_precision
        row["min_qty"] = spec.min_qty_lots * row["step_size"]
        given = {
            "order_qty": ORDER_QTY,
            "max_inventory_qty": ORDER_QTY * LIMIT_ORDERS,
            "risk_aversion": RISK_AVERSION,
            "maker_fee_bps": maker_fee_bps,
            **changes,
        }
        self.pit = pit
        self.params = np.zeros(1, STRATEGY.parameters_dtype)
        self.params[0] = STRATEGY.pack(read_parameters(STRATEGY.name, given), row)
        self.state = np.zeros(1, STRATEGY.state_dtype)
        self.market = np.zeros(1, MARKET)
        self.market["tick_size"], self.market["step_size"] = row["tick_size"], row["step_size"]
        self.position = np.zeros(1, POSITION)
        self.event = np.zeros(1, TICK)
        self.wishes = np.zeros(MAX_WISHES, WISH)
        self.resting: dict[int, int] = {}  # side to price

    def hear(self, fills: list[OrderEvent]) -> None:
        """Our fills, as the brain would show them."""
        for fill in fills:
            self.position[0]["lots"] += fill.order.side * fill.last_lots
            event = self.event[0]
            event["kind"], event["c"] = EVENT_FILL, float(fill.order.side)
            event["a"], event["b"] = float(fill.last_ticks), float(fill.last_lots)
            event["ts_event_ns"] = fill.time_ms * 1_000_000
            decide(event, self.market[0], self.position[0], self.params[0], self.state[0],
                   self.wishes)  # fmt: skip
            # What is left of a partly filled order is replaced with the next look.
            self.resting.clear()

    def look(self) -> None:
        """Take the tape in, and move the orders that are not where they should be."""
        count = -1
        for tape in self.pit.public():
            found = watch(
                tape, tape.size, self.event[0], self.market[0], self.position[0], self.params[0],
                self.state[0], self.wishes,
            )  # fmt: skip
            count = found if found >= 0 else count
        if count < 0:
            return
        wanted = {int(wish["side"]): wish for wish in self.wishes[:count]}
        tolerance = int(self.params[0]["refresh_tolerance_ticks"])
        if wanted.keys() == self.resting.keys() and all(
            abs(int(wish["price_ticks"]) - self.resting[side]) <= tolerance
            for side, wish in wanted.items()
        ):
            return
        self.pit.clear_quotes()
        self.resting.clear()
        for side, wish in wanted.items():
            price = int(wish["price_ticks"])
            if self.pit.quote(side, price, int(wish["qty_lots"])) is not None:
                self.resting[side] = price


def make_market(
    config: VenueConfig, symbol: str, seed: int, seconds: int, quoter: str = "glft"
) -> Made:
    """One run at the fee of `config`. Raises OptionsError if the venue does not list the symbol."""
    pit = _Pit(config, symbol, seed)
    maker = _Maker(pit, config.maker_fee_bps, GLFT if quoter == "glft" else SYMMETRIC)
    spec, opening_e8 = pit.spec, pit.cash_e8()
    worth, fills, fees_e8, most = [0.0], 0, 0, 0
    looks = seconds * LOOKS_PER_S
    for look in range(1, looks + 1):
        new = pit.run_until(look / LOOKS_PER_S)
        maker.hear(new)
        fills += len(new)
        fees_e8 += sum(fill.fee_e8 for fill in new)
        most = max(most, abs(pit.lots))
        maker.look()
        if look % _MINUTE == 0 or look == looks:
            top = pit.top()
            held_e8 = spec.notional_e8(top.bid_ticks + top.ask_ticks, pit.lots) / 2
            worth.append((pit.cash_e8() - opening_e8 + held_e8) / 1e8)
    minutes = np.diff(worth)
    deviation = float(minutes.std(ddof=1)) if minutes.size > 1 else math.nan
    # gamma is per tick and order: in money it is divided by what one tick of one order is worth.
    tick_worth = spec.tick_e8 / 1e8 * ORDER_QTY
    price = 0.5 * RISK_AVERSION / tick_worth * float(np.sum((minutes - minutes.mean()) ** 2))
    ratio = float(minutes.mean()) / deviation * math.sqrt(minutes.size) if deviation else math.nan
    return Made(
        quoter=quoter,
        seed=seed,
        maker_fee_bps=config.maker_fee_bps,
        seconds=seconds,
        fills=fills,
        profit=worth[-1],
        fees=fees_e8 / 1e8,
        deviation=deviation,
        certain=worth[-1] - price,
        ratio=ratio,
        most_held_lots=most,
        limit_lots=int(maker.params[0]["max_lots"]),
        live_k=float(maker.state[0]["live_k"]),
    )


def compare(
    config: VenueConfig,
    symbol: str,
    seeds: list[int],
    seconds: int,
    say: Callable[[str], None] | None = None,
) -> list[tuple[Made, Made]]:
    """(glft, symmetric) for each seed; `say` gets a line after each."""
    rows = []
    for seed in seeds:
        glft = make_market(config, symbol, seed, seconds, "glft")
        symmetric = make_market(config, symbol, seed, seconds, "symmetric")
        rows.append((glft, symmetric))
        if say is not None:
            say(line(glft, symmetric))
    return rows


def line(glft: Made, symmetric: Made) -> str:
    """One row of the table."""
    cells = [f"{glft.seed:>5}"]
    for made in (glft, symmetric):
        cells.append(
            f"{made.fills:>6} {made.profit:>9.2f} {made.deviation:>8.3f} {made.certain:>10.2f} "
            f"{made.ratio:>7.2f} {made.most_held_lots:>4}"
        )
    # A ratio that is none (too short a run, or no fills) is no better one.
    is_better = (glft.certain > symmetric.certain, glft.ratio > symmetric.ratio)
    better = {(True, True): "both", (True, False): "certain", (False, True): "ratio"}
    return " | ".join([*cells, better.get(is_better, "neither")])


def _told(made: Made) -> dict[str, Any]:
    """As data; what is not a number is null, as JSON has it."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(made).items()
    }


def summary(rows: list[tuple[Made, Made]]) -> dict[str, Any]:
    """How often GLFT was better, by either measure, and whether a limit was ever passed."""
    return {
        "seeds": len(rows),
        "glft_better_certain": sum(glft.certain > other.certain for glft, other in rows),
        "glft_better_ratio": sum(glft.ratio > other.ratio for glft, other in rows),
        "beyond_limit": sum(m.most_held_lots > m.limit_lots for row in rows for m in row),
        "runs": [_told(made) for row in rows for made in row],
    }


def draw(rows: list[tuple[Made, Made]], path: Path) -> None:
    """Profit and both measures of what it is worth, of both by seed. Needs matplotlib (plots)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measures = {
        "profit": "profit after fees (quote units)",
        "ratio": "mean minute over deviation, a run",
        "certain": "profit less the price of risk",
    }
    figure = Figure(figsize=(9, 10), layout="tight")
    FigureCanvasAgg(figure)
    seeds = [glft.seed for glft, _ in rows]
    for axes, (name, label) in zip(
        figure.subplots(len(measures), 1), measures.items(), strict=True
    ):
        for shift, quoter, which in ((-0.2, "GLFT, live", 0), (0.2, "symmetric", 1)):
            heights = [getattr(row[which], name) for row in rows]
            axes.bar([seed + shift for seed in seeds], heights, 0.4, label=quoter)
        axes.axhline(0.0, color="black", linewidth=0.8)
        axes.set_ylabel(label)
        axes.set_xticks(seeds)
        axes.legend()
    axes.set_xlabel("seed")
    figure.savefig(path)
