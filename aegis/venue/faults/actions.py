"""Faults that happen at a moment or last for a while: to connections, keys and the whole venue.

``room`` hangs them on the board by kind. Each does its thing through the rooms that own it, and
undoes it when its time is over; nothing here decides when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.faults.armed import Armed
from aegis.venue.faults.board import Action
from aegis.venue.faults.held import Later
from aegis.venue.faults.lines import Line, Lines, account_id
from aegis.venue.wire.socket import GOING_AWAY
from aegis.venue.wire.userfeed import UserFeed

PONG_PATIENCE_S: Final = 0.2
OUTAGE: Final = RejectError(-1000, "Service Unavailable.", 503)


class LineActions:
    """What faults do to connections."""

    def __init__(self, lines: Lines, later: Later) -> None:
        self._lines = lines
        self._later = later

    def table(self) -> dict[str, Action]:
        return {"day_close": Action(self._day_close), "pong_close": Action(self._pong_close)}

    def _meant(self, armed: Armed) -> Iterator[Line]:
        return (line for line in list(self._lines.open.values()) if line.suits(armed))

    def _day_close(self, armed: Armed) -> None:
        for line in self._meant(armed):
            line.wire.close(GOING_AWAY, "24 hours")

    def _pong_close(self, armed: Armed) -> None:
        for line in self._meant(armed):
            line.wire.ping(b"0")
            self._later(PONG_PATIENCE_S, line.wire.abort)


class KeyActions:
    """What faults do to API keys and listen keys."""

    def __init__(self, core: Core, feed: UserFeed, lines: Lines) -> None:
        self._core = core
        self._feed = feed
        self._lines = lines

    def table(self) -> dict[str, Action]:
        return {
            "key_revoked": Action(self._revoke, self._restore),
            "listen_key_expired": Action(self._expire),
        }

    def _revoke(self, armed: Armed) -> None:
        armed.memory["keys"] = self._core.keys.revoke(_whose(armed))
        for line in list(self._lines.open.values()):
            message = None if line.revoke is None else line.revoke()
            if message is not None:
                line.wire.send_text(message)

    def _restore(self, armed: Armed) -> None:
        self._core.keys.restore(armed.memory["keys"])

    def _expire(self, armed: Armed) -> None:
        now_ms = self._core.wall_ms()
        for entry in self._core.listen_keys.end(_whose(armed)):
            self._feed.expire(entry, now_ms)


class VenueActions:
    """What faults do to everybody at once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def table(self) -> dict[str, Action]:
        return {
            "maintenance": Action(self._close, self._reopen),
            "clock_skew": Action(self._skew, self._unskew),
        }

    def _close(self, armed: Armed) -> None:
        self._core.outage = OUTAGE

    def _reopen(self, armed: Armed) -> None:
        self._core.outage = None

    def _skew(self, armed: Armed) -> None:
        self._core.skew_ms += armed.fault.shift_ms

    def _unskew(self, armed: Armed) -> None:
        self._core.skew_ms -= armed.fault.shift_ms


def _whose(armed: Armed) -> int | None:
    number = armed.fault.account
    return None if number is None else account_id(number)
