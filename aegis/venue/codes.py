"""The error codes this venue answers with: text and HTTP status of each, as the exchange documents.

Called wherever a request is refused. A table, so that a code has one text and one status in the
whole venue. Never invent a code here: each is in the exchange's list of 207.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.errors import RejectError

# code -> (HTTP status, variants of the text; %s is filled by the caller)
CODES: Final[dict[int, tuple[int, tuple[str, ...]]]] = {
    -1000: (400, ("An unknown error occured while processing the request.",)),
    -1001: (500, ("Internal error; unable to process your request. Please try again.",)),
    -1003: (
        429,
        (
            "Too many requests; current limit is %s requests per minute. "
            "Please use the websocket for live updates to avoid polling the API.",
            "Too many requests; please use the websocket for live updates.",
            "Way too many requests; IP banned until %s. "
            "Please use the websocket for live updates to avoid bans.",
        ),
    ),
    -1006: (
        503,
        ("An unexpected response was received from the message bus. Execution status unknown.",),
    ),
    -1007: (
        408,
        (
            "Timeout waiting for response from backend server. "
            "Send status unknown; execution status unknown.",
        ),
    ),
    -1008: (
        503,
        (
            "Server is currently overloaded with other requests. "
            "Please try again in a few minutes.",
            "Request throttled by system-level protection. "
            "Reduce-only/close-position orders are exempt. Please try again.",
        ),
    ),
    -1011: (403, ("This IP cannot access this route.",)),
    -1013: (400, ("INVALID_MESSAGE.",)),
    -1015: (429, ("Too many new orders; current limit is %s orders per %s.",)),
    -1020: (400, ("This operation is not supported.",)),
    -1021: (
        400,
        (
            "Timestamp for this request is outside of the recvWindow.",
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ),
    ),
    -1022: (400, ("Signature for this request is not valid.",)),
    -1023: (400, ("Start time is greater than end time.",)),
    -1099: (401, ("Not found, unauthenticated, or unauthorized.",)),
    -1101: (400, ("Duplicate values for a parameter detected.",)),
    -1102: (
        400,
        (
            "Mandatory parameter '%s' was not sent, was empty/null, or malformed.",
            "Param '%s' or '%s' must be sent, but both were empty/null!",
        ),
    ),
    -1105: (400, ("Parameter '%s' was empty.",)),
    -1106: (400, ("Parameter '%s' sent when not required.",)),
    -1111: (400, ("Precision is over the maximum defined for this asset.",)),
    -1115: (400, ("Invalid timeInForce.",)),
    -1116: (400, ("Invalid orderType.",)),
    -1117: (400, ("Invalid side.",)),
    -1120: (400, ("Invalid interval.",)),
    -1121: (400, ("Invalid symbol.",)),
    -1122: (400, ("Invalid symbol status.",)),
    -1125: (
        400,
        (
            "This listenKey does not exist. "
            "Please use POST /fapi/v1/listenKey to recreate listenKey",
        ),
    ),
    -1127: (
        400,
        ("Lookup interval is too big.", "More than %s hours between startTime and endTime."),
    ),
    -1128: (400, ("Combination of optional parameters invalid.",)),
    -1130: (400, ("Data sent for parameter '%s' is not valid.",)),
    -1136: (400, ("Invalid newOrderRespType.",)),
    -2011: (400, ("Unknown order sent.",)),
    -2013: (400, ("Order does not exist.",)),
    -2014: (401, ("API-key format invalid.",)),
    -2015: (401, ("Invalid API-key, IP, or permissions for action.",)),
    -2018: (400, ("Balance is insufficient.",)),
    -2019: (400, ("Margin is insufficient.",)),
    -2021: (400, ("Order would immediately trigger.",)),
    -2022: (400, ("ReduceOnly Order is rejected.",)),
    -2025: (400, ("Reach max open order limit.",)),
    -2027: (400, ("Exceeded the maximum allowable position at current leverage.",)),
    -2028: (400, ("Leverage is smaller than permitted: insufficient margin balance.",)),
    -4001: (400, ("Price less than 0.",)),
    -4002: (400, ("Price greater than max price.",)),
    -4003: (400, ("Quantity less than zero.",)),
    -4004: (400, ("Quantity less than min quantity.",)),
    -4005: (400, ("Quantity greater than max quantity.",)),
    -4006: (400, ("Stop price less than zero.",)),
    -4007: (400, ("Stop price greater than max price.",)),
    -4013: (400, ("Price less than min price.",)),
    -4014: (400, ("Price not increased by tick size.",)),
    -4015: (400, ("Client order id is not valid.",)),
    -4016: (400, ("Price is higher than mark price multiplier cap.",)),
    -4021: (400, ("'%s' is not valid depth limit.",)),
    -4023: (400, ("Qty not increased by step size.",)),
    -4024: (400, ("Price is lower than mark price multiplier floor.",)),
    -4028: (400, ("Leverage %s is not valid",)),
    -4031: (400, ("Invalid parameter working type: %s",)),
    -4032: (400, ("Exceed maximum cancel order size.",)),
    -4045: (400, ("Reach max stop order limit.",)),
    -4046: (400, ("No need to change margin type.",)),
    -4047: (400, ("Margin type cannot be changed if there exists open orders.",)),
    -4048: (400, ("Margin type cannot be changed if there exists position.",)),
    -4049: (400, ("Add margin only support for isolated position.",)),
    -4050: (400, ("Cross balance insufficient.",)),
    -4051: (400, ("Isolated balance insufficient.",)),
    -4054: (400, ("Cannot add position margin: position is 0.",)),
    -4055: (400, ("Amount must be positive.",)),
    -4056: (400, ("Invalid api key type.",)),
    -4059: (400, ("No need to change position side.",)),
    -4060: (400, ("Invalid position side.",)),
    -4061: (400, ("Order's position side does not match user's setting.",)),
    -4062: (400, ("Invalid or improper reduceOnly value.",)),
    -4067: (400, ("Position side cannot be changed if there exists open orders.",)),
    -4068: (400, ("Position side cannot be changed if there exists position.",)),
    -4082: (400, ("Invalid number of batch place orders: %s",)),
    -4084: (400, ("Method is not allowed currently. Upcoming soon.",)),
    -4104: (400, ("Invalid contract type",)),
    -4116: (400, ("clientOrderId is duplicated",)),
    -4117: (400, ("stop order is triggering",)),
    -4118: (400, ("ReduceOnly Order Failed. Please check your existing position and open orders",)),
    -4120: (
        400,
        (
            "Order type not supported for this endpoint. "
            "Please use the Algo Order API endpoints instead.",
        ),
    ),
    -4131: (400, ("The counterparty's best price does not meet the PERCENT_PRICE filter limit",)),
    -4135: (400, ("Invalid activation price",)),
    -4137: (400, ("Quantity must be zero with closePosition equals true",)),
    -4138: (400, ("Reduce only must be true with closePosition equals true",)),
    -4140: (400, ("Invalid symbol status for opening position",)),
    -4141: (400, ("Symbol is closed",)),
    -4144: (400, ("Invalid pair",)),
    -4161: (
        400,
        ("Leverage reduction is not supported in Isolated Margin Mode with open positions",),
    ),
    -4164: (
        400,
        ("Order's notional must be no smaller than %s (unless you choose reduce only)",),
    ),
    -4165: (
        400,
        (
            "Invalid time interval",
            "Maximum time interval is %s days",
        ),
    ),
    -4167: (
        400,
        (
            "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures "
            "under isolated-margin mode.",
        ),
    ),
    -4168: (400, ("Unable to adjust to isolated-margin mode under the Multi-Assets mode.",)),
    -4169: (
        400,
        ("Unable to adjust Multi-Assets Mode with insufficient margin balance in USDⓈ-M Futures.",),
    ),
    -4170: (
        400,
        ("Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.",),
    ),
    -4171: (
        400,
        ("Adjusted asset mode is currently set and does not need to be adjusted repeatedly.",),
    ),
    -4172: (
        400,
        (
            "Unable to adjust Multi-Assets Mode with a negative wallet balance of "
            "margin available asset in USDⓈ-M Futures account.",
        ),
    ),
    -4183: (
        400,
        (
            "Price is higher than stop price multiplier cap.",
            "Limit price can't be higher than %s.",
        ),
    ),
    -4184: (
        400,
        (
            "Price is lower than stop price multiplier floor.",
            "Limit price can't be lower than %s.",
        ),
    ),
    -4400: (
        400,
        (
            "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, "
            "please try again later.",
        ),
    ),
    # Of the gateway in front of the exchange; no list has it, every client has seen it.
    -5000: (404, ("Path %s, Method %s is invalid",)),
    -5021: (
        400,
        ("Due to the order could not be filled immediately, the FOK order has been rejected.",),
    ),
    -5022: (
        400,
        ("Due to the order could not be executed as maker, the Post Only order will be rejected.",),
    ),
    -5024: (400, ("Symbol is not in trading status. Order amendment is not permitted.",)),
    -5025: (400, ("Only limit order is supported.",)),
    -5026: (400, ("Exceed maximum modify order limit.",)),
    -5027: (400, ("No need to modify the order.",)),
    -5028: (400, ("Timestamp for this request is outside of the ME recvWindow.",)),
    -5029: (400, ("Order's notional must be no smaller than %s",)),
    -5037: (400, ("Invalid price match",)),
    -5038: (400, ("Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT",)),
    -5039: (400, ("Invalid self trade prevention mode",)),
    -5040: (
        400,
        (
            "The goodTillDate timestamp must be greater than the current time plus 600 "
            "seconds and smaller than 253402300799000 (UTC 9999-12-31 23:59:59)",
        ),
    ),
    -5041: (400, ("No depth matches this BBO order",)),
    -5043: (400, ("A pending modification already exists for this order.",)),
    -5047: (400, ("The original order is not a reduce-only order.",)),
}


def reject(code: int, *values: object, variant: int = 0) -> RejectError:
    """Build the refusal `code`; `values` fill the text. Raises KeyError for a code not listed."""
    status, texts = CODES[code]
    text = texts[variant]
    return RejectError(code, text % values if values else text, status)
