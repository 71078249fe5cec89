"""The rate ledger: what all processes of this box have spent of one exchange's limits.

An exchange counts request weight by address and orders by account, not by process. So every process
that asks it anything writes what it spent into a row of its own, and reads the sum of all rows: no
lock on the way, one writer a row. The file is `.aegis-rates-<host>` beside the instances' regions
(for the embedded exchange, which is an instance's own, inside of the instance's directory). It is
made by the first that opens it and removed by the last, unless the exchange wants silence then: a
ban outlives the instance that met it. A row of a dead process is taken over.

::

    file: header of 64 bytes (magic AEGISRAT, version u64), then ROWS rows of 256 bytes, i64 each
    row:  0 pid  1 start ticks  2 account  5 quiet until  6 stopped until   (3, 4, 7 free)
          8.. weight of a minute, 16.. orders of 10 s, 24.. orders of a minute, each:
          window number, spent in it, window that was told, count told, spent since then (3 free)

Times are the exchange's in ms: its windows are the ones that count (a limiter's window is the time
divided by its length). What the exchange tells includes everybody's spending up to then. Only the
two pauses stand in the row in ms of CLOCK_MONOTONIC, which all processes of the box share: whoever
met a pause may not have known the exchange's clock yet, and may be dead when it is read.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aegis.host.process_identity import ProcessIdentity, is_alive, own_identity
from aegis.shm.errors import ShmError

__all__ = ["ORDERS_1M", "ORDERS_10S", "WEIGHT", "WINDOW_MS", "RateLedger", "ledger_path"]

WEIGHT, ORDERS_10S, ORDERS_1M = range(3)
WINDOW_MS = (60_000, 10_000, 60_000)

ROWS = 64
WORDS = 32
HEADER_BYTES = 64
FILE_BYTES = HEADER_BYTES + ROWS * WORDS * 8
_MAGIC = b"AEGISRAT"
_VERSION = 1
_PID, _START, _ACCOUNT = range(3)
_QUIET, _STOPPED = 5, 6
_FIRST = 8
_STRIDE = 8
_WINDOW, _SPENT, _TOLD_WINDOW, _TOLD, _SINCE = range(5)
assert _FIRST + 3 * _STRIDE == WORDS, "three limiters fill the row"

Rows = npt.NDArray[np.int64]


def ledger_path(instance_directory: Path, host: str | None) -> Path:
    """Where the ledger of an exchange is: beside the instances; the embedded one's inside its own.

    `host` is the exchange's host[:port], None for the embedded one.
    """
    if host is None:
        return instance_directory / "rates"
    return instance_directory.parent / f".aegis-rates-{host.replace(':', '-')}"


class RateLedger:
    """One process's row, and the sum over all. Not thread-safe."""

    def __init__(self, rows: Rows, place: int, account: int, path: Path | None = None) -> None:
        """Use `open` or `private`."""
        self._rows = rows
        self._row = rows[place]
        self._path = path
        self._row[_ACCOUNT] = account
        # From CLOCK_MONOTONIC to the exchange's clock, ms; set by whoever keeps that clock.
        self.offset_ms = 0

    @classmethod
    def private(cls, account: int = 0) -> RateLedger:
        """A ledger that nobody shares."""
        return cls(np.zeros((1, WORDS), np.int64), 0, account)

    @classmethod
    def open(cls, path: Path, account: int) -> RateLedger:
        """Claim a row in the file, making it if there is none. Raises ShmError."""
        descriptor = _locked(path)
        try:
            rows = _mapped(descriptor, path)
            identity = own_identity()
            place = _free_row(rows, identity)
            if place is None:
                raise ShmError(f"{path}: all {ROWS} rows belong to living processes")
            # What a dead predecessor spent in this minute, and the pause it met, still hold.
            rows[place, _START] = identity.start_time_ticks
            rows[place, _PID] = identity.pid
        finally:
            _unlock(descriptor)
        return cls(rows, place, account, path)

    def close(self) -> None:
        """Give the row up; the last one removes the file, unless a pause still has to be known."""
        if self._path is None:
            return
        descriptor = _locked(self._path)
        try:
            # What was spent stays for a minute: the exchange has not forgotten it either.
            self._row[_PID] = 0
            identity = own_identity()
            until_ms = int(self._rows[:, [_QUIET, _STOPPED]].max())
            is_over = until_ms * 1_000_000 <= time.monotonic_ns()
            if is_over and not any(_lives(row, identity) for row in self._rows):
                self._path.unlink(missing_ok=True)
        finally:
            _unlock(descriptor)
        self._path = None

    def spend(self, limiter: int, amount: int, now_ms: int) -> None:
        """Something that costs `amount` leaves."""
        row, at = self._row, _FIRST + limiter * _STRIDE
        window = now_ms // WINDOW_MS[limiter]
        if row[at + _WINDOW] != window:
            row[at + _SPENT] = 0
            row[at + _WINDOW] = window
        row[at + _SPENT] += amount
        row[at + _SINCE] += amount

    def tell(self, limiter: int, count: int, now_ms: int) -> None:
        """The exchange says how much of this window is used, by everybody."""
        row, at = self._row, _FIRST + limiter * _STRIDE
        row[at + _SINCE] = 0
        row[at + _TOLD] = count
        row[at + _TOLD_WINDOW] = now_ms // WINDOW_MS[limiter]

    def used(self, limiter: int, now_ms: int) -> int:
        """How much of the present window is used: the larger of what we know and were told."""
        at = _FIRST + limiter * _STRIDE
        window = now_ms // WINDOW_MS[limiter]
        rows = self._rows
        if limiter != WEIGHT:
            rows = rows[rows[:, _ACCOUNT] == self._row[_ACCOUNT]]
        spent = rows[rows[:, at + _WINDOW] == window, at + _SPENT].sum()
        told = rows[rows[:, at + _TOLD_WINDOW] == window]
        if not told.size:
            return int(spent)
        return int(max(spent, (told[:, at + _TOLD] + told[:, at + _SINCE]).max()))

    def be_quiet(self, until_ms: int) -> None:
        """The exchange wants a pause (429): only what must go may go, everywhere on this box."""
        self._enter(_QUIET, until_ms)

    def stop(self, until_ms: int) -> None:
        """Nothing leaves this box for the exchange any more (418, or a 429 that repeats)."""
        self._enter(_STOPPED, until_ms)

    def _enter(self, word: int, until_ms: int) -> None:
        self._row[word] = max(until_ms - self.offset_ms, int(self._row[word]))

    @property
    def quiet_until_ms(self) -> int:
        """The latest pause that any process was asked for, by our idea of the exchange's clock."""
        return int(self._rows[:, _QUIET].max()) + self.offset_ms

    @property
    def stopped_until_ms(self) -> int:
        """The latest full stop that any process has met, by our idea of the exchange's clock."""
        return int(self._rows[:, _STOPPED].max()) + self.offset_ms


