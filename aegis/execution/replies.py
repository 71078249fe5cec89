"""What an answer of the exchange means: from status, code and text to a verdict.

Used for REST and for the order connection alike; the codes are in `error_codes`. The rule: an error
is a refusal only where the exchange says that it is one; whatever may have been carried out is
UNKNOWN and must be asked about (503 has three texts, of which one means exactly that). Decoding is
by msgspec into the few fields that we use, so unknown new fields change nothing.
"""

from __future__ import annotations

import re

import msgspec

from aegis.execution.error_codes import Verdict, verdict_of_code
from aegis.execution.errors import (
    BannedError,
    BlockedError,
    ClockSkewError,
    CredentialsError,
    ExchangeError,
    FateUnknownError,
    RateLimitedError,
    RefusedError,
)

__all__ = [
    "ANSWER_DECODER",
    "Answer",
    "ErrorBody",
    "LimitCount",
    "OrderBody",
    "Verdict",
    "error_of",
    "pause_s_of",
    "verdict_of",
]


class ErrorBody(msgspec.Struct):
    """The error object of REST and of the WebSocket API."""

    code: int = 0
    msg: str = ""


class OrderBody(msgspec.Struct, rename="camel"):
    """An order as answers and queries describe it; texts are decimals."""

    symbol: str = ""
    order_id: int = 0
    client_order_id: str = ""
    side: str = ""
    status: str = ""
    price: str = "0"
    orig_qty: str = "0"
    executed_qty: str = "0"
    update_time: int = 0


class LimitCount(msgspec.Struct, rename="camel"):
    """One row of `rateLimits`: in exchangeInfo without a count, in answers with it."""

    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 0
    limit: int = 0
    count: int = 0


class Answer(msgspec.Struct):
    """One answer to an order command; of REST, the line makes one of status and body."""

    id: int | str | None = None
    status: int = 0
    result: OrderBody | None = None
    error: ErrorBody | None = None
    rate_limits: list[LimitCount] = msgspec.field(name="rateLimits", default_factory=list)
    # The header of that name, where there are headers.
    retry_after: str | None = msgspec.field(name="Retry-After", default=None)


ANSWER_DECODER = msgspec.json.Decoder(Answer)

_BY_STATUS = {
    200: Verdict.DONE,
    401: Verdict.CREDENTIALS,
    403: Verdict.BLOCKED,
    408: Verdict.UNKNOWN,
    418: Verdict.BANNED,
    429: Verdict.RATE_LIMITED,
    451: Verdict.CREDENTIALS,
}
_UNKNOWN_503 = "unknown error"
_FAILED_503 = ("service unavailable", "internal error")
_LONGEST_PAUSE_S = 3 * 86_400.0
_BANNED_UNTIL = re.compile(r"banned until (\d{12,14})")


def verdict_of(status: int, code: int, text: str) -> Verdict:
    """What a reply means: HTTP's status (0: no reply) and the exchange's code (0: none)."""
    if status == 418:
        return Verdict.BANNED
    if status == 503:
        lowered = text.lower()
        if _UNKNOWN_503 in lowered:
            return Verdict.UNKNOWN
        if code == -1008 or any(known in lowered for known in _FAILED_503):
            return Verdict.OVERLOADED
    by_code = verdict_of_code(code)
    if by_code is not None:
        return by_code
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return Verdict.REFUSED
    # No reply, or a 5xx of a gateway on the way: nobody knows.
    return Verdict.UNKNOWN


_ERRORS: dict[Verdict, type[ExchangeError]] = {
    Verdict.UNKNOWN: FateUnknownError,
    Verdict.RATE_LIMITED: RateLimitedError,
    Verdict.BANNED: BannedError,
    Verdict.CREDENTIALS: CredentialsError,
    Verdict.BLOCKED: BlockedError,
    Verdict.CLOCK: ClockSkewError,
}


def error_of(
    action: str, status: int, body: bytes, retry_after: str | None, now_ms: int
) -> ExchangeError:
    """The exception for an error reply; `retry_after` is the header, where one came."""
    try:
        error = msgspec.json.decode(body, type=ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A gateway's page: its text decides between the 503s, and is shown shortened.
        error = ErrorBody(0, " ".join(body[:200].decode("utf-8", "replace").split()))
    verdict = verdict_of(status, error.code, error.msg)
    raised = _ERRORS.get(verdict, RefusedError)(action, status, error.code, error.msg)
    if isinstance(raised, RateLimitedError | BannedError):
        pause_s = pause_s_of(error.msg, retry_after, now_ms)
        if pause_s is not None:
            raised.retry_after_s = pause_s
    return raised


def pause_s_of(text: str, retry_after: str | None, now_ms: int) -> float | None:
    """How long to be quiet: by the header, or by the ban's end in the text.

    The header goes first because it needs no clock: ours may not have been set right yet.
    """
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_PAUSE_S)
    found = _BANNED_UNTIL.search(text)
    if found is not None:
        return min(max(1.0, (int(found.group(1)) - now_ms) / 1000), _LONGEST_PAUSE_S)
    return None
