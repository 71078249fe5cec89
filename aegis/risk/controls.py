"""The table of controls: number, name, what it refuses, its sources, the test that proves it.

The numbers are those of `control_numbers`. Execution, the monitor and the tests read this table;
nothing writes it. README.md in this folder is made from it.

Sources: RTS 6 is Regulation (EU) 2017/589; 15c3-5 is SEC Rule 17 CFR 240.15c3-5; FIA is the FIA's
"Best Practices for Automated Trading Risk Controls and System Safeguards" of July 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from aegis.risk.control_numbers import Control

__all__ = ["CONTROLS", "NONSENSE", "OWN_FAULTS", "Control", "ControlEntry", "control_name"]


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """One row of the table. `reducing_passes` says whether cancels and reducing orders skip it.

    `function` is the kernel of this package that judges it, empty where another room does.
    """

    control: Control
    sentence: str
    sources: tuple[str, ...]
    test: str
    function: str = ""
    reducing_passes: bool = False

    @property
    def name(self) -> str:
        """The control's name as it appears in outcomes, logs and documents."""
        return self.control.name


_GATE = "tests/risk/test_gate.py"
_CHECKS = "tests/risk/test_checks.py"
_MORE = "tests/risk/test_capital_checks.py"
_LATCH = "tests/risk/test_latch.py"

