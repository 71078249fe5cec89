"""A whole feed on the embedded exchange's sockets: candles as they come, history over REST."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from aegis.config.load import load_config
from aegis.config.models import FeedConfig, VenueConfig
from aegis.config.settings import Settings
from aegis.feed.process import Feed
from aegis.shm.candles import CandlePlan
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import CANDLE, CLOCK, CLOSED, candle_interval_s
from aegis.shm.wiring import Wiring
from aegis.venue.build import VenueOptions
from aegis.venue.serve import running
from tests.feed.candle_exchange import decimals, numbers, rows_of
from tests.feed.venue_stand import FeedLife, plain


async def _klines(url: str, symbol: str) -> list[Any]:
    asked = {"pair": symbol, "contractType": "PERPETUAL", "interval": "1s", "limit": "1000"}
    session = aiohttp.ClientSession()
    async with session, session.get(f"{url}/fapi/v1/continuousKlines", params=asked) as answer:
        found: list[Any] = json.loads(await answer.read())
    return found


def test_candles_over_sockets_equal_the_exchanges_own(tmp_path: Path, repository: Path) -> None:
    """Seconds of two symbols in real time, and not one request refused."""
    config = load_config(repository / "aegis.toml")
    found = Settings.of(config, "btc", repository / "aegis.toml")
    symbols = ["BTCUSDT", "ETHUSDT"]
    settings = replace(
        found,
        instance=found.instance.model_copy(update={"symbols": symbols}),
        feed=FeedConfig(candles=["1s", "1m"], candle_history=60),
    )
    memory = InstanceMemory.create(
        "sockets", instruments=2, kept=CandlePlan((1, 60), 60), shm_dir=tmp_path
    )
    reader = memory.ticks.reader(batch=16_384)
    told: list[Any] = []

    def told_whole() -> list[dict[int, list[float]]]:
        """Seconds built here and told as whole when they closed: by row, the numbers by time."""
        told.extend(reader.poll().tolist())
        found: list[dict[int, list[float]]] = [{}, {}]
        for one in told:
            if one[1] == CANDLE and one[2] & 0xFF == CLOSED and candle_interval_s(one[2]) == 1:
                found[one[0]][one[3] // 1_000_000] = list(one[5:10])
        return found

    async def body() -> None:
        async with running(VenueOptions(config=VenueConfig(universe=2))) as venue:
            feed = Feed(settings, memory, Wiring.make("sockets", memory), None, plain(venue.port))
            async with FeedLife(feed) as life:
                await life.until("the histories", lambda: life.count("history_done") == 4)
                await life.until(
                    "whole seconds", lambda: all(len(one) >= 3 for one in told_whole())
                )
                await life.until("a correction", lambda: life.count("candles_corrected") > 0)
                for row, symbol in enumerate(symbols):
                    theirs = {one[0]: numbers(one) for one in await _klines(venue.url, symbol)}
                    ours = told_whole()[row]
                    assert {at: decimals(one) for at, one in ours.items()} == {
                        at: theirs[at] for at in ours
                    }
                    kept = rows_of(memory.candles.read(row, 1))
                    assert len(kept) > len(ours), "the history goes back further"
                    assert {at: decimals(kept[at]) for at in ours} == {
                        at: theirs[at] for at in ours
                    }
                assert life.count("rate_limited") == 0
                assert life.count("candle_gaps") == 0
            assert life.code == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())
    kinds = {one[1] for one in told}
    assert {CANDLE, CLOCK} <= kinds
    memory.close()
    memory.unlink()
