"""The operator's commands on a real appliance that quotes at its embedded exchange."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import Appliance


def command(one: Appliance, name: str, *more: str) -> tuple[int, dict[str, Any]]:
    done = one.call(name, one.name, "--json", *more)
    return done.returncode, json.loads(done.stdout)


def open_orders(one: Appliance) -> int:
    return int(one.view().counters["execution"]["open_orders"])


@pytest.mark.long
def test_halt_over_a_restart_then_arm_then_flatten(appliance: MakeAppliance) -> None:
    one = appliance().start().until_ready()
    one.until("quotes", lambda: open_orders(one) > 0)
    code, answer = command(one, "halt")
    assert code == 0 and answer["ok"], answer
    assert answer["resting"] == 0 and answer["cancelled"] > 0
    assert answer["state"] == "HALTED"
    former = one.pid("execution")
    os.kill(former, signal.SIGKILL)
    one.until("execution again", lambda: one.pid("execution") not in (0, former))
    one.until("its latch", lambda: one.view().counters["execution"]["ready"] == 1)
    assert one.view().counters["execution"]["gate_state"] == 3
    assert one.stop() == 0
    one.start()
    one.until("ready", lambda: one.view().counters["execution"]["ready"] == 1, 90.0)
    assert one.view().counters["execution"]["gate_state"] == 3, "another appliance, the same latch"
    assert "only `aegis arm` re-arms it" in one.said
    code, answer = command(one, "arm")
    assert code == 0 and answer["state"] == "ACTIVE", answer
    one.until("quotes", lambda: open_orders(one) > 0)
    one.until("a position", lambda: one.view().counters["execution"]["position_lots"] != 0, 60.0)
    code, answer = command(one, "flatten")
    assert code == 0 and answer["positions"] == {}, answer
    assert one.view().counters["execution"]["position_lots"] == 0
    assert one.stop() == 0
    one.gone()


@pytest.mark.long
def test_a_stopped_brain_leaves_no_orders(appliance: MakeAppliance) -> None:
    one = appliance().start().until_ready()
    one.until("quotes", lambda: open_orders(one) > 0)
    os.kill(one.pid("brain"), signal.SIGSTOP)
    one.until("its orders to go", lambda: one.view().counters["venue"]["orders_open"] == 0)
    one.close()