_ENTRIES = (
    ControlEntry(
        Control.INVALID_INTENT,
        "An order is well formed: known kind and flags, a side, positive price and quantity, "
        "finite numbers.",
        ("15c3-5(c)(1)(ii)", "FIA 1.1"),
        f"{_CHECKS}::test_well_formed",
        function="checks.well_formed",
    ),
    ControlEntry(
        Control.SYMBOL_ALLOWLIST,
        "The instrument is one that this instance was configured to trade.",
        ("15c3-5(c)(2)(ii)",),
        f"{_GATE}::test_unknown_instrument_is_denied",
        function="checks.symbol_allowlist",
    ),
    ControlEntry(
        Control.DUPLICATE_ORDER,
        "An order reference is used once, and the same side, price and quantity not again "
        "within duplicate_window_ms.",
        ("15c3-5(c)(1)(ii)",),
        f"{_GATE}::test_order_ref_is_never_reused",
        function="checks.duplicate_order",
    ),
    ControlEntry(
        Control.INTENT_EXPIRED,
        "The decision is still valid at the moment of sending.",
        ("RTS 6 art. 15(1)", "FIA 3.1"),
        f"{_CHECKS}::test_intent_expired",
        function="checks.intent_expired",
    ),
    ControlEntry(
        Control.INSTRUMENT_STATUS,
        "The exchange says that the instrument is TRADING, and by the tick that the decision used.",
        ("15c3-5(c)(2)(i)", "FIA 2.3"),
        f"{_GATE}::test_instrument_not_trading_is_denied",
        function="gate.judge",
    ),
    ControlEntry(
        Control.FILTERS,
        "Price and quantity keep the exchange's bounds, lot size and minimum notional.",
        ("15c3-5(c)(2)(i)", "15c3-5(c)(1)(ii)"),
        f"{_CHECKS}::test_filters",
        function="checks.filters",
    ),
    ControlEntry(
        Control.MAX_ORDER_QTY,
        "One order is at most max_order_qty.",
        ("RTS 6 art. 15(1)(c)", "FIA 1.1"),
        f"{_CHECKS}::test_max_order_qty",
        function="checks.max_order_qty",
    ),
    ControlEntry(
        Control.MAX_ORDER_NOTIONAL,
        "One order is worth at most max_order_notional.",
        ("RTS 6 art. 15(1)(b)", "15c3-5(c)(1)(ii)"),
        f"{_CHECKS}::test_max_order_notional",
        function="checks.max_order_notional",
    ),
    ControlEntry(
        Control.PRICE_COLLAR,
        "A price is within price_collar_bps of the book's mid, and one that adds risk also of "
        "the mark and of our last price of that side. A way out while there is no fresh book: of "
        "the mark, as long as that is recent.",
        ("RTS 6 art. 15(1)(a)", "FIA 1.3"),
        f"{_CHECKS}::test_price_collar",
        function="checks.price_collar",
    ),
    ControlEntry(
        Control.PRICE_COLLAR_WINDOW,
        "Our prices of one side move at most price_collar_window_bps within price_collar_window_s.",
        ("RTS 6 art. 15(1)(a)", "FIA 1.3"),
        f"{_MORE}::test_price_collar_window",
        function="checks.price_collar_window",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.KILL,
        "The latch is ACTIVE; in REDUCING and HALTED only cancels and reducing orders pass.",
        ("RTS 6 art. 12", "RTS 6 art. 15(3)", "FIA 1.5"),
        f"{_GATE}::test_latch_stops_new_risk_only",
        function="gate.judge",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.NOT_READY,
        "Execution has reconciled with the exchange and is not draining.",
        ("RTS 6 art. 14", "FIA 4.1"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        function="gate.judge",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DEADMAN,
        "The supervisor and the brain gave a sign of progress within their time, and the "
        "exchange's countdown surely runs.",
        ("RTS 6 art. 16", "FIA 1.4"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        function="gate.judge",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.PRIVATE_STREAM,
        "The stream of our own orders and fills is connected and reconciled.",
        ("15c3-5(c)(2)(iv)", "FIA 4.1"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        function="gate.judge",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.ORDER_LINK,
        "The order connection is up and logged on.",
        ("RTS 6 art. 14", "FIA 1.4"),
        f"{_GATE}::test_blocks_stop_new_risk_only",
        function="gate.judge",
    ),
    ControlEntry(
        Control.DATA_FRESHNESS,
        "The book is valid and the feed has heard from the exchange within max_stale_ms.",
        ("FIA 3.1",),
        f"{_CHECKS}::test_data_freshness",
        function="checks.data_freshness",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DATA_REASONABILITY,
        "The book's mid is within max_mark_deviation_bps of the exchange's mark and index, "
        "which are recent.",
        ("FIA 3.1",),
        f"{_MORE}::test_data_reasonability",
        function="checks.data_reasonability",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DAILY_LOSS,
        "The day's result, open position at mid included, has lost at most max_daily_loss.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_CHECKS}::test_daily_loss",
        function="checks.daily_loss",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.DRAWDOWN,
        "The result has fallen at most max_drawdown from its best since the start or the last "
        "arming.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_MORE}::test_drawdown",
        function="checks.drawdown",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.EQUITY_FLOOR,
        "The account's wallet and our open result are worth at least min_equity.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_MORE}::test_equity_floor",
        function="checks.equity_floor",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_OPEN_ORDERS,
        "At most max_open_orders orders rest or may rest.",
        ("FIA 3.4",),
        f"{_CHECKS}::test_max_open_orders",
        function="checks.max_open_orders",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_POSITION_INCL_OPEN,
        "The position stays within max_position_qty even if every open order of that side fills.",
        ("FIA 1.2", "15c3-5(c)(1)(i)"),
        f"{_CHECKS}::test_max_position_incl_open",
        function="checks.max_position_incl_open",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_GROSS_NOTIONAL,
        "All positions with their open orders, long and short added up, are worth at most "
        "max_gross_notional.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_MORE}::test_max_gross_notional",
        function="checks.max_gross_notional",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_LEVERAGE,
        "The gross notional is at most max_leverage times the equity.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_MORE}::test_max_leverage",
        function="checks.max_leverage",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MARGIN_BUFFER,
        "The margin that the gross notional takes leaves a share of min_margin_buffer of the "
        "equity free; a MARGIN_CALL of the exchange latches REDUCING.",
        ("15c3-5(c)(1)(i)", "FIA 4.2"),
        f"{_MORE}::test_margin_buffer",
        function="checks.margin_buffer",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.PILOT,
        "For pilot_hours after its first start an instance is held to pilot_share of its caps.",
        ("RTS 6 art. 8", "FINRA 15-09"),
        f"{_MORE}::test_pilot",
        function="checks.pilot",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.SELF_TRADE,
        "An order cannot meet our own resting order; the wire says EXPIRE_TAKER besides. The "
        "exchange forgets that of an amended order: an amend is held to it even if it reduces.",
        ("FIA 3.5",),
        f"{_MORE}::test_self_trade",
        function="checks.self_trade",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.MAX_MSG_RATE,
        "At most max_orders_per_s new orders in any second, none while cancels exceed "
        "max_cancels_per_s; a strategy that is refused on and on is halted. Cancels are never "
        "refused.",
        ("RTS 6 art. 15(1)(d)", "RTS 6 art. 15(3)", "FIA 3.4"),
        f"{_GATE}::test_message_rate_is_a_sliding_window",
        function="checks.message_rate",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.OUTCOME_LANE,
        "There is room to tell the brain what becomes of an order.",
        ("RTS 6 art. 17",),
        "tests/execution/test_outbox.py::test_full_lane_refuses_new_intents",
        function="gate.judge",
    ),
    ControlEntry(
        Control.ORDER_TABLE,
        "There is a free row in the order table, and bytes for the message.",
        ("RTS 6 art. 17",),
        "tests/execution/test_core.py::test_full_order_table_refuses",
    ),
    ControlEntry(
        Control.AMENDABLE,
        "An amend changes a limit order of ours that the exchange has acknowledged and for which "
        "nothing else is under way; it leaves something to fill, and no post-only order takes.",
        ("15c3-5(c)(1)(ii)", "RTS 6 art. 15(1)"),
        "tests/execution/test_amends.py::test_what_cannot_be_amended",
    ),
    ControlEntry(
        Control.UNSUPPORTED,
        "The command is one that this build sends to the exchange.",
        ("RTS 6 art. 6",),
        "tests/execution/test_core.py::test_an_unknown_command_is_refused",
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
        function="trips.count_nonsense",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.REPEATED_EXECUTION,
        "Fewer than max_same_side_fills orders of one side fill within "
        "same_side_fills_window_s without a profit or a flat position between.",
        ("RTS 6 art. 15(3)", "FIA 3.2"),
        f"{_MORE}::test_repeated_execution",
        function="checks.repeated_execution",
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
    ControlEntry(
        Control.FIREWALL,
        "No firewall in front of the exchange blocks this address (a 403 without a code).",
        ("FIA 3.3",),
        "tests/execution/test_refused_access.py::test_a_question_that_is_refused_for_good_halts",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.UNACCOUNTED_FILLS,
        "The exchange lists the trades behind every fill that it has counted of an order of ours.",
        ("RTS 6 art. 17", "FIA 4.1"),
        "tests/execution/test_unaccounted_fills.py::test_fills_that_no_list_has_halt_and_end",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.JOURNAL_LOST,
        "The books of the runs before can be read: what was earned today, and what was booked.",
        ("RTS 6 art. 17", "RTS 6 art. 11"),
        "tests/execution/test_lost_journal.py::test_a_journal_that_cannot_be_read_at_all_halts",
        reducing_passes=True,
    ),
    ControlEntry(
        Control.LATCH_RECORD,
        "What an earlier run wrote down of the latch can be read.",
        ("RTS 6 art. 15(3)",),
        "tests/risk/test_latch_record.py::test_an_unreadable_record_halts",
        reducing_passes=True,
    ),
)

CONTROLS = MappingProxyType({entry.control: entry for entry in _ENTRIES})
assert set(CONTROLS) == set(Control) - {Control.PASS}, "every control has its row in the table"

# Refusals that no healthy strategy meets: a burst of them stops the instance.
NONSENSE = frozenset(
    {Control.INVALID_INTENT, Control.SYMBOL_ALLOWLIST, Control.DUPLICATE_ORDER},
)
# Refusals that a strategy brings upon itself, whatever the world does. So many of them within a
# second, sent or not, are a strategy that runs away.
OWN_FAULTS = NONSENSE | {
    Control.FILTERS,
    Control.MAX_ORDER_QTY,
    Control.MAX_ORDER_NOTIONAL,
    Control.PRICE_COLLAR,
    Control.PRICE_COLLAR_WINDOW,
    Control.MAX_OPEN_ORDERS,
    Control.MAX_POSITION_INCL_OPEN,
    Control.MAX_GROSS_NOTIONAL,
    Control.MAX_LEVERAGE,
    Control.MARGIN_BUFFER,
    Control.MAX_MSG_RATE,
    Control.SELF_TRADE,
    Control.PILOT,
}


def control_name(number: int) -> str:
    """Name of a control by its number; `CONTROL_<n>` for a number that this build does not know."""
    try:
        return Control(number).name
    except ValueError:
        return f"CONTROL_{number}"
