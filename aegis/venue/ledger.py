"""Who has what: wallets, positions and fees of every account, in integers that add up exactly.

``exchange`` books each trade here, for clients and for the market's own participants alike. Money
is in 1e-8 quote, positions in lots. A position carries its cost (signed notional paid for what is
open) instead of a rounded entry price, so for every account `wallet - cost` moves by exactly
minus the traded notional and minus the fee, whatever is rounded in the split between realised and
open. Hence the two invariants that hold after every event: all `wallet - cost` plus collected
fees are constant, and each symbol's positions sum to zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aegis.venue.decimals import E8
from aegis.venue.symbols import SymbolSpec

DEFAULT_LEVERAGE: Final = 20
MAX_LEVERAGE: Final = 125


@dataclass(slots=True)
class Position:
    """Signed lots, and the signed notional in 1e-8 that was paid for them."""

    lots: int = 0
    cost_e8: int = 0
    realized_e8: int = 0  # since the account was opened, before fees
    updated_ms: int = 0


@dataclass(slots=True)
class Account:
    """One participant. Rates are in 1e-8 of the notional: 2 bps is 20,000."""

    account_id: int
    name: str
    wallet_e8: int = 0
    maker_rate_e8: int = 0
    taker_rate_e8: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    leverages: dict[str, int] = field(default_factory=dict)
    isolated: dict[str, bool] = field(default_factory=dict)
    updated_ms: int = 0

    def position(self, symbol: str) -> Position:
        """The position in `symbol`, a flat one if it never traded."""
        found = self.positions.get(symbol)
        if found is None:
            found = self.positions[symbol] = Position()
        return found

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, DEFAULT_LEVERAGE)


class Booking(NamedTuple):
    """What one side of a trade realised and paid, in 1e-8 quote; a rebate is a negative fee."""

    realized_e8: int
    fee_e8: int


class Ledger:
    """All accounts of the exchange and the fees it has collected."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.fees_e8 = 0
        self._opening_e8 = 0

    def add(self, account: Account) -> Account:
        """Open an account with the money and positions it comes with."""
        assert account.account_id not in self.accounts, f"account {account.account_id} twice"
        self.accounts[account.account_id] = account
        self._opening_e8 += account.wallet_e8
        self._opening_e8 -= sum(position.cost_e8 for position in account.positions.values())
        return account

    def replace(self, account: Account) -> None:
        """Put a restored account in the place of the fresh one; `reopen` must follow."""
        assert account.account_id in self.accounts, f"account {account.account_id} is unknown"
        self.accounts[account.account_id] = account

    def reopen(self) -> None:
        """Take the present balances as the opening ones, after a restart."""
        self._opening_e8 = 0
        self._opening_e8 = self.imbalance_e8()

    def book(
        self,
        account: Account,
        spec: SymbolSpec,
        signed_lots: int,
        price_ticks: int,
        maker: bool,
        now_ms: int,
    ) -> Booking:
        """Book one side of a trade: `signed_lots` is positive for a purchase.

        Realised profit of a reduction is (exit - average entry) * lots; the average entry does not
        change by it (section "Fees, margin, funding" of the exchange's rules).
        """
        notional = spec.notional_e8(price_ticks, abs(signed_lots))
        rate = account.maker_rate_e8 if maker else account.taker_rate_e8
        fee = (notional * rate + E8 // 2) // E8
        position = account.position(spec.symbol)
        realized = _move(position, signed_lots, notional if signed_lots > 0 else -notional)
        position.realized_e8 += realized
        position.updated_ms = account.updated_ms = now_ms
        account.wallet_e8 += realized - fee
        self.fees_e8 += fee
        return Booking(realized, fee)

    def imbalance_e8(self) -> int:
        """Money that appeared (or vanished) since the accounts were opened. Must be 0."""
        total = self.fees_e8 - self._opening_e8
        for account in self.accounts.values():
            total += account.wallet_e8
            total -= sum(position.cost_e8 for position in account.positions.values())
        return total

    def imbalance_lots(self) -> dict[str, int]:
        """The sum of all positions per symbol, where it is not the 0 it must be."""
        sums: dict[str, int] = {}
        for account in self.accounts.values():
            for symbol, position in account.positions.items():
                sums[symbol] = sums.get(symbol, 0) + position.lots
        return {symbol: lots for symbol, lots in sums.items() if lots}


def _move(position: Position, lots: int, notional_e8: int) -> int:
    """Add signed lots bought for a signed notional; returns the realised profit in 1e-8."""
    held = position.lots
    if held * lots >= 0:
        position.lots += lots
        position.cost_e8 += notional_e8
        return 0
    closing = min(abs(held), abs(lots))
    # Truncation towards zero treats long and short alike; what it drops stays in the open cost.
    released = abs(position.cost_e8) * closing // abs(held)
    released = released if position.cost_e8 >= 0 else -released
    # The notional is a multiple of the lots (one price), so this split is exact.
    closing_notional = notional_e8 * closing // abs(lots)
    position.lots += closing if held < 0 else -closing
    position.cost_e8 -= released
    realized = -released - closing_notional
    if abs(lots) > closing:
        position.lots += lots - (closing if lots > 0 else -closing)
        position.cost_e8 += notional_e8 - closing_notional
    return realized
