"""The market messages written slowly, by hand, key by key: what the kernels are held against."""

from __future__ import annotations

from collections.abc import Sequence

from aegis.venue.decimals import money_text, trimmed_text
from aegis.venue.history.rows import Bar, Ticker
from aegis.venue.marks import Reading
from aegis.venue.payloads.market import percent_text, turnover_text
from aegis.venue.symbols import SymbolSpec

Levels = Sequence[tuple[int, int]]
Top = tuple[int, int, int, int]  # bid, its lots, ask, its lots


def trade(spec: SymbolSpec, now_ms: int, number: int, ticks: int, lots: int, sold: bool) -> bytes:
    return (
        f'{{"e":"trade","E":{now_ms},"T":{now_ms},"s":"{spec.symbol}","t":{number},'
        f'"p":"{spec.price_text(ticks)}","q":"{spec.qty_text(lots)}","X":"MARKET",'
        f'"m":{_bool(sold)}}}'
    ).encode()


def book_ticker(
    spec: SymbolSpec, event_ms: int, time_ms: int, update_id: int, top: Top, modern: bool
) -> bytes:
    pair, market = _pair(spec, modern)
    bid, bid_lots, ask, ask_lots = top
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{spec.symbol}"{pair},'
        f'"b":"{spec.price_text(bid)}","B":"{spec.qty_text(bid_lots)}",'
        f'"a":"{spec.price_text(ask)}","A":"{spec.qty_text(ask_lots)}",'
        f'"T":{time_ms},"E":{event_ms}{market}}}'
    ).encode()


def depth_update(
    spec: SymbolSpec,
    event_ms: int,
    time_ms: int,
    ids: tuple[int, int, int],
    bids: Levels,
    asks: Levels,
    modern: bool,
) -> bytes:
    """`ids` are U, u and pu; levels in the order given."""
    pair, market = _pair(spec, modern)
    first, last, previous = ids
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{time_ms},"s":"{spec.symbol}"{pair},'
        f'"U":{first},"u":{last},"pu":{previous},'
        f'"b":[{_levels(spec, bids)}],"a":[{_levels(spec, asks)}]{market}}}'
    ).encode()


def agg_trade(
    spec: SymbolSpec,
    event_ms: int,
    time_ms: int,
    ids: tuple[int, int, int],
    ticks: int,
    lots: int,
    sold: bool,
    modern: bool,
) -> bytes:
    """`ids` are the aggregate's, the first and the last trade's."""
    number, first, last = ids
    qty = spec.qty_text(lots)
    nq, market = (f',"nq":"{qty}"', ',"st":1') if modern else ("", "")
    return (
        f'{{"e":"aggTrade","E":{event_ms},"a":{number},"s":"{spec.symbol}",'
        f'"p":"{spec.price_text(ticks)}","q":"{qty}"{nq},"f":{first},'
        f'"l":{last},"T":{time_ms},"m":{_bool(sold)}{market}}}'
    ).encode()


def mark_price(spec: SymbolSpec, event_ms: int, reading: Reading, modern: bool) -> bytes:
    average, kind = (f',"ap":"{money_text(reading.average_e8)}"', ',"st":1') if modern else ("", "")
    return (
        f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{spec.symbol}",'
        f'"p":"{money_text(reading.mark_e8)}"{average},"P":"{money_text(reading.settle_e8)}",'
        f'"i":"{money_text(reading.index_e8)}","r":"{money_text(reading.rate_e8)}",'
        f'"T":{reading.next_funding_ms}{kind}}}'
    ).encode()


def kline(spec: SymbolSpec, event_ms: int, interval: str, bar: Bar, continuous: bool) -> bytes:
    head = f'{{"e":"kline","E":{event_ms},"s":"{spec.symbol}"'
    inner = f'"s":"{spec.symbol}",'
    if continuous:
        head = f'{{"e":"continuous_kline","E":{event_ms},"ps":"{spec.symbol}","ct":"PERPETUAL"'
        inner = ""
    return (
        f'{head},"k":{{"t":{bar.open_ms},"T":{bar.close_ms},{inner}"i":"{interval}",'
        f'"f":{bar.first_id},"L":{bar.last_id},'
        f'"o":"{spec.price_text(bar.open_ticks)}","c":"{spec.price_text(bar.close_ticks)}",'
        f'"h":"{spec.price_text(bar.high_ticks)}","l":"{spec.price_text(bar.low_ticks)}",'
        f'"v":"{spec.qty_text(bar.lots)}","n":{bar.trades},"x":{_bool(bar.close_ms < event_ms)},'
        f'"q":"{turnover_text(spec, bar.quote_e8)}","V":"{spec.qty_text(bar.taker_buy_lots)}",'
        f'"Q":"{turnover_text(spec, bar.taker_buy_quote_e8)}","B":"0"}}}}'
    ).encode()


def mini_ticker(spec: SymbolSpec, event_ms: int, day: Ticker, modern: bool) -> bytes:
    return (
        f'{{"e":"24hrMiniTicker","E":{event_ms},"s":"{spec.symbol}",'
        f'"c":"{spec.price_text(day.last_ticks)}","o":"{spec.price_text(day.open_ticks)}",'
        f'"h":"{spec.price_text(day.high_ticks)}","l":"{spec.price_text(day.low_ticks)}",'
        f'"v":"{spec.qty_text(day.lots)}",'
        f'"q":"{trimmed_text(day.quote_e8, spec.price_precision)}"{_tail(spec, modern)}}}'
    ).encode()


def ticker(spec: SymbolSpec, event_ms: int, day: Ticker, modern: bool) -> bytes:
    change = day.last_ticks - day.open_ticks
    return (
        f'{{"e":"24hrTicker","E":{event_ms},"s":"{spec.symbol}","p":"{spec.price_text(change)}",'
        f'"P":"{percent_text(change, day.open_ticks)}",'
        f'"w":"{trimmed_text(day.vwap_e8, spec.price_precision)}",'
        f'"c":"{spec.price_text(day.last_ticks)}","Q":"{spec.qty_text(day.last_lots)}",'
        f'"o":"{spec.price_text(day.open_ticks)}","h":"{spec.price_text(day.high_ticks)}",'
        f'"l":"{spec.price_text(day.low_ticks)}","v":"{spec.qty_text(day.lots)}",'
        f'"q":"{trimmed_text(day.quote_e8, spec.price_precision)}","O":{day.open_ms},'
        f'"C":{day.close_ms},"F":{day.first_id},"L":{day.last_id},"n":{day.trades}'
        f"{_tail(spec, modern)}}}"
    ).encode()


def _levels(spec: SymbolSpec, levels: Levels) -> str:
    price, qty = spec.price_text, spec.qty_text
    return ",".join([f'["{price(ticks)}","{qty(lots)}"]' for ticks, lots in levels])


def _pair(spec: SymbolSpec, modern: bool) -> tuple[str, str]:
    return (f',"ps":"{spec.symbol}"', ',"st":1') if modern else ("", "")


def _tail(spec: SymbolSpec, modern: bool) -> str:
    return f',"ps":"{spec.symbol}","st":1' if modern else ""


def _bool(value: bool) -> str:
    return "true" if value else "false"
