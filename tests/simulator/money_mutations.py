"""Bugs on purpose in what is booked: the part of `mutations` that is about money."""

from __future__ import annotations

from typing import Any

from aegis.execution.evidence import EvidenceReader
from aegis.execution.funding_book import FundingBook
from aegis.execution.funding_look import FundingLook
from tests.simulator.amend_mutations import Patch

__all__ = ["MONEY_MUTATIONS"]


def _repeated_funding_counts_again(put: Any) -> None:
    """What the stream tells twice of funding is booked twice."""
    real = FundingBook.hear

    def hear(self: Any, *payment: int) -> bool:
        self.heard.clear()
        return real(self, *payment)

    put(FundingBook, "hear", hear)


def _funding_is_what_was_heard(put: Any) -> None:
    """Nobody reads the list of funding payments."""

    async def look(self: Any) -> int:
        self._core.funding.begin(self._rest.now_ms())
        return 0

    put(FundingLook, "look", look)


def _queried_trades_cost_nothing(put: Any) -> None:
    """A trade that a query tells has no commission."""
    real = EvidenceReader.on_trade_row

    def on_trade_row(self: Any, slot: int, trade_id: int, price: str, qty: str, *rest: Any) -> Any:
        return real(self, slot, trade_id, price, qty, "0", *rest[1:])

    put(EvidenceReader, "on_trade_row", on_trade_row)


def _rounded_fees(put: Any) -> None:
    """Fees are kept to the cent."""
    real = EvidenceReader.on_order_update

    def on_order_update(self: Any, update: Any, now_ns: int) -> Any:
        update.n = f"{float(update.n):.2f}"
        return real(self, update, now_ns)

    put(EvidenceReader, "on_order_update", on_order_update)


def _entry_by_the_last_price(put: Any) -> None:
    """What is held has cost what was paid last, not the average."""
    real = EvidenceReader.on_order_update

    def on_order_update(self: Any, update: Any, now_ns: int) -> Any:
        found = real(self, update, now_ns)
        if update.x == "TRADE":
            held = self.gate.exposure[0]
            held["cost_e8"] = held["position_lots"] * round(float(update.L) * 10) * 10_000
        return found

    put(EvidenceReader, "on_order_update", on_order_update)


# (name, patch, the seed to begin the search with)
MONEY_MUTATIONS: tuple[tuple[str, Patch, int], ...] = (
    ("book repeated funding again", _repeated_funding_counts_again, 4794),
    ("never read the list of funding", _funding_is_what_was_heard, 347),
    ("forget the fee of a queried fill", _queried_trades_cost_nothing, 1),
    ("keep fees to the cent", _rounded_fees, 1),
    ("entry by the last price", _entry_by_the_last_price, 1),
)
