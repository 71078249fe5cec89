"""The market messages of both dialects, key by key as the exchange writes them.

Texts for ``templates``: `<name:kind>` is a value, and what stands between « and » belongs to the
dialect of 2026 alone. Keys and their order: ``binance_usdm`` section 3 of the protocol notes, its
recordings of 2024, and the field lists of the official SDK of 2026. A new message is a row here.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from aegis.venue.publish.templates import Templates, compile_templates

__all__ = [
    "AGG_TRADE",
    "BOOK_TICKER",
    "CONTINUOUS_KLINE",
    "DEPTH_END",
    "DEPTH_HEAD",
    "KLINE",
    "MARK_PRICE",
    "MINI_TICKER",
    "TICKER",
    "TRADE",
    "market_templates",
]

(
    TRADE,
    BOOK_TICKER,
    DEPTH_HEAD,
    DEPTH_END,
    AGG_TRADE,
    MARK_PRICE,
    KLINE,
    CONTINUOUS_KLINE,
    MINI_TICKER,
    TICKER,
) = np.arange(10)  # not Python's integers: for each of those Numba would compile everything anew

_BAR: Final = (
    '"i":"<interval:interval>","f":<first:int>,"L":<last:int>,"o":"<open:price>",'
    '"c":"<close:price>","h":"<high:price>","l":"<low:price>","v":"<lots:qty>","n":<trades:int>,'
    '"x":<closed:bool>,"q":"<quote:turnover>","V":"<bought:qty>",'
    '"Q":"<bought_quote:turnover>","B":"0"'
)
_BAR_VALUES: Final = (
    "event", "begin", "end", "interval", "first", "last", "open", "close", "high", "low", "lots",
    "trades", "closed", "quote", "quote_low", "bought", "bought_quote", "bought_quote_low",
)  # fmt: skip

# In the order of the numbers above: the text, and its values in their order.
_MESSAGES: Final = (
    (
        '{"e":"trade","E":<event:int>,"T":<event:int>,"s":"<s:symbol>","t":<id:int>,'
        '"p":"<price:price>","q":"<qty:qty>","X":"MARKET","m":<maker:bool>}',
        ("event", "id", "price", "qty", "maker"),
    ),
    (
        '{"e":"bookTicker","u":<id:int>,"s":"<s:symbol>"«,"ps":"<s:symbol>"»,"b":"<bid:price>",'
        '"B":"<bid_qty:qty>","a":"<ask:price>","A":"<ask_qty:qty>","T":<time:int>,'
        '"E":<event:int>«,"st":1»}',
        ("event", "time", "id", "bid", "bid_qty", "ask", "ask_qty"),
    ),
    (
        '{"e":"depthUpdate","E":<event:int>,"T":<time:int>,"s":"<s:symbol>"«,"ps":"<s:symbol>"»,'
        '"U":<first:int>,"u":<last:int>,"pu":<previous:int>,"b":[',
        ("event", "time", "first", "last", "previous"),
    ),
    ("]«,\"st\":1»}", ()),
    (
        '{"e":"aggTrade","E":<event:int>,"a":<id:int>,"s":"<s:symbol>","p":"<price:price>",'
        '"q":"<qty:qty>"«,"nq":"<qty:qty>"»,"f":<first:int>,"l":<last:int>,"T":<time:int>,'
        '"m":<maker:bool>«,"st":1»}',
        ("event", "time", "id", "first", "last", "price", "qty", "maker"),
    ),
    (
        '{"e":"markPriceUpdate","E":<event:int>,"s":"<s:symbol>","p":"<mark:e8>"'
        '«,"ap":"<average:e8>"»,"P":"<settle:e8>","i":"<index:e8>","r":"<rate:e8>",'
        '"T":<funding:int>«,"st":1»}',
        ("event", "mark", "average", "settle", "index", "rate", "funding"),
    ),
    (
        '{"e":"kline","E":<event:int>,"s":"<s:symbol>","k":{"t":<begin:int>,"T":<end:int>,'
        '"s":"<s:symbol>",' + _BAR + "}}",
        _BAR_VALUES,
    ),
    (
        '{"e":"continuous_kline","E":<event:int>,"ps":"<s:symbol>","ct":"PERPETUAL",'
        '"k":{"t":<begin:int>,"T":<end:int>,' + _BAR + "}}",
        _BAR_VALUES,
    ),
    (
        '{"e":"24hrMiniTicker","E":<event:int>,"s":"<s:symbol>","c":"<last:price>",'
        '"o":"<open:price>","h":"<high:price>","l":"<low:price>","v":"<lots:qty>",'
        '"q":"<quote:volume>"«,"ps":"<s:symbol>","st":1»}',
        ("event", "last", "open", "high", "low", "lots", "quote", "quote_low"),
    ),
    (
        '{"e":"24hrTicker","E":<event:int>,"s":"<s:symbol>","p":"<change:price>",'
        '"P":"<percent:e3>","w":"<average:points>","c":"<last:price>","Q":"<last_qty:qty>",'
        '"o":"<open:price>","h":"<high:price>","l":"<low:price>","v":"<lots:qty>",'
        '"q":"<quote:volume>","O":<begin:int>,"C":<end:int>,"F":<first:int>,"L":<last_id:int>,'
        '"n":<trades:int>«,"ps":"<s:symbol>","st":1»}',
        (
            "event", "last", "open", "high", "low", "lots", "quote", "quote_low", "change",
            "percent", "average", "last_qty", "begin", "end", "first", "last_id", "trades",
        ),
    ),
)  # fmt: skip
_MODERN: Final = re.compile("«([^»]*)»")


def market_templates(modern: bool) -> Templates:
    """The templates of a dialect, 2026 or 2024."""
    kept = r"\1" if modern else ""
    return compile_templates([(_MODERN.sub(kept, text), names) for text, names in _MESSAGES])
