"""Who has what: wallets, positions and fees of every account, in integers that add up exactly.

``exchange`` books each trade here, for clients and for the market's own participants alike. Money
is in 1e-8 of its asset, positions in lots. A position carries its cost (signed notional paid for
what is open) instead of a rounded entry price, so for every account `wallet - cost` moves by
exactly minus the traded notional and minus the fee, whatever is rounded in the split between
realised and open. Hence the two invariants that hold after every event: per asset, all `wallet -
cost` plus collected fees are constant; and each symbol's positions, of all sides, sum to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from aegis.venue.decimals import E8
from aegis.venue.symbols import QUOTES, SymbolSpec

DEFAULT_LEVERAGE: Final = 20
USDT: Final = "USDT"

# Position sides: one of them per symbol in one-way mode, the other two in hedge mode.
BOTH: Final = "BOTH"
LONG: Final = "LONG"
SHORT: Final = "SHORT"
ONE_WAY_SIDES: Final = (BOTH,)
HEDGE_SIDES: Final = (LONG, SHORT)

PositionKey = tuple[str, str]  # symbol, position side

# The exchange's own accounts, below those of clients: it keeps what rounding leaves over, and the
# insurance fund, which pays what liquidated accounts cannot and takes over their positions.
OWNER_HOUSE: Final = 14
OWNER_INSURANCE: Final = 15
# Fees paid in BNB are a tenth less.
BURN_KEEPS_E4: Final = 9_000
E4: Final = 10_000
BNB: Final = "BNB"


@dataclass(slots=True)
class Position:
    """Signed lots, and the signed notional in 1e-8 that was paid for them.

    SHORT positions have negative lots. `isolated_e8` is the part of the account's wallet that is
    set aside for an isolated position; `charges_e8` are fees and funding paid since the position
    was opened, less what was realised since: what its price must make good to break even.
    """

    lots: int = 0
    cost_e8: int = 0
    realized_e8: int = 0  # since the account was opened, before fees
    updated_ms: int = 0
    isolated_e8: int = 0
    charges_e8: int = 0


@dataclass(slots=True)
class Account:
    """One participant. Rates are in 1e-8 of the notional: 2 bps is 20,000.

    `wallet_e8` is the whole balance of USDT, isolated margins included; `other_wallets_e8` are the
    balances of other assets.
    """

    account_id: int
    name: str
    wallet_e8: int = 0
    maker_rate_e8: int = 0
    taker_rate_e8: int = 0
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    leverages: dict[str, int] = field(default_factory=dict)
    isolated: dict[str, bool] = field(default_factory=dict)
    updated_ms: int = 0
    hedged: bool = False
    multi_assets: bool = False
    burns_bnb: bool = True
    other_wallets_e8: dict[str, int] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[str, ...]:
        """The position sides that the account's mode has."""
        return HEDGE_SIDES if self.hedged else ONE_WAY_SIDES

    def position(self, symbol: str, side: str = BOTH) -> Position:
        """The position in `symbol`, a flat one if it never traded. Side BOTH, LONG or SHORT."""
        found = self.positions.get((symbol, side))
        if found is None:
            found = self.positions[symbol, side] = Position()
        return found

    def held(self, symbol: str) -> Iterator[tuple[str, Position]]:
        """Side and position of what is open in `symbol`."""
        for side in self.sides:
            position = self.positions.get((symbol, side))
            if position is not None and position.lots:
                yield side, position

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, DEFAULT_LEVERAGE)

    def balance_e8(self, asset: str) -> int:
        """The whole balance of an asset, isolated margins included."""
        return self.wallet_e8 if asset == USDT else self.other_wallets_e8.get(asset, 0)

    def credit(self, asset: str, amount_e8: int) -> None:
        """Add to a balance; negative amounts are taken off."""
        if asset == USDT:
            self.wallet_e8 += amount_e8
        elif amount_e8:
            self.other_wallets_e8[asset] = self.other_wallets_e8.get(asset, 0) + amount_e8

    def cross_balance_e8(self, asset: str) -> int:
        """The balance of an asset without what is set aside for isolated positions."""
        return self.balance_e8(asset) - sum(
            position.isolated_e8
            for (symbol, _), position in self.positions.items()
            if position.isolated_e8 and margin_asset(symbol) == asset
        )


