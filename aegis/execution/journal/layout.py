"""The format of the execution journal: segment header and record, byte by byte.

::

    run-0218765432-000001.journal            one segment: a header, then records without a gap
    ┌──────────────────────────── 512 bytes ────────────────────────────┐
    │   0  magic "AEGISJ1\\n"     8  version u32    12  record bytes u32 │
    │  16  run u64 (the durable epoch)             24  segment number u64│
    │  32  first sequence u64    40  chain before it u64                │
    │  48  created, CLOCK_REALTIME ns i64          56  flags u32, mode u32│
    │  64  instance 32 B         96  build id 16 B                      │
    │ 112  configuration SHA-256 32 B             144  account 64 B     │
    │ 208  BLAKE2b-256 of the whole segment before, 32 B (0: none)      │
    │ 240  zero                                   508  CRC-32 of 0..508 │
    ├──────────────────────── 128 bytes a record ───────────────────────┤
    │   0  length u32 = 128       4  CRC-32 of bytes 8..128             │
    │   8  sequence u64          16  chain u64: of the record before    │
    │  24  kind u16, code u16    28  instrument u32     and this one    │
    │  32  ts_ns i64 (REALTIME)  40  mono_ns i64 (MONOTONIC)            │
    │  48  order_ref i64         56  epoch u32, side i16, flags u16     │
    │  64  ident i64             72  price_ticks i64                    │
    │  80  qty_lots i64          88  cum_lots i64                       │
    │  96  trade_id i64         104  amount_e8 i64                      │
    │ 112  event_ns i64         120  number i64                         │
    └───────────────────────────────────────────────────────────────────┘
    zeros up to the preallocated size; a clean end cuts them off

All little-endian. Sequences count from 1 and never start again, over segments and runs; a record
whose sequence, chain or CRC is not what follows from the one before ends the good prefix. CRC-32 is
zlib's. What the fields of each kind hold is told at the kinds below; a field not named there is 0.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = [
    "CONTINUES",
    "HEADER_BYTES",
    "KINDS",
    "RECORD",
    "RECORD_BYTES",
    "SegmentHeader",
    "is_segment",
    "run_of_name",
    "segment_name",
]

RECORD = np.dtype(
    [
        ("length", "<u4"),
        ("crc", "<u4"),
        ("sequence", "<u8"),
        ("chain", "<u8"),
        ("kind", "<u2"),
        ("code", "<u2"),
        ("instrument", "<u4"),
        ("ts_ns", "<i8"),
        ("mono_ns", "<i8"),
        ("order_ref", "<i8"),
        ("epoch", "<u4"),
        ("side", "<i2"),
        ("flags", "<u2"),
        ("ident", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("cum_lots", "<i8"),
        ("trade_id", "<i8"),
        ("amount_e8", "<i8"),
        ("event_ns", "<i8"),
        ("number", "<i8"),
    ]
)
RECORD_BYTES: Final = 128
RECORD_WORDS: Final = RECORD_BYTES // 8
assert RECORD.itemsize == RECORD_BYTES, "two cache lines a record"

KINDS: Final = (
    "END",  # no record: the zeros after the last one
    "RUN",  # ident: run; code: mode; trade_id: the strategy's tag; the rest: see `gauges`
    "INSTRUMENT",  # symbol in ident..qty_lots; trade_id, amount_e8: tick, step; code: decimals
    "SNAPSHOT",  # what follows up to CHECKPOINT is the whole state; ident: its hash
    "CHECKPOINT",  # ident: hash of the state after every record so far; number: open orders
    "ORDER",  # of a snapshot, an open order; see `snapshot`
    "CARRIED",  # the name of an order of an earlier run: ident, number, trade_id: run, epoch, ref
    "POSITION",  # qty_lots, amount_e8, cum_lots, trade_id: lots, cost, realised profit, fees
    "SUMS",  # amount_e8: funding; cum_lots, trade_id: net realised, base of the day; number: day
    "TRADE",  # trade_id of an instrument is in the books already
    "CONFIRMED",  # trade_id: the exchange's list and the books agree up to here, 0: nowhere yet;
    # event_ns: since when the books hold every trade, 0: see trade_id
    "PLACE",  # an intent, about to be sent; ident: intent id; number: timestamp in it, ms
    "EVENT",  # evidence about an order; code: event; number: exchange's code; flags: its reason;
    # of AMENDED: price_ticks, qty_lots; flags: STILL_AMENDING if ours is under way all the same
    "FILL",  # a trade of an order; ident: exchange's order id; amount_e8: fee; number: realised
    "STRAY",  # a trade of an order that the table does not know; as FILL
    "ADOPT",  # the exchange's position taken over; qty_lots, amount_e8: lots, cost
    "LATCH",  # code: its state; number: the control that moved it
    "VERDICT",  # of a reconciliation; code: 1 equal, 2 not; ident: what it looked at
    "FUNDING",  # amount_e8: received (paid: negative); trade_id: its number, 0: told by the stream
    "FUNDED",  # a change of the funding book; code, side, trade_id, amount_e8: see `funding_book`
    "AMEND",  # new terms of an order, about to be sent; ident: intent id; number: timestamp, ms;
    # of a snapshot: code is the order's bits, event_ns the time of its last change in ms
)
(
    END,
    RUN,
    INSTRUMENT,
    SNAPSHOT,
    CHECKPOINT,
    ORDER,
    CARRIED,
    POSITION,
    SUMS,
    TRADE,
    CONFIRMED,
    PLACE,
    EVENT,
    FILL,
    STRAY,
    ADOPT,
    LATCH,
    VERDICT,
    FUNDING,
    FUNDED,
    AMEND,
) = range(len(KINDS))

STILL_AMENDING: Final = 1
HEADER_BYTES: Final = 512
MAGIC: Final = b"AEGISJ1\n"
VERSION: Final = 2
# Version 1 knew no amends, and less of what the stream tells of funding; all it has is as it was.
READABLE: Final = (1, 2)
_HEADER: Final = struct.Struct("<8sIIQQQQqII32s16s32s64s32s")
_CRC: Final = struct.Struct("<I")
_CRC_AT: Final = HEADER_BYTES - _CRC.size
assert _HEADER.size == 240, "the diagram above"

# Flag of a header: it begins without a snapshot, so the segment before it is needed, too.
CONTINUES: Final = 1
_NAME_DIGITS: Final = 10
_NAME: Final = re.compile(r"run-(\d{10,})-\d{6,}\.journal(\..*)?")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself. `chain` and `previous` tie it to the one before."""

    run: int
    number: int
    first_sequence: int
    chain: int
    created_ns: int
    instance: str
    build_id: str
    config_hash: bytes
    account: str
    previous: bytes = bytes(32)
    flags: int = 0
    mode: int = 0

    def pack(self) -> bytes:
        """The 512 bytes."""
        body = _HEADER.pack(
            MAGIC,
            VERSION,
            RECORD_BYTES,
            self.run,
            self.number,
            self.first_sequence,
            self.chain,
            self.created_ns,
            self.flags,
            self.mode,
            self.instance.encode(),
            self.build_id.encode(),
            self.config_hash,
            self.account.encode(),
            self.previous,
        ).ljust(_CRC_AT, b"\0")
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, content: bytes | bytearray | memoryview) -> SegmentHeader:
        """Read a header. Raises ValueError with what is wrong with it."""
        if len(content) < HEADER_BYTES:
            raise ValueError(f"{len(content)} bytes are no header of {HEADER_BYTES}")
        body = bytes(content[:_CRC_AT])
        if body[:8] != MAGIC:
            raise ValueError("it does not begin with the journal's magic")
        (crc,) = _CRC.unpack_from(content, _CRC_AT)
        if crc != zlib.crc32(body):
            raise ValueError("the checksum of the header does not match")
        fields = _HEADER.unpack_from(body)
        if fields[1] not in READABLE or fields[2] != RECORD_BYTES:
            known = ", ".join(map(str, READABLE))
            raise ValueError(f"format version {fields[1]} is not one of {known}, which are read")
        return cls(
            run=fields[3],
            number=fields[4],
            first_sequence=fields[5],
            chain=fields[6],
            created_ns=fields[7],
            flags=fields[8],
            mode=fields[9],
            instance=fields[10].rstrip(b"\0").decode("utf-8", "replace"),
            build_id=fields[11].rstrip(b"\0").decode("utf-8", "replace"),
            config_hash=fields[12],
            account=fields[13].rstrip(b"\0").decode("utf-8", "replace"),
            previous=fields[14],
        )


def segment_name(run: int, number: int) -> str:
    """The file of a segment; names sort as the segments follow one another."""
    return f"run-{run:0{_NAME_DIGITS}d}-{number:06d}.journal"


def is_segment(name: str) -> bool:
    """Whether a file's name is that of a segment (not of what was put aside)."""
    return _NAME.fullmatch(name) is not None and name.endswith(".journal")


def run_of_name(name: str) -> int | None:
    """The run of a segment, or of what was put aside of one, by its name; None for other files."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found is not None else None
