"""Strategy smc in the real appliance: the feed's candles and their history, signals with levels."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

from aegis.shm.instance import InstanceMemory
from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import Appliance

# Fast candles and a low gate: something is signalled within seconds.
PARAMETERS = """
risk_quote = 20.0
max_notional_quote = 500.0
interval_s = 1
swing_length = 1
min_confidence = 0.3
min_reward_risk = 0.5
entry_valid_candles = 3
max_hold_candles = 10
"""
ENTRIES = (1, 2)  # causes: long, short


def with_smc(one: Appliance) -> Appliance:
    text = one.config.read_text()
    table = rf"(?s)(\[instances\.{one.name}\.parameters\]).*?\n\n"
    text, count = re.subn(table, rf"\g<1>{PARAMETERS}\n", text, count=1)
    assert count == 1
    one.config.write_text(text.replace('"avellaneda_stoikov"', '"smc"', 1))
    return one


def entries(one: Appliance) -> list[Any]:
    """The signals to enter, of those that are still in the ring."""
    memory = InstanceMemory.attach(one.name, shm_dir=one.shm_dir)
    try:
        ring = memory.signals
        records = ring.records[: min(ring.published, ring.capacity)].copy()
    finally:
        memory.close()
    return [record for record in records if record["cause"] in ENTRIES]


def test_it_signals_with_stop_and_target_and_learns_from_the_history(
    appliance: MakeAppliance,
) -> None:
    one = with_smc(appliance(changes={"candles": '["1s", "1m"]'})).start("--json").until_ready()
    found = one.until("a signal to enter", lambda: entries(one))
    for told in found:
        side, price = int(told["side"]), int(told["price_ticks"]) * 0.1
        assert side * told["stop_price"] < side * price < side * told["target_price"]
        assert 0.3 < told["confidence"] <= 1.0
        risk = abs(price - told["stop_price"]) * int(told["qty_lots"]) * 0.001
        assert 0.0 < risk <= 20.0 + 1e-6
    one.until("an order", lambda: one.view().counters["execution"]["orders_accepted"] > 0)
    assert one.view().counters["brain"]["signals"] >= len(found)
    # A brain that is started anew has seen nothing of these seconds: the history has them.
    former = one.pid("brain")
    os.kill(former, signal.SIGKILL)
    one.until_restarted("brain", former)
    one.until("its history", lambda: one.view().counters["brain"]["candles_shown"] >= 3)
    assert one.stop() == 0, one.said
    summary = one.summary()
    assert summary["signals"] >= 0, "those of the last brain"
    assert summary["gc_collections_in_cycle"] == 0
    assert "Traceback" not in one.said
    one.gone()


def test_candles_that_no_feed_builds_are_refused(appliance: MakeAppliance) -> None:
    one = with_smc(appliance())
    refused = one.call("check", one.name)
    assert refused.returncode == 2
    assert "no candles of 1 s are built" in refused.stderr
    assert 'add "1s"' in refused.stderr


def test_candles_of_a_longer_trend_must_be_built_too(appliance: MakeAppliance) -> None:
    one = with_smc(appliance())
    given = one.config.read_text()
    assert "interval_s = 1\n" in given
    text = given.replace("interval_s = 1\n", "interval_s = 60\ntrend_interval_s = 3600\n")
    one.config.write_text(text)
    refused = one.call("check", one.name)
    assert refused.returncode == 2
    assert "no candles of 3600 s are built" in refused.stderr
    assert "trend_interval_s" in refused.stderr and 'add "1h"' in refused.stderr
    one.config.write_text(text.replace('candles = ["1m"]', 'candles = ["1m", "1h"]'))
    allowed = one.call("check", one.name)
    assert allowed.returncode == 0, allowed.stderr
