"""Answers of the exchange and what they mean: an error is not always a refusal."""

from __future__ import annotations

import pytest

from aegis.execution.error_codes import Verdict
from aegis.execution.errors import (
    BannedError,
    CredentialsError,
    ExchangeError,
    FateUnknownError,
    RateLimitedError,
    RefusedError,
)
from aegis.execution.replies import error_of, verdict_of

UNKNOWN_503 = "Unknown error, please check your request or try again later."
INTERNAL_503 = "Internal error; unable to process your request. Please try again."


@pytest.mark.parametrize(
    ("status", "code", "text", "verdict"),
    [
        (200, 0, "", Verdict.DONE),
        (503, 0, UNKNOWN_503, Verdict.UNKNOWN),
        (503, -1000, UNKNOWN_503, Verdict.UNKNOWN),
        (503, 0, "Service Unavailable.", Verdict.OVERLOADED),
        (503, -1001, INTERNAL_503, Verdict.OVERLOADED),
        (503, -1008, "Server is currently overloaded with other requests.", Verdict.OVERLOADED),
        (503, 0, "<html>nginx</html>", Verdict.UNKNOWN),
        (408, -1007, "Timeout waiting for response from backend server.", Verdict.UNKNOWN),
        (400, -1007, "", Verdict.UNKNOWN),
        (400, -1006, "", Verdict.UNKNOWN),
        (408, 0, "", Verdict.UNKNOWN),
        (502, 0, "", Verdict.UNKNOWN),
        (0, 0, "", Verdict.UNKNOWN),
        (400, -4116, "ClientOrderId is duplicated.", Verdict.UNKNOWN),
        (400, -2019, "Margin is insufficient.", Verdict.RESTRICTED),
        (400, -5022, "", Verdict.REFUSED),
        (400, -2011, "Unknown order sent.", Verdict.REFUSED),
        (400, -1021, "", Verdict.CLOCK),
        (400, -5028, "", Verdict.CLOCK),
        (401, -2014, "", Verdict.CREDENTIALS),
        (401, -2015, "", Verdict.CREDENTIALS),
        (400, -1022, "", Verdict.CREDENTIALS),
        (403, 0, "<html>WAF</html>", Verdict.BLOCKED),
        (429, -1003, "", Verdict.RATE_LIMITED),
        (429, -1015, "", Verdict.RATE_LIMITED),
        (418, -1003, "", Verdict.BANNED),
        (404, 0, "", Verdict.REFUSED),
    ],
)
def test_verdicts(status: int, code: int, text: str, verdict: Verdict) -> None:
    assert verdict_of(status, code, text) is verdict


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code":-2013,"msg":"Order does not exist."}', RefusedError),
        (503, b"Service Unavailable.", RefusedError),
        (503, UNKNOWN_503.encode(), FateUnknownError),
        (500, b"\xff\xfe", FateUnknownError),
        (401, b'{"code":-2015,"msg":"x"}', CredentialsError),
    ],
)
def test_errors(status: int, body: bytes, kind: type[ExchangeError]) -> None:
    error = error_of("GET /x", status, body, None, 0)
    assert type(error) is kind and "GET /x" in str(error)


def test_how_long_to_be_quiet() -> None:
    body = b'{"code":-1003,"msg":"Way too many requests; IP banned until 1763700060000."}'
    banned = error_of("x", 418, body, None, 1_763_700_000_000)
    assert isinstance(banned, BannedError) and banned.retry_after_s == 60.0
    # A clock that is a day behind makes a day of a minute; the header needs no clock.
    behind_ms = 1_763_700_000_000 - 86_400_000
    banned = error_of("x", 418, body, "60", behind_ms)
    assert isinstance(banned, BannedError) and banned.retry_after_s == 60.0
    limited = error_of("x", 429, b"{}", "7", 0)
    assert isinstance(limited, RateLimitedError) and limited.retry_after_s == 7.0
    bare = error_of("x", 429, b"{}", "soon", 0)
    assert isinstance(bare, RateLimitedError) and bare.retry_after_s == 1.0
