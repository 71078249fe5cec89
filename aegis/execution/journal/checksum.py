"""Sealing records and checking them: CRC-32, sequence and chain, as kernels.

Two sums, because they answer two questions. The CRC (zlib's CRC-32, so that anybody can check it)
says that the bytes of one record are whole: it finds every single flipped bit and every burst of up
to 32. The chain, 64 bits mixed from the chain of the record before and this one's words, says that
nothing was left out, exchanged or put in between. Each step of the mix can be undone, so two
records that differ in one word never lead to the same chain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.execution.journal.layout import RECORD_BYTES, RECORD_WORDS
from aegis.host.jit import kernel

__all__ = ["find_good", "scan_records", "seal_records"]

_POLYNOMIAL = 0xEDB88320


def _tables() -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Slicing-by-8 tables, u32[8, 256] (Kounavis and Berry, "A Systematic Approach", 2005)."""
    table = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table[0, byte] = value
    for row in range(1, 8):
        for byte in range(256):
            before = int(table[row - 1, byte])
            table[row, byte] = before >> 8 ^ int(table[0, before & 0xFF])
    return table


_TABLE = _tables()
_BYTE = np.uint64(0xFF)
_LOW = np.uint64(0xFFFFFFFF)
_LENGTH = np.uint64(RECORD_BYTES)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


@kernel("u8(u8[::1],i8)")
def _crc_of(words: Any, at: Any) -> Any:
    """CRC-32 of the bytes of a record after its first word; `at` is the place of that word."""
    crc = _LOW
    for place in range(at + 1, at + RECORD_WORDS):
        word = words[place] ^ crc
        crc = np.uint64(
            _TABLE[7, np.int64(word & _BYTE)]
            ^ _TABLE[6, np.int64(word >> np.uint64(8) & _BYTE)]
            ^ _TABLE[5, np.int64(word >> np.uint64(16) & _BYTE)]
            ^ _TABLE[4, np.int64(word >> np.uint64(24) & _BYTE)]
            ^ _TABLE[3, np.int64(word >> np.uint64(32) & _BYTE)]
            ^ _TABLE[2, np.int64(word >> np.uint64(40) & _BYTE)]
            ^ _TABLE[1, np.int64(word >> np.uint64(48) & _BYTE)]
            ^ _TABLE[0, np.int64(word >> np.uint64(56) & _BYTE)]
        )
    return crc ^ _LOW


@kernel("u8(u8,u8)")
def mix(chain: Any, word: Any) -> Any:
    """One step of the chain; for a fixed word as for a fixed chain it can be undone."""
    mixed = (chain ^ word) * _MIX
    return mixed ^ mixed >> _HALF


@kernel("u8(u8[::1],i8,u8)")
def _chain_of(words: Any, at: Any, chain: Any) -> Any:
    """The chain after a record: of everything in it but its checksums."""
    chain = mix(chain, words[at + 1])
    for place in range(at + 3, at + RECORD_WORDS):
        chain = mix(chain, words[place])
    return chain


@kernel("u8(u8[::1],i8,u8,u8)")
def seal_records(words: Any, count: Any, first_sequence: Any, chain: Any) -> Any:
    """Give `count` records length, sequence, chain and CRC; returns the chain after the last.

    `words` are the records as u64; `chain` is that of the record before the first.
    """
    for record in range(count):
        at = record * RECORD_WORDS
        words[at + 1] = first_sequence + np.uint64(record)
        chain = _chain_of(words, at, chain)
        words[at + 2] = chain
        words[at] = _LENGTH | _crc_of(words, at) << _HALF
    return chain


@kernel("i8(u8[::1],u8,u8,u8[::1])")
def scan_records(words: Any, first_sequence: Any, chain: Any, after: Any) -> Any:
    """How many records from the first on are good, each following from the one before.

    `words` are the bytes after the header as u64, whole records or not; `after[0]` becomes the
    chain after the last good one.
    """
    whole = words.size // RECORD_WORDS
    good = np.int64(0)
    while good < whole:
        at = good * RECORD_WORDS
        if words[at] != _LENGTH | _crc_of(words, at) << _HALF:
            break
        if words[at + 1] != first_sequence + np.uint64(good):
            break
        following = _chain_of(words, at, chain)
        if words[at + 2] != following:
            break
        chain = following
        good += 1
    after[0] = chain
    return good


@kernel("i8(u8[::1],i8)")
def find_good(words: Any, start: Any) -> Any:
    """The first record from `start` on whose own CRC is right, -1 for none.

    Asked after a bad record: is it the torn end, or damage in the middle?
    """
    for record in range(start, words.size // RECORD_WORDS):
        at = record * RECORD_WORDS
        if words[at] == _LENGTH | _crc_of(words, at) << _HALF:
            return np.int64(record)
    return np.int64(-1)
