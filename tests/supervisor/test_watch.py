"""The watch's rules, driven with made-up samples: no process, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from aegis.supervisor.watch import (
    CHAIN,
    CHILDREN,
    DRAINING,
    READY,
    STARTING,
    ProcessSample,
    Sample,
    Verdict,
    Watch,
    WatchLimits,
)

MS_NS = 1_000_000
LIMITS = WatchLimits(stall_timeout_ns=3_000 * MS_NS, canary_timeout_ns=3_000 * MS_NS)


class Instance:
    """Four processes that cycle; `stop`, `deafen` or `kill` one and see what the watch says."""

    def __init__(self, limits: WatchLimits = LIMITS) -> None:
        self.watch = Watch(limits)
        self.now_ns = 1_000 * MS_NS
        self.running = set(CHILDREN)
        self.stopped: set[str] = set()
        self.state = dict.fromkeys(CHILDREN, READY)
        self.cycles = dict.fromkeys(CHILDREN, 0)
        # What each process of the chain has passed on so far.
        self.passed = dict.fromkeys(CHAIN, 0)
        self.deaf: set[str] = set()
        self.sample = Sample(0, {}, books_valid=1, books_total=1, connected=1, execution_ready=True)
        self.market_speaks = True
        for process in CHILDREN:
            self.watch.forked(process, 0, self.now_ns)

    def step(self, step_ms: int = 100) -> list[Verdict]:
        self.now_ns += step_ms * MS_NS
        for process in self.running - self.stopped:
            self.cycles[process] += 1
        upstream_moves = True
        for process in CHAIN:
            works = process in self.running - self.stopped - self.deaf
            upstream_moves = upstream_moves and works
            if upstream_moves:
                self.passed[process] += 1
        sample = replace(
            self.sample,
            now_ns=self.now_ns,
            messages=self.now_ns if self.market_speaks else 1,
            processes={
                process: ProcessSample(self.cycles[process], self.now_ns, self.state[process])
                for process in self.running
            },
            canary_sent=self.passed["feed"],
            ticks_consumed=self.passed["brain"],
            intents_consumed=self.passed["execution"],
            canary_back=self.passed["execution"],
        )
        return self.watch.check(sample)

    def steps(self, count: int, step_ms: int = 100) -> list[Verdict]:
        return [verdict for _ in range(count) for verdict in self.step(step_ms)]


def until_verdict(instance: Instance, most_steps: int = 400) -> tuple[int, list[Verdict]]:
    for number in range(1, most_steps + 1):
        verdicts = instance.step()
        if verdicts:
            return number * 100, verdicts
    raise AssertionError(f"no verdict within {most_steps * 100} ms")


def test_a_working_instance_has_nothing_failing() -> None:
    instance = Instance()
    assert instance.steps(100) == []
    assert instance.watch.failing == []
    assert instance.watch.unready == []
    assert instance.watch.canary_round


@pytest.mark.parametrize("process", CHILDREN)
def test_a_stopped_process_is_the_one_that_is_named(process: str) -> None:
    instance = Instance()
    instance.steps(20)
    instance.stopped = {process}
    after_ms, verdicts = until_verdict(instance)
    assert [verdict.process for verdict in verdicts] == [process]
    assert after_ms <= 3_200
    assert instance.watch.failing


@pytest.mark.parametrize("process", CHAIN)
def test_a_process_that_cycles_and_passes_nothing_on_is_found_by_the_canary(process: str) -> None:
    instance = Instance()
    instance.steps(20)
    instance.deaf = {process}
    after_ms, verdicts = until_verdict(instance)
    assert [verdict.process for verdict in verdicts] == [process]
    assert "canary" in verdicts[0].reason
    assert after_ms <= 3_200


def test_a_process_that_never_begins_has_longer_and_is_then_named() -> None:
    instance = Instance()
    instance.stopped = {"feed"}
    after_ms, verdicts = until_verdict(instance)
    assert verdicts[0].process == "feed"
    assert "never began" in verdicts[0].reason
    assert after_ms > 10_000


def test_a_process_that_cycles_but_never_gets_ready_is_named() -> None:
    instance = Instance()
    instance.state["execution"] = STARTING
    after_ms, verdicts = until_verdict(instance, 700)
    assert verdicts[0].process == "execution"
    assert "not ready" in verdicts[0].reason
    assert after_ms > 59_000


def test_stale_ready_of_a_predecessor_is_not_believed() -> None:
    """The counters of a killed process still say READY when its successor is forked."""
    instance = Instance()
    instance.steps(20)
    instance.watch.ended("feed")
    instance.watch.forked("feed", instance.cycles["feed"], instance.now_ns)
    instance.stopped = {"feed"}
    instance.step()
    assert "feed is starting" in instance.watch.failing
    assert not instance.watch.canary_round


def test_a_process_that_does_not_run_is_failing_and_not_judged() -> None:
    instance = Instance()
    instance.steps(20)
    instance.running.discard("brain")
    instance.watch.ended("brain")
    assert instance.steps(100) == []
    assert "brain does not run" in instance.watch.failing


def test_the_canary_counts_anew_after_a_restart() -> None:
    instance = Instance()
    instance.steps(20)
    instance.watch.ended("brain")
    instance.running.discard("brain")
    instance.steps(25)
    instance.running.add("brain")
    instance.watch.forked("brain", instance.cycles["brain"], instance.now_ns)
    instance.deaf = {"brain"}
    after_ms, verdicts = until_verdict(instance)
    assert verdicts[0].process == "brain"
    assert after_ms >= 3_000, "the time it was down must not be held against its successor"


def test_a_watcher_that_was_paused_blames_nobody() -> None:
    instance = Instance()
    instance.steps(20)
    instance.stopped = set(CHILDREN)
    assert instance.step(step_ms=60_000) == [], "everybody slept, the watcher too"
    instance.stopped = set()
    assert instance.steps(50) == []


def test_lost_connections_forbid_ready_but_are_no_failure() -> None:
    instance = Instance()
    instance.sample = replace(instance.sample, execution_ready=False, books_valid=0)
    assert instance.steps(250) == []
    assert instance.watch.failing == []
    assert instance.watch.unready == ["0 of 1 books valid", "execution is not reconciled"]


def test_a_connection_that_stays_lost_gets_a_fresh_process() -> None:
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, books_valid=0)
    after_ms, verdicts = until_verdict(instance)
    assert [verdict.process for verdict in verdicts] == ["feed"]
    assert verdicts[0].reason == "not one book valid for 30.1 s"
    assert after_ms > 30_000


def test_single_books_are_the_feeds_own_matter() -> None:
    """They forbid READY, and the feed is not killed for them however long it takes."""
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, books_valid=299, books_total=300)
    assert instance.steps(2_000) == []
    assert instance.watch.unready == ["299 of 300 books valid"]


def test_a_feed_without_any_connection_gets_a_fresh_process() -> None:
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, books_valid=0, connected=0)
    instance.market_speaks = False
    _, verdicts = until_verdict(instance)
    assert verdicts == [Verdict("feed", "no connection to the exchange for 30.1 s")]


def test_a_feed_that_hears_nothing_gets_a_fresh_process() -> None:
    instance = Instance()
    instance.steps(20)
    instance.market_speaks = False
    after_ms, verdicts = until_verdict(instance)
    assert [verdict.process for verdict in verdicts] == ["feed"]
    assert verdicts[0].reason.startswith("no market data for 30.")
    assert after_ms > 30_000


def test_a_recording_is_played_as_slowly_as_its_conductor_likes() -> None:
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, is_recording=True)
    instance.market_speaks = False
    assert instance.steps(1_000) == []


def test_the_feeds_time_begins_anew_whenever_something_gets_better() -> None:
    instance = Instance()
    instance.steps(20)
    lost = replace(instance.sample, books_valid=0)
    for better in (
        replace(lost, books_valid=1),
        replace(lost, weight_waiting=True),
        replace(lost, connected=0),
    ):
        instance.sample = lost
        assert instance.steps(290) == []
        instance.sample = better
        assert instance.step() == []
    instance.sample = replace(lost, connected=0)
    assert instance.steps(290) == []
    instance.sample = replace(lost, connected=1)
    assert instance.steps(290) == [], "a connection has its own time to bring books"
    for _ in range(10):
        instance.sample, instance.market_speaks = replace(lost, books_valid=1), False
        assert instance.steps(290) == []
        instance.market_speaks = True
        assert instance.step() == []


def test_a_feed_that_waits_for_the_exchange_is_left_to_wait() -> None:
    """A fresh process could not ask any sooner, and would have lost what this one knows."""
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, books_valid=0, weight_waiting=True)
    assert instance.steps(600) == []
    ban_ns = instance.now_ns + 120_000 * MS_NS
    for connected in (1, 0):
        instance.sample = replace(
            instance.sample, quiet_until_ns=ban_ns, weight_waiting=False, connected=connected
        )
        assert instance.steps(590) == []
    after_ms, verdicts = until_verdict(instance)
    assert verdicts == [Verdict("feed", "no connection to the exchange for 30.1 s")]
    assert after_ms > 30_000, "its time begins when it may ask"


def test_a_feed_that_starts_inside_a_ban_has_its_time_after_it() -> None:
    instance = Instance()
    instance.state["feed"] = STARTING
    instance.sample = replace(
        instance.sample, connected=0, quiet_until_ns=instance.now_ns + 120_000 * MS_NS
    )
    assert instance.steps(1_790) == []
    _, verdicts = until_verdict(instance)
    assert names(verdicts) == ["feed"]
    assert "not ready" in verdicts[0].reason


def test_a_venue_that_waits_for_the_feed_s_contracts_has_its_time_after_a_ban() -> None:
    instance = Instance()
    instance.state["venue"] = STARTING
    instance.sample = replace(instance.sample, quiet_until_ns=instance.now_ns + 120_000 * MS_NS)
    assert instance.steps(1_790) == []
    _, verdicts = until_verdict(instance)
    assert names(verdicts) == ["venue"]
    assert "not ready" in verdicts[0].reason


def test_a_recording_that_has_ended_is_silent_by_right() -> None:
    instance = Instance()
    instance.steps(20)
    instance.sample = replace(instance.sample, books_valid=0, market_over=True)
    assert instance.steps(400) == []
    assert instance.watch.unready == []


def test_no_book_wanted_counts_as_not_ready() -> None:
    instance = Instance()
    instance.sample = replace(instance.sample, books_valid=0, books_total=0)
    instance.step()
    assert instance.watch.unready == ["0 of 0 books valid"]


def test_draining_is_not_ready() -> None:
    instance = Instance()
    instance.state = dict.fromkeys(CHILDREN, DRAINING)
    instance.step()
    assert {f"{process} is starting" for process in CHILDREN} <= set(instance.watch.failing)


def names(verdicts: Iterable[Verdict]) -> list[str]:
    return [verdict.process for verdict in verdicts]


def test_two_stalled_processes_are_both_named() -> None:
    instance = Instance()
    instance.steps(20)
    instance.stopped = {"venue", "feed"}
    _, verdicts = until_verdict(instance)
    found = {*names(verdicts), *names(instance.steps(5))}
    assert found == {"venue", "feed"}
