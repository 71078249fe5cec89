"""Which entry of the fault catalogue the venue can produce, and by what.

The catalogue (market data A, order path B, account and exchange C) is what a trader must survive;
this table is how each entry is brought about here. Three ways: by kinds of the menu; by what the
exchange does anyway when it is asked for it; not at all, because it happens on the client's side.
Data only; a test holds it to the menu, and drills read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One id. `kinds` produce it; `plain` says how it comes without a fault; `never` why not."""

    what: str
    kinds: tuple[str, ...] = ()
    plain: str = ""
    never: str = ""


CATALOGUE: Final[dict[str, Entry]] = {
    # --- A. Market data
    "A01": Entry("WebSocket closed inside a frame", ("cut",)),
    "A02": Entry("half-open TCP", ("half_open",)),
    "A03": Entry("silent stall, socket and pings ok", ("silent", "frozen")),
    "A04": Entry("slow drip", ("slow_drip", "delay")),
    "A05": Entry("duplicate depth update", ("duplicate",)),
    "A06": Entry("out of order", ("reorder",)),
    "A07": Entry("gap", ("gap", "drop")),
    "A08": Entry(
        "snapshot older than the stream, 429 or late",
        ("stale_snapshot", "rate_limited", "slow_answer", "ack_lost"),
    ),
    "A09": Entry("crossed or locked book, empty side", ("crossed_book",)),
    "A10": Entry("NaN, 1e999, wrong types, missing and new fields", ("garbage", "new_field")),
    "A11": Entry("price spike, bad print", ("bad_print", "price_spike")),
    "A12": Entry("event time backwards or far ahead", ("event_time",)),
    "A13": Entry("burst", ("burst",)),
    "A14": Entry("24 h disconnect, missed pong", ("day_close", "pong_close")),
    "A15": Entry(
        "wrong endpoint: acknowledged and silent",
        ("silent",),
        plain="the dialect of 2026 acknowledges a stream on the wrong route and sends nothing",
    ),
    "A16": Entry("symbol not trading", ("symbol_status",)),
    "A17": Entry("tick, step or smallest notional changed", ("filter_change",)),
    # --- B. Order path
    "B01": Entry("503 unknown, placed or not", ("unknown_503",)),
    "B02": Entry("503 Service Unavailable", ("unavailable_503",)),
    "B03": Entry("503 Internal error", ("internal_503",)),
    "B04": Entry(
        "-1008 throttled",
        ("throttled",),
        plain="throttle_orders_per_s in [venue.limits] throttles for real",
    ),
    "B05": Entry(
        "-1006, -1007, cut after sending", ("timeout_1007", "unexpected_1006", "ack_lost")
    ),
    "B06": Entry("answer lost, order live", ("ack_lost",)),
    "B07": Entry(
        "-4116 duplicate client id",
        ("refused",),
        plain="an open order's client id used again is refused so",
    ),
    "B08": Entry("-2013 right after sending", ("late_execution", "unknown_503")),
    "B09": Entry("fill before the answer", ("fill_before_ack",)),
    "B10": Entry("duplicate fill", ("duplicate_fill",)),
    "B11": Entry("fills out of order", ("reorder",)),
    "B12": Entry("a cancel races a fill", ("fill_first",)),
    "B13": Entry("a cancel is not answered", ("ack_lost",)),
    "B14": Entry(
        "partial fill, then expiry",
        plain="an IOC larger than the book, a MARKET through a thin one, self-trade prevention",
    ),
    "B15": Entry("an amendment races a fill", ("fill_first", "late_execution")),
    "B16": Entry(
        "a batch with mixed results",
        plain="each order of a batch is judged for itself; all unknown: unknown_503 on batchOrders",
        kinds=("unknown_503",),
    ),
    "B17": Entry("-1021 or -5028, clocks differ", ("clock_skew", "engine_window")),
    "B18": Entry(
        "429", ("rate_limited",), plain="weight_per_minute and the order limits refuse for real"
    ),
    "B19": Entry("418 ban", ("banned",), plain="whoever goes on after 429 is banned, ever longer"),
    "B20": Entry("403 of a firewall, 451", ("blocked",)),
    "B21": Entry("key, IP, permission, signature", ("key_revoked", "refused")),
    "B22": Entry(
        "margin, leverage bracket",
        ("refused",),
        plain="an order beyond the account's margin or bracket is refused so",
    ),
    "B23": Entry("reduce-only rejected", ("refused", "position_shift")),
    "B24": Entry(
        "post-only would cross", ("refused",), plain="a GTX order that would take is refused so"
    ),
    "B25": Entry(
        "conditional order on the old endpoint",
        plain="the dialect of 2026 answers -4120, that of 2024 takes them",
        kinds=("refused",),
    ),
    "B26": Entry(
        "self-trade prevention expires an order",
        plain="two orders of one account that would meet, with any selfTradePreventionMode",
    ),
    "B27": Entry("listen key expired", ("listen_key_expired",)),
    "B28": Entry("private stream silent while orders change", ("silent", "drop")),
    "B29": Entry("answer of an earlier session", ("stale_answer", "duplicate_answer")),
    "B30": Entry(
        "execution sends after the decision has expired",
        never="the delay is inside the trader; to the exchange it is an order like any other",
    ),
    "B31": Entry(
        "a runaway loop of one's own",
        never="the trader's own doing; the exchange answers it with -1015, 429 and a ban",
    ),
    "B32": Entry(
        "the brain asks for nonsense",
        never="the gate inside the trader has to deny it before any exchange sees it",
    ),
    # --- C. Account and exchange
    "C01": Entry(
        "funding debit",
        ("funding", "account_update_missing"),
        plain="funding is settled every eight hours of the market's time",
    ),
    "C02": Entry("liquidation, auto-deleveraging", ("liquidation", "adl")),
    "C03": Entry("an order by hand", ("foreign_order",)),
    "C04": Entry("leverage or modes changed by hand", ("foreign_leverage",)),
    "C05": Entry("maintenance, cancel-only", ("maintenance", "symbol_status")),
    "C06": Entry("quantitative rules: -4400 and its kin", ("refused",)),
    "C07": Entry("position differs, orders agree", ("position_shift",)),
    "C08": Entry("a trade is taken back", ("trade_bust",)),
}
