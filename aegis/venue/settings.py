"""What an account may set for itself: leverage, margin type, isolated margin, its modes.

The gateway calls one function per endpoint. Each checks everything first and raises the documented
RejectError with nothing changed; then it changes the account, has it kept, and tells the owner.
"""

from __future__ import annotations

from collections.abc import Sequence

from aegis.venue.clearing import Clearing
from aegis.venue.codes import reject
from aegis.venue.events import AccountEvent, AssetModeEvent, LeverageEvent
from aegis.venue.ledger import BOTH, Account
from aegis.venue.margin import (
    check_leverage,
    leg_of,
    legs_of,
    max_notional,
    pool_for,
    pools_of,
)
from aegis.venue.market import Market
from aegis.venue.notes import balance_note, position_note


def set_leverage(
    clearing: Clearing, account_id: int, symbol: str, leverage: int, now_ms: int
) -> int:
    """Change the leverage of a symbol; returns the largest notional it allows, in quote units.

    Raises RejectError -1121, -4028, -4161 (lowered under an isolated position), -2027 (position or
    orders too large for it), -2028 (too little margin for it).
    """
    market = clearing.market(symbol)
    account = clearing.account(account_id)
    check_leverage(clearing, account, market, leverage)
    if account.leverage(symbol) != leverage:
        account.leverages[symbol] = leverage
        clearing.touched.accounts[account_id] = account
        clearing.tell(LeverageEvent(account_id, now_ms, symbol, leverage))
    return max_notional(market.spec, leverage)


def set_isolated(
    clearing: Clearing, account_id: int, symbol: str, isolated: bool, now_ms: int
) -> None:
    """Change the margin type of a symbol. Raises RejectError -1121, -4046, -4168, -4047, -4048."""
    market = clearing.market(symbol)
    account = clearing.account(account_id)
    if account.isolated.get(symbol, False) == isolated:
        raise reject(-4046)
    if isolated and account.multi_assets:
        raise reject(-4168)
    if clearing.has_open_orders(account_id, symbol):
        raise reject(-4047)
    if any(True for _ in account.held(symbol)):
        raise reject(-4048)
    account.isolated[symbol] = isolated
    _tell_account(clearing, account, market, account.sides, "MARGIN_TYPE_CHANGE", now_ms)


def change_margin(
    clearing: Clearing, account_id: int, symbol: str, side: str, change_e8: int, now_ms: int
) -> None:
    """Move money into an isolated position's wallet, or (negative) out of it.

    What may be taken out leaves the initial margin, and whatever the position has lost. Raises
    RejectError -1121, -4061, -4055, -4049, -4054, -4050, -4051.
    """
    market = clearing.market(symbol)
    account = clearing.account(account_id)
    if side not in account.sides:
        raise reject(-4061)
    if change_e8 == 0:
        raise reject(-4055)
    if not account.isolated.get(symbol, False):
        raise reject(-4049)
    leg = leg_of(clearing, account, symbol, side)
    if leg.lots == 0:
        raise reject(-4054)
    if change_e8 > 0:
        if change_e8 > pool_for(clearing, account, symbol).withdrawable_e8:
            raise reject(-4050)
    elif leg.position.isolated_e8 + change_e8 + min(0, leg.unrealized_e8) < leg.own_e8:
        raise reject(-4051)
    leg.position.isolated_e8 += change_e8
    leg.position.updated_ms = account.updated_ms = now_ms
    clearing.income.note_margin(account_id, symbol, side, change_e8, now_ms)
    _tell_account(clearing, account, market, (side,), "MARGIN_TRANSFER", now_ms)


def set_hedged(clearing: Clearing, account_id: int, hedged: bool, now_ms: int) -> None:
    """Switch between one-way and hedge mode. Raises RejectError -4059, -4067, -4068."""
    account = clearing.account(account_id)
    if account.hedged == hedged:
        raise reject(-4059)
    if clearing.has_open_orders(account_id):
        raise reject(-4067)
    if any(position.lots for position in account.positions.values()):
        raise reject(-4068)
    account.hedged = hedged
    account.updated_ms = now_ms
    clearing.touched.accounts[account_id] = account


def set_multi_assets(clearing: Clearing, account_id: int, wanted: bool, now_ms: int) -> None:
    """Let all assets margin all positions, or each its own.

    Raises RejectError -4171, -4167 (a symbol is isolated), -4170 (open orders), -4172 (a negative
    balance), -4169 (too little margin in the new mode).
    """
    account = clearing.account(account_id)
    if account.multi_assets == wanted:
        raise reject(-4171)
    if wanted and any(account.isolated.values()):
        raise reject(-4167)
    if clearing.has_open_orders(account_id):
        raise reject(-4170)
    if wanted and min([account.wallet_e8, *account.other_wallets_e8.values()]) < 0:
        raise reject(-4172)
    account.multi_assets = wanted
    pools = pools_of(clearing, account, legs_of(clearing, account))
    if any(pool.free_e8 < 0 for pool in pools.values()):
        account.multi_assets = not wanted
        raise reject(-4169)
    clearing.touched.accounts[account_id] = account
    clearing.tell(AssetModeEvent(account_id, now_ms, wanted))


def set_fee_burn(clearing: Clearing, account_id: int, burns_bnb: bool) -> None:
    """Pay fees in BNB, a tenth less, as long as there is any; or in the margin asset."""
    account = clearing.account(account_id)
    account.burns_bnb = burns_bnb
    clearing.touched.accounts[account_id] = account


def _tell_account(
    clearing: Clearing,
    account: Account,
    market: Market,
    sides: Sequence[str],
    cause: str,
    now_ms: int,
) -> None:
    """Tell the owner of changed positions; in hedge mode with the unused BOTH before them."""
    shown = (BOTH, *sides) if account.hedged else sides
    notes = tuple(position_note(market, account, side) for side in shown)
    balances = (balance_note(account, market.spec.quote),)
    clearing.touched.accounts[account.account_id] = account
    clearing.tell(AccountEvent(account.account_id, now_ms, cause, balances, notes))
