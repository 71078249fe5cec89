"""The timed streams that are made from the history and the marks: aggregates, candles, tickers.

``publisher`` calls these at the multiples of their widths of event time, when everything before
that moment has been read and nothing behind it. As ``encoder``'s kernels they return False when the
log is full, and go on where they stopped when they are called again with the same arguments.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.history.folding import fold_bar, fold_ticker
from aegis.venue.history.intervals import opens_after, opens_at
from aegis.venue.history.layout import BAR, TICKER, Records
from aegis.venue.publish.kinds import (
    AGG_TRADE,
    CONTINUOUS,
    KINDS,
    KLINE,
    KLINE_FIRST,
    MINI_TICKER,
)
from aegis.venue.publish.kinds import TICKER as TICKER_KIND
from aegis.venue.publish.log import close_message, has_room, open_message
from aegis.venue.publish.messages import AGG_TRADE as AGG_TRADE_TEXT
from aegis.venue.publish.messages import (
    CONTINUOUS_KLINE,
    MARK_PRICE,
)
from aegis.venue.publish.messages import KLINE as KLINE_TEXT
from aegis.venue.publish.messages import MINI_TICKER as MINI_TICKER_TEXT
from aegis.venue.publish.messages import TICKER as TICKER_TEXT
from aegis.venue.publish.scales import PRICE_DECIMALS, TICK_POINTS, Words
from aegis.venue.publish.tables import BASE, MASK
from aegis.venue.publish.templates import MAX_MESSAGE, write_fields

__all__ = [
    "ALL_MINI",
    "ALL_TICKER",
    "MARK_WORDS",
    "ONE_MINI",
    "ONE_TICKER",
    "Timed",
    "forget_shown",
    "make_timed",
    "write_aggregates",
    "write_klines",
    "write_mark_array",
    "write_marks",
    "write_ticker_array",
    "write_tickers",
]

# ---- words
NEXT_SYMBOL, AGGREGATES = 0, 1  # where to go on; how many aggregated trades have been read
# ---- what was shown last of a candle stream
SHOWN_OPEN, SHOWN_TRADES = 0, 1  # 0: nothing, or the bar was shown as closed
# ---- who has shown a symbol's ticker: its own streams, those of all
ONE_MINI, ONE_TICKER, ALL_MINI, ALL_TICKER = range(4)
# ---- the columns of the marks; prices and rates in 1e-8
MARK, AVERAGE, SETTLE, INDEX, RATE, FUNDING_MS = range(6)
MARK_WORDS: Final = 6

_SPLIT: Final = 31
_LOW: Final = (1 << _SPLIT) - 1
_CANDLES: Final = KINDS - KLINE
# Above so many ticks of change a percentage is made from floats, or the product would not fit.
_MANY_TICKS: Final = 400_000_000
_COMMA, _OPEN, _CLOSE = ord(","), ord("["), ord("]")
_POWERS: Final = tuple(10**power for power in range(9))


class Timed(NamedTuple):
    """What the timed streams remember."""

    words: Words  # [2]
    candles: Words  # [symbols, candle streams, 2]
    shown: Words  # [4, symbols]: how many trades the ticker that was shown had; -1: none was
    bar: Records  # BAR[1], TICKER[1]: what is being written
    day: Records


def make_timed(symbols: int, aggregates: int) -> Timed:
    """Nothing has been shown yet; the history has closed so many aggregated trades before."""
    return Timed(
        words=np.array([0, aggregates], np.int64),
        candles=np.zeros((max(1, symbols), _CANDLES, 2), np.int64),
        shown=np.full((4, max(1, symbols)), -1, np.int64),
        bar=np.zeros(1, BAR),
        day=np.zeros(1, TICKER),
    )


@kernel
def forget_shown(timed: Any, before: Any, encoder: Any) -> None:
    """Streams that are wanted again begin anew; `before` i64[symbols] was who wanted what."""
    for symbol in range(before.shape[0]):
        begun = encoder.symbols[symbol, MASK] & ~before[symbol]
        if begun == 0:
            continue
        for candle in range(_CANDLES):
            if (begun >> (KLINE + candle)) & 1:
                timed.candles[symbol, candle, SHOWN_OPEN] = 0
                timed.candles[symbol, candle, SHOWN_TRADES] = 0
        if (begun >> MINI_TICKER) & 1:
            timed.shown[ONE_MINI, symbol] = -1
        if (begun >> TICKER_KIND) & 1:
            timed.shown[ONE_TICKER, symbol] = -1


@kernel
def _write(encoder: Any, log: Any, streams: Any, symbol: Any, kind: Any, template: Any) -> None:
    """One message of a symbol's stream; there is room for it."""
    stream = encoder.words[BASE] + symbol * KINDS + kind
    begin = open_message(log, streams, stream)
    at = write_fields(
        log.text, begin, encoder.templates, template, encoder.scales, symbol, encoder.values
    )
    close_message(log, streams, stream, begin, at)


