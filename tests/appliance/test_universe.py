"""A real appliance that follows everything its exchange lists."""

from __future__ import annotations

import json
import os
import re
import signal

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import Appliance

LISTED = 40


def take_all(one: Appliance) -> Appliance:
    """Let the instance take all symbols, with a strategy that makes sense for all."""
    text = one.config.read_text()
    text = re.sub(rf"(?s)\[instances\.{one.name}\.parameters\].*?\n\n", "", text, count=1)
    text = text.replace('symbols = ["BTCUSDT"]', 'symbols = "all"\nmax_symbols = 64', 1)
    one.config.write_text(text.replace('"avellaneda_stoikov"', '"observe"', 1))
    return one


def test_all_symbols_from_start_to_end_and_over_a_killed_feed(appliance: MakeAppliance) -> None:
    one = take_all(appliance(changes={"universe": str(LISTED)})).start("--json").until_ready()
    assert one.until("all books", lambda: one.view().counters["feed"]["books_valid"] == LISTED)
    view = one.view()
    assert len(view.books) == LISTED, "rows in reserve are not shown"
    assert view.counters["feed"]["universe_trading"] == LISTED
    shown = one.call("universe", one.name, "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert found["covered"]
    assert (found["listed"], found["followed"], found["valid"]) == (LISTED, LISTED, LISTED)
    rows = {line["symbol"]: line["row"] for line in found["symbols"]}
    assert "BTCUSDT" in one.call("universe").stdout
    former = one.pid("feed")
    os.kill(former, signal.SIGKILL)
    one.until_restarted("feed", former)
    again = one.until("coverage", lambda: _covered(one))
    assert {line["symbol"]: line["row"] for line in again["symbols"]} == rows, "rows never move"
    assert one.stop() == 0, one.said
    assert one.summary()["ok"]
    assert "Traceback" not in one.said
    one.gone()
    nobody = one.call("universe", one.name, "--json")
    assert nobody.returncode == 3


def _covered(one: Appliance) -> dict[str, object] | None:
    shown = one.call("universe", one.name, "--json")
    found: dict[str, object] = json.loads(shown.stdout)
    return found if shown.returncode == 0 else None
