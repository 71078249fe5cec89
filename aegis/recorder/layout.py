"""The layout of a recording: frames of 64-byte records, and the records that only files hold.

A recording is frames one after another, nothing between them (little endian)::

    byte 0       4       6       8          16        24           32        36        40
         +-------+-------+-------+----------+---------+------------+---------+---------+
         | magic | kind  | codec | segment  | number  | position   | stored  | raw     |
         +-------+-------+-------+----------+---------+------------+---------+---------+
    byte 40          44          48
         +-----------+-----------+------------------------+
         | crc body  | crc head  | body, `stored` bytes    |
         +-----------+-----------+------------------------+

`segment` is a random number, the same in every frame of a file; `number` counts its frames from 0;
`position` counts the records before the frame. `crc head` is the CRC-32 of the 44 bytes before it,
`crc body` that of the stored bytes: no length is believed before it has been checked. Codec 0 is
plain; codec 1 is Zstandard over the records' 64-bit words column by column (all first words, then
all second words ...), which compresses half again as well as record by record.

=========== ====================================================================================
kind        body
=========== ====================================================================================
HEADER      JSON: what was recorded, when, and how `ts_recv_ns` relates to the time of day
INSTRUMENTS rows of the instruments table, 128 bytes each; holds for the frames after it
RECORDS     tick records, 64 bytes each (aegis.shm.tick), in the order of the ring
LOSS        i64 records lost here, i64 times lapped, i64 reason (RING to TORN below)
END         i64 records, i64 lost, i64 frames: the recording was closed in good order
=========== ====================================================================================

Tick records of kinds 64 and up never stand in the ring:

======== =======================================================================================
kind      a, b, c, d, e
======== =======================================================================================
LEVEL     price, quantity (0 removes), side (+1 bid, -1 ask), update id, place from the top
BAND      percentage from the mid, quantity, notional, 0, 0 (sums over a part of the book)
======== =======================================================================================

A LEVEL whose flags hold PICTURE is part of a picture: all that was known of the book, to take the
place of what was known before; without it, a change. FIRST marks the first record of its message. A
TRADE whose flags hold AGGREGATE stands for `e` trades; its id is that of the aggregate.
"""

import struct

import numpy as np

from aegis.shm.tick import TICK

__all__ = [
    "AGGREGATE",
    "BACKLOG",
    "BAND",
    "CODEC_COLUMNS",
    "CODEC_PLAIN",
    "DAMAGE",
    "END",
    "FIRST",
    "HEADER",
    "HEAD_BYTES",
    "INSTRUMENTS",
    "INVALID",
    "KIND_NAMES",
    "LEVEL",
    "LOSS",
    "MAGIC",
    "OFF_BOOK",
    "PICTURE",
    "RECORDS",
    "RECORD_BYTES",
    "RECORD_WORDS",
    "RING",
    "SUFFIX",
    "TORN",
    "VERSION",
]

VERSION = 1
MAGIC = b"AGRF"
SUFFIX = ".rec"

HEAD = struct.Struct("<4sHHQQQIII")
HEAD_CRC = struct.Struct("<I")
HEAD_BYTES = HEAD.size + HEAD_CRC.size
assert HEAD_BYTES == 48, "the documented head of a frame is 48 bytes"
# A length beyond it is damage that happens to have the right sum; nothing writes such a frame.
MAX_BODY_BYTES = 64 << 20

HEADER, INSTRUMENTS, RECORDS, LOSS, END = 1, 2, 3, 4, 5
CODEC_PLAIN, CODEC_COLUMNS = 0, 1
LOSS_BODY = struct.Struct("<qqq")
END_BODY = struct.Struct("<qqq")
# Why records are missing: the ring lapped the reader; the disk took nothing for too long; a repair
# found frames spoiled here; or spoiled to the end, and then at least so many are missing.
RING, BACKLOG, DAMAGE, TORN = 1, 2, 3, 4

RECORD_BYTES = TICK.itemsize
RECORD_WORDS = RECORD_BYTES // 8
assert RECORD_WORDS == 8, "codec 1 turns the eight words of a record into columns"

LEVEL, BAND = 64, 66
# Flags of a TRADE, of which the feed sets the first, ...
OFF_BOOK, AGGREGATE = 1, 2
# ... and of a LEVEL. INVALID: the feed had marked the book as not to be traded on.
PICTURE, FIRST, INVALID = 1, 2, 4

KIND_NAMES = {
    1: "trade", 2: "quote", 3: "candle", 4: "book", 5: "mark", 6: "funding", 7: "liquidation",
    8: "status", 9: "gap", 10: "clock", 11: "canary", 12: "resync",
    LEVEL: "level", BAND: "band",
}  # fmt: skip

WORD = np.dtype("<u8")