@kernel
def write_aggregates(
    encoder: Any, timed: Any, log: Any, streams: Any, history: Any, event_ms: Any
) -> Any:
    """The aggregated trades that were closed since the last call."""
    count = history.closed_count[0]
    rows = history.closed.shape[0]
    words = timed.words
    # A reader that is further behind than the ring has lost the oldest.
    words[AGGREGATES] = max(words[AGGREGATES], count - rows)
    while words[AGGREGATES] < count:
        closed = history.closed[words[AGGREGATES] % rows]
        symbol = closed.symbol
        if (encoder.symbols[symbol, MASK] >> AGG_TRADE) & 1:
            if not has_room(log, 1, MAX_MESSAGE):
                return False
            values = encoder.values
            # A recording's trades have the exchange's time, which may be ahead of its recorder's.
            values[0] = max(event_ms, closed.time_ms)
            values[1] = closed.time_ms
            values[2] = closed.aggregate_id
            values[3] = closed.first_id
            values[4] = closed.last_id
            values[5] = closed.ticks
            values[6] = abs(closed.lots)
            values[7] = 1 if closed.lots < 0 else 0
            _write(encoder, log, streams, symbol, np.int64(AGG_TRADE), AGG_TRADE_TEXT)
        words[AGGREGATES] += 1
    return True


@kernel
def write_klines(
    encoder: Any, timed: Any, log: Any, streams: Any, history: Any, now_ms: Any
) -> Any:
    """The candles that have changed or ended since the last call, of all symbols that want any."""
    words = timed.words
    while words[NEXT_SYMBOL] < encoder.symbols.shape[0]:
        symbol = words[NEXT_SYMBOL]
        mask = encoder.symbols[symbol, MASK] >> KLINE
        if mask and not has_room(log, 2 * _CANDLES, 2 * _CANDLES * MAX_MESSAGE):
            return False
        candle = np.int64(0)
        while mask:
            if mask & 1:
                _candle(encoder, timed, log, streams, history, symbol, candle, now_ms)
            mask >>= 1
            candle += 1
        words[NEXT_SYMBOL] += 1
    words[NEXT_SYMBOL] = 0
    return True


@kernel
def _candle(
    encoder: Any,
    timed: Any,
    log: Any,
    streams: Any,
    history: Any,
    symbol: Any,
    candle: Any,
    now_ms: Any,
) -> None:
    """One candle stream: the end of the bar it has shown, then the bar of the newest trade."""
    interval = candle + KLINE_FIRST
    if candle >= CONTINUOUS - KLINE:
        interval = candle - (CONTINUOUS - KLINE)
    shown = timed.candles[symbol, candle]
    trades = history.trade_counts[symbol]
    open_ms = shown[SHOWN_OPEN]
    if trades != shown[SHOWN_TRADES]:
        newest = history.trades[symbol, (trades - 1) % history.trades.shape[1]]
        open_ms = opens_at(interval, newest.time_ms)
        # A recording's trades have the exchange's time, which may be ahead of its recorder's.
        now_ms = max(now_ms, newest.time_ms)
    # The bar that was shown has ended, or goes on: in both cases once more, if anything is new.
    ended = shown[SHOWN_OPEN] != 0 and opens_after(interval, shown[SHOWN_OPEN]) <= now_ms
    if shown[SHOWN_OPEN] != 0 and (ended or shown[SHOWN_OPEN] != open_ms):
        _bar(
            encoder, timed, log, streams, history, symbol, candle, interval,
            shown[SHOWN_OPEN], now_ms,
        )  # fmt: skip
        # After its last message a bar is silent; the next begins with its first trade.
        if open_ms == shown[SHOWN_OPEN]:
            shown[SHOWN_TRADES] = trades
        shown[SHOWN_OPEN] = 0
    if trades != shown[SHOWN_TRADES]:
        _bar(encoder, timed, log, streams, history, symbol, candle, interval, open_ms, now_ms)
        shown[SHOWN_OPEN] = 0 if opens_after(interval, open_ms) <= now_ms else open_ms
        shown[SHOWN_TRADES] = trades


