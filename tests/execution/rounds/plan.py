"""What happens in a round, from its number and the campaign's seed alone.

A round is one to three acts on an account of its own: execution trades while faults of the menu are
armed, then dies, is stopped, is asked to end, or has its brain replaced. The deaths at await points
go through the list of them: 510 rounds have one before and one after each.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.execution.rounds.awaits import await_points
from tests.execution.rounds.victim import STEPS, Death

COUNTDOWN_S = 1.0
# Name -> the faults as the exchange's menu has them; the account is added when they are armed.
FAULTS: dict[str, tuple[dict[str, Any], ...]] = {
    "-1007, placed": ({"kind": "timeout_1007", "endpoint": "order.place", "probability": 0.2},),
    "-1007, not placed": (
        {"kind": "timeout_1007", "endpoint": "order.*", "probability": 0.2, "truth": "not_placed"},
    ),
    "503, placed late": (
        {"kind": "unknown_503", "endpoint": "order.place", "probability": 0.2, "truth": "late",
         "delay_ms": 150},
    ),
    "503, placed": ({"kind": "unknown_503", "endpoint": "order.place", "probability": 0.2},),
    "-1006 on cancels": (
        {"kind": "unexpected_1006", "endpoint": "order.cancel", "probability": 0.3},
    ),
    "acks lost": (
        {"kind": "ack_lost", "endpoint": "order.*", "how": "silent", "probability": 0.1},
    ),
    "ack lost with the line": (
        {"kind": "ack_lost", "endpoint": "order.*", "how": "cut", "after": 10},
    ),
    "ack late": ({"kind": "slow_answer", "endpoint": "order.*", "delay_ms": 120,
                  "probability": 0.3},),
    "placed late": (
        {"kind": "late_execution", "endpoint": "order.place", "delay_ms": 200, "probability": 0.2},
    ),
    "answers twice": ({"kind": "duplicate_answer", "endpoint": "order.*", "probability": 0.3},),
    "answer on the next line": (
        {"kind": "stale_answer", "endpoint": "order.*", "probability": 0.1},
        {"kind": "day_close", "connection": "api/*", "at_ms": 300},
    ),
    "filled before its cancel": ({"kind": "fill_first", "probability": 0.3},),
    "events before acks": (
        {"kind": "fill_before_ack", "endpoint": "order.*", "probability": 0.3},
    ),
    "order events lost": (
        {"kind": "drop", "stream": "ORDER_TRADE_UPDATE", "probability": 0.2},
    ),
    "account events lost": ({"kind": "account_update_missing", "probability": 0.3},),
    "all events lost for a while": ({"kind": "drop", "for_ms": 250},),
    "events twice": ({"kind": "duplicate", "probability": 0.4},),
    "fills twice": ({"kind": "duplicate_fill", "probability": 0.5},),
    "events late": ({"kind": "delay", "delay_ms": 200, "probability": 0.3},),
    "events out of order": ({"kind": "reorder", "probability": 0.3},),
    "user stream cut": ({"kind": "cut", "stream": "ORDER_TRADE_UPDATE", "times": 2,
                         "probability": 0.1},),
    "user stream half open": ({"kind": "half_open", "stream": "ORDER_TRADE_UPDATE",
                               "after": 20},),
    "all lines closed": ({"kind": "day_close", "times": 2, "every_ms": 300},),
    "listen key expired": ({"kind": "listen_key_expired"},),
    "429 on orders": ({"kind": "rate_limited", "endpoint": "order.place", "after": 10},),
    "429 on queries": ({"kind": "rate_limited", "endpoint": "GET *", "probability": 0.1,
                        "times": 2},),
    "queries fail": ({"kind": "internal_503", "endpoint": "* /fapi/*", "probability": 0.2},),
    "queries hang": ({"kind": "ack_lost", "endpoint": "GET *", "how": "silent", "times": 2,
                      "probability": 0.2},),
    "engine's window missed": (
        {"kind": "engine_window", "endpoint": "order.place", "probability": 0.2},
    ),
    "maintenance": ({"kind": "maintenance", "for_ms": 300, "at_ms": 100},),
    "a foreign order": ({"kind": "foreign_order"},),
    "position moved by hand": ({"kind": "position_shift", "qty": 0.007},),
}  # fmt: skip
# This must halt the instance, as an order of somebody else that rests does.
MOVED = "position moved by hand"
# File of an await point -> faults that lead there.
PROVOKED_BY: dict[str, tuple[str, ...]] = {
    "rest_line": ("all lines closed",),
    "rest_cancels": ("all lines closed",),
    "resolver": ("-1007, placed", "acks lost"),
    "user_stream": ("user stream cut",),
    "reconcile": ("order events lost",),
    "catching_up": ("order events lost",),
}
# The exchange then wants silence for what is left of the minute: a round takes as long.
SLOW = "429 on queries"
# Stops that the countdown survives, and stops that it does not.
STOPS_S = ((0.02, 0.4), (COUNTDOWN_S + 0.2, COUNTDOWN_S + 2.4))
OPERATOR = (("cancel-all",), ("flatten", "arm"), ("halt", "arm"), ("reduce",), ("halt",))


@dataclass(frozen=True, slots=True)
class Act:
    """Trade for so long under these faults, then let it happen.

    `what`: "kill", "kill inside" (with a `death`), "stop" (go on after `stop_s`), "stop and kill",
    "end" (asked to), "brain" (replaced). After a kill `waits`: nothing is started until the
    exchange's countdown has run out; the faults of one that `stays` also meet the next start.
    `operator` are commands given a moment before.
    """

    what: str
    trade_s: float
    faults: tuple[str, ...]
    death: Death | None = None
    stop_s: float = 0.0
    waits: bool = False
    stays: bool = False
    operator: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" {self.death}" if self.death is not None else ""
        more += f" {self.stop_s:.2f} s" if self.stop_s else ""
        return f"{self.what}{more} under {', '.join(self.faults) or 'no fault'}" + (
            f", operator: {', '.join(self.operator)}" if self.operator else ""
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One round."""

    seed: int
    number: int
    acts: tuple[Act, ...]
    rate_per_s: float
    adopts: bool
    has_stops: bool

    @property
    def command(self) -> str:
        """Replays it."""
        return f"python -m tests.execution.rounds --seed {self.seed} --only {self.number}"


