"""Vital signs: which silence stops new risk, and that an episode cancels once."""

from __future__ import annotations

from dataclasses import replace

from aegis.execution.vitals import Signs, Vitals
from aegis.risk.gate_state import BLOCK_BRAIN, BLOCK_SUPERVISOR

NOW = 100_000
GOOD = Signs(
    now_ns=NOW,
    supervisor_ns=NOW,
    brain_ns=NOW,
    brain_generation=1,
    feed_ns=NOW,
    feed_connected=True,
    feed_message_ns=NOW,
)


def vitals(silence_ns: int = 500) -> Vitals:
    return Vitals(heartbeat_ns=1_000, silence_ns=silence_ns)


def test_all_well() -> None:
    verdict = vitals().look(GOOD)
    assert (verdict.blocks, verdict.cancel) == (0, ())


def test_at_the_limit_and_one_beyond() -> None:
    late = replace(GOOD, supervisor_ns=NOW - 1_000, brain_ns=NOW - 1_000)
    assert vitals().look(late).blocks == 0
    late = replace(GOOD, supervisor_ns=NOW - 1_001)
    assert vitals().look(late).blocks == BLOCK_SUPERVISOR
    late = replace(GOOD, brain_ns=NOW - 1_001)
    assert vitals().look(late).blocks == BLOCK_BRAIN


def test_an_episode_cancels_once_and_clears_itself() -> None:
    watched = vitals()
    dead = replace(GOOD, brain_ns=NOW - 5_000)
    assert watched.look(dead).cancel == ("brain lost",)
    assert watched.look(dead).cancel == ()
    assert watched.look(dead).blocks == BLOCK_BRAIN
    assert watched.look(GOOD).blocks == 0
    assert watched.look(dead).cancel == ("brain lost",)


def test_another_generation_cancels_what_the_old_one_left() -> None:
    watched = vitals()
    assert watched.look(GOOD).cancel == ()
    assert watched.look(replace(GOOD, brain_generation=2)).cancel == ("another brain",)
    assert watched.look(replace(GOOD, brain_generation=2)).cancel == ()


def test_market_data_lost() -> None:
    for sign in (
        replace(GOOD, feed_connected=False),
        replace(GOOD, feed_ns=NOW - 1_001),
        replace(GOOD, feed_message_ns=NOW - 501),
    ):
        verdict = vitals().look(sign)
        assert verdict.cancel == ("market data lost",) and verdict.blocks == 0
    quiet = replace(GOOD, feed_message_ns=0)
    assert vitals(silence_ns=0).look(quiet).cancel == (), "a recording may pause"
