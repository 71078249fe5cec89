"""Where our replies differ from the recorded samples and the SDK's field lists, and why.

A rule says which differences it excuses (the text of a `Difference` begins with one of them) and
for what reason. Rules that excuse nothing fail the walk: what has become equal leaves this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.venue.coverage.stage import V1


class Rule(NamedTuple):
    """Differences that are meant to be there."""

    excuses: tuple[str, ...]
    reason: str


def rule(reason: str, *excuses: str) -> tuple[Rule, ...]:
    return (Rule(excuses, reason),)


# The samples are those of a client library's tests, most of them copied from the documents of
# their year; where they contradict the field lists of the official SDK 18, the SDK is followed.
SDK: Final = "the sample is older than the SDK's field list, which says so"
TEXT_TIME: Final = "the documents' sample has a text, the SDK and the live exchange a number"
ONE_WAY: Final = "the account asked for is in one-way mode; HEDGE is of hedge mode"
NO_FILES: Final = "histories are not written to files for download: -4084"
NO_CONVERT: Final = "convert is no part of a futures market simulation: -5000"
NO_SAPI: Final = "the algo trading service of /sapi is on another host: -5000"
NO_INDEX: Final = "no composite index contract is listed"

# Samples of endpoints that are of 2026 alone; the others are asked in the dialect of 2024, which
# nearly all samples are in.
MODERN_SAMPLES: Final = frozenset(
    {
        "Trading/CancelAllConditionalOrders",
        "Trading/CancelConditionalOrder",
        "Trading/GetConditionalOrder",
        "Trading/GetConditionalOrders",
        "Trading/GetOpenConditionalOrders",
        "Trading/PlaceConditionalOrder",
    }
)

REST_UNANSWERED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "Account/GetDownloadIdForOrderHistory",
            "Account/GetDownloadIdForTradeHistory",
            "Account/GetDownloadIdForTransactionHistory",
            "Account/GetDownloadLinkForOrderHistory",
            "Account/GetDownloadLinkForTradeHistory",
            "Account/GetDownloadLinkForTransactionHistory",
        ),
        NO_FILES,
    ),
    **dict.fromkeys(
        (
            "Trading/ConvertAcceptQuote",
            "Trading/ConvertQuoteRequest",
            "Trading/GetConvertOrderStatus",
        ),
        NO_CONVERT,
    ),
    **dict.fromkeys(
        (
            "Trading/CancelAlgoOrder",
            "Trading/GetAlgoSubOrders",
            "Trading/GetClosedAlgoOrders",
            "Trading/GetOpenAlgoOrders",
            "Trading/PlaceTimeWeightedAveragePriceOrder",
            "Trading/PlaceVolumeParticipationOrder",
        ),
        NO_SAPI,
    ),
}

REST_SAMPLES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Account/GetAccountInfo": rule(
        "the exchange's documents have both", "EXTRA $.positions[].breakEvenPrice",
        "EXTRA $.feeBurn",
    ),
    "Account/GetBrackets": rule(
        "a whole number in the sample, a fraction in most brackets",
        "TYPE $[].brackets[].cum int is float",
    ),
    "Account/GetIncomeHistory": rule(
        "the sample has both as text and as number; the SDK decides", "TYPE $[].tranId",
        "TYPE $[].tradeId",
    ),
    "Account/GetPositionAdlQuantileEstimation": rule(ONE_WAY, "MISSING $[].adlQuantile.HEDGE",
                                                     "EXTRA $[].adlQuantile.BOTH"),
    "Account/GetSymbolConfiguration": rule(SDK, "TYPE $[].isAutoAddMargin text is bool"),
    "Account/GetUserCommissionRate": rule(SDK, "EXTRA $.rpiCommissionRate"),
    "Account/KeepAliveUserStream": rule(
        "PUT answers with the key since 2024; an empty object before", "EXTRA $.listenKey"
    ),
    "ExchangeData/GetCompositeIndexInfo": rule(NO_INDEX, "EMPTY $"),
    "ExchangeData/GetExchangeInfo": (
        *rule(SDK, "TYPE $.assets[].autoAssetExchange",
              "TYPE $.symbols[].filters[].multiplierDecimal"),
        *rule("in the live exchange's replies of 2026", "EXTRA $.symbols[].maxMoveOrderLimit"),
    ),
    "Trading/EditOrder": rule(
        "the sample is of a coin margined contract: cumBase alone", "EXTRA $.cumQuote"
    ),
    "Trading/EditMultipleOrders": rule(
        "the sample is of a coin margined contract: cumBase alone", "EXTRA $[].cumQuote"
    ),
    "Trading/PlaceMultipleOrders": rule(SDK, "EXTRA $[].closePosition"),
    "Trading/CancelConditionalOrder": rule(
        "a cancel answers with a code and a message, says the SDK; the sample is of an order",
        "MISSING $.", "EXTRA $.code", "EXTRA $.msg",
    ),
    "Trading/GetConditionalOrders": rule(
        "empty until triggered, as in the sample of open ones",
        "TYPE $[].actualOrderId number text is text",
    ),
    "Trading/GetPositions": rule(
        "the sample has the rows of v2", "MISSING $[].", "EXTRA $[].",
    ),
    **dict.fromkeys(
        (
            "ExchangeData/GetGlobalLongShortAccountRatio",
            "ExchangeData/GetOpenInterestHistory",
            "ExchangeData/GetTakerBuySellVolumeRatio",
            "ExchangeData/GetTopLongShortAccountRatio",
            "ExchangeData/GetTopLongShortPositionRatio",
        ),
        rule(TEXT_TIME, "TYPE $[].timestamp number text is int"),
    ),
}  # fmt: skip

# --- the SDK's field lists, in the dialect of 2026 ---

UNMODELLED: Final[Mapping[tuple[str, str], str]] = {
    **{
        ("GET", f"{V1}/{path}"): "rows without names; compared with the samples"
        for path in ("klines", "continuousKlines", "indexPriceKlines", "markPriceKlines",
                     "premiumIndexKlines")
    },
    ("GET", f"{V1}/ping"): "an empty object",
    ("GET", f"{V1}/leverageBracket"): "the SDK's names say the opposite of what is sent",
    ("DELETE", f"{V1}/listenKey"): "an empty object",
}  # fmt: skip

UNOFFERED: Final[Mapping[tuple[str, str], str]] = {
    ("GET", f"{V1}/convert/exchangeInfo"): NO_CONVERT,
    ("GET", f"{V1}/convert/orderStatus"): NO_CONVERT,
    ("POST", f"{V1}/convert/acceptQuote"): NO_CONVERT,
    ("POST", f"{V1}/convert/getQuote"): NO_CONVERT,
    ("GET", f"{V1}/pmAccountInfo"): "portfolio margin joins products that are not simulated: -5000",
    ("POST", f"{V1}/stock/contract"): "no stock perpetual is listed, so there is none to agree to",
    **{
        ("GET", f"{V1}/{path}"): NO_FILES
        for path in ("order/asyn", "trade/asyn", "income/asyn", "order/asyn/id", "trade/asyn/id",
                     "income/asyn/id")
    },
}  # fmt: skip

# What is there beside the documented endpoints.
BESIDES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/api/v3/ping"): "clients of several markets ask the spot host first",
    ("GET", "/api/v3/time"): "clients of several markets ask the spot host first",
}

CONDITIONAL: Final = "of conditional orders, which are algo orders in 2026"
_OF_ONE: Final = rule(CONDITIONAL, "MISSING $.activatePrice", "MISSING $.priceRate")
_OF_ROWS: Final = rule(CONDITIONAL, "MISSING $[].activatePrice", "MISSING $[].priceRate")
_DOCUMENTED: Final = "in the exchange's documents and samples, not in the SDK"

MODELS: Final[Mapping[tuple[str, str], tuple[Rule, ...]]] = {
    **dict.fromkeys(
        (
            ("POST", f"{V1}/order/test"), ("DELETE", f"{V1}/order"), ("GET", f"{V1}/order"),
            ("GET", f"{V1}/openOrder"),
        ),
        _OF_ONE,
    ),
    **dict.fromkeys(
        (
            ("DELETE", f"{V1}/batchOrders"), ("GET", f"{V1}/openOrders"),
            ("GET", f"{V1}/allOrders"),
        ),
        _OF_ROWS,
    ),
    ("GET", f"{V1}/exchangeInfo"): rule(
        _DOCUMENTED, "EXTRA $.symbols[].maxMoveOrderLimit",
        "EXTRA $.symbols[].filters[].positionControlSide",
    ),
    ("GET", f"{V1}/ticker/bookTicker"): rule(_DOCUMENTED, "EXTRA $.lastUpdateId"),
    ("GET", f"{V1}/orderAmendment"): rule(_DOCUMENTED, "EXTRA $[].priceMatch"),
    ("GET", f"{V1}/algoOrder"): rule(_DOCUMENTED, "EXTRA $.tp", "EXTRA $.sl"),
    ("GET", f"{V1}/allAlgoOrders"): rule(
        _DOCUMENTED, "EXTRA $[].actualQty", "EXTRA $[].actualType"
    ),
    ("GET", "/fapi/v2/account"): rule(_DOCUMENTED, "EXTRA $.positions[].breakEvenPrice"),
    ("GET", f"{V1}/adlQuantile"): rule(ONE_WAY, "MISSING $[].adlQuantile.HEDGE"),
}  # fmt: skip

# The recorded exchangeInfo of the test network, without the nulls that its recorder wrote.
REAL_INFO: Final = rule(
    "in production, not in the test network", "EXTRA $.symbols[].maxMoveOrderLimit"
)

# Weights that the documents give as a sentence, or not at all.
WEIGHTS: Final[Mapping[tuple[str, str], tuple[int, str]]] = {
    ("POST", f"{V1}/order/test"): (0, "not documented; as an order"),
    ("GET", "/futures/data/topLongShortAccountRatio"): (0, "not documented; as its neighbours"),
    ("GET", f"{V1}/fundingRate"): (0, "shares 500 per five minutes with fundingInfo"),
    ("PUT", f"{V1}/batchOrders"): (5, "on the address; 5 and 1 on the order limits"),
    ("POST", f"{V1}/batchOrders"): (5, "on the address; 5 and 1 on the order limits"),
    ("PUT", f"{V1}/order"): (0, "on the address; 1 and 1 on the order limits"),
    ("POST", f"{V1}/order"): (0, "on the address; 1 and 1 on the order limits"),
    ("POST", f"{V1}/algoOrder"): (0, "on the address; 1 and 1 on the order limits"),
}
SECURITY: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/futures/data/topLongShortAccountRatio"): "public: clients ask without a key",
    ("GET", "/futures/data/topLongShortPositionRatio"): "public: clients ask without a key",
}

# --- the WebSocket API ---

_TRAILING: Final = "of trailing stops; the request has them, the sample's order was another"
_CUT: Final = "the sample is cut short"
API_SAMPLES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Account/GetAccountInfo": rule(SDK, "EXTRA $.result.assets[].marginAvailable"),
    "Trading/CancelConditionalOrder": rule(
        "a cancel answers with a code and a message, says the SDK; the sample is of an order",
        "MISSING $.result.", "EXTRA $.result.code", "EXTRA $.result.msg",
    ),
    "Trading/GetOrder": rule(_CUT, "EXTRA $."),
    "Trading/GetPositions": rule(
        SDK, "MISSING $.result[].unrealizedProfit", "EXTRA $.result[].unRealizedProfit"
    ),
    "Trading/PlaceConditionalOrder": rule(
        _TRAILING, "EXTRA $.result.activatePrice", "EXTRA $.result.callbackRate"
    ),
}  # fmt: skip
API_UNMODELLED: Final[Mapping[str, str]] = {
    "ping": "not in the SDK",
    "time": "not in the SDK",
}
API_MODELS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "depth": rule(
        "the SDK's model has the levels beside the result, the sample inside",
        "MISSING $.bids", "MISSING $.asks", "EXTRA $.result.bids", "EXTRA $.result.asks",
    ),
    "order.cancel": rule(
        CONDITIONAL, "MISSING $.result.activatePrice", "MISSING $.result.priceRate"
    ),
    "order.status": (
        *rule(CONDITIONAL, "MISSING $.result.activatePrice", "MISSING $.result.priceRate"),
        *rule("every reply has them", "EXTRA $.rateLimits"),
    ),
    "algoOrder.place": rule(
        "the same reply as over REST, where the SDK has both",
        "EXTRA $.result.activatePrice", "EXTRA $.result.callbackRate",
    ),
    "account.status": rule(_DOCUMENTED, "EXTRA $.result.feeBurn"),
}  # fmt: skip

# --- streams ---

# Of 2026 alone; the other samples are compared in the dialect of 2024, which they are in.
MODERN_EVENTS: Final = frozenset({"AlgoOrderUpdate", "TradeUpdate"})
UNSENT: Final[Mapping[str, str]] = {
    "CompositIndex": NO_INDEX,
    "GridUpdate": "grid trading is no part of the venue; the exchange has deprecated the event",
    "StrategyUpdate": "strategy trading is no part of the venue",
}
STREAM_SAMPLES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "AlgoOrderUpdate": (
        *rule("since 2026-08, the sample is older", "EXTRA $.data.o.ia"),
        *rule("of the order it has become; the sample's never did", "TYPE $.data.o.act"),
    ),
    "Concurrent": rule("the sample is cut short", "EXTRA $.data.k."),
    "SymbolUpdates": rule(
        "a whole number in the sample, a fraction in most brackets",
        "TYPE $.data.bks[].cf int is float",
    ),
}
EVENT_MODELS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "ORDER_TRADE_UPDATE": rule(CONDITIONAL, "MISSING $[].o.AP", "MISSING $[].o.cr"),
}
