"""Every error code of the exchange and what it means for us: one table, nothing decided elsewhere.

`replies.verdict_of` looks a code up here after the HTTP status has had its word (503 has three
texts, 418 is a ban whatever the code). The rule behind the rows: REFUSED only where the exchange
says that nothing was done; what may have been carried out is UNKNOWN and is asked about, under the
same client order id, never sent anew. A code that is not listed is judged by its number: the
exchange numbers what it refuses from -1100 down, and general failures of the server above that.

Source: the exchange's list of error codes (USD-M futures, 2024-07 to 2026-11).
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

__all__ = ["ERROR_CODES", "Verdict", "verdict_of_code"]


class Verdict(Enum):
    """What became of a request, and so what has to be done."""

    DONE = "done"
    # Things are as they were wanted: a change that changes nothing.
    ALREADY = "already so"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    # Refused, and new risk will be refused again until something has changed: reduce only.
    RESTRICTED = "restricted"
    # Refused because our picture of the account is not the exchange's: compare at once.
    MISMATCH = "picture differs"
    # Refused because a filter is not what it was: read exchangeInfo again, never repeat blindly.
    FILTERS = "filters changed"
    # Refused, and the class of requests must pause.
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    # Refused, and no retry can help: halt.
    BANNED = "banned"
    CREDENTIALS = "credentials refused"
    # Refused by a firewall before the exchange, which silence alone appeases: halt, ask much later.
    BLOCKED = "blocked"
    # Refused for its timestamp: learn the clock anew.
    CLOCK = "clock skew"
    # The private stream's key has ended: make another, connect, reconcile.
    LISTEN_KEY = "listen key ended"


def _rows(verdict: Verdict, *codes: int) -> dict[int, Verdict]:
    return dict.fromkeys(codes, verdict)


_TABLE = (
    # A duplicate client id proves that the first copy exists: ask for it, and adopt it.
    _rows(Verdict.UNKNOWN, -1000, -1006, -1007, -4115, -4116),
    _rows(Verdict.ALREADY, -4046, -4059, -4171, -5027),
    _rows(Verdict.RATE_LIMITED, -1003, -1015),
    _rows(Verdict.OVERLOADED, -1001, -1008, -1016),
    _rows(Verdict.CLOCK, -1021, -5028),
    _rows(Verdict.LISTEN_KEY, -1125),
    # Key, permission, address, signature, or an account that is closed to us.
    _rows(
        Verdict.CREDENTIALS, -1002, -1011, -1022, -1099, -1109, -2014, -2015, -2017, -4056, -4057,
        -4109,
    ),
    # Margin, brackets, liquidation, and what law or the exchange's rules forbid the account.
    _rows(
        Verdict.RESTRICTED, -2018, -2019, -2023, -2027, -2028, -4050, -4051, -4087, -4088, -4105,
        -4106, -4107, -4140, -4189, -4192, -4400, -4401, -4402, -4403,
    ),
    _rows(Verdict.MISMATCH, -2022, -2024, -4061, -4118),
    _rows(
        Verdict.FILTERS, -1013, -1111, -1121, -1122, -4001, -4002, -4003, -4004, -4005, -4013,
        -4014, -4016, -4022, -4023, -4024, -4141, -4164, -5029,
    ),
    # Of an order or its amendment: it was not done, and nothing else follows.
    _rows(
        Verdict.REFUSED, -1014, -1020, -2010, -2011, -2012, -2013, -2016, -2020, -2021, -2025,
        -2026, -4000, -4006, -4007, -4015, -4020, -4031, -4032, -4045, -4060, -4062, -4117, -4120,
        -4131, -4135, -4137, -4138, -4139, -4142, -4183, -4184, -4210, -4211, -5021, -5022, -5024,
        -5025, -5026, -5037, -5038, -5039, -5040, -5041, -5043, -5047,
    ),
    # Of a request as such: it was malformed, and it is ours to mend.
    _rows(
        Verdict.REFUSED, -1010, -1023, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108,
        -1110, -1112, -1113, -1114, -1115, -1116, -1117, -1118, -1119, -1120, -1126, -1127, -1128,
        -1130, -1136, -4021, -4114, -4144, -4165,
    ),
    # Of things that this appliance never asks for: addresses, leverage, margin, batches, options.
    _rows(
        Verdict.REFUSED, -1004, -1005, -4008, -4009, -4010, -4011, -4012, -4017, -4018, -4019,
        -4025, -4026, -4027, -4028, -4029, -4030, -4033, -4044, -4047, -4048, -4049, -4052, -4053,
        -4054, -4055, -4058, -4063, -4064, -4065, -4066, -4067, -4068, -4069, -4070, -4071, -4072,
        -4073, -4074, -4075, -4076, -4077, -4078, -4079, -4080, -4081, -4082, -4083, -4084, -4085,
        -4086, -4104, -4161, -4167, -4168, -4169, -4170, -4172, -4202, -4203, -4205, -4206, -4208,
        -4209, -4531,
    ),
)  # fmt: skip

ERROR_CODES = MappingProxyType({code: row for rows in _TABLE for code, row in rows.items()})
assert len(ERROR_CODES) == sum(map(len, _TABLE)), "a code stands in one row only"

_FIRST_REFUSAL = -1100


def verdict_of_code(code: int) -> Verdict | None:
    """The verdict of a code; of one that nobody has listed yet by its number, None for no code."""
    if code in ERROR_CODES:
        return ERROR_CODES[code]
    if code >= 0:
        return None
    # -1100 to -1199 are malformed requests, -2000 and below orders and accounts: refused. Above
    # stand failures of the server and the network, whose meaning for an order nobody has told us.
    return Verdict.REFUSED if code <= _FIRST_REFUSAL else Verdict.UNKNOWN
