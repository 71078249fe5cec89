"""What the exchange's protocol looked like in 2024 and what it looks like in 2026, for orders.

A venue speaks one of the two. Whoever parses an order or writes one down asks this table instead of
the year. Rules that both years share are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.matching.interface import STP_EXPIRE_MAKER, STP_NONE

OPPONENT: Final = {"OPPONENT": 1, "OPPONENT_5": 5, "OPPONENT_10": 10, "OPPONENT_20": 20}
QUEUE: Final = {"QUEUE": 1, "QUEUE_5": 5, "QUEUE_10": 10, "QUEUE_20": 20}
ALL_PRICE_MATCHES: Final = frozenset({*OPPONENT, *QUEUE})
# Withdrawn from placing and modifying on 2025-10-23.
WITHDRAWN: Final = frozenset({"OPPONENT_10", "OPPONENT_20"})
E6: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """One year's rules. `widest_callback_e6` is a fraction: 10 % is 100,000."""

    modern: bool
    stops_are_orders: bool  # STOP and the like go to /order; otherwise to the algo service
    price_matches: frozenset[str]
    default_stp: int
    default_stp_batch: int  # of batches, algo orders and the test endpoint
    widest_callback_e6: int
    lists_all_symbols: bool  # allOrders may be asked without a symbol


MODERN: Final = Dialect(
    modern=True,
    stops_are_orders=False,
    price_matches=ALL_PRICE_MATCHES - WITHDRAWN,
    default_stp=STP_EXPIRE_MAKER,
    default_stp_batch=STP_NONE,
    widest_callback_e6=20 * E6 // 100,
    lists_all_symbols=True,
)
OF_2024: Final = Dialect(
    modern=False,
    stops_are_orders=True,
    price_matches=ALL_PRICE_MATCHES,
    default_stp=STP_NONE,
    default_stp_batch=STP_NONE,
    widest_callback_e6=10 * E6 // 100,
    lists_all_symbols=False,
)


def dialect_of(modern: bool) -> Dialect:
    return MODERN if modern else OF_2024