class Booking(NamedTuple):
    """What one side of a trade realised and paid, in 1e-8; a rebate is a negative fee.

    `covered_e8` is the loss beyond an isolated position's wallet that the insurance fund took.
    """

    realized_e8: int
    fee_e8: int
    fee_asset: str = USDT
    covered_e8: int = 0


def _nothing() -> None:
    return


class Ledger:
    """All accounts of the exchange and the fees it has collected, per asset.

    `bnb_e8` is the price of BNB in 1e-8 USDT, 0 while it is not known: then nobody pays fees in it.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.collected_e8: dict[str, int] = {}
        self.bnb_e8 = 0
        self._opening_e8: dict[str, int] = {}
        # Called before anything is summed up: books what the market's own participants traded.
        self.bring_in: Callable[[], None] = _nothing
        self.house = self.add(Account(OWNER_HOUSE, "house"))
        self.add(Account(OWNER_INSURANCE, "insurance"))

    @property
    def insurance(self) -> Account:
        """The insurance fund."""
        return self.accounts[OWNER_INSURANCE]

    @property
    def fees_e8(self) -> int:
        """The fees collected in USDT."""
        return self.collected_e8.get(USDT, 0)

    @fees_e8.setter
    def fees_e8(self, value_e8: int) -> None:
        self.collected_e8[USDT] = value_e8

    def add(self, account: Account) -> Account:
        """Open an account with the money and positions it comes with."""
        assert account.account_id not in self.accounts, f"account {account.account_id} twice"
        self.accounts[account.account_id] = account
        _add_worth(self._opening_e8, account)
        return account

    def deposit(self, account: Account, asset: str, amount_e8: int) -> None:
        """Bring money into the exchange from outside."""
        account.credit(asset, amount_e8)
        self._opening_e8[asset] = self._opening_e8.get(asset, 0) + amount_e8

    def replace(self, account: Account) -> None:
        """Put a restored account in the place of the fresh one; `reopen` must follow."""
        assert account.account_id in self.accounts, f"account {account.account_id} is unknown"
        self.accounts[account.account_id] = account

    def reopen(self) -> None:
        """Take the present balances as the opening ones, after a restart."""
        self._opening_e8 = self._totals_e8()

    def book(
        self,
        account: Account,
        spec: SymbolSpec,
        signed_lots: int,
        price_ticks: int,
        maker: bool,
        now_ms: int,
        side: str = BOTH,
        free: bool = False,
    ) -> Booking:
        """Book one side of a trade: `signed_lots` is positive for a purchase.

        Realised profit of a reduction is (exit - average entry) * lots; the average entry does not
        change by it (section "Fees, margin, funding" of the exchange's rules). `side` is the
        position side of the order; a `free` trade costs no fee (a position that is taken over).
        """
        notional = spec.notional_e8(price_ticks, abs(signed_lots))
        rate = account.maker_rate_e8 if maker else account.taker_rate_e8
        fee = 0 if free else (notional * rate + E8 // 2) // E8
        burnt = self._burn(account, fee) if fee > 0 and account.other_wallets_e8 else 0
        quote_fee = 0 if burnt else fee
        position = account.position(spec.symbol, side)
        held = position.lots
        realized = _move(position, signed_lots, notional if signed_lots > 0 else -notional)
        position.realized_e8 += realized
        account.credit(spec.quote, realized - quote_fee)
        covered = 0
        if account.isolated.get(spec.symbol):
            waived, covered = self._settle_isolated(
                account, spec, position, held, signed_lots, notional, realized, quote_fee
            )
            quote_fee -= waived
        _note_charges(position, held, signed_lots, quote_fee if not burnt else fee, realized)
        position.updated_ms = account.updated_ms = now_ms
        self.collect(spec.quote, quote_fee)
        return Booking(realized, burnt or quote_fee, BNB if burnt else spec.quote, covered)

    def collect(self, asset: str, amount_e8: int) -> None:
        """Money that left an account for the exchange."""
        self.collected_e8[asset] = self.collected_e8.get(asset, 0) + amount_e8

    def cover(self, account: Account, asset: str, amount_e8: int) -> None:
        """Let the insurance fund pay `amount_e8` to an account; a negative amount goes to it."""
        account.credit(asset, amount_e8)
        self.insurance.credit(asset, -amount_e8)

    def imbalances_e8(self) -> dict[str, int]:
        """Per asset, money that appeared (or vanished) since the accounts were opened."""
        totals = self._totals_e8()
        assets = {*totals, *self._opening_e8}
        differences = {
            asset: totals.get(asset, 0) - self._opening_e8.get(asset, 0) for asset in assets
        }
        return {asset: value for asset, value in differences.items() if value}

    def imbalance_e8(self) -> int:
        """The absolute imbalances of all assets together. Must be 0."""
        return sum(abs(value) for value in self.imbalances_e8().values())

    def imbalance_lots(self) -> dict[str, int]:
        """The sum of all positions per symbol, where it is not the 0 it must be."""
        self.bring_in()
        sums: dict[str, int] = {}
        for account in self.accounts.values():
            for (symbol, _), position in account.positions.items():
                sums[symbol] = sums.get(symbol, 0) + position.lots
        return {symbol: lots for symbol, lots in sums.items() if lots}

    def _totals_e8(self) -> dict[str, int]:
        self.bring_in()
        totals = dict(self.collected_e8)
        for account in self.accounts.values():
            _add_worth(totals, account)
        return totals

    def _burn(self, account: Account, fee_e8: int) -> int:
        """Take a fee in BNB, a tenth off, if the account wants it and has it; 0 if not."""
        if not account.burns_bnb or self.bnb_e8 == 0:
            return 0
        amount = -(-fee_e8 * BURN_KEEPS_E4 * E8 // (E4 * self.bnb_e8))
        if account.balance_e8(BNB) < amount:
            return 0
        account.credit(BNB, -amount)
        self.collect(BNB, amount)
        return amount

    def _settle_isolated(
        self,
        account: Account,
        spec: SymbolSpec,
        position: Position,
        held: int,
        signed_lots: int,
        notional_e8: int,
        realized_e8: int,
        fee_e8: int,
    ) -> tuple[int, int]:
        """Move margin in and out of an isolated position's wallet; it pays its own losses alone.

        What is opened is given notional / leverage. What is closed gives back its share of the
        wallet with the profit; a loss beyond the share is the rest's, and beyond that the fee is
        waived and the insurance fund pays. Returns (fee waived, paid by the fund).
        """
        size = abs(signed_lots)
        closing = min(abs(held), size) if held * signed_lots < 0 else 0
        waived = covered = 0
        if closing:
            fee_share = fee_e8 * closing // size
            released = position.isolated_e8 * closing // abs(held)
            back = released + realized_e8 - fee_share
            position.isolated_e8 += min(back, 0) - released
            if position.isolated_e8 < 0:
                waived = min(-position.isolated_e8, max(0, fee_share))
                covered = -position.isolated_e8 - waived
                position.isolated_e8 = 0
                account.credit(spec.quote, waived)
                self.cover(account, spec.quote, covered)
        if size > closing:
            opened = notional_e8 * (size - closing) // size
            margin = -(-opened // account.leverage(spec.symbol))
            position.isolated_e8 += min(margin, max(0, account.cross_balance_e8(spec.quote)))
        return waived, covered


@lru_cache(maxsize=4_096)
def margin_asset(symbol: str) -> str:
    """The asset that a contract is margined and settled in: BTCUSDT gives USDT."""
    pair = symbol.partition("_")[0]
    return next((name for name in QUOTES if pair.endswith(name)), pair[-4:])


def _add_worth(totals_e8: dict[str, int], account: Account) -> None:
    """Add an account's wallets, less the cost of its open positions, to sums per asset."""
    totals_e8[USDT] = totals_e8.get(USDT, 0) + account.wallet_e8
    for asset, amount_e8 in account.other_wallets_e8.items():
        totals_e8[asset] = totals_e8.get(asset, 0) + amount_e8
    for (symbol, _), position in account.positions.items():
        asset = margin_asset(symbol)
        totals_e8[asset] = totals_e8.get(asset, 0) - position.cost_e8


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


def _note_charges(
    position: Position, held: int, signed_lots: int, fee_e8: int, realized_e8: int
) -> None:
    """Keep what the open position must make good; `held` lots were open before the trade."""
    if held * position.lots <= 0:
        # Closed, opened or turned round: of the fee, the opening part's share belongs to it.
        position.charges_e8 = fee_e8 * abs(position.lots) // abs(signed_lots)
    else:
        position.charges_e8 += fee_e8 - realized_e8
