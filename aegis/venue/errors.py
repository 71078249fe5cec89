"""Every exception of the venue, in one tree.

VenueError
├── RejectError       a request the exchange refuses: documented code, text and HTTP status
├── BadDecimalError   a text that is no decimal number
│   └── TooPreciseError  one with more decimals than the field holds
├── OptionsError      the venue was asked for something it cannot be
├── RecordingError    a recording that cannot be mirrored
└── JournalError      the account state could not be kept or read back
"""

from __future__ import annotations


class VenueError(Exception):
    """Base of all."""


class RejectError(VenueError):
    """The exchange's answer to a request it will not carry out."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class BadDecimalError(VenueError):
    """Not a plain decimal number."""


class TooPreciseError(BadDecimalError):
    """More decimals than the field's precision."""


class OptionsError(VenueError):
    """An option that no venue can honour; the text names it, its value and what is right."""


class RecordingError(VenueError):
    """The recording is missing, empty or in another format; the text names file and line."""


class JournalError(VenueError):
    """The account state on disk is unusable; the text names the file and what is wrong in it."""
