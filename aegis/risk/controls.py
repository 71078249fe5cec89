"""The table of controls: number, name, what it refuses, its sources, the test that proves it.

The numbers are what the gate returns, what a DENIED outcome carries in `reason` and what the
counter `gate_reason` shows; they are part of the shared-memory contract, so a number is never given
to another control. Execution, the monitor and the tests read this table; nothing writes it.

Sources: RTS 6 is Regulation (EU) 2017/589; 15c3-5 is SEC Rule 17 CFR 240.15c3-5; FIA is the FIA's
"Best Practices for Automated Trading Risk Controls and System Safeguards" of July 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

__all__ = ["CONTROLS", "NONSENSE", "Control", "ControlEntry", "control_name"]


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
    # Reasons of the latch that no single order meets; they are never returned by the gate.
    NONSENSE_BURST = 40
    FOREIGN_ORDER = 41
    POSITION_MISMATCH = 42
    CREDENTIALS = 43
    BANNED = 44
    OPERATOR = 45
    RECONCILE_FAILED = 46
    EXCHANGE_RESTRICTION = 60
    JOURNAL_FULL = 70
    JOURNAL_SYNC = 71
    ACCOUNT_SETUP = 72


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """One row of the table. `reducing_passes` says whether cancels and reducing orders skip it."""

    control: Control
    sentence: str
    sources: tuple[str, ...]
    test: str
    reducing_passes: bool = False

    @property
    def name(self) -> str:
        """The control's name as it appears in outcomes, logs and documents."""
        return self.control.name


_GATE = "tests/risk/test_gate.py"
_CHECKS = "tests/risk/test_checks.py"
_LATCH = "tests/risk/test_latch.py"

