"""The supervisor over stand-in processes: death, stall, budget, drain, leftovers, second start."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import CHILDREN

QUICK = {"stall_timeout_ms": "1000", "canary_timeout_ms": "1200", "drain_timeout_ms": "2000"}


def test_a_run_with_a_bound_ends_by_itself_and_leaves_nothing(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start("--for", "1", "--json").until_ready()
    assert one.finish() == 0
    summary = one.summary()
    assert summary["ok"]
    assert summary["ready"]
    assert summary["open_orders"] == 0
    assert summary["restarts"] == 0
    assert 1.0 <= summary["seconds"] < 5.0
    assert summary["ticks"] > 0
    assert len(summary["intents_hash"]) == 16
    assert set(summary["processes"]) == {"supervisor", *CHILDREN}
    assert all(summary["processes"][name]["rss_bytes"] > 0 for name in CHILDREN)
    assert any("simulated" in text for text in summary["degraded"])
    assert "Traceback" not in one.said
    one.gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_zero(stand_ins: MakeAppliance, number: signal.Signals) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    assert one.stop(number) == 0
    one.gone()
    (problem,) = one.view().problems
    assert "with exit code 0: a stop was asked for; no order rested" in problem.why


def test_a_stop_during_the_start_is_obeyed_at_once(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK, environment={"FAKE_VENUE": "slow start"}).start()
    one.until("the start", lambda: "shared memory" in one.said)
    assert one.stop() == 0
    assert "stopped before it started" in one.said
    one.gone()
    (problem,) = one.view().problems
    assert "with exit code 0: stopped before it started" in problem.why, problem.why


@pytest.mark.parametrize("process", ["feed", "brain"])
def test_a_process_that_cycles_and_does_nothing_never_gets_the_instance_ready(
    stand_ins: MakeAppliance, process: str
) -> None:
    changes = {**QUICK, "restart_budget": "1"}
    one = stand_ins(changes=changes, environment={f"FAKE_{process.upper()}": "silent"})
    assert one.start("--json").finish(60) == 1
    assert "canary is stuck" in one.said
    assert f"{process} the canary is stuck" in one.summary()["reason"]
    one.gone()


def test_a_crash_loop_ends_the_instance_within_its_budget(stand_ins: MakeAppliance) -> None:
    changes = {**QUICK, "restart_budget": "2"}
    one = stand_ins(changes=changes, environment={"FAKE_BRAIN": "raise"})
    assert one.start("--json").finish(60) == 1
    reason = one.summary()["reason"]
    assert "budget of 2 restarts in 60 s is gone" in reason
    assert "RuntimeError: brain was told to fail in two lines (at " in reason
    assert not one.summary()["ok"]
    assert "Traceback" not in one.said
    one.gone()
    status = one.call("status", one.name, "--json")
    (problem,) = json.loads(status.stdout)["problems"]
    assert status.returncode == 3
    assert f"with exit code 1: {reason}; no order rested" in problem["why"]


def test_a_process_that_ignores_its_drain_is_killed_in_time(stand_ins: MakeAppliance) -> None:
    changes = {**QUICK, "drain_timeout_ms": "500"}
    one = stand_ins(changes=changes, environment={"FAKE_BRAIN": "deaf"}).start().until_ready()
    assert one.stop() == 1
    assert "brain did not finish within 0.5 s: killed" in one.said
    one.gone()


def test_a_second_signal_hastens_the_end(stand_ins: MakeAppliance) -> None:
    changes = {**QUICK, "drain_timeout_ms": "60000"}
    one = stand_ins(changes=changes, environment={"FAKE_BRAIN": "deaf"}).start().until_ready()
    assert one.process is not None
    one.process.send_signal(signal.SIGINT)
    one.until("the drain to begin", lambda: one.view().state == "stopping")
    began_ns = time.monotonic_ns()
    assert one.stop() == 1
    assert time.monotonic_ns() - began_ns < 10_000_000_000
    one.gone()


def test_orders_that_execution_left_are_cancelled_in_its_place(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK, environment={"FAKE_RESTING": "3"})
    one.start("--json").until_ready()
    assert one.stop() == 0
    assert "orders at the venue after execution ended: 3; cancelling all" in one.said
    assert one.summary()["open_orders"] == 0
    one.gone()


def test_a_second_start_is_refused_and_disturbs_nothing(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    pids = {process: one.pid(process) for process in ("supervisor", *CHILDREN)}
    second = one.call("run", one.name)
    assert second.returncode == 4
    assert f"pid {pids['supervisor']}" in second.stderr
    assert one.call("clean", one.name).returncode == 4
    assert {process: one.pid(process) for process in pids} == pids
    assert one.view().healthy
    assert one.stop() == 0


def test_children_do_not_outlive_a_killed_supervisor(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    assert one.process is not None
    os.kill(one.pid("supervisor"), signal.SIGKILL)
    one.process.wait()
    one.until("the children to end", lambda: not one.survivors())
    status = one.call("status", one.name, "--json")
    assert status.returncode == 3
    assert '"state": "dead"' in status.stdout
    assert "aegis clean" in status.stdout
    assert one.directory.is_dir()
    assert one.call("clean", one.name).returncode == 0
    assert not one.directory.exists()


def test_the_next_start_clears_what_a_killed_one_left(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    assert one.process is not None
    # A stopped child obeys nothing but SIGKILL: it survives the supervisor's death.
    stopped = one.pid("brain")
    os.kill(stopped, signal.SIGSTOP)
    os.kill(one.pid("supervisor"), signal.SIGKILL)
    one.process.wait()
    one.until("the other children to end", lambda: len(one.survivors()) == 1)
    one.start().until_ready()
    assert f"its processes still running: brain pid {stopped}" in one.said
    assert "obeyed nothing but SIGKILL: brain" in one.said
    assert one.stop() == 0
    one.gone()


def test_a_stopped_supervisor_is_named_by_status(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    pid = one.pid("supervisor")
    os.kill(pid, signal.SIGSTOP)
    try:
        problem = one.until(
            "status to name it",
            lambda: next((p for p in one.view().problems if "supervisor" in p.what), None),
        )
        assert f"kill -CONT {pid}" in problem.do
    finally:
        os.kill(pid, signal.SIGCONT)
    one.until("health", lambda: one.view().healthy)
    assert one.view().restarts == 0, "a watcher that slept blames nobody"
    assert one.stop() == 0


def test_nothing_is_in_a_childs_hands_that_it_must_not_have(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    for process in CHILDREN:
        folder = f"/proc/{one.pid(process)}/fd"
        targets = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
        assert str(one.directory) not in targets, f"{process} holds the instance's lock"
        pipes = [target for target in targets if target.startswith("pipe:")]
        assert len(pipes) == 1, f"{process} holds pipes of others: {pipes}"
    assert one.stop() == 0
