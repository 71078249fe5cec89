"""Which funding payments are in the books: told by the private stream, listed by the exchange.

The stream tells a payment with its time and amount but without a number; the exchange's list of
income (`/fapi/v1/income`) has a number for each, and may have it later or earlier. A payment is
booked by whichever comes first, and the other one must find it booked: the stream's by time and
amount, the list's by its number, or by time and amount if the stream was first. What the stream
tells as one sum for several symbols is the sum of their rows, whichever came first. What it tells
twice (on two connections, or again after one was lost) leaves the wallet at the same balance: two
payments that are alike in time and amount do not.

Sans-I/O, and the same for the live process and for the replay of a journal: every change is a
record (kind FUNDED) that `take` applies. Memory is bounded: what is older than `since_ms`, from
where the list is read on, is forgotten. Times are the exchange's, in ms; amounts 1e-8 quote,
negative when paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

__all__ = ["FundingBook", "FundingRow"]

# What a FUNDED record is about, its `code`.
SINCE, KNOWN, TOLD, LISTED, HEARD = range(5)
# The stream's word may come about a minute after the payment.
_NEAR_MS = 300_000
# A row may come to stand in the list as much later than its time.
LATE_MS = 3_600_000
# More payments than the largest universe has within the time that is kept.
_MOST = 4_096


class FundingRow(NamedTuple):
    """A row of the exchange's list."""

    tran_id: int
    time_ms: int
    amount_e8: int


class Change(NamedTuple):
    """One change of the book: (`code`, +1 to add or -1 to take away, number, time, amount).

    The number is that of a row; of what was heard, the wallet after it in 1e-8 quote.
    """

    code: int
    sign: int
    number: int
    time_ms: int
    amount_e8: int


