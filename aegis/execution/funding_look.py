"""The look at the exchange's list of funding payments: what nobody was there to hear is booked.

At every start, after the private stream has been away, and every ten minutes; again after a quarter
of a minute where the exchange did not answer. `funding_book` tells which rows are news; this asks,
books them, and writes a verdict down. The list is of the account, like the stream: payments of
symbols that another instance trades on it are in both.
"""

from __future__ import annotations

from collections.abc import Callable

from aegis.execution.core import ExecutionCore
from aegis.execution.decimal_text import text_to_e8
from aegis.execution.errors import RefusedError
from aegis.execution.funding_book import FundingRow
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.layout import VERDICT
from aegis.execution.rest import RestClient
from aegis.host.clock import monotonic_ns

__all__ = ["FundingLook"]

_NOT_FOUND = 404
_ASSET = "USDT"
_EQUAL, _DIFFERENT, _FUNDING = 1, 2, 4
_EVERY_NS = 600_000_000_000
# The list weighs 30: a stream that is lost again and again must not use up the minute.
_PAUSE_NS = 60_000_000_000
_AGAIN_NS = 15_000_000_000


class FundingLook:
    """Works on one core through one REST client. `missed` counts what it had to book."""

    def __init__(self, core: ExecutionCore, rest: RestClient, journal: Journal | None) -> None:
        self._core = core
        self._rest = rest
        self._journal = journal
        self._looked_ns = 0
        self._is_wanted = self._has_failed = False
        self.missed = 0
        # Where a person reads it.
        self.say: Callable[[str], None] = lambda _: None

    def want(self) -> None:
        """The stream was away: look soon."""
        self._is_wanted = True

    async def look_if_due(self, now_ns: int) -> None:
        """Look now, if it is time. Raises what `look` raises."""
        pause_ns = _PAUSE_NS if self._is_wanted else _EVERY_NS
        if self._has_failed:
            pause_ns = _AGAIN_NS
        if now_ns - self._looked_ns > pause_ns:
            await self.look()

    async def look(self) -> int:
        """Read the list and book what is missing; returns how many payments that were.

        Raises an ExchangeError; nothing is booked then. An exchange without such a list (of before
        our time) has nothing to compare with.
        """
        core = self._core
        self._looked_ns = monotonic_ns()
        # What calls for a look from here on calls for the next one.
        self._is_wanted = False
        # Until it has been read: an exchange that does not answer is asked again soon.
        self._has_failed = True
        now_ms = self._rest.now_ms()
        # Rather too early than too late: the wallet is read after this look, and what was paid
        # since the books began, by a clock that may be ahead, would never be booked.
        core.funding.begin(now_ms - self._rest.clock_error_ms)
        try:
            listed = await self._rest.funding_since(core.funding.since_ms)
        except RefusedError as error:
            if error.status == _NOT_FOUND:
                self._has_failed = False
                return 0
            raise
        self._has_failed = False
        rows = [
            FundingRow(row.tran_id, row.time, text_to_e8(row.income))
            for row in listed
            if row.asset == _ASSET
        ]
        missed = missed_e8 = 0
        for row in core.funding.read(rows, now_ms):
            core.on_funding(row.amount_e8, monotonic_ns(), time_ms=row.time_ms, tran_id=row.tran_id)
            missed += 1
            missed_e8 += row.amount_e8
            if self._journal is not None:
                self._journal.flush()
        self.missed += missed
        if missed:
            self.say(
                f"funding: {missed} payments that nobody had heard of are booked, "
                f"{missed_e8 / 1e8:.8f} {_ASSET} in all"
            )
        if self._journal is not None:
            self._journal.note(VERDICT, code=_DIFFERENT if missed else _EQUAL, ident=_FUNDING)
        return missed
