"""What a latch that has tripped means, and what a person does before `aegis arm`; a table, no code.

By the name of the control (`aegis.risk.control_numbers`). Each entry: what it has seen, and what to
do about it. `{name}` stands for the instance.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ADVICE", "OTHERWISE"]

OTHERWISE: Final = (
    "see aegis/risk/README.md for what it keeps",
    "find the cause",
)
_LIMITS = "look at what it traded (aegis journal tail {name}); the limit is in [instances.{name}]"

ADVICE: Final[dict[str, tuple[str, str]]] = {
    "DAILY_LOSS": ("today's loss has reached its limit", _LIMITS),
    "DRAWDOWN": ("the fall from the best result has reached its limit", _LIMITS),
    "EQUITY_FLOOR": ("the equity has reached its floor", _LIMITS),
    "MAX_MSG_RATE": (
        "the strategy asked for more orders a second than its limit",
        "find out why (aegis journal tail {name}): a strategy that runs away does it again",
    ),
    "REPEATED_EXECUTION": (
        "one side was filled again and again without a profit or a flat position",
        "look whether the market or the strategy is at fault (aegis journal tail {name})",
    ),
    "MARGIN_BUFFER": (
        "the exchange's margin of the account is running out, or it has called for more",
        "add margin, or make the position smaller (aegis flatten {name})",
    ),
    "OUTCOME_LANE": (
        "the brain does not read what becomes of its orders",
        "see the brain in the other problems; give it its own core",
    ),
    "NONSENSE_BURST": (
        "the strategy asked for one impossible thing after the other",
        "find out what (aegis journal tail {name}), and mend its parameters or its code",
    ),
    "FOREIGN_ORDER": (
        "somebody else has orders or trades on our instruments, or the exchange has closed ours",
        "find out who; a hand, another program with this key, a liquidation: keep them apart",
    ),
    "POSITION_MISMATCH": (
        "the exchange's position is not what our books say, and no list explains the difference",
        "trade the exchange's position back to ours by hand, or stop and move the journal's folder "
        "away: a first start takes the exchange's position over",
    ),
    "CREDENTIALS": (
        "the exchange refuses our key, signature or address",
        "look at the key, its permissions and its list of addresses at the exchange; start anew",
    ),
    "BANNED": (
        "the exchange has banned this address (418)",
        "wait for its end, and stop what else asks from here; each question makes it longer",
    ),
    "OPERATOR": ("a person has said so", "ask who did, and why"),
    "RECONCILE_FAILED": (
        "the account could not be read back from the exchange",
        "see whether the exchange answers: aegis doctor --quick",
    ),
    "LATCH_RECORD": (
        "the record of an earlier latch cannot be read, and may have been HALTED",
        "look at latch.json in the state directory, and find out what was wrong before",
    ),
    "EXCHANGE_RESTRICTION": (
        "the exchange takes no new risk from this account: margin, bracket or rules",
        "read its own words in aegis journal tail {name}, and look at the account there",
    ),
    "JOURNAL_FULL": (
        "there is no room on the disk for the journal",
        "make room where [journal] dir is",
    ),
    "JOURNAL_SYNC": (
        "the disk did not take what the journal wrote",
        "look at the disk (dmesg) and move [journal] dir to a good one; start anew",
    ),
    "ACCOUNT_SETUP": (
        "position mode, margin mode or leverage of the account are not what they were",
        "set them back at the exchange, or start anew with what is wanted",
    ),
    "FIREWALL": (
        "a firewall in front of the exchange has blocked this address (403)",
        "wait some minutes without questions, and stop what else asks from here",
    ),
    "UNACCOUNTED_FILLS": (
        "the exchange has counted fills of an order of ours that no list of trades shows",
        "find the order (aegis journal tail {name}) and compare its trades at the exchange",
    ),
    "JOURNAL_LOST": (
        "no book of earlier runs can be read: the day's result and what was booked are gone",
        "compare position and result with the exchange; what was damaged lies in the journal's "
        "folder",
    ),
}
