"""A stage with listeners: everything that a client of the streams may hear, heard once.

Market streams and both accounts' events go through the running venue's own pump, publisher, hub and
user feed; the ears decode the frames with a library's parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from aegis.venue.faults.armed import Armed
from aegis.venue.faults.markets import MarketActions
from aegis.venue.faults.schema import Fault
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.wire.userfeed import Listener
from tests.venue.coverage.asked import amend, force_liquidation, triggered
from tests.venue.coverage.stage import V1, Stage
from tests.venue.desk import CLIENT, KEYS, OTHER
from tests.venue.publish.world import Ear

SYMBOL_STREAMS: Final = (
    "aggTrade", "bookTicker", "depth@100ms", "depth5@100ms", "forceOrder", "kline_1M", "kline_1h",
    "kline_8h", "markPrice@1s", "miniTicker", "ticker", "trade",
)  # fmt: skip
OTHER_STREAMS: Final = (
    "!assetIndex@arr", "!contractInfo", "btcusdt_perpetual@continuousKline_1M",
)  # fmt: skip


class Broadcast(Stage):
    """`by_stream` has the messages of each market stream, `by_event` the events of accounts."""

    def __init__(self, dialect: str) -> None:
        self._market, self._private = Ear(), Ear()
        self.by_stream: dict[str, list[Any]] = {}
        self.by_event: dict[str, list[Any]] = {}
        super().__init__(dialect)
        self.act()
        self.hear()

    def prepare(self) -> None:
        for stream in (*(f"btcusdt@{kind}" for kind in SYMBOL_STREAMS), *OTHER_STREAMS):
            self.hub.subscribe(stream, self._market, combined=True)
        for key, account in zip(KEYS, (CLIENT, OTHER), strict=True):
            body = self.must(self.call("POST", f"{V1}/listenKey", key, signed=False))
            self.feed.listen(Listener(self._private, body["listenKey"], account, combined=True))

    def act(self) -> None:
        """What the play of the stage leaves out."""
        self.must(self.ask("POST", f"{V1}/leverage", leverage=21))
        other = KEYS[1]
        self.must(self.call("POST", f"{V1}/multiAssetsMargin", other, multiAssetsMargin="true"))
        self.must(self.call("POST", f"{V1}/multiAssetsMargin", other, multiAssetsMargin="false"))
        self.must(amend(self))
        if self.modern:
            triggered(self)
            self.must(self.call("DELETE", f"{V1}/algoOrder", clientAlgoId=self.trail()))
        self.reject_a_trigger()
        actions = MarketActions(self.core, self.hub, lambda: self.now_ms).table()["symbol_status"]
        halt = Armed(1, Fault("symbol_status", symbol="ETHUSDT", status="SETTLING"), 0, 1)
        actions.begin(halt)
        actions.end(halt)
        force_liquidation(self)

    def reject_a_trigger(self) -> None:
        """A stop that becomes a fill-or-kill order for more than there is."""
        far = max(self.btc.book.best(SELL)[0], self.btc.last_ticks) + 9
        price = self.btc.spec.price_text(far - 5)
        stop = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP", "timeInForce": "FOK",
                "quantity": "1.0", "price": price}  # fmt: skip
        if self.modern:
            stop |= {"algoType": "CONDITIONAL", "triggerPrice": price}
            self.must(self.call("POST", f"{V1}/algoOrder", **stop))
        else:
            self.must(self.call("POST", f"{V1}/order", stopPrice=price, **stop))
        nearer = sum(lots for ticks, lots in self.btc.book.depth(SELL, 50) if ticks < far)
        self.quote(SELL, far, 100_000)
        self.take(BUY, far, nearer + 1)
        self.pass_time(self.now_ms + 1_000)

    def hear(self) -> None:
        self.hub.flush()
        for message in self._decoded(self._market.heard):
            self.by_stream.setdefault(message["stream"], []).append(message)
        for message in self._decoded(self._private.heard):
            self.by_event.setdefault(message["data"]["e"], []).append(message)

    @staticmethod
    def _decoded(frames: Iterable[bytes]) -> list[Any]:
        return [json.loads(frame) for frame in frames]
