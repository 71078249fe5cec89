"""What an exchange may not forget: accounts, orders, trades, ids and listen keys, over a kill -9.

`VenueState` is everything, and also every change: a change is a state that holds only what moved,
with after-images, so applying it twice does no harm. Two files take turns. Each begins with a whole
state and is then appended to; after `rotate_bytes` of changes the other is written anew with a
higher number and becomes the current one. Only changes count, so that a state of any size is
written once in so many bytes of changes, never at every one. A frame is (length, CRC-32, payload):
whatever a kill leaves half-written fails the CRC and is dropped, and everything acknowledged before
it stands, because nothing is acknowledged before `append` has returned.

This survives the death of the process, not of the machine: it does not call fsync, and it usually
lives in /dev/shm, as does the instance. File::

    0   8  magic "AEGISVJ1"
    8   8  number, u64: the file with the higher one is the current one
    16     frames: length u32, CRC-32 of the payload u32, payload (MessagePack)
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from aegis.venue.algo.order import AlgoOrder
from aegis.venue.errors import JournalError
from aegis.venue.gateway.listen_keys import ListenKey
from aegis.venue.income import Income, MarginChange
from aegis.venue.ledger import Account
from aegis.venue.orders import Amendment, Order, UserTrade

MAGIC: Final = b"AEGISVJ1"
HEADER: Final = struct.Struct("<8sQ")
FRAME: Final = struct.Struct("<II")
NAMES: Final = ("venue-journal.a", "venue-journal.b")
ROTATE_BYTES: Final = 256 * 1024
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024


Countdowns = list[tuple[int, str, int]]  # account, symbol, deadline on the clock of the wall


class VenueState(msgspec.Struct, omit_defaults=True):
    """A whole state or a change of one. Empty fields say nothing; lists and dicts are merged."""

    identity: str = ""
    orders: list[Order] = []
    accounts: list[Account] = []
    trades: list[UserTrade] = []
    algos: list[AlgoOrder] = []
    amendments: list[Amendment] = []
    countdowns: Countdowns | None = None
    incomes: list[Income] = []
    margin_changes: list[MarginChange] = []
    # The ids up to which the exchange may have counted: order, trade, update.
    reserved_ids: tuple[int, int, int] | None = None
    fees_e8: int | None = None
    listen_keys: list[ListenKey] | None = None
    prices: dict[str, int] = {}


class Recovered:
    """A state put together again from a file's frames."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.orders: dict[int, Order] = {}
        self.accounts: dict[int, Account] = {}
        self.trades: list[UserTrade] = []
        self.algos: dict[int, AlgoOrder] = {}
        self.amendments: list[Amendment] = []
        self.countdowns: Countdowns = []
        self.incomes: list[Income] = []
        self.margin_changes: list[MarginChange] = []
        self.reserved_ids = (0, 0, 0)
        self.fees_e8 = 0
        self.listen_keys: list[ListenKey] = []
        self.prices: dict[str, int] = {}

    def merge(self, change: VenueState) -> None:
        for order in change.orders:
            self.orders[order.order_id] = order
        for account in change.accounts:
            self.accounts[account.account_id] = account
        self.trades.extend(change.trades)
        for algo in change.algos:
            self.algos[algo.algo_id] = algo
        self.amendments.extend(change.amendments)
        self.incomes.extend(change.incomes)
        self.margin_changes.extend(change.margin_changes)
        if change.countdowns is not None:
            self.countdowns = change.countdowns
        if change.reserved_ids is not None:
            self.reserved_ids = change.reserved_ids
        if change.fees_e8 is not None:
            self.fees_e8 = change.fees_e8
        if change.listen_keys is not None:
            self.listen_keys = change.listen_keys
        self.prices.update(change.prices)


class Journal:
    """The two files of one venue in a folder of its own instance."""

    def __init__(self, folder: Path, identity: str, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._paths = [folder / name for name in NAMES]
        self._identity = identity
        self._rotate_bytes = rotate_bytes
        self._number = 0
        self._descriptor: int | None = None
        self._appended_bytes = 0
        self._encoder = msgspec.msgpack.Encoder()

    def recover(self) -> Recovered | None:
        """The newest state on disk; None if there is none, or one of another venue's keys."""
        best: Recovered | None = None
        for path in self._paths:
            number, state = self._read(path)
            if state is not None and number > self._number:
                self._number = number
                best = state
        return best

    def begin(self, state: VenueState) -> None:
        """Start the next file with a whole state. Raises JournalError."""
        self._number += 1
        state.identity = self._identity
        # A whole state is large: its parts are written as they are, not copied together.
        payload = self._encoder.encode(state)
        opening = HEADER.pack(MAGIC, self._number) + _frame_head(payload)
        path = self._paths[self._number % 2]
        fresh = path.with_suffix(path.suffix + ".new")
        descriptor = -1
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(fresh, flags, 0o600)
            _write_all(descriptor, opening)
            _write_all(descriptor, payload)
            os.replace(fresh, path)
        except OSError as error:
            # The old file goes on; it is tried again, maybe often, and must not cost a descriptor.
            if descriptor >= 0:
                os.close(descriptor)
            raise JournalError(f"{path}: cannot be written: {error}") from error
        self._close()
        self._descriptor = descriptor
        self._appended_bytes = 0

    def append(self, change: VenueState) -> None:
        """Make a change durable against the death of this process. Raises JournalError."""
        assert self._descriptor is not None, "append before begin"
        payload = self._encoder.encode(change)
        frame = _frame_head(payload) + payload
        try:
            _write_all(self._descriptor, frame)
        except OSError as error:
            raise JournalError(f"{self._paths[0].parent}: cannot append: {error}") from error
        self._appended_bytes += len(frame)

    @property
    def is_full(self) -> bool:
        """Time to `begin` the other file."""
        return self._appended_bytes > self._rotate_bytes

    def discard(self) -> None:
        """The venue has ended for good: leave nothing behind."""
        self._close()
        for path in self._paths:
            path.unlink(missing_ok=True)
            path.with_suffix(path.suffix + ".new").unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, path: Path) -> tuple[int, Recovered | None]:
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return 0, None
        except OSError as error:
            raise JournalError(f"{path}: cannot be read: {error}") from error
        if len(raw) < HEADER.size:
            return 0, None
        magic, number = HEADER.unpack_from(raw)
        if magic != MAGIC:
            return 0, None
        state = Recovered(self._identity)
        at = HEADER.size
        frames = 0
        while True:
            payload = _next_payload(raw, at)
            if payload is None:
                break
            try:
                change = msgspec.msgpack.decode(payload, type=VenueState)
            except msgspec.DecodeError:
                break
            if frames == 0 and change.identity != self._identity:
                return 0, None
            state.merge(change)
            at += FRAME.size + len(payload)
            frames += 1
        return (number, state) if frames else (0, None)


def _frame_head(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), zlib.crc32(payload))


def _next_payload(raw: bytes, at: int) -> bytes | None:
    """The payload of the frame at an offset; None where the file ends or is torn."""
    if at + FRAME.size > len(raw):
        return None
    length, checksum = FRAME.unpack_from(raw, at)
    payload = raw[at + FRAME.size : at + FRAME.size + length]
    if length > MAX_FRAME_BYTES or len(payload) != length or zlib.crc32(payload) != checksum:
        return None
    return payload


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
