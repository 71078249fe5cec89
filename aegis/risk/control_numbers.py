"""The numbers of the controls: what the gate returns and a DENIED outcome carries in `reason`.

They are part of the shared-memory contract (the counter `gate_reason` shows them too), so a number
is never given to another control. `aegis.risk.controls` says what each of them means.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Control"]


class Control(IntEnum):
    """What the gate answers: PASS, or the first control that refuses."""

    PASS = 0
    INVALID_INTENT = 1
    SYMBOL_ALLOWLIST = 2
    DUPLICATE_ORDER = 3
    INTENT_EXPIRED = 4
    INSTRUMENT_STATUS = 5
    FILTERS = 6
    MAX_ORDER_QTY = 7
    MAX_ORDER_NOTIONAL = 8
    PRICE_COLLAR = 9
    KILL = 10
    NOT_READY = 11
    DEADMAN = 12
    PRIVATE_STREAM = 13
    ORDER_LINK = 14
    DATA_FRESHNESS = 15
    DAILY_LOSS = 16
    MAX_OPEN_ORDERS = 17
    MAX_POSITION_INCL_OPEN = 18
    MAX_MSG_RATE = 19
    OUTCOME_LANE = 20
    ORDER_TABLE = 21
    UNSUPPORTED = 22
    STALE_EPOCH = 23
    PRICE_COLLAR_WINDOW = 24
    MAX_GROSS_NOTIONAL = 25
    MAX_LEVERAGE = 26
    MARGIN_BUFFER = 27
    SELF_TRADE = 28
    DATA_REASONABILITY = 29
    DRAWDOWN = 30
    EQUITY_FLOOR = 31
    PILOT = 32
    REPEATED_EXECUTION = 33
    AMENDABLE = 34
    # Reasons of the latch that no single order meets; never returned by the gate (nor is 33).
    NONSENSE_BURST = 40
    FOREIGN_ORDER = 41
    POSITION_MISMATCH = 42
    CREDENTIALS = 43
    BANNED = 44
    OPERATOR = 45
    RECONCILE_FAILED = 46
    LATCH_RECORD = 47
    EXCHANGE_RESTRICTION = 60
    JOURNAL_FULL = 70
    JOURNAL_SYNC = 71
    ACCOUNT_SETUP = 72
    FIREWALL = 73
    UNACCOUNTED_FILLS = 74
    JOURNAL_LOST = 75
