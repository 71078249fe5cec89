"""An order of the algo service: its fields and its statuses.

``desk`` changes them, ``store`` keeps them, ``payloads.algo`` writes them down, the journal stores
them as they are. It is never in a book: when it triggers, an order with an id of its own is.
"""

from __future__ import annotations

from copy import copy
from typing import Final

import msgspec

from aegis.venue.ledger import BOTH
from aegis.venue.orders import Condition, closes

NEW: Final = "NEW"
TRIGGERING: Final = "TRIGGERING"
TRIGGERED: Final = "TRIGGERED"
FINISHED: Final = "FINISHED"
CANCELED: Final = "CANCELED"
REJECTED: Final = "REJECTED"
EXPIRED: Final = "EXPIRED"
FINAL_STATUSES: Final = frozenset({FINISHED, CANCELED, REJECTED, EXPIRED})


class AlgoOrder(msgspec.Struct, array_like=True, eq=False):
    """One conditional order. `qty_lots` is 0 where it closes the whole position.

    `child_id`, `child_kind`, `child_lots` and `child_cost_e8` are the id, the type and the fills of
    the order that it became; `reason` is the text with which the engine refused that order.
    """

    algo_id: int
    client_id: str
    account_id: int
    symbol: str
    side: int
    condition: Condition
    tif: str
    qty_lots: int
    price_ticks: int
    reduce_only: bool
    stp: int
    created_ms: int
    updated_ms: int
    position_side: str = BOTH
    price_match: str = "NONE"
    good_till_ms: int = 0
    status: str = NEW
    triggered_ms: int = 0
    child_id: int = 0
    child_kind: str = ""
    child_lots: int = 0
    child_cost_e8: int = 0
    reason: str = ""

    @property
    def kind(self) -> str:
        return self.condition.kind

    @property
    def waits(self) -> bool:
        """It has not triggered yet."""
        return self.status == NEW

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def reduces(self) -> bool:
        """As of an order: it may only make the position smaller."""
        closing = self.condition.closes_position or closes(self.side, self.position_side)
        return self.reduce_only or closing

    def copy(self) -> AlgoOrder:
        """The order as it is now, for an event that is encoded later."""
        return copy(self)
