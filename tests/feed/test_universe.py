"""The rows of the instruments table, as the exchange lists and delists."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from aegis.feed.backoff import Backoff
from aegis.feed.discovery import Discovery
from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import RateLimitedError, SymbolUnknownError, WireError
from aegis.feed.exchange_info import STATUS_CODES, Listing, read_listing, status_of_event
from aegis.feed.gate import AddressGate
from aegis.feed.universe import EXCHANGE, FALLBACK, FALLBACK_SYMBOLS, FILE, Universe
from aegis.feed.weight import WeightBudget
from aegis.shm.instance import InstanceMemory
from aegis.shm.instruments import NOT_LISTED, TRADING, UNCONFIRMED

SETTLING = STATUS_CODES["SETTLING"]


def row(symbol: str, status: str = "TRADING", tick: str = "0.1", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "status": status, "pricePrecision": 2, "quantityPrecision": 3,
        "contractType": "PERPETUAL", "marginAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "9", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "9", "stepSize": "0.001"},
        ],
        **more,
    }  # fmt: skip


def listing(*rows: dict[str, Any], **more: Any) -> Listing:
    return read_listing(json.dumps({"symbols": rows, **more}).encode())


def statuses(memory: InstanceMemory) -> list[int]:
    return memory.instruments.rows["status"].tolist()


def test_all_takes_usdt_perpetuals_that_trade(memory: InstanceMemory) -> None:
    universe = Universe([], memory.instruments)
    changes = universe.take(
        listing(
            row("AUSDT"),
            row("BUSDT", "SETTLING"),
            row("CUSDT_260327", contractType="CURRENT_QUARTER"),
            row("DUSDC", marginAsset="USDC"),
            row("EUSDT", contractType="TRADIFI_PERPETUAL"),
        )
    )
    assert memory.instruments.listed == universe.symbols == ["AUSDT", "EUSDT"]
    assert changes.added == changes.opened == [0, 1]
    assert (changes.closed, changes.sentences, universe.source) == ([], [], EXCHANGE)


def test_an_entry_that_cannot_be_read_spoils_no_other(memory: InstanceMemory) -> None:
    universe = Universe([], memory.instruments)
    universe.take(listing(row("AUSDT"), row("BUSDT")))
    odd = [row("BUSDT", pricePrecision=None), row("CUSDT", filters="none"), {"x": 1}]
    changes = universe.take(listing(row("AUSDT"), *odd, row("DUSDT")))
    assert universe.symbols == ["AUSDT", "BUSDT", "DUSDT"]
    assert changes.closed == [], "a symbol that we follow stays as it was"
    assert set(universe.refused) == {"BUSDT", "CUSDT", "symbol number 3"}
    assert "pricePrecision" in universe.refused["BUSDT"]
    with pytest.raises(WireError, match="CUSDT"):
        listing(odd[1])
    named = Universe(["CUSDT"], memory.instruments)
    with pytest.raises(WireError, match="CUSDT"):
        named.take(listing(row("AUSDT"), *odd))


def test_rows_never_move_and_delisted_ones_say_so(memory: InstanceMemory) -> None:
    universe = Universe([], memory.instruments)
    universe.take(listing(row("AUSDT"), row("BUSDT")))
    changes = universe.take(listing(row("CUSDT"), row("BUSDT", "SETTLING"), row("DUSDT")))
    assert universe.symbols == ["AUSDT", "BUSDT", "CUSDT", "DUSDT"]
    assert (changes.added, changes.opened, changes.closed) == ([2, 3], [2, 3], [0, 1])
    assert statuses(memory) == [NOT_LISTED, 4, TRADING, TRADING]
    assert universe.streamed == [2, 3]
    back = universe.take(listing(row("AUSDT"), row("BUSDT"), row("EUSDT")))
    assert (back.opened, back.closed, back.added) == ([0, 1], [2, 3], [])
    assert universe.overflow == ["EUSDT"], "the table has four rows"


def test_a_changed_filter_raises_the_version_once(memory: InstanceMemory) -> None:
    universe = Universe(["AUSDT"], memory.instruments)
    universe.take(listing(row("AUSDT")))
    assert universe.source == FILE
    assert universe.take(listing(row("AUSDT"))).sentences == []
    assert int(memory.instruments.row(0)["version"]) == 1
    changes = universe.take(listing(row("AUSDT", tick="0.5")))
    assert changes.sentences == ["AUSDT: tick_size 0.1 -> 0.5"]
    assert int(memory.instruments.row(0)["version"]) == 2
    assert (changes.opened, changes.closed, changes.statuses) == ([], [], [])


def test_a_symbol_of_the_file_must_exist_at_the_start_only(memory: InstanceMemory) -> None:
    universe = Universe(["AUSDT", "NOUSDT"], memory.instruments)
    with pytest.raises(SymbolUnknownError, match="lists 1 symbols, but not NOUSDT"):
        universe.take(listing(row("AUSDT")))
    universe.take(listing(row("AUSDT"), row("NOUSDT")))
    changes = universe.take(listing(row("AUSDT")))
    assert (changes.closed, statuses(memory)[1]) == ([1], NOT_LISTED)


def test_bad_filters_stop_a_named_symbol_and_leave_out_another(memory: InstanceMemory) -> None:
    bad = row("BUSDT", tick="nan")
    with pytest.raises(WireError, match="BUSDT"):
        Universe(["BUSDT"], memory.instruments).take(listing(bad))
    universe = Universe([], memory.instruments)
    universe.take(listing(row("AUSDT"), bad))
    assert universe.symbols == ["AUSDT"]
    assert list(universe.refused) == ["BUSDT"]
    universe.take(listing(row("AUSDT", tick="inf")))
    assert float(memory.instruments.row(0)["tick_size"]) == 0.1, "what was good stays"
    changes = universe.take(listing(row("AUSDT", tick="inf", status="SETTLING")))
    assert (statuses(memory)[0], changes.statuses) == (SETTLING, [0]), "and what is told is taken"
    assert changes.closed == [0]


def test_a_named_symbol_that_cannot_be_read_later_is_halted_all_the_same(
    memory: InstanceMemory,
) -> None:
    universe = Universe(["AUSDT", "BUSDT"], memory.instruments)
    universe.take(listing(row("AUSDT"), row("BUSDT")))
    changes = universe.take(
        listing(row("AUSDT", tick="nan", status="SETTLING"), row("BUSDT", tick="0.5"))
    )
    assert statuses(memory)[:2] == [SETTLING, TRADING]
    assert float(memory.instruments.row(0)["tick_size"]) == 0.1
    assert float(memory.instruments.row(1)["tick_size"]) == 0.5
    assert "tickSize=nan" in universe.refused["AUSDT"]
    assert changes.closed == [0]


def test_a_pair_of_the_stand_in_without_filters_stays_unconfirmed(tmp_path: Any) -> None:
    memory = InstanceMemory.create("stand-in", instruments=24, shm_dir=tmp_path)
    universe = Universe([], memory.instruments)
    universe.fall_back()
    universe.take(listing(row("BTCUSDT", tick="nan")))
    assert statuses(memory)[0] == UNCONFIRMED, "nothing can be traded without a tick size"
    memory.close()
    memory.unlink()


def test_the_stand_in_has_no_filters_and_gives_way(tmp_path: Any) -> None:
    memory = InstanceMemory.create("stand-in", instruments=24, shm_dir=tmp_path)
    universe = Universe([], memory.instruments)
    changes = universe.fall_back()
    assert universe.symbols == list(FALLBACK_SYMBOLS)
    assert (changes.opened, universe.source) == (list(range(20)), FALLBACK)
    assert universe.trading() == 0
    assert set(statuses(memory)[:20]) == {UNCONFIRMED}
    assert universe.set_status("BTCUSDT", TRADING) is None, "it has no tick size yet"
    changes = universe.take(listing(row("BTCUSDT"), row("NEWUSDT")))
    assert (changes.added, changes.opened, changes.closed) == ([20], [20], list(range(1, 20)))
    assert statuses(memory)[:2] == [TRADING, NOT_LISTED]
    memory.close()
    memory.unlink()


def test_a_status_event_changes_its_row_at_once(memory: InstanceMemory) -> None:
    universe = Universe([], memory.instruments)
    universe.take(listing(row("AUSDT")))
    event = {"e": "contractInfo", "E": 1, "s": "AUSDT", "cs": "SETTLING", "bks": []}
    payload = json.dumps({"stream": "!contractInfo", "data": event}).encode()
    found = status_of_event(payload)
    assert found == ("AUSDT", 4)
    changes = universe.set_status(*found)
    assert changes is not None
    assert (changes.closed, changes.statuses) == ([0], [0])
    assert universe.set_status("NEWUSDT", TRADING) is None
    assert status_of_event(b'{"stream":"!contractInfo","data":{}}') is None


def test_the_weight_limit_is_read() -> None:
    limits = [
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    ]
    assert listing(rateLimits=limits).weight_per_minute == 2_400
    assert listing().weight_per_minute == 0


class Refusing:
    """Stands in for MarketRest: banned at first, then asked too often, then with a list."""

    def __init__(self) -> None:
        self.gate = AddressGate()
        self.asked = 0

    async def get(self, url: str, deadline_s: float | None = None) -> bytes:
        assert self.gate.left_s == 0.0, "asked inside the ban"
        self.asked += 1
        if self.asked <= 3:
            self.gate.note(418, 0.05)
            raise RateLimitedError("418", 0.05)
        if self.asked <= 6:
            raise RateLimitedError("429, of no length", 0.0)
        return json.dumps({"symbols": [row("AUSDT")]}).encode()


def test_a_refusal_is_no_failed_try_of_the_list(memory: InstanceMemory) -> None:
    rest, said = Refusing(), []
    universe = Universe([], memory.instruments)
    discovery = Discovery(
        universe,
        rest,  # type: ignore[arg-type]
        Endpoints(lambda: "http://exchange", lambda: None),
        WeightBudget(0.25),
        memory.counters["feed"],
        Backoff(0.001, 0.01, random.Random(1)),
        lambda: 0,
        said.append,
    )
    changes = asyncio.run(discovery.begin(1, lambda: False))
    assert changes is not None
    assert (universe.symbols, universe.source, rest.asked) == (["AUSDT"], EXCHANGE, 7)
    assert memory.counters["feed"]["discovery_failures"] == 0
    rest.gate.note(418, 60.0)
    assert asyncio.run(discovery.refresh()) is None
    assert asyncio.run(discovery.refresh()) is None
    assert rest.asked == 7
    assert "not asked for symbols for" in said[-1]
