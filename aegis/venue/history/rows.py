"""What the history answers with: exact integers, one small type per kind of row.

Made by ``history.history`` from its tables, written down by the payload modules. Prices in ticks,
quantities in lots, money in 1e-8 quote, times in ms.
"""

from __future__ import annotations

from typing import NamedTuple


class PublicTrade(NamedTuple):
    """One print. `buyer_is_maker` means that the taker sold."""

    trade_id: int
    price_ticks: int
    qty_lots: int
    buyer_is_maker: bool
    time_ms: int


class Aggregate(NamedTuple):
    """Trades of one taker side at one price within 100 ms; `time_ms` is the first one's."""

    symbol_number: int
    aggregate_id: int
    first_id: int
    last_id: int
    price_ticks: int
    qty_lots: int
    buyer_is_maker: bool
    time_ms: int


class Bar(NamedTuple):
    """A candle. Ids are -1 where nothing was traded. `close_ms` is the last ms that is in it."""

    open_ms: int
    close_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    quote_e8: int
    trades: int
    taker_buy_lots: int
    taker_buy_quote_e8: int
    first_id: int
    last_id: int


class MarkBar(NamedTuple):
    """A candle of mark or index prices, or of the premium index; all in 1e-8."""

    open_ms: int
    close_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    samples: int


class Ticker(NamedTuple):
    """The last 24 hours of a symbol. Ids are -1 and volumes 0 where nothing was traded."""

    open_ms: int
    close_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    last_lots: int
    lots: int
    quote_e8: int
    vwap_e8: int
    trades: int
    first_id: int
    last_id: int
    previous_close_ticks: int