@kernel
def _bar(
    encoder: Any,
    timed: Any,
    log: Any,
    streams: Any,
    history: Any,
    symbol: Any,
    candle: Any,
    interval: Any,
    open_ms: Any,
    now_ms: Any,
) -> None:
    """The message of one bar, if it has had a trade."""
    if not fold_bar(history, symbol, interval, open_ms, timed.bar):
        return
    bar = timed.bar[0]
    if bar.trades == 0:
        return
    next_ms = opens_after(interval, open_ms)
    values = encoder.values
    values[0] = now_ms
    values[1] = open_ms
    values[2] = next_ms - 1
    values[3] = interval
    values[4] = bar.first_id
    values[5] = bar.last_id
    values[6] = bar.open
    values[7] = bar.close
    values[8] = bar.high
    values[9] = bar.low
    values[10] = bar.lots
    values[11] = bar.trades
    values[12] = 1 if next_ms <= now_ms else 0
    values[13] = bar.quote >> _SPLIT
    values[14] = bar.quote & _LOW
    values[15] = bar.taker_buy_lots
    values[16] = bar.taker_buy_quote >> _SPLIT
    values[17] = bar.taker_buy_quote & _LOW
    template = KLINE_TEXT if candle < CONTINUOUS - KLINE else CONTINUOUS_KLINE
    _write(encoder, log, streams, symbol, KLINE + candle, template)


