"""Trading on paper: the prices of another exchange, which never sees an order of ours.

The other exchange is a second embedded one in a process of its own. The appliance finds it as it
would the live one, by the addresses under [feed], and has no key of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.exchange import Exchange, served
from tests.appliance.harness import REACT_S, START_S, Appliance

API_KEY, SECRET = "other" * 12, "secret" * 10
# Quotes near the touch, so that the market comes to them within seconds.
CHANGES = {"min_half_spread_ticks": "1.0", "min_requote_ms": "100"}
OUTAGE_S = 2.0
MAKER_FEE = 2e-4


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Exchange]:
    with served(tmp_path, API_KEY, SECRET, "--symbols", "2") as exchange:
        yield exchange


def put_on_paper(one: Appliance, port: int) -> None:
    """Have an appliance's file take its prices from the exchange at `port`."""
    text = one.config.read_text()
    text, count = re.subn(r'(?m)^mode = "embedded".*$', 'mode = "paper"', text, count=1)
    assert count == 1
    addresses = f'rest_url = "http://127.0.0.1:{port}"\nstream_url = "ws://127.0.0.1:{port}"'
    text, count = re.subn(r"(?m)^\[feed\].*$", f"[feed]\n{addresses}", text, count=1)
    assert count == 1
    one.config.write_text(text)


def venue(one: Appliance, name: str) -> int:
    return int(one.view().counters["venue"][name])


def until_filled(one: Appliance, more_than: int) -> int:
    """Wait for another fill of ours; how many there are."""
    one.until("a fill", lambda: venue(one, "fills") > more_than, START_S)
    return venue(one, "fills")


def assert_nothing_went_out(other: Exchange) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert other.ask("/fapi/v1/allOrders", symbol=symbol) == []
        assert other.ask("/fapi/v1/userTrades", symbol=symbol) == []


def test_paper_trades_on_prices_of_an_exchange_that_sees_no_order(
    appliance: MakeAppliance, other: Exchange
) -> None:
    one = appliance(changes=CHANGES)
    put_on_paper(one, other.port)
    words = f"PAPER: market data of 127.0.0.1:{other.port}, no order leaves this machine, no money"
    checked = one.call("check", one.name)
    assert checked.returncode == 0
    assert words in checked.stdout
    one.start("--json").until_ready()
    assert words in one.said
    assert words in one.call("status", one.name).stdout
    fills = until_filled(one, 0)
    book, other_top = one.view().books[0], other.ask("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
    assert book.bid is not None
    assert abs(book.bid / float(other_top["bidPrice"]) - 1) < 0.01
    fills = a_feed_that_is_killed_fills_nothing(one, other, fills)
    a_venue_that_is_killed_keeps_the_account(one, fills)
    assert_nothing_went_out(other)
    assert one.stop() == 0
    summary = one.summary()
    assert (summary["mode"], summary["simulated"]) == ("paper", True)
    assert summary["market_host"] == f"127.0.0.1:{other.port}"
    assert (summary["open_orders"], summary["orders_rejected"] < summary["orders"]) == (0, True)
    assert_nothing_went_out(other)
    assert_makers_fills(one, summary["position"])
    one.gone()


def assert_makers_fills(one: Appliance, position: float) -> None:
    """What came to our quotes was filled, for the maker's fee, and adds up to the position."""
    told = one.call("journal", "tail", one.name, "-n", "1000000", "--json", timeout_s=START_S)
    records = json.loads(told.stdout)["records"]
    fills = [record for record in records if record["kind"] == "FILL"]
    assert fills
    assert all(fill["maker"] for fill in fills)
    for fill in fills:
        assert fill["fee"] == pytest.approx(fill["price"] * fill["qty"] * MAKER_FEE, rel=1e-6)
    signed = [fill["qty"] * (1 if fill["side"] == "BUY" else -1) for fill in fills]
    assert sum(signed) == pytest.approx(position, abs=1e-9)


def a_feed_that_is_killed_fills_nothing(one: Appliance, other: Exchange, fills: int) -> int:
    """Its successor finds an exchange that says nothing: no book is in force meanwhile."""
    one.until("a resting order", lambda: venue(one, "orders_open") > 0)
    former = one.pid("feed")
    other.process.send_signal(signal.SIGSTOP)
    os.kill(former, signal.SIGKILL)
    one.until("the book to be out of force", lambda: venue(one, "books_in_force") == 0)
    before = venue(one, "fills")
    deadline_s = time.monotonic() + OUTAGE_S
    looks = 0
    while time.monotonic() < deadline_s or one.pid("feed") in (0, former):
        # Read before the count: what is filled after the book is back is no fill of the outage.
        assert venue(one, "fills") == before
        assert venue(one, "books_in_force") == 0
        looks += 1
    assert looks > 3
    other.process.send_signal(signal.SIGCONT)
    one.until_restarted("feed", former)
    assert venue(one, "books_in_force") == 1
    return until_filled(one, max(before, fills))


def a_venue_that_is_killed_keeps_the_account(one: Appliance, fills: int) -> None:
    """It comes back on its port with positions and money, and the market where it is by then."""
    one.until("a position", lambda: any(one.view().position.values()))
    port, former = venue(one, "port"), one.pid("venue")
    os.kill(former, signal.SIGKILL)
    one.until_restarted("venue", former)
    assert venue(one, "port") == port
    found = one.view()
    assert found.counters["execution"]["gate_state"] == 1, one.said
    assert found.counters["execution"]["ready"] == 1
    until_filled(one, fills)
    assert "positions differ" not in one.said


def test_a_recording_has_no_place_on_paper(appliance: MakeAppliance, tmp_path: Path) -> None:
    one = appliance()
    put_on_paper(one, 9)
    recording = tmp_path / "tape"
    recording.write_bytes(b'1 {"stream":"btcusdt@trade","data":{}}\n')
    refused = one.call("run", one.name, "--mirror", str(recording), timeout_s=REACT_S)
    assert refused.returncode == 2
    assert 'venue.mode = "paper" has no recordings to replay' in refused.stderr
    assert not one.directory.exists()