_ENTRIES = (
    ControlEntry(
        Control.INVALID_INTENT,
        "An order is well formed: known kind and flags, a side, positive price and quantity, "
        "finite numbers.",
        ("15c3-5(c)(1)(ii)", "FIA 1.1"),
        f"{_CHECKS}::test_well_formed",
    ),
    ControlEntry(
        Control.SYMBOL_ALLOWLIST,
        "The instrument is one that this instance was configured to trade.",
        ("15c3-5(c)(2)(ii)",),
        f"{_GATE}::test_unknown_instrument_is_denied",
    ),
    ControlEntry(
        Control.DUPLICATE_ORDER,
        "An order reference is used once, whatever became of the order.",
        ("15c3-5(c)(1)(ii)",),
        f"{_GATE}::test_order_ref_is_never_reused",
    ),
    ControlEntry(
        Control.INTENT_EXPIRED,
        "The decision is still valid at the moment of sending.",
        ("RTS 6 art. 15(1)", "FIA 3.1"),
        f"{_CHECKS}::test_intent_expired",
    ),
    ControlEntry(
        Control.INSTRUMENT_STATUS,
        "The exchange says that the instrument is TRADING, and by the tick that the decision used.",
        ("15c3-5(c)(2)(i)", "FIA 2.3"),
        f"{_GATE}::test_instrument_not_trading_is_denied",
    ),
    ControlEntry(
        Control.FILTERS,
        "Price and quantity keep the exchange's bounds, lot size and minimum notional.",
        ("15c3-5(c)(2)(i)", "15c3-5(c)(1)(ii)"),
        f"{_CHECKS}::test_filters",
    ),
    ControlEntry(
        Control.MAX_ORDER_QTY,
        "One order is at most max_order_qty.",
        ("RTS 6 art. 15(1)(c)", "FIA 1.1"),
        f"{_CHECKS}::test_max_order_qty",
    ),
    ControlEntry(
        Control.MAX_ORDER_NOTIONAL,
        "One order is worth at most max_order_notional.",
        ("RTS 6 art. 15(1)(b)", "15c3-5(c)(1)(ii)"),
        f"{_CHECKS}::test_max_order_notional",
    ),
    ControlEntry(
        Control.PRICE_COLLAR,
        "A price is within price_collar_bps of the book's mid.",
        ("RTS 6 art. 15(1)(a)", "FIA 1.3"),
        f"{_CHECKS}::test_price_collar",
    ),
    ControlEntry(
        Control.KILL,
        "The latch is ACTIVE; in REDUCING and HALTED only cancels and reducing orders pass.",
        ("RTS 6 art. 12", "RTS 6 art. 15(3)", "FIA 1.5"),
        f"{_GATE}::test_latch_stops_new_risk_only",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.NOT_READY,
        "Execution has reconciled with the exchange and is not draining.",
        ("RTS 6 art. 14", "FIA 4.1"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DEADMAN,
        "The supervisor and the brain gave a sign of progress within their time.",
        ("RTS 6 art. 16", "FIA 1.4"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.PRIVATE_STREAM,
        "The stream of our own orders and fills is connected and reconciled.",
        ("15c3-5(c)(2)(iv)", "FIA 4.1"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.ORDER_LINK,
        "The order connection is up and logged on.",
        ("RTS 6 art. 14", "FIA 1.4"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
    ),
    ControlEntry(
        Control.DATA_FRESHNESS,
        "The book is valid and the feed has heard from the exchange within max_stale_ms.",
        ("FIA 3.1",),
        f"{_CHECKS}::test_data_freshness",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DAILY_LOSS,
        "The day's result, open position at mid included, has lost at most max_daily_loss.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_CHECKS}::test_daily_loss",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_OPEN_ORDERS,
        "At most max_open_orders orders rest or may rest.",
        ("FIA 3.4",),
        f"{_CHECKS}::test_max_open_orders",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_POSITION_INCL_OPEN,
        "The position stays within max_position_qty even if every open order of that side fills.",
        ("FIA 1.2", "15c3-5(c)(1)(i)"),
        f"{_CHECKS}::test_max_position_incl_open",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_MSG_RATE,
        "At most max_orders_per_s new orders in any second; cancels are never counted.",
        ("RTS 6 art. 15(1)(d)", "FIA 3.4"),
        f"{_GATE}::test_message_rate_is_a_sliding_window",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.OUTCOME_LANE,
        "There is room to tell the brain what becomes of an order.",
        ("RTS 6 art. 17",),
        "tests/execution/test_outbox.py::test_full_lane_refuses_new_intents",
    ),
    ControlEntry(
        Control.ORDER_TABLE,
        "There is a free row in the order table, and bytes for the message.",
        ("RTS 6 art. 17",),
        "tests/execution/test_core.py::test_full_order_table_refuses",
    ),
    ControlEntry(
        Control.UNSUPPORTED,
        "The command is one that this build sends to the exchange.",
        ("RTS 6 art. 6",),
        "tests/execution/test_core.py::test_amend_is_refused",
    ),
    ControlEntry(
        Control.STALE_EPOCH,
        "The intent comes from the living generation of the brain.",
        ("RTS 6 art. 12(3)",),
        "tests/execution/test_core.py::test_intents_of_a_dead_brain_are_refused",
    ),
    ControlEntry(
        Control.NONSENSE_BURST,
        "A strategy that emits nonsense again and again is stopped until a person looks.",
        ("RTS 6 art. 15(3)", "FIA 3.2"),
        f"{_GATE}::test_burst_of_nonsense_halts",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.FOREIGN_ORDER,
        "No order of anybody else moves the instruments that this instance trades.",
        ("FIA 4.1", "RTS 6 art. 17"),
        "tests/execution/test_reconcile.py::test_foreign_order_halts",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.POSITION_MISMATCH,
        "The local position equals the exchange's; a difference is never traded away.",
        ("RTS 6 art. 17", "FIA 4.1"),
        "tests/execution/test_reconcile.py::test_position_mismatch_halts",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.CREDENTIALS,
        "The exchange accepts our key, signature and address.",
        ("15c3-5(c)(2)(iii)", "RTS 6 art. 18"),
        "tests/execution/test_core.py::test_refused_credentials_halt",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.BANNED,
        "The exchange has not banned this address.",
        ("FIA 3.3",),
        "tests/execution/test_core.py::test_refused_credentials_halt",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.OPERATOR,
        "A person has not ordered a stop.",
        ("RTS 6 art. 12", "FIA 1.5"),
        f"{_LATCH}::test_only_a_person_rearms",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.RECONCILE_FAILED,
        "The account could be read back from the exchange.",
        ("RTS 6 art. 17",),
        "tests/execution/test_reconcile.py::test_unreadable_account_is_not_flat",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.EXCHANGE_RESTRICTION,
        "The exchange takes new risk from this account: margin, bracket, rules and law permit it.",
        ("15c3-5(c)(1)(i)", "RTS 6 art. 15"),
        "tests/execution/test_core.py::test_what_a_refusal_leads_to",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.JOURNAL_FULL,
        "The disk has room for the journal, and for a segment in reserve.",
        ("RTS 6 art. 17", "RTS 6 art. 11"),
        "tests/execution/journal/test_faults.py::test_a_full_disk_reduces",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.JOURNAL_SYNC,
        "What the journal wrote has reached the disk.",
        ("RTS 6 art. 17", "RTS 6 art. 11"),
        "tests/execution/journal/test_faults.py::test_a_failed_sync_halts_and_is_not_tried_again",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.ACCOUNT_SETUP,
        "Position mode, margin mode and leverage of the account are as they were found.",
        ("RTS 6 art. 17", "15c3-5(c)(1)(i)"),
        "tests/execution/test_account_setup.py::test_a_setup_that_changes_halts",
        reducing_passes=True,
    ),
)

CONTROLS = MappingProxyType({entry.control: entry for entry in _ENTRIES})
assert set(CONTROLS) == set(Control) - {Control.PASS}, "every control has its row in the table"

# Refusals that no healthy strategy meets: a burst of them stops the instance.
NONSENSE = frozenset(
    {Control.INVALID_INTENT, Control.SYMBOL_ALLOWLIST, Control.DUPLICATE_ORDER},
)


def control_name(number: int) -> str:
    """Name of a control by its number; `CONTROL_<n>` for a number that this build does not know."""
    try:
        return Control(number).name
    except ValueError:
        return f"CONTROL_{number}"
