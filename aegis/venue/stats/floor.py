"""A market with one client in it, and no sockets: the exchange's own rules, run by event time.

``economics`` trades here through the exchange's Python API. Everything between the client and the
books is the venue's own: matching, fees, margin, funding, liquidation. Nothing is published and
nothing is kept on disk.
"""

from __future__ import annotations

from typing import Final

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions, build
from aegis.venue.credentials import mint
from aegis.venue.errors import OptionsError, RejectError
from aegis.venue.events import AccountEvent, OrderEvent
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.market import Top
from aegis.venue.matching.interface import FIRST_CLIENT, STP_NONE
from aegis.venue.matching.kernels import end_steps
from aegis.venue.orders import Order
from aegis.venue.requests import PlaceRequest

ORIGIN_MS: Final = 1_767_225_600_000  # 2026-01-01 00:00 UTC; no result depends on it
CLIENT: Final = FIRST_CLIENT
# Enough that no order is refused for want of margin: what is measured is trading, not ruin.
BALANCE_USDT: Final = 1e9
WOULD_TAKE: Final = -5022  # the refusal of a post-only order that would have taken
FUNDING: Final = "FUNDING_FEE"


class Floor:
    """One symbol's market, and the account of the one client who trades in it."""

    def __init__(self, config: VenueConfig, symbol: str, seed: int) -> None:
        """Open the market. Raises OptionsError if the venue does not list the symbol."""
        if symbol not in config.symbols:
            raise OptionsError(f"the venue does not list {symbol}; add [venue.symbols.{symbol}]")
        alone = config.model_copy(
            update={
                "symbols": {symbol: config.symbols[symbol]},
                "balance_usdt": BALANCE_USDT,
                "balances": {},  # with BNB, fees would be paid in it
                "seed": seed,
            }
        )
        self.now_ms = ORIGIN_MS
        built = build(VenueOptions(config=alone, keys=(mint(),)), self._now_ms, self._now_ms)
        self._core = built.core
        self.exchange = built.core.exchange
        self.market = self.exchange.markets[symbol]
        self.spec = self.market.spec
        self.account = self.exchange.account(CLIENT)
        self.funding_e8 = 0  # received, or paid if negative
        self._fills: list[OrderEvent] = []
        agents = make_agents([self.spec], alone.flow, seed)
        built.core.treasury.marks.follow(agents.fair_ticks)
        self._driver = FlowDriver(built.core, agents, ORIGIN_MS, self._after_step)
        self._driver.open_markets()

    def run_until(self, seconds: float) -> list[OrderEvent]:
        """Let the market go on to so many seconds since its origin; returns the client's fills."""
        self._driver.run_until(seconds)
        self.now_ms = self._driver.reached_ms
        return self.take_fills()

    def take_fills(self) -> list[OrderEvent]:
        """The client's fills since the last call."""
        self._listen()
        fills, self._fills = self._fills, []
        return fills

    def top(self) -> Top:
        """Best prices and their lots."""
        return self.market.top()

    def quote(self, side: int, price_ticks: int, lots: int) -> Order | None:
        """Place a post-only order; None if it would have taken. Raises RejectError otherwise."""
        try:
            return self._place(side, "LIMIT", "GTX", price_ticks, lots)
        except RejectError as error:
            if error.code != WOULD_TAKE:
                raise
            return None

    def take(self, side: int, lots: int) -> None:
        """Buy or sell at market. Raises RejectError."""
        self._place(side, "MARKET", "IOC", 0, lots)

    def clear_quotes(self) -> None:
        """Cancel whatever rests."""
        self.exchange.cancel_all(CLIENT, self.spec.symbol, self.now_ms)
        self._flush()

    @property
    def lots(self) -> int:
        """The client's position."""
        return self.account.position(self.spec.symbol).lots

    def cash_e8(self) -> int:
        """Wallet less the cost of what is open: what the client would have with a worthless one."""
        return self.account.wallet_e8 - self.account.position(self.spec.symbol).cost_e8

    def _now_ms(self) -> int:
        return self.now_ms

    def _place(self, side: int, kind: str, tif: str, price_ticks: int, lots: int) -> Order:
        request = PlaceRequest(
            symbol=self.spec.symbol,
            side=side,
            kind=kind,
            tif=tif,
            qty_lots=lots,
            price_ticks=price_ticks,
            reduce_only=False,
            client_id=None,
            stp=STP_NONE,
            full_reply=False,
        )
        order = self.exchange.place(CLIENT, request, self.now_ms)
        self._flush()
        return order

    def _after_step(self, now_ms: int) -> None:
        self._listen()
        self._core.tape.clear()

    def _flush(self) -> None:
        """End the step that a command was, as the pump does."""
        end_steps(self._core.books, self.now_ms)
        self._listen()
        self._core.tape.clear()

    def _listen(self) -> None:
        """Read what the exchange tells the owner of the account."""
        self.exchange.touched.clear()
        for event in self.exchange.take_events():
            if isinstance(event, OrderEvent) and event.execution == "TRADE":
                self._fills.append(event)
            elif isinstance(event, AccountEvent) and event.cause == FUNDING:
                self.funding_e8 += sum(note.change_e8 for note in event.balances)
