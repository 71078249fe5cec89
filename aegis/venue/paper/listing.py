"""Contracts from the instruments table: the filters that the live exchange has told the feed.

``process`` waits here before the venue opens its port. What the table does not say (leverage
brackets, liquidation fees, protections) is the venue's own catalogue's. A row keeps its number: it
is the instrument's in every record of the ring.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from aegis.config.models import VenueSymbolConfig
from aegis.shm.instruments import NOT_LISTED, TRADING, UNCONFIRMED, Instruments
from aegis.venue.errors import OptionsError
from aegis.venue.matching.layout import MAX_TURNOVER
from aegis.venue.symbols import SymbolSpec, make_symbol

# Values of the counter: the symbols that the file names, or all that the exchange lists.
FROM_FILE, FROM_EXCHANGE = 1, 2
log = logging.getLogger(__name__)

# What the exchange does not limit, the venue does not limit either, within what it can count.
NO_MULTIPLIER_UP, NO_MULTIPLIER_DOWN = 10.0, 1e-4
MOST_PRICE, MOST_QTY = 1e9, 1e12
MOST_DECIMALS: Final = 8
# `status` of a market by the code of its row. Everything else halts the market.
CLOSED_CODES: Final = frozenset({7, 8, NOT_LISTED})


@dataclass(frozen=True, slots=True)
class Contract:
    """A symbol that can be traded on paper, and the instrument that it is in shared memory."""

    instrument: int
    spec: SymbolSpec


def is_told(universe_source: int) -> bool:
    """Whether the feed has written what the exchange lists, by its counter of that name.

    It is set when all rows are written; the well-known pairs that stand in for a list which cannot
    be had are no contracts.
    """
    return universe_source in (FROM_FILE, FROM_EXCHANGE)


def contracts_of(table: Instruments, *, takes_all: bool) -> tuple[Contract, ...]:
    """The contracts of all rows, numbered as the venue's own. Raises OptionsError.

    Where an instance takes whatever is listed, what the venue cannot count exactly is left out.
    """
    found: list[Contract] = []
    for instrument in range(len(table.listed)):
        row = table.row(instrument)
        if not _is_listed(row):
            continue
        try:
            found.append(Contract(instrument, contract_of(row, len(found))))
        except OptionsError as error:
            if not takes_all:
                raise
            log.warning("not traded on paper: %s", error)
    if not found:
        raise OptionsError("the feed has told of no contract that can be traded on paper")
    return tuple(found)


def contract_of(row: Any, number: int) -> SymbolSpec:
    """One contract. Raises OptionsError for filters in which the venue cannot count."""
    symbol = bytes(row["symbol"]).decode()
    tick, step = float(row["tick_size"]), float(row["step_size"])
    max_price = min(float(row["max_price"]) or MOST_PRICE, MOST_PRICE)
    max_qty = min(float(row["max_qty"]) or MOST_QTY, MOST_QTY, _most_lots(max_price / tick) * step)
    min_price = float(row["min_price"]) or tick
    up, down = float(row["multiplier_up"]), float(row["multiplier_down"])
    try:
        config = VenueSymbolConfig(
            # The market's price comes with its book; until then there is nothing to trade.
            price=min_price,
            tick=tick,
            step=step,
            min_qty=max(float(row["min_qty"]), step),
            max_qty=max_qty,
            min_notional=float(row["min_notional"]),
            min_price=min_price,
            max_price=max_price,
            multiplier_up=up if up > 1.0 else NO_MULTIPLIER_UP,
            multiplier_down=down if 0.0 < down < 1.0 else NO_MULTIPLIER_DOWN,
            price_precision=_decimals(int(row["price_precision"]), tick),
            quantity_precision=_decimals(int(row["quantity_precision"]), step),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OptionsError(f"{symbol}: {where} {first['msg']}") from error
    return make_symbol(symbol, config, number)


def market_status(code: int) -> str:
    """A row's status as the venue's markets have it: "TRADING", closed, or halted."""
    if code == TRADING:
        return "TRADING"
    return "CLOSE" if code in CLOSED_CODES else "TRADING_HALT"


def _is_listed(row: Any) -> bool:
    return int(row["status"]) != UNCONFIRMED and float(row["tick_size"]) > 0.0


def _most_lots(max_ticks: float) -> float:
    """So many lots that a price times a quantity can still be summed exactly."""
    return (MAX_TURNOVER // 2) // max(int(max_ticks), 1)


def _decimals(told: int, size: float) -> int:
    """The precision that is told, or what the size needs: the exchange's own do not always fit."""
    digits = told
    while digits < MOST_DECIMALS and abs(size * 10**digits - round(size * 10**digits)) > 1e-6:
        digits += 1
    return digits if round(size * 10**digits) >= 1 else MOST_DECIMALS
