"""The synthetic order flow of one symbol: makers around a wandering fair price, takers with memory.

Seeded and deterministic: the same seed and the same client orders give the same events, whatever
the machine does meanwhile. ``flow_driver`` says when; this module says what. It knows the book
and its own orders, no account and no clock; its time is seconds since the start.

Fair price: a Gaussian walk of `volatility_bps_per_sqrt_s`. Makers keep one quote in each band of a
ladder whose gaps and sizes grow away from the touch, follow the fair price by cancelling what it
has overtaken, and are sometimes too late: an informed taker then picks off what is left, clients'
orders included. Other takers come as a Poisson stream; their sign follows three hidden parent
orders of Pareto length (Lillo-Mike-Farmer), their reach into the book is exponential.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from aegis.config.models import FlowConfig
from aegis.venue.exchange import Exchange
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, OWNER_MAKERS, OWNER_TAKERS, SELL

PARENT_ORDERS: Final = 3
PARENT_LENGTH_ALPHA: Final = 1.5
MAX_PARENT_LENGTH: Final = 10_000
LATE_MAKERS: Final = 0.3  # share of overtaken quotes that their makers cancel too late
INFORMED_TAKERS: Final = 0.5  # chance per book update that somebody takes what is overtaken
BAND_REFRESH: Final = 0.3  # chance per book update that a band away from the touch is looked at
NEAR_BANDS: Final = 3  # bands that are looked at in every update
NEAR_REACHES: Final = 4.0  # the book is thin out to so many mean reaches, and thickens beyond
OVERSIZE: Final = 3.0  # a quote that has drifted into a band for smaller ones is cancelled
ALL_LEVELS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Band:
    """Distances [near, far) in ticks from the touch, and the lots quoted there on average."""

    near: int
    far: int
    lots: float


def ladder(config: FlowConfig, notional_per_lot: float) -> list[Band]:
    """The bands of one side.

    Near the touch the book holds mean_trade_notional * decay per tick, so that a taker of
    exponential size reaches d ticks deep with probability exp(-decay * d). Further out it thickens
    quadratically, until the mean level holds mean_level_notional.
    """
    count = config.depth_levels
    edges = [round(2 * i + 0.2 * i * i) for i in range(count + 1)]
    per_tick = config.mean_trade_notional * config.trade_depth_decay_per_tick
    thin_until = NEAR_REACHES / config.trade_depth_decay_per_tick
    near = [per_tick * (edges[i + 1] - edges[i]) for i in range(count)]
    weights = [
        (edges[i + 1] - edges[i]) * max(0.0, edges[i] / thin_until - 1.0) ** 2 for i in range(count)
    ]
    missing = max(0.0, config.mean_level_notional * count - sum(near))
    scale = missing / sum(weights) if sum(weights) > 0 else 0.0
    return [
        Band(edges[i], edges[i + 1], (near[i] + scale * weights[i]) / notional_per_lot)
        for i in range(count)
    ]


class SymbolFlow:
    """The agents of one market. `fair_ticks` is their belief; the book is what they made of it."""

    def __init__(
        self, exchange: Exchange, market: Market, config: FlowConfig, seed: str, start_ticks: int
    ) -> None:
        self._exchange = exchange
        self._config = config
        self._random = random.Random(seed)
        self._orders: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}  # price -> order id
        self._parents = [(0, 0)] * PARENT_ORDERS  # (sign, orders left)
        self._last_s = 0.0
        self.market = market
        self.fair_ticks = float(start_ticks)
        notional_per_lot = market.spec.notional_e8(start_ticks, 1) / 1e8
        self._bands = ladder(config, notional_per_lot)
        self._lots_near_touch = max(1.0, config.mean_trade_notional / notional_per_lot)
        self.next_book_s = self._wait(config.book_updates_per_s)
        self.next_trade_s = self._wait(config.trades_per_s)

    @property
    def next_s(self) -> float:
        """When the next thing happens."""
        return min(self.next_book_s, self.next_trade_s)

    def open_market(self, now_ms: int) -> None:
        """Fill the book before the first client sees it."""
        for side in (BUY, SELL):
            self._requote(side, now_ms, everything=True)

    def step(self, now_ms: int) -> None:
        """Do the next thing; its time was `next_s`."""
        if self.next_book_s <= self.next_trade_s:
            self._drift(self.next_book_s)
            self._update_book(now_ms)
            self.next_book_s += self._wait(self._config.book_updates_per_s)
        else:
            self._take(now_ms)
            self.next_trade_s += self._wait(self._config.trades_per_s)

    def _wait(self, rate: float) -> float:
        return self._random.expovariate(rate)

    def _drift(self, time_s: float) -> None:
        elapsed, self._last_s = time_s - self._last_s, time_s
        deviation = self._config.volatility_bps_per_sqrt_s * 1e-4 * math.sqrt(elapsed)
        self.fair_ticks *= math.exp(deviation * self._random.gauss(0.0, 1.0))
        spec = self.market.spec
        self.fair_ticks = min(
            max(self.fair_ticks, spec.min_price_ticks * 2.0), spec.max_price_ticks / 2.0
        )

    def _touch(self, side: int) -> int:
        """Where the makers' best price belongs: half the spread from the fair price."""
        bid = math.floor(self.fair_ticks - self._config.spread_ticks / 2 + 0.5)
        return bid if side == BUY else bid + self._config.spread_ticks

    def _update_book(self, now_ms: int) -> None:
        for side in (BUY, SELL):
            self._cancel_overtaken(side)
        for side in (BUY, SELL):
            self._pick_off(side, now_ms)
        for side in (BUY, SELL):
            self._requote(side, now_ms, everything=False)

    def _cancel_overtaken(self, side: int) -> None:
        """Makers whose quote the fair price has passed withdraw it, most of them in time."""
        touch = self._touch(side)
        mine = self._orders[side]
        for price in [price for price in mine if (price - touch) * side > 0]:
            if self._random.random() >= LATE_MAKERS:
                self.market.book.cancel(mine.pop(price))

    def _pick_off(self, side: int, now_ms: int) -> None:
        """Somebody who knows the fair price takes every quote of `side` beyond it."""
        limit = self._touch(side) + side
        best, _ = self.market.book.best(side)
        if best == 0 or (best - limit) * side < 0 or self._random.random() >= INFORMED_TAKERS:
            return
        lots = sum(
            lots for price, lots in self.market.book.depth(side, 50) if (price - limit) * side >= 0
        )
        self._send(OWNER_TAKERS, -side, limit, lots, False, now_ms)

    def _requote(self, side: int, now_ms: int, everything: bool) -> None:
        """Keep about one quote in each band: add where none is, thin out where there are more."""
        touch = self._touch(side)
        mine = self._orders[side]
        # The whole side: clients may have put any number of levels in front of the makers' own, and
        # a quote that is not seen would be taken for filled, left standing, and quoted again.
        live = dict(self.market.book.depth(side, ALL_LEVELS))
        # Filled orders are gone from the book; what is too far out is given up.
        furthest = self._bands[-1].far
        for price in [price for price in mine if price not in live]:
            del mine[price]
        by_distance = sorted((side * (touch - price), price) for price in mine)
        at = 0
        for number, band in enumerate(self._bands):
            inside = []
            while at < len(by_distance) and by_distance[at][0] < band.far:
                if by_distance[at][0] >= band.near:
                    inside.append(by_distance[at][1])
                at += 1
            looks = everything or number < NEAR_BANDS or self._random.random() < BAND_REFRESH
            if looks:
                self._tend(side, touch, band, inside, live, now_ms)
        for distance, price in by_distance[at:]:
            if distance >= furthest:
                self.market.book.cancel(mine.pop(price))

    def _tend(
        self,
        side: int,
        touch: int,
        band: Band,
        inside: list[int],
        live: dict[int, int],
        now_ms: int,
    ) -> None:
        """Look after one band whose quotes stand at the prices `inside`."""
        mine = self._orders[side]
        for price in list(inside):
            crowded = len(inside) > 1 and self._random.random() < 0.5
            if crowded or live[price] > OVERSIZE * band.lots + 1:
                self.market.book.cancel(mine.pop(price))
                inside.remove(price)
        is_best = band.near == 0
        price = touch - side * (0 if is_best else self._random.randrange(band.near, band.far))
        if price in mine or (inside and not is_best):
            return
        if (self._touch(-side) - price) * side <= 0:
            return
        lots = max(1, round(band.lots * (0.5 + 0.5 * self._random.expovariate(1.0))))
        self._send(OWNER_MAKERS, side, price, lots, True, now_ms)

    def _take(self, now_ms: int) -> None:
        """An uninformed taker: sign from a parent order, reach exponential, size to match."""
        side = self._next_sign()
        best, _ = self.market.book.best(-side)
        if best == 0:
            return
        reach = self._random.expovariate(self._config.trade_depth_decay_per_tick)
        mean_reach = 1.0 / self._config.trade_depth_decay_per_tick
        lots = max(1, round(self._lots_near_touch * reach / mean_reach))
        limit = best + side * math.ceil(reach)
        self._send(OWNER_TAKERS, side, limit, lots, False, now_ms)

    def _next_sign(self) -> int:
        number = self._random.randrange(PARENT_ORDERS)
        sign, left = self._parents[number]
        if left == 0:
            sign = self._random.choice((BUY, SELL))
            drawn = self._random.paretovariate(PARENT_LENGTH_ALPHA)
            left = math.ceil(min(drawn, MAX_PARENT_LENGTH))
        self._parents[number] = (sign, left - 1)
        return sign

    def _send(self, owner: int, side: int, price: int, lots: int, rest: bool, now_ms: int) -> None:
        order_id, matched = self._exchange.market_order_flow(
            self.market, owner, side, price, lots, rest, now_ms
        )
        if matched.rested:
            self._orders[side][price] = order_id
