"""Execution's exceptions, one tree: `except ExecutionError` catches all of it.

::

    ExecutionError
    ├── UnusableSetupError    the account, a filter or a key cannot be worked with
    │   ├── CredentialsFileError  the file of keys is absent, open to others, or wrong
    │   └── HedgePositionError    a position of one side only, as hedge mode has them
    ├── ReconcileError        the account could not be read back; nothing may be assumed
    ├── FiltersChangedError   ticks, lots or bounds are not what they were: start again
    ├── OrderLinkError        the order connection could not be made or logged on
    └── ExchangeError         the exchange (or the way to it) answered with an error
        ├── RefusedError          definitive: it was not done
        ├── FateUnknownError      it may or may not have been done: ask, never assume
        ├── RateLimitedError      definitive, and the whole class of requests must pause
        ├── BannedError           definitive, and REST must be silent until the ban ends
        ├── CredentialsError      definitive, and no retry can help (an UnusableSetupError, too)
        ├── BlockedError          definitive, and the firewall in front of it wants silence
        └── ClockSkewError        definitive: our timestamp was outside the window

The texts carry status, code and message of the exchange. They never carry a request's parameters,
headers or URL: signatures and keys live there.
"""

from __future__ import annotations

__all__ = [
    "BannedError",
    "BlockedError",
    "ClockSkewError",
    "CredentialsError",
    "CredentialsFileError",
    "ExchangeError",
    "ExecutionError",
    "FateUnknownError",
    "FiltersChangedError",
    "HedgePositionError",
    "OrderLinkError",
    "RateLimitedError",
    "ReconcileError",
    "RefusedError",
    "UnusableSetupError",
]


class ExecutionError(Exception):
    """Base of everything that execution raises.

    Within `pause_s` no start is tried again, and no look at the account.
    """

    pause_s = 0.0


class UnusableSetupError(ExecutionError):
    """A key, a symbol, a filter or an account mode that cannot be traded with."""


class CredentialsFileError(UnusableSetupError):
    """The file that holds the API keys cannot be used; the text shows nothing of them."""


class HedgePositionError(UnusableSetupError):
    """A position that hedge mode keeps apart from the other side's; our books know one-way mode."""


class ReconcileError(ExecutionError):
    """The account could not be read back from the exchange within the time given."""


class FiltersChangedError(ExecutionError):
    """The exchange's filters of our symbols are others than at our start."""


class OrderLinkError(ExecutionError):
    """The order connection could not be made, or the exchange refused the log-on."""


class ExchangeError(ExecutionError):
    """An error reply: `status` as in HTTP (0 for none), `code` of the exchange (0 for none)."""

    def __init__(self, action: str, status: int, code: int, text: str) -> None:
        self.action = action
        self.status = status
        self.code = code
        self.text = text[:200]
        super().__init__(f"{action}: status {status}, code {code}: {self.text}")


class RefusedError(ExchangeError):
    """Definitive: the exchange did not do it."""


class FateUnknownError(ExchangeError):
    """Time-out, cut connection, 408, -1006, -1007 or the first of the three 503 texts."""


class RateLimitedError(ExchangeError):
    """429, -1003 or -1015. `retry_after_s` is how long to be quiet."""

    retry_after_s: float = 1.0


class BannedError(ExchangeError):
    """418: this address is banned. `retry_after_s` is how long."""

    retry_after_s: float = 120.0


class BlockedError(ExchangeError):
    """403 without a code: the firewall before the exchange blocks this address for some minutes."""

    pause_s = 30.0


class CredentialsError(ExchangeError, UnusableSetupError):
    """-2014, -2015, -1022 or 451: key, permission, address or signature.

    At a start it ends the process like any other setup that cannot be used: nobody asks on and on.
    """


class ClockSkewError(ExchangeError):
    """-1021 or -5028: our timestamp was outside the exchange's window."""
