"""The quiet market as a stage: prices inside its spread, prints on demand, positions to order.

Sessions use it to make their client's fills happen at a known price: nobody but the client and its
two rivals trades there. Blocking calls, a few milliseconds each.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.venue.clients.direct import Direct, RefusedError
from tests.venue.clients.session import Job

TICK = 0.1


@dataclass(frozen=True)
class Stage:
    """The client's own account, its two rivals, and the symbol they trade."""

    symbol: str
    own: Direct
    rival: Direct
    second: Direct

    @classmethod
    def of(cls, job: Job) -> Stage:
        return cls(job.symbol, job.own_side(), job.market_side(0), job.market_side(1))

    def inside(self, share: float = 0.5) -> float:
        """A price on the tick at `share` of the way from the best bid to the best ask."""
        bid, ask = self.own.top(self.symbol)
        assert ask - bid > 20 * TICK, f"the quiet market has no room: {bid} / {ask}"
        return round(round((bid + (ask - bid) * share) / TICK) * TICK, 1)

    def sells(self, quantity: float, price: float) -> None:
        """The rival sells into what rests at `price`, and leaves nothing behind."""
        self.rival.order(self.symbol, "SELL", f"{quantity:.3f}", f"{price:.1f}", "IOC")

    def buys(self, quantity: float, price: float) -> None:
        """The rival buys what rests at `price`, and leaves nothing behind."""
        self.rival.order(self.symbol, "BUY", f"{quantity:.3f}", f"{price:.1f}", "IOC")

    def offers(self, side: str, quantity: float, price: float) -> None:
        """The rival rests an order for the client to take."""
        self.rival.order(self.symbol, side, f"{quantity:.3f}", f"{price:.1f}")

    def prints(self, price: float, left: float = 0.0) -> None:
        """A trade of the two rivals at `price`; `left` of the bid there stays."""
        self.second.order(self.symbol, "BUY", f"{0.002 + left:.3f}", f"{price:.1f}")
        self.sells(0.002, price)

    def held(self) -> dict[str, float]:
        """The client's positions by side, in base units."""
        rows = self.own.call("GET", "v3/positionRisk", symbol=self.symbol)
        amounts = {row["positionSide"]: float(row["positionAmt"]) for row in rows}
        return {side: amount for side, amount in amounts.items() if amount}

    def strike(self) -> None:
        """As it was: no orders, no positions, one-way, crossed, leverage 20."""
        for account in (self.own, self.rival, self.second):
            account.tidy(self.symbol)
        for side, amount in self.held().items():
            self._close(side, amount)
        for path, parameters in (
            ("v1/positionSide/dual", {"dualSidePosition": "false"}),
            ("v1/marginType", {"symbol": self.symbol, "marginType": "CROSSED"}),
        ):
            try:
                self.own.call("POST", path, **parameters)
            except RefusedError as error:
                # No need to change: it is so already.
                if error.code not in (-4059, -4046):
                    raise
        self.own.call("POST", "v1/leverage", symbol=self.symbol, leverage=20)

    def _close(self, side: str, amount: float) -> None:
        price = self.inside()
        closing = "SELL" if amount > 0 else "BUY"
        parameters = {"positionSide": side} if side != "BOTH" else {"reduceOnly": "true"}
        self.own.call(
            "POST", "v1/order", symbol=self.symbol, side=closing, type="LIMIT", timeInForce="GTC",
            quantity=f"{abs(amount):.3f}", price=f"{price:.1f}", **parameters,
        )  # fmt: skip
        (self.buys if amount > 0 else self.sells)(abs(amount), price)
