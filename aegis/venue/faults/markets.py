"""Faults that happen to a symbol: it does not trade, its filters change, its price jumps.

``room`` hangs them on the board. A status and a filter are shown wherever the exchange shows them,
and told on `!contractInfo`; a spike is a real order that walks through the book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import msgspec

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.faults.armed import Armed, matches
from aegis.venue.faults.board import Action
from aegis.venue.gateway.calls import Call
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, OWNER_TAKERS, SELL
from aegis.venue.mirror.book import MirrorBook
from aegis.venue.payloads.info import contract_info
from aegis.venue.requests import parse_key
from aegis.venue.symbols import SymbolSpec
from aegis.venue.wire.hub import Hub

CONTRACT_INFO: Final = "!contractInfo"
E4: Final = 10_000
BPS_E8: Final = 10_000
# More than any book holds: the price alone ends a sweep.
WHOLE_BOOK_LOTS: Final = 10**12

# Ticks of the price filter, lots of the lot filter, smallest notional in 1e-8.
Filters = tuple[int, int, int]


class MarketActions:
    """What faults do to markets."""

    def __init__(self, core: Core, hub: Hub, clock: Callable[[], int]) -> None:
        """`clock` tells the time of the market at which a fault strikes, in ms."""
        self._core = core
        self._hub = hub
        self._clock = clock

    def table(self) -> dict[str, Action]:
        return {
            "symbol_status": Action(self._stop, self._resume),
            "filter_change": Action(self._coarsen, self._refine),
            "price_spike": Action(self._spike),
            "funding": Action(self._fund),
        }

    def _meant(self, armed: Armed) -> Iterator[Market]:
        for symbol, market in self._core.exchange.markets.items():
            if matches(armed.fault.symbol, symbol):
                yield market

    def _announce(self, market: Market) -> None:
        if self._hub.wants(CONTRACT_INFO):
            payload = contract_info(market, self._clock(), self._core.modern)
            self._hub.publish(CONTRACT_INFO, msgspec.json.encode(payload))

    # --- status ---

    def _stop(self, armed: Armed) -> None:
        for market in self._meant(armed):
            market.status = str(armed.fault.status)
            self._core.halt(market.spec.number, True)
            self._announce(market)

    def _resume(self, armed: Armed) -> None:
        for market in self._meant(armed):
            market.status = "TRADING"
            self._core.halt(market.spec.number, False)
            self._announce(market)

    # --- filters ---

    def _coarsen(self, armed: Armed) -> None:
        fault = armed.fault
        for market in self._meant(armed):
            spec = market.spec
            ticks, lots, notional = _filters(spec)
            if fault.tick is not None:
                ticks = _times("tick", fault.tick, spec.price_text(1))
            if fault.step is not None:
                lots = _times("step", fault.step, spec.qty_text(1))
            if fault.min_notional is not None:
                notional = round(fault.min_notional * 1e8)
            armed.memory[spec.symbol] = _filters(spec)
            self._set_filters(market, (ticks, lots, notional))

    def _refine(self, armed: Armed) -> None:
        for market in self._meant(armed):
            if market.spec.symbol in armed.memory:
                self._set_filters(market, armed.memory[market.spec.symbol])

    def _set_filters(self, market: Market, filters: Filters) -> None:
        ticks, lots, notional = filters
        market.spec = replace(
            market.spec, price_filter_ticks=ticks, lot_filter_lots=lots, min_notional_e8=notional
        )
        self._announce(market)

    # --- prices ---

    def _spike(self, armed: Armed) -> None:
        """The market jumps: so far from the mark it is swept, and there it stays."""
        bps = armed.fault.bps
        for market in self._meant(armed):
            spec, side = market.spec, BUY if bps > 0 else SELL
            limit = spec.ticks_of(round(market.mark_e8() * (1 + bps / E4)))
            if isinstance(market.book, MirrorBook):
                armed.note = "a recorded market cannot be moved"
                continue
            self._sweep(market, side, limit)
            # Else the makers would quote around the old price again within a moment.
            self._core.treasury.marks.jump(spec.number, limit)

    def _fund(self, armed: Armed) -> None:
        """Every position of the symbols pays or gets the rate, at the mark price."""
        rate_e8 = round(armed.fault.bps * BPS_E8)
        self._core.treasury.funding.pay_now(self._meant(armed), rate_e8, self._clock())

    def fill(self, call: Call) -> bool:
        """Have the order that a request is about filled now; False if there is nothing to fill."""
        exchange, caller = self._core.exchange, call.facts.caller
        market = exchange.markets.get(call.facts.symbol)
        if market is None or isinstance(market.book, MirrorBook):
            return False
        key = parse_key(caller.parameters, market.spec)
        order = exchange.orders.find(caller.account_id, key.symbol, key.order_id, key.client_id)
        if order is None or not order.is_open:
            return False
        self._sweep(market, -order.side, order.price_ticks)
        return True

    def _sweep(self, market: Market, side: int, limit_ticks: int) -> None:
        self._core.exchange.market_order_flow(
            market, OWNER_TAKERS, side, limit_ticks, WHOLE_BOOK_LOTS, False, self._clock()
        )


def _filters(spec: SymbolSpec) -> Filters:
    return spec.price_filter_ticks, spec.lot_filter_lots, spec.min_notional_e8


def _times(name: str, size: float, unit_text: str) -> int:
    """How many of the listing's units the new one is. Raises RejectError if it is not whole."""
    times = round(size / float(unit_text))
    if times < 1 or abs(times * float(unit_text) - size) > 1e-9 * size:
        raise reject(-1130, name)
    return times