def plan_round(seed: int, number: int) -> Plan:
    """The plan of a round; the same for the same numbers.

    Four of five rounds sweep: execution is killed in the midst of trading, and the one that comes
    after it, which recovers, trades and is asked to end, dies at the next await point in turn.
    """
    source = random.Random(f"{seed}/{number}")
    lap, place = divmod(number, 5)
    if place < 4:
        first = _plan_act(source, source.choice(("kill", "kill", "kill", "stop and kill")))
        more = [_plan_act(source)] if source.random() < 0.15 else []
        acts = (first, _plan_act(source, "kill inside", 4 * lap + place), *more)
    else:
        acts = tuple(_plan_act(source) for _ in range(source.choice((1, 2, 2))))
    return Plan(
        seed,
        number,
        acts,
        rate_per_s=source.choice((40.0, 80.0, 150.0)),
        adopts=source.random() < 0.25,
        has_stops=source.random() < 0.1 or any(_is_at(act, "protective_stop") for act in acts),
    )


def _plan_act(source: random.Random, what: str = "", sweep: int | None = None) -> Act:
    """An act of a kind, or of any. `sweep` is the number of an await point, each counted twice."""
    often = sorted(set(FAULTS) - {SLOW})
    faults = source.sample(often, source.choice((0, 1, 1, 2, 3)))
    if not what and source.random() < 0.04:
        faults.append(SLOW)
    kinds = ("kill", "kill inside", "stop", "stop and kill", "end", "brain")
    what = what or source.choices(kinds, (4, 4, 4, 2, 1, 1))[0]
    death = _plan_death(source, sweep) if what == "kill inside" else None
    at = death.at.partition(".py")[0] if death is not None else ""
    faults += [name for name in PROVOKED_BY.get(at, ()) if name not in faults]
    # Where an operator's command runs, nobody comes by unless one is given.
    is_operated = source.random() < 0.06 or at.startswith("operator")
    low, high = STOPS_S[source.random() < 0.4]
    return Act(
        what,
        trade_s=source.uniform(0.05, 0.35),
        faults=tuple(faults),
        death=death,
        stop_s=source.uniform(low, high) if "stop" in what else 0.0,
        waits="kill" in what and source.random() < 0.2,
        stays=source.random() < 0.4,
        operator=source.choice(OPERATOR) if is_operated else (),
    )


def _is_at(act: Act, file: str) -> bool:
    return act.death is not None and act.death.at.startswith(file)


def _plan_death(source: random.Random, sweep: int | None) -> Death:
    points = await_points()
    if sweep is not None:
        # A stride without a common factor: neighbours in the list are far apart in the campaign.
        return Death(str(points[sweep * 7 % len(points)]), 1, bool(sweep // len(points) % 2))
    after = source.random() < 0.5
    if source.random() < 0.7:
        return Death(source.choice(sorted(STEPS)), source.randint(1, 60), after)
    return Death(str(source.choice(points)), source.choice((1, 2, 5, 20)), after)
