"""The embedded exchange's flow and streams faster than real time, with an intake at their end.

Nothing of either is replaced: the flow's tape is published and encoded as `pump` does it, the
frames' payloads go into the intake, and questions over REST are answered by the exchange's own
handlers. Only the sockets and the clock are missing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from aegis.config.models import VenueConfig
from aegis.feed.candle_history import CandleHistory
from aegis.feed.endpoints import Endpoints
from aegis.feed.gate import AddressGate
from aegis.feed.intake import Intake
from aegis.feed.weight import WeightBudget
from aegis.shm.candles import CandlePlan
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import CANDLE, candle_interval_s
from aegis.venue.publish.grid import Grid
from aegis.venue.publish.publisher import Publisher
from aegis.venue.wire.hub import Hub
from tests.venue.flow_desk import FlowDesk


def payloads_of(raw: bytes) -> list[bytes]:
    """The payloads of a server's unmasked frames (RFC 6455, 5.2)."""
    found, at = [], 0
    while at < len(raw):
        size, at = raw[at + 1], at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(raw[at : at + width], "big"), at + width
        found.append(raw[at : at + size])
        at += size
    return found


class Ear:
    """A subscriber that hands every payload on."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._queued: list[bytes] = []

    def enqueue(self, frame: bytes) -> None:
        self._queued.append(frame)

    def flush(self) -> None:
        raw, self._queued = b"".join(self._queued), []
        for payload in payloads_of(raw):
            self._take(payload)

    def backlog(self) -> int:
        return 0


class StreamedFlow(FlowDesk):
    """A desk whose flow is published; `streams` go to `take` once subscribed."""

    def __init__(self, config: VenueConfig, take: Callable[[bytes], None]) -> None:
        self.hub: Hub | None = None
        super().__init__(config)
        self.hub = Hub()
        self.publisher = Publisher(self.core, self.hub)
        self.grid = Grid()
        self.ear = Ear(take)

    def listen(self, streams: list[str]) -> None:
        assert self.hub is not None
        for stream in streams:
            self.hub.subscribe(stream, self.ear, True)
        self.publisher.refresh()

    def _tick(self, now_ms: int) -> None:
        while (due_ms := self.grid.reach(now_ms)) is not None:
            self.core.history.close_due(due_ms)
            self.publisher.tick(due_ms)

    def _after_step(self, now_ms: int) -> None:
        if self.hub is None:
            super()._after_step(now_ms)
            return
        self.now_ms = self.wall_ms = now_ms
        core, tape, begin = self.core, self.core.tape, 0
        self.publisher.admit()
        while begin < len(tape):
            self._tick(int(tape.records[begin]["time_ms"]))
            end = self.grid.end(tape, begin)
            core.history.consume_part(tape, begin, end)
            self.publisher.consume_part(tape, begin, end)
            begin = end
        tape.clear()
        self.publisher.refresh()
        self._tick(now_ms)
        self.hub.flush()


class Rest:
    """MarketRest, answered by the desk in the same thread."""

    def __init__(self, desk: FlowDesk) -> None:
        self.desk = desk
        self.gate = AddressGate()
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def get(self, url: str, deadline_s: float | None = None, **parameters: str) -> bytes:
        path = url.removeprefix("http://desk")
        self.asked.append((path, parameters))
        reply = self.desk.reply("GET", path, None, False, **parameters)
        assert reply.status == 200, reply
        return bytes(reply.body)


class CandleExchange:
    """The flow, the intake, and every CANDLE record that came out of it."""

    def __init__(
        self, folder: Path, config: VenueConfig, plan: CandlePlan, update_ms: int = 250
    ) -> None:
        self.loses: Callable[[bytes], bool] = lambda payload: False
        self.flow = StreamedFlow(config, self._take)
        self.symbols = list(self.flow.exchange.markets)
        self.memory = InstanceMemory.create(
            "truth", instruments=len(self.symbols), kept=plan, shm_dir=folder
        )
        self.counters = self.memory.counters["feed"]
        self.intake = Intake(
            self.symbols,
            self.memory.ticks,
            self.memory.books,
            self.counters,
            candles=self.memory.candles,
            candle_update_ms=update_ms,
        )
        self._reader = self.memory.ticks.reader(batch=16_384)
        self.told: list[Any] = []
        self.messages = 0
        self.rest = Rest(self.flow)
        endpoints = Endpoints(lambda: "http://desk", lambda: None)
        self.budget = WeightBudget(0.25)
        self.history = CandleHistory(
            self.intake,
            self.rest,  # type: ignore[arg-type]
            endpoints,
            self.budget,
            self.counters,
            lambda: self.flow.now_ms,
            lambda text: None,
            random.Random(1),
        )

    def close(self) -> None:
        self.memory.close()
        self.memory.unlink()

    def connect(self) -> None:
        kinds = ("trade", "bookTicker")
        self.flow.listen([f"{one.lower()}@{kind}" for one in self.symbols for kind in kinds])
        self.intake.candles.on_subscribed(range(len(self.symbols)))

    def _take(self, payload: bytes) -> None:
        if self.loses(payload):
            return
        self.messages += 1
        self.intake.take(payload, len(payload), 1)
        if self.messages % 1_000 == 0:
            self.drain()

    def drain(self) -> None:
        found = self._reader.poll()
        assert self._reader.lost == 0
        self.told += found[found["kind"] == CANDLE].copy().tolist()

    def klines(self, symbol: str, interval: str, start_ms: int, limit: int = 1500) -> list[Any]:
        """The exchange's own candles; seconds are to be had of the continuous contract alone."""
        asked: dict[str, Any] = {"interval": interval, "startTime": start_ms, "limit": limit}
        if interval == "1s":
            asked |= {"pair": symbol, "contractType": "PERPETUAL"}
            path = "/fapi/v1/continuousKlines"
        else:
            asked |= {"symbol": symbol}
            path = "/fapi/v1/klines"
        status, rows = self.flow.call("GET", path, None, False, **asked)
        assert status == 200, rows
        return list(rows)

    def closed(self, instrument: int, interval_s: int) -> dict[int, tuple[int, list[float]]]:
        """Open time to (flags, the five numbers), as last told."""
        return {
            one[3] // 1_000_000: (one[2] & 0xFF, list(one[5:10]))
            for one in self.told
            if one[0] == instrument and one[2] & 1 and candle_interval_s(one[2]) == interval_s
        }


def numbers(row: list[Any]) -> list[Decimal]:
    """Open, high, low, close and volume of a REST row."""
    return [Decimal(text) for text in row[1:6]]


def decimals(values: list[float]) -> list[Decimal]:
    """The decimals that doubles name: the shortest text that reads back the same."""
    return [Decimal(repr(float(value))) for value in values]


def rows_of(candles: Any) -> dict[int, list[float]]:
    """Candles of the shared history by opening time."""
    names = ("open", "high", "low", "close", "volume")
    return {int(one["open_ms"]): [float(one[name]) for name in names] for one in candles}