def _locked(path: Path) -> int:
    """The file, open and locked: made if there was none, and surely the one that is linked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise ShmError(f"{path}: {error.strerror}") from None
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        state = os.fstat(descriptor)
        if state.st_nlink == 0:
            # The last user removed it between our open and our lock.
            os.close(descriptor)
            continue
        if state.st_uid != os.geteuid() or state.st_mode & 0o077:
            os.close(descriptor)
            raise ShmError(f"{path}: belongs to user {state.st_uid} or is open to others")
        return descriptor


def _unlock(descriptor: int) -> None:
    # A mapping keeps a duplicate of the descriptor, and with it a lock that is not given back.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _mapped(descriptor: int, path: Path) -> Rows:
    if os.fstat(descriptor).st_size == 0:
        try:
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
        except OSError as error:
            raise ShmError(f"{path}: {error.strerror}") from None
        os.pwrite(descriptor, _MAGIC + _VERSION.to_bytes(8, "little"), 0)
    if os.fstat(descriptor).st_size != FILE_BYTES:
        raise ShmError(f"{path}: is no ledger of this release")
    memory = mmap.mmap(descriptor, FILE_BYTES)
    if memory[:8] != _MAGIC or int.from_bytes(memory[8:16], "little") != _VERSION:
        raise ShmError(f"{path}: is no ledger of this release")
    return np.frombuffer(memory, np.int64, ROWS * WORDS, HEADER_BYTES).reshape(ROWS, WORDS)


def _free_row(rows: Rows, identity: ProcessIdentity) -> int | None:
    """A row of nobody, or of a process that has died; None when there is none."""
    for place, row in enumerate(rows):
        if not _lives(row, identity):
            return place
    return None


def _lives(row: Rows, of_this_boot: ProcessIdentity) -> bool:
    pid = int(row[_PID])
    return pid != 0 and is_alive(ProcessIdentity(pid, int(row[_START]), of_this_boot.boot_id))
