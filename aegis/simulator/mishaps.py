"""What goes wrong at one moment of a trial, by the plan's rates: a table of small acts.

Lines are cut, keys end, somebody else trades, processes die or stop, the clock steps. The trial
asks `go_wrong` at every look while it is not calm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aegis.simulator.trial import Trial

__all__ = ["MISHAPS", "go_wrong"]

_MS = 1_000_000
_S = 1_000_000_000


def go_wrong(trial: Trial, now_ns: int) -> None:
    """Perhaps one of each."""
    plan, rng = trial.plan, trial.rng
    for name, act in MISHAPS:
        rate = getattr(plan, name)
        if rate and rng.random() < rate:
            act(trial, now_ns)


def cut(trial: Trial, now_ns: int) -> None:
    if trial.network.pipes and trial.rng.random() < 0.3:
        trial.rng.choice(trial.network.pipes).cut()
    lines = [line for line in trial.network.lines if line.loop is trial.loop]
    if lines:
        silently = trial.rng.random() < trial.plan.half_open
        trial.count("half open" if silently else "cut")
        trial.rng.choice(lines).cut(trial.rng, silently=silently)


def part(trial: Trial, now_ns: int) -> None:
    trial.count("partition")
    trial.network.shut_until_ns = now_ns + trial.rng.randrange(200 * _MS, 4 * _S)


def silence_rest(trial: Trial, now_ns: int) -> None:
    trial.count("REST outage")
    trial.network.rest_shut_until_ns = now_ns + trial.rng.randrange(500 * _MS, 6 * _S)


def expire_key(trial: Trial, _: int) -> None:
    trial.count("key expired")
    trial.front.expire_keys()


def limit(trial: Trial, now_ns: int) -> None:
    trial.count("429")
    trial.front.quiet_until_ns = now_ns + trial.rng.randrange(200 * _MS, 2 * _S)


def ban(trial: Trial, now_ns: int) -> None:
    trial.count("418")
    trial.front.banned_until_ns = now_ns + trial.rng.randrange(1 * _S, 5 * _S)


def meddle(trial: Trial, _: int) -> None:
    trial.count("foreign order")
    trial.exchange.now_ms = trial.front.now_ms()
    side = trial.rng.choice((1, -1))
    if trial.rng.random() < 0.5:
        trial.exchange.rest_by_hand(side)
    else:
        _from_outside(trial, lambda: trial.exchange.trade_by_hand("web_", side, 7))


def liquidate(trial: Trial, _: int) -> None:
    trial.count("liquidation")
    prefix = trial.rng.choice(("autoclose-", "adl_autoclose", "settlement_autoclose-"))
    side = -1 if trial.exchange.position > 0 else 1
    lots = max(1, abs(trial.exchange.position) // 2)
    _from_outside(trial, lambda: trial.exchange.trade_by_hand(prefix, side, lots))


def edit(trial: Trial, _: int) -> None:
    trial.count("position edited")
    _from_outside(trial, lambda: trial.exchange.edit_position(trial.rng.choice((-9, 9))))


def _from_outside(trial: Trial, act: Callable[[], None]) -> None:
    """The position moves by somebody else's doing: the limit is not ours alone to keep."""
    trial.exchange.now_ms = trial.front.now_ms()
    trial.oracles.is_tainted = True
    act()


def fund(trial: Trial, _: int) -> None:
    trial.exchange.now_ms = trial.front.now_ms()
    trial.exchange.pay_funding()


def crash(trial: Trial, now_ns: int) -> None:
    if trial.main is not None:
        trial.kill_process()
        if trial.rng.random() < trial.plan.power:
            trial.count("power loss")
            trial.premises.stage.boot_at(now_ns)
            trial.storage.lose_power()
            trial.oracles.bookkeeping.lose_power()
            trial.brain.start_epoch(now_ns)
        trial.agenda.after(trial.rng.randrange(20 * _MS, 3 * _S), trial.start_process)


def pause(trial: Trial, now_ns: int) -> None:
    if trial.main is not None and trial.paused_until_ns < now_ns:
        trial.count("stop")
        trial.paused_until_ns = now_ns + trial.rng.randrange(50 * _MS, 6 * _S)


def pause_brain(trial: Trial, now_ns: int) -> None:
    trial.count("brain stopped")
    trial.brain_back_ns = now_ns + trial.rng.randrange(100 * _MS, 5 * _S)


def restart_brain(trial: Trial, now_ns: int) -> None:
    trial.count("brain restarted")
    trial.brain.start_epoch(now_ns)


def pause_feed(trial: Trial, now_ns: int) -> None:
    trial.count("feed stopped")
    trial.feed_back_ns = now_ns + trial.rng.randrange(100 * _MS, 5 * _S)


def pause_supervisor(trial: Trial, now_ns: int) -> None:
    trial.count("supervisor stopped")
    trial.supervisor_back_ns = now_ns + trial.rng.randrange(100 * _MS, 5 * _S)


def step_clock(trial: Trial, _: int) -> None:
    trial.count("clock step")
    trial.wall_offset_ns += trial.rng.choice((-5, -1, 1, 5, 3_600)) * _S


MISHAPS: tuple[tuple[str, Callable[[Trial, int], None]], ...] = (
    ("cut", cut),
    ("partition", part),
    ("rest_outage", silence_rest),
    ("key_expiry", expire_key),
    ("limited", limit),
    ("banned", ban),
    ("foreign", meddle),
    ("liquidation", liquidate),
    ("edit", edit),
    ("funding", fund),
    ("crash", crash),
    ("pause", pause),
    ("brain_pause", pause_brain),
    ("brain_crash", restart_brain),
    ("feed_pause", pause_feed),
    ("supervisor_pause", pause_supervisor),
    ("clock_step", step_clock),
)
