"""One trade into the books: worked out by our rule, and then as the exchange tells it.

Called for every trade, whichever way it came: of an order, of none that is known, and by the replay
of the journal.
"""

from typing import Any

from aegis.execution.fills import book_fill, take_told_profit
from aegis.execution.tables import exposure_of, gate_of, guards_of, rules_of, words_of
from aegis.host.jit import kernel

__all__ = ["book_trade"]


@kernel
def book_trade(
    tables: Any, instrument: Any, signed_lots: Any, price_ticks: Any, fee_e8: Any, told_e8: Any
) -> Any:
    """Book a trade that is new (positive lots bought); the realised profit that counts, 1e-8 quote.

    `told_e8` is the profit that the exchange says it realised, or NOT_TOLD.
    """
    exposure, gate, guards = exposure_of(tables), gate_of(tables), guards_of(tables)
    unit_e8 = rules_of(tables)[instrument].unit_e8
    own_e8 = book_fill(
        exposure, gate, guards, instrument, unit_e8, signed_lots, price_ticks, fee_e8
    )
    return take_told_profit(
        words_of(tables),
        exposure,
        gate,
        guards,
        instrument,
        unit_e8,
        price_ticks,
        own_e8,
        told_e8,
    )