@inline_kernel
def _average_points(scale: Any, high: Any, low: Any, lots: Any) -> Any:
    """The average price of a turnover of high * 2**31 + low ticks times lots, in price points.

    Rounded down to 1e-8 and then half up to the price's decimals, as REST does. The quotient is
    estimated in floats and put right by its exact remainder, which is small, so that its lowest
    64 bits are all of it.
    """
    divisor = _POWERS[8 - scale[PRICE_DECIMALS]]
    tick_e8 = scale[TICK_POINTS] * divisor
    turnover = np.float64(high) * np.float64(1 << _SPLIT) + np.float64(low)
    average = np.int64(turnover * np.float64(tick_e8) / np.float64(lots))
    rest = ((high << _SPLIT) + low) * tick_e8 - average * lots
    average += rest // lots
    return (average + divisor // 2) // divisor


@inline_kernel
def _percent_e3(change: Any, base: Any) -> Any:
    """100 * change / base in thousandths, rounded half away from zero."""
    if base == 0:
        return 0
    size = abs(change)
    if size < _MANY_TICKS:
        ratio_e8 = (size * 20_000_000_000 + base) // (base * 2)
    else:
        ratio_e8 = np.int64(np.float64(size) * 1e10 / np.float64(base) + 0.5)
    rounded = (ratio_e8 + 50_000) // 100_000
    return rounded if change >= 0 else -rounded


@kernel
def _day(encoder: Any, timed: Any, history: Any, symbol: Any, now_ms: Any, full: Any) -> Any:
    """Fill in the values of a ticker, or of a mini ticker; False if nothing was ever traded."""
    if not fold_ticker(history, symbol, now_ms, timed.day):
        return False
    day = timed.day[0]
    values = encoder.values
    values[0] = max(now_ms, day.close_ms)
    values[1] = day.last
    values[2] = day.open
    values[3] = day.high
    values[4] = day.low
    values[5] = day.lots
    values[6] = day.quote_high
    values[7] = day.quote_low
    if full:
        values[8] = day.last - day.open
        values[9] = _percent_e3(day.last - day.open, day.open)
        values[10] = 0
        if day.lots > 0:
            scale = encoder.scales.rows[symbol]
            values[10] = _average_points(scale, day.quote_high, day.quote_low, day.lots)
        values[11] = day.last_lots
        values[12] = day.open_ms
        values[13] = day.close_ms
        values[14] = day.first_id
        values[15] = day.last_id
        values[16] = day.trades
    return True


@kernel
def write_tickers(
    encoder: Any, timed: Any, log: Any, streams: Any, history: Any, now_ms: Any, full: Any
) -> Any:
    """Each symbol's own ticker stream (`full`) or mini ticker stream, where it has traded."""
    kind, who, template = MINI_TICKER, ONE_MINI, MINI_TICKER_TEXT
    if full:
        kind, who, template = TICKER_KIND, ONE_TICKER, TICKER_TEXT
    words = timed.words
    while words[NEXT_SYMBOL] < encoder.symbols.shape[0]:
        symbol = words[NEXT_SYMBOL]
        trades = history.trade_counts[symbol]
        wanted = (encoder.symbols[symbol, MASK] >> kind) & 1
        if wanted and trades != timed.shown[who, symbol]:
            if not has_room(log, 1, MAX_MESSAGE):
                return False
            timed.shown[who, symbol] = trades
            if _day(encoder, timed, history, symbol, now_ms, full):
                _write(encoder, log, streams, symbol, kind, template)
        words[NEXT_SYMBOL] += 1
    words[NEXT_SYMBOL] = 0
    return True


@kernel
def write_ticker_array(
    encoder: Any,
    timed: Any,
    log: Any,
    streams: Any,
    history: Any,
    stream: Any,
    now_ms: Any,
    full: Any,
) -> Any:
    """The tickers, or mini tickers, of all symbols that have traded since the last array."""
    symbols = encoder.symbols.shape[0]
    if not has_room(log, 1, (symbols + 1) * MAX_MESSAGE):
        return False
    who, template = ALL_MINI, MINI_TICKER_TEXT
    if full:
        who, template = ALL_TICKER, TICKER_TEXT
    begin = open_message(log, streams, stream)
    at = begin
    for symbol in range(symbols):
        trades = history.trade_counts[symbol]
        if trades == timed.shown[who, symbol]:
            continue
        timed.shown[who, symbol] = trades
        if _day(encoder, timed, history, symbol, now_ms, full):
            at = _row(encoder, log, at, begin, symbol, template)
    if at > begin:
        log.text[at] = _CLOSE
        close_message(log, streams, stream, begin, at + 1)
    return True


@kernel
def _row(encoder: Any, log: Any, at: Any, begin: Any, symbol: Any, template: Any) -> Any:
    """One row of an array that begins at `begin`."""
    log.text[at] = _OPEN if at == begin else _COMMA
    return write_fields(
        log.text, at + 1, encoder.templates, template, encoder.scales, symbol, encoder.values
    )


@inline_kernel
def _mark(encoder: Any, marks: Any, symbol: Any, event_ms: Any) -> None:
    """Fill in the values of a mark price message."""
    row = marks[symbol]
    values = encoder.values
    values[0] = event_ms
    values[1] = row[MARK]
    values[2] = row[AVERAGE]
    values[3] = row[SETTLE]
    values[4] = row[INDEX]
    values[5] = row[RATE]
    values[6] = row[FUNDING_MS]


@kernel
def write_marks(
    encoder: Any, timed: Any, log: Any, streams: Any, marks: Any, kind: Any, event_ms: Any
) -> Any:
    """Each symbol's own mark price stream of one speed; `marks` is i64[symbols, MARK_WORDS]."""
    words = timed.words
    while words[NEXT_SYMBOL] < encoder.symbols.shape[0]:
        symbol = words[NEXT_SYMBOL]
        if (encoder.symbols[symbol, MASK] >> kind) & 1:
            if not has_room(log, 1, MAX_MESSAGE):
                return False
            _mark(encoder, marks, symbol, event_ms)
            _write(encoder, log, streams, symbol, kind, MARK_PRICE)
        words[NEXT_SYMBOL] += 1
    words[NEXT_SYMBOL] = 0
    return True


@kernel
def write_mark_array(
    encoder: Any, timed: Any, log: Any, streams: Any, marks: Any, stream: Any, event_ms: Any
) -> Any:
    """The mark prices of all symbols: an array."""
    symbols = marks.shape[0]
    if not has_room(log, 1, (symbols + 1) * MAX_MESSAGE):
        return False
    begin = open_message(log, streams, stream)
    at = begin
    for symbol in range(symbols):
        _mark(encoder, marks, symbol, event_ms)
        at = _row(encoder, log, at, begin, symbol, MARK_PRICE)
    if at > begin:
        log.text[at] = _CLOSE
        close_message(log, streams, stream, begin, at + 1)
    return True
