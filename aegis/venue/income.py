"""What moved an account's balance, and what moved its isolated margins: /income and its sisters.

``funding``, ``liquidation`` and ``settings`` write it, the gateway reads it, the journal keeps it.
Commissions and realised profits are not stored: they are read off the trades, which are remembered
anyway. Both histories are bounded; the exchange forgets after three months.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from aegis.venue.ledger import margin_asset
from aegis.venue.orders import UserTrade

TRANSFER: Final = "TRANSFER"
FUNDING_FEE: Final = "FUNDING_FEE"
INSURANCE_CLEAR: Final = "INSURANCE_CLEAR"
COMMISSION: Final = "COMMISSION"
REALIZED_PNL: Final = "REALIZED_PNL"

# The types of the exchange's list; a question for any other is refused.
KINDS: Final = frozenset(
    {
        TRANSFER, "WELCOME_BONUS", REALIZED_PNL, FUNDING_FEE, COMMISSION, INSURANCE_CLEAR,
        "REFERRAL_KICKBACK", "COMMISSION_REBATE", "API_REBATE", "CONTEST_REWARD",
        "CROSS_COLLATERAL_TRANSFER", "OPTIONS_PREMIUM_FEE", "OPTIONS_SETTLE_PROFIT",
        "INTERNAL_TRANSFER", "AUTO_EXCHANGE", "DELIVERED_SETTELMENT", "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW", "POSITION_LIMIT_INCREASE_FEE", "STRATEGY_UMFUTURES_TRANSFER",
        "FEE_RETURN", "BFUSD_REWARD", "SPECIAL_FUNDING_FEE",
    }
)  # fmt: skip

# Of each account; /income answers with no more at a time.
MAX_INCOME: Final = 1_000
MAX_MARGIN_CHANGES: Final = 500
# Why an isolated margin changed.
USER_ADJUST: Final = "USER_ADJUST"


class Income(msgspec.Struct, array_like=True, frozen=True):
    """One entry; `amount_e8` is positive for what the account got. Times in ms."""

    account_id: int
    symbol: str
    kind: str
    amount_e8: int
    asset: str
    time_ms: int
    transaction_id: int
    info: str = ""
    trade_id: int = 0


class MarginChange(msgspec.Struct, array_like=True, frozen=True):
    """Margin that was added to (`added_e8` positive) or taken from an isolated position."""

    account_id: int
    symbol: str
    position_side: str
    added_e8: int
    asset: str
    time_ms: int
    cause: str = USER_ADJUST


class IncomeHistory:
    """The newest entries of each account, oldest first.

    `new_incomes` and `new_margin_changes` are what the journal has not seen.
    """

    def __init__(self) -> None:
        self.new_incomes: list[Income] = []
        self.new_margin_changes: list[MarginChange] = []
        self._incomes: dict[int, deque[Income]] = {}
        self._margin_changes: dict[int, deque[MarginChange]] = {}
        self._last_id = 0

    def add(
        self, account_id: int, symbol: str, kind: str, amount_e8: int, asset: str, now_ms: int
    ) -> Income:
        """Note an entry. Transaction ids grow with time and are never used twice."""
        assert kind in KINDS, f"the exchange has no income of type {kind!r}"
        self._last_id = max(self._last_id + 1, now_ms * 1_000)
        entry = Income(account_id, symbol, kind, amount_e8, asset, now_ms, self._last_id, kind)
        self._keep_income(entry)
        self.new_incomes.append(entry)
        return entry

    def note_margin(
        self, account_id: int, symbol: str, side: str, added_e8: int, now_ms: int
    ) -> None:
        """Note a change of an isolated margin."""
        change = MarginChange(account_id, symbol, side, added_e8, margin_asset(symbol), now_ms)
        self._keep_change(change)
        self.new_margin_changes.append(change)

    def incomes(self) -> list[Income]:
        """What is kept of all accounts."""
        return [entry for entries in self._incomes.values() for entry in entries]

    def margin_changes(self) -> list[MarginChange]:
        """What is kept of all accounts."""
        return [change for changes in self._margin_changes.values() for change in changes]

    def restore(self, incomes: Iterable[Income], changes: Iterable[MarginChange]) -> None:
        """Take back what the journal kept, in its order, instead of what is here."""
        self._incomes.clear()
        self._margin_changes.clear()
        for entry in incomes:
            self._keep_income(entry)
            self._last_id = max(self._last_id, entry.transaction_id)
        for change in changes:
            self._keep_change(change)
        self.seen()

    def seen(self) -> None:
        """The journal has it."""
        self.new_incomes.clear()
        self.new_margin_changes.clear()

    def of(
        self, account_id: int, trades: Iterable[UserTrade], kind: str | None, symbol: str | None
    ) -> list[Income]:
        """The account's entries, oldest first, with what its trades realised and cost."""
        entries = list(self._incomes.get(account_id, ()))
        entries.extend(_of_trades(trade for trade in trades if trade.account_id == account_id))
        return sorted(
            [
                entry
                for entry in entries
                if kind in (None, entry.kind) and symbol in (None, entry.symbol)
            ],
            key=lambda entry: (entry.time_ms, entry.transaction_id),
        )

    def margin_changes_of(
        self, account_id: int, symbol: str, added: bool | None = None
    ) -> list[MarginChange]:
        """The account's changes of a symbol's isolated margins, oldest first."""
        return [
            change
            for change in self._margin_changes.get(account_id, ())
            if change.symbol == symbol and (added is None or (change.added_e8 > 0) == added)
        ]

    def _keep_income(self, entry: Income) -> None:
        self._incomes.setdefault(entry.account_id, deque(maxlen=MAX_INCOME)).append(entry)

    def _keep_change(self, change: MarginChange) -> None:
        kept = self._margin_changes.setdefault(change.account_id, deque(maxlen=MAX_MARGIN_CHANGES))
        kept.append(change)


def _of_trades(trades: Iterable[UserTrade]) -> Iterator[Income]:
    """What each trade cost, and what it realised if that is anything."""
    for trade in trades:
        quote = margin_asset(trade.symbol)
        for kind, amount, asset in (
            (REALIZED_PNL, trade.realized_e8, quote),
            (COMMISSION, -trade.fee_e8, trade.fee_asset),
        ):
            if amount:
                yield Income(
                    trade.account_id, trade.symbol, kind, amount, asset, trade.time_ms,
                    trade.trade_id, str(trade.trade_id), trade.trade_id,
                )  # fmt: skip
