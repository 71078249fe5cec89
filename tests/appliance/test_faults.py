"""The real appliance, hurt: each process killed and stopped, the supervisor killed, the venue gone.

What must come out is in every case the same: found within the watchdog's time, named by status,
and after the repair trading goes on; at the end nothing is left.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import CHILDREN, Appliance

# Tighter than shipped, so that a test does not wait, and not so tight that a busy box stalls it.
CHANGES = {"stall_timeout_ms": "1500", "canary_timeout_ms": "2000", "min_requote_ms": "50"}


def trading(one: Appliance, more_than: int = 0) -> bool:
    """Whether orders reach the venue: more than so many so far."""
    return bool(one.view().counters["execution"]["orders_accepted"] > more_than)


def goes_on_trading(one: Appliance) -> None:
    """Wait until new orders are accepted, counted from now."""
    before = one.view().counters["execution"]["orders_accepted"]
    one.until("new orders after the repair", lambda: trading(one, before))


def test_it_trades_and_leaves_nothing(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start("--json").until_ready()
    one.until("a fill", lambda: one.view().fills > 0, 60)
    assert one.stop() == 0
    summary = one.summary()
    assert summary["ok"]
    assert summary["orders"] > 0
    assert summary["fills"] > 0
    assert summary["open_orders"] == 0
    assert summary["lost"] == 0
    assert summary["orders_unknown"] == 0
    assert summary["gc_collections_in_cycle"] == 0
    assert summary["top_checks"] > 0
    assert summary["top_mismatches"] == 0
    assert summary["latency"]["tick_to_order_ns"]["count"] > 0
    assert "Traceback" not in one.said
    one.gone()


def test_each_killed_process_comes_back_and_trading_goes_on(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start("--json").until_ready()
    port = one.view().counters["venue"]["port"]
    for process in CHILDREN:
        goes_on_trading(one)
        former_pid = one.pid(process)
        os.kill(former_pid, signal.SIGKILL)
        one.until_restarted(process, former_pid)
        found = one.view().processes[process]
        assert (found.restarts, found.generation) == (1, 2)
        assert any(process in problem.what for problem in one.view().problems)
        assert f"{process}: killed by SIGKILL; restarting (1 of 5)" in one.said
    goes_on_trading(one)
    assert one.view().counters["venue"]["port"] == port, "the venue must come back where it was"
    assert one.stop() == 0
    summary = one.summary()
    assert summary["open_orders"] == 0
    assert summary["restarts"] == len(CHILDREN)
    assert "Traceback" not in one.said
    one.gone()


def test_each_stopped_process_is_found_and_trading_goes_on(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start("--json").until_ready()
    for process in CHILDREN:
        goes_on_trading(one)
        former_pid = one.pid(process)
        stopped_ns = time.monotonic_ns()
        os.kill(former_pid, signal.SIGSTOP)
        one.until(
            "status to name it",
            lambda name=process: any(name in problem.what for problem in one.view().problems),
        )
        one.until_restarted(process, former_pid)
        assert time.monotonic_ns() - stopped_ns < 15_000_000_000
        assert f"{process}: " in one.said
    goes_on_trading(one)
    assert one.stop() == 0
    assert one.summary()["open_orders"] == 0
    assert one.summary()["restarts"] == len(CHILDREN)
    one.gone()


def test_a_killed_supervisor_leaves_no_process_and_no_order(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start().until_ready()
    one.until("orders", lambda: trading(one))
    assert one.process is not None
    os.kill(one.pid("supervisor"), signal.SIGKILL)
    one.process.wait()
    one.until("the children to end", lambda: not one.survivors())
    view = one.view()
    assert view.state == "dead"
    assert view.open_orders == 0, "execution cancels what rests before it ends"
    one.start("--json").until_ready()
    assert "clearing what a dead start left" in one.said
    one.until("orders of the new start", lambda: trading(one))
    assert one.stop() == 0
    one.gone()


def test_a_supervisor_that_stands_still_makes_execution_cancel(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start("--json").until_ready()
    one.until("orders", lambda: trading(one))
    pid = one.pid("supervisor")
    os.kill(pid, signal.SIGSTOP)
    try:
        one.until("status to name it", lambda: _names_supervisor(one))
        one.until("execution to notice", lambda: _silence_ms(one) > 3_000)
        one.until("no order to rest", lambda: one.view().open_orders == 0)
        sent = one.view().counters["execution"]["orders_sent"]
        one.until("a while", lambda: _silence_ms(one) > 4_500)
        assert one.view().counters["execution"]["orders_sent"] == sent
        assert one.view().open_orders == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    one.until("health", lambda: one.view().healthy)
    goes_on_trading(one)
    assert one.stop() == 0
    one.gone()


def test_a_reload_while_trading(appliance: MakeAppliance) -> None:
    one = appliance(changes=CHANGES).start("--json").until_ready()
    one.until("orders", lambda: trading(one))
    good = one.config.read_text()
    one.config.write_text(good.replace("order_qty = 0.002", "order_qty = nan", 1))
    assert one.call("reload", one.name).returncode == 1
    assert one.view().healthy
    one.config.write_text(good.replace("order_qty = 0.002", "order_qty = 0.003", 1))
    done = one.call("reload", one.name)
    assert done.returncode == 0, done.stderr
    assert one.view().processes["brain"].parameters_version == 1
    assert one.view().processes["execution"].parameters_version == 1
    goes_on_trading(one)
    assert one.view().restarts == 0
    assert one.stop() == 0
    one.gone()


def test_two_instances_side_by_side(appliance: MakeAppliance) -> None:
    one, two = appliance(changes=CHANGES).start(), appliance(changes=CHANGES).start()
    one.until_ready()
    two.until_ready()
    assert one.stop() == 0
    assert two.view().healthy
    assert two.stop() == 0
    one.gone()
    two.gone()


@pytest.mark.long
def test_a_short_recording_gives_the_same_intents_twice(
    appliance: MakeAppliance, shared_data: Path
) -> None:
    recording = shared_data / "usdm" / "btcusdt_20240808.gz"
    found = []
    for _ in range(2):
        one = appliance()
        one.start("--json", "--mirror", str(recording), "--speed", "20")
        assert one.finish(600) == 0
        found.append(one.summary())
        one.gone()
    assert found[0]["intents"] > 0
    assert found[0]["intents_hash"] == found[1]["intents_hash"]


def _names_supervisor(one: Appliance) -> bool:
    return any("supervisor" in problem.what for problem in one.view().problems)


def _silence_ms(one: Appliance) -> float:
    """How long the supervisor has given no sign of life."""
    return one.view().processes["supervisor"].heartbeat_age_ms or 0.0
