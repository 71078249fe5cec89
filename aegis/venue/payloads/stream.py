"""Market stream payloads, as bytes, in the exchange's key order.

``publisher`` calls these once per message, whoever is subscribed. Written by hand instead of by a
JSON encoder because the key order is the exchange's and nothing in them needs escaping. `modern`
is the dialect of 2026, which adds `ps`, `st`, `nq` and `ap`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aegis.venue.candles import Bar
from aegis.venue.decimals import money_text
from aegis.venue.market import FUNDING_RATE_E8, Market, PublicTrade, Top
from aegis.venue.symbols import SymbolSpec

Levels = Sequence[tuple[int, int]]


def depth_update(
    spec: SymbolSpec,
    time_ms: int,
    first_id: int,
    last_id: int,
    previous_id: int,
    bids: Levels,
    asks: Levels,
    modern: bool,
) -> bytes:
    """Diff and partial depth; levels in the order given (the diff stream sends them ascending)."""
    pair, market = _pair(spec, modern)
    return (
        f'{{"e":"depthUpdate","E":{time_ms},"T":{time_ms},"s":"{spec.symbol}"{pair},'
        f'"U":{first_id},"u":{last_id},"pu":{previous_id},'
        f'"b":[{_levels(spec, bids)}],"a":[{_levels(spec, asks)}]{market}}}'
    ).encode()


def book_ticker(spec: SymbolSpec, time_ms: int, update_id: int, top: Top, modern: bool) -> bytes:
    """Best prices and sizes; an empty side is written as zeros."""
    pair, market = _pair(spec, modern)
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{spec.symbol}"{pair},'
        f'"b":"{spec.price_text(top.bid_ticks)}","B":"{spec.qty_text(top.bid_lots)}",'
        f'"a":"{spec.price_text(top.ask_ticks)}","A":"{spec.qty_text(top.ask_lots)}",'
        f'"T":{time_ms},"E":{time_ms}{market}}}'
    ).encode()


def trade(spec: SymbolSpec, event: PublicTrade) -> bytes:
    """The undocumented but long-lived single trade."""
    return (
        f'{{"e":"trade","E":{event.time_ms},"T":{event.time_ms},"s":"{spec.symbol}",'
        f'"t":{event.trade_id},"p":"{spec.price_text(event.price_ticks)}",'
        f'"q":"{spec.qty_text(event.qty_lots)}","X":"MARKET","m":{_bool(event.buyer_is_maker)}}}'
    ).encode()


def agg_trade(
    spec: SymbolSpec,
    time_ms: int,
    aggregate_id: int,
    first: PublicTrade,
    last_id: int,
    lots: int,
    modern: bool,
) -> bytes:
    """Trades of one taker side at one price within 100 ms."""
    qty = spec.qty_text(lots)
    nq, market = (f',"nq":"{qty}"', ',"st":1') if modern else ("", "")
    return (
        f'{{"e":"aggTrade","E":{time_ms},"a":{aggregate_id},"s":"{spec.symbol}",'
        f'"p":"{spec.price_text(first.price_ticks)}","q":"{qty}"{nq},"f":{first.trade_id},'
        f'"l":{last_id},"T":{first.time_ms},"m":{_bool(first.buyer_is_maker)}{market}}}'
    ).encode()


def mark_price(market: Market, time_ms: int, modern: bool) -> bytes:
    """Mark, index and settlement price; they are one and the same in this venue."""
    mark = money_text(market.mark_e8())
    average, kind = (f',"ap":"{mark}"', ',"st":1') if modern else ("", "")
    return (
        f'{{"e":"markPriceUpdate","E":{time_ms},"s":"{market.spec.symbol}","p":"{mark}"{average},'
        f'"P":"{mark}","i":"{mark}","r":"{money_text(FUNDING_RATE_E8)}",'
        f'"T":{market.next_funding_ms(time_ms)}{kind}}}'
    ).encode()


def kline(spec: SymbolSpec, time_ms: int, interval: str, width_ms: int, bar: Bar) -> bytes:
    """The open bar of an interval; `f` and `L` are -1, this venue keeps no trade ids per bar."""
    closed = time_ms >= bar.open_ms + width_ms
    return (
        f'{{"e":"kline","E":{time_ms},"s":"{spec.symbol}","k":{{"t":{bar.open_ms},'
        f'"T":{bar.open_ms + width_ms - 1},"s":"{spec.symbol}","i":"{interval}","f":-1,"L":-1,'
        f'"o":"{spec.price_text(bar.open_ticks)}","c":"{spec.price_text(bar.close_ticks)}",'
        f'"h":"{spec.price_text(bar.high_ticks)}","l":"{spec.price_text(bar.low_ticks)}",'
        f'"v":"{spec.qty_text(bar.lots)}","n":{bar.trades},"x":{_bool(closed)},'
        f'"q":"{money_text(bar.quote_e8)}","V":"{spec.qty_text(bar.taker_buy_lots)}",'
        f'"Q":"{money_text(bar.taker_buy_quote_e8)}","B":"0"}}}}'
    ).encode()


def _levels(spec: SymbolSpec, levels: Levels) -> str:
    price, qty = spec.price_text, spec.qty_text
    return ",".join([f'["{price(ticks)}","{qty(lots)}"]' for ticks, lots in levels])


def _pair(spec: SymbolSpec, modern: bool) -> tuple[str, str]:
    return (f',"ps":"{spec.symbol}"', ',"st":1') if modern else ("", "")


def _bool(value: bool) -> str:
    return "true" if value else "false"