class FundingBook:
    """The payments of late. `on_change` hears every change, for the journal."""

    def __init__(self, on_change: Callable[[Change], None] = lambda change: None) -> None:
        self.on_change = on_change
        self.since_ms = 0
        # Rows that are in the books: number -> time.
        self.known: dict[int, int] = {}
        # Booked as the stream told them, their rows not seen yet: (time, amount).
        self.told: list[tuple[int, int]] = []
        # Booked as their rows stand, not heard of on the stream yet.
        self.listed: list[tuple[int, int]] = []
        # What the stream has told, booked by it or not: (time, amount, wallet), oldest first.
        self.heard: dict[tuple[int, int, int], None] = {}

    def begin(self, now_ms: int) -> None:
        """The books begin now: what was paid before is in the wallet that they began with."""
        if self.since_ms == 0:
            self._change(SINCE, 1, 0, now_ms, 0)

    def hear(self, time_ms: int, amount_e8: int, wallet_e8: int) -> bool:
        """The stream tells of a payment and of the wallet after it; whether it must be booked."""
        if (time_ms, amount_e8, wallet_e8) in self.heard:
            return False
        # Written before the booking: a payment whose booking is lost is found in the list.
        self._change(HEARD, 1, wallet_e8, time_ms, amount_e8)
        match = _nearest(self.listed, time_ms, amount_e8)
        found = [match] if match is not None else _summed(self.listed, time_ms, amount_e8)
        if not found:
            # The record of the booking itself says that it was told: `take_booking`.
            self.take_booking(0, time_ms, amount_e8)
            return True
        for payment in found:
            self._change(LISTED, -1, 0, *payment)
        return False

    def read(self, rows: Iterable[FundingRow], now_ms: int) -> Iterator[FundingRow]:
        """The list, whole from `since_ms` on; yields the rows that must be booked, each once.

        A row that is yielded is taken for booked when the next one is asked for.
        """
        news = {row.tran_id: row for row in rows if self._is_news(row)}
        left = []
        for row in sorted(news.values(), key=lambda row: (row.time_ms, row.tran_id)):
            match = _nearest(self.told, row.time_ms, row.amount_e8)
            if match is None:
                left.append(row)
            else:
                self._found(row, match)
        for time_ms, group in groupby(left, key=lambda row: row.time_ms):
            together = list(group)
            match = _nearest(self.told, time_ms, sum(row.amount_e8 for row in together))
            if match is not None:
                self._change(TOLD, -1, 0, *match)
                for row in together:
                    self._change(KNOWN, 1, *row)
                continue
            for row in together:
                yield row
                self.take_booking(*row)
        since_ms = now_ms - LATE_MS
        if since_ms > self.since_ms:
            self._change(SINCE, 1, 0, since_ms, 0)

    def _is_news(self, row: FundingRow) -> bool:
        return row.time_ms >= self.since_ms and row.tran_id not in self.known

    def _found(self, row: FundingRow, match: tuple[int, int]) -> None:
        self._change(TOLD, -1, 0, *match)
        self._change(KNOWN, 1, *row)

    def _change(self, code: int, sign: int, number: int, time_ms: int, amount_e8: int) -> None:
        change = Change(code, sign, number, time_ms, amount_e8)
        self.take(change)
        self.on_change(change)

    # What the journal gives back

    def take_booking(self, tran_id: int, time_ms: int, amount_e8: int) -> None:
        """A payment is booked: by its row, or (number 0) as the stream told it."""
        if time_ms == 0:
            # Of a journal that did not keep the times of payments yet.
            return
        if tran_id:
            self.take(Change(KNOWN, 1, tran_id, time_ms, amount_e8))
            self.take(Change(LISTED, 1, 0, time_ms, amount_e8))
        else:
            self.take(Change(TOLD, 1, 0, time_ms, amount_e8))

    def take(self, change: Change) -> None:
        """Apply a change, without telling of it."""
        payment = change.time_ms, change.amount_e8
        if change.code == SINCE:
            self._forget(change.time_ms)
        elif change.code == KNOWN:
            self.known[change.number] = change.time_ms
        elif change.code == HEARD:
            self.heard[(*payment, change.number)] = None
            if len(self.heard) > _MOST:
                del self.heard[next(iter(self.heard))]
        else:
            payments = self.told if change.code == TOLD else self.listed
            if change.sign > 0:
                payments.append(payment)
                del payments[:-_MOST]
            elif payment in payments:
                payments.remove(payment)

    def _forget(self, since_ms: int) -> None:
        self.since_ms = since_ms
        self.known = {number: at for number, at in self.known.items() if at >= since_ms}
        self.told = [payment for payment in self.told if payment[0] >= since_ms]
        self.listed = [payment for payment in self.listed if payment[0] >= since_ms]
        self.heard = {told: None for told in self.heard if told[0] >= since_ms}

    def state(self) -> list[Change]:
        """The whole book as changes to an empty one."""
        changes = [Change(SINCE, 1, 0, self.since_ms, 0)]
        changes += [Change(KNOWN, 1, number, at, 0) for number, at in self.known.items()]
        changes += [Change(TOLD, 1, 0, *payment) for payment in self.told]
        changes += [Change(LISTED, 1, 0, *payment) for payment in self.listed]
        changes += [Change(HEARD, 1, wallet, at, amount) for at, amount, wallet in self.heard]
        return changes


def _nearest(
    payments: Iterable[tuple[int, int]], time_ms: int, amount_e8: int
) -> tuple[int, int] | None:
    """The payment of that amount that is nearest in time, None when none is near."""
    near = [
        payment
        for payment in payments
        if payment[1] == amount_e8 and abs(payment[0] - time_ms) <= _NEAR_MS
    ]
    return min(near, key=lambda payment: abs(payment[0] - time_ms), default=None)


def _summed(
    payments: Iterable[tuple[int, int]], time_ms: int, amount_e8: int
) -> list[tuple[int, int]]:
    """The payments of one moment near that time that are this amount together; none if none are."""
    near = sorted(payment for payment in payments if abs(payment[0] - time_ms) <= _NEAR_MS)
    for _, group in groupby(near, key=lambda payment: payment[0]):
        together = list(group)
        if sum(amount for _, amount in together) == amount_e8:
            return together
    return []
