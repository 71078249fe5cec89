"""A journal of 10,000 records, cut at every byte and with a bit flipped in every byte.

Whatever is done to it, the reader gives back exactly the records before the damage. A scan is a
fold: what it knows after record k is (k, chain). So each of the 2.56 million trials begins two
records before the damage, from what the whole scan knew there, and a few hundred begin at the first
record or go through real files.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aegis.execution.journal.checksum import scan_records, seal_records
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import (
    FUNDING,
    HEADER_BYTES,
    RECORD,
    RECORD_BYTES,
    RECORD_WORDS,
    SegmentHeader,
    segment_name,
)
from aegis.execution.journal.reader import read_journal, read_segment, scan
from aegis.execution.journal.recovery import recover
from aegis.host.jit import kernel
from tests.execution.journal.keeper import ACCOUNT, Keeper

RECORDS = 10_000
FIRST = 77
CHAIN = 0x1234_5678_9ABC_DEF0


@pytest.fixture(scope="module")
def body() -> npt.NDArray[np.uint8]:
    """The bytes of 10,000 sealed records with random content."""
    rng = np.random.default_rng(7)
    records = np.zeros(RECORDS, RECORD)
    content = records.view(np.uint8).reshape(RECORDS, RECORD_BYTES)
    content[:, 24:] = rng.integers(0, 256, (RECORDS, RECORD_BYTES - 24), np.uint8)
    records["kind"] = FUNDING
    seal_records(records.view(np.uint64), RECORDS, np.uint64(FIRST), np.uint64(CHAIN))
    return content.reshape(-1)


@pytest.fixture(scope="module")
def header() -> bytes:
    return SegmentHeader(1, 1, FIRST, CHAIN, 1, "t", "b", b"c" * 32, ACCOUNT).pack()


@kernel("i8(u8[::1],u1[::1],u8[::1],u8[::1],i8,i8,i8)")
def damaged(
    words: Any, content: Any, chains: Any, after: Any, begin: Any, end: Any, first: Any
) -> Any:
    """Cut at, then flip a bit of, every byte of begin..end; the first byte that ends wrong, or -1.

    `words` and `content` are the same bytes; `chains[k]` is the chain before record k.
    """
    for place in range(begin, end):
        record = place // RECORD_BYTES
        start = max(0, record - 2)
        from_word = start * RECORD_WORDS
        sequence = np.uint64(first + start)
        # Cut: only whole words are left to the scan, as `reader.scan` does it.
        cut = words[from_word : place // 8]
        if start + scan_records(cut, sequence, chains[start], after) != record:
            return np.int64(place)
        bit = np.uint8(1 << (place * 5 % 8))
        content[place] ^= bit
        whole = words[from_word : min(words.size, from_word + 5 * RECORD_WORDS)]
        good = start + scan_records(whole, sequence, chains[start], after)
        content[place] ^= bit
        if good != record:
            return np.int64(place)
    return np.int64(-1)


def chains_of(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    found = np.zeros(RECORDS + 1, np.uint64)
    found[0] = CHAIN
    found[1:] = body.view(RECORD)["chain"]
    return found


def test_the_whole_is_good(body: npt.NDArray[np.uint8]) -> None:
    assert scan(body, FIRST, CHAIN)[::2] == (RECORDS, "good")


def test_cut_at_and_flipped_in_every_byte(body: npt.NDArray[np.uint8]) -> None:
    """Every byte of all 10,000 records."""
    copy = body.copy()
    after = np.zeros(1, np.uint64)
    words = copy.view(np.uint64)
    assert damaged(words, copy, chains_of(body), after, 0, copy.size, FIRST) == -1
    assert (copy == body).all()
    # The same from the first record on, as a start does it.
    for place in range(0, copy.size, 8_191):
        assert scan(copy[:place], FIRST, CHAIN)[0] == place // RECORD_BYTES
        copy[place] ^= 1
        good, _, state = scan(copy, FIRST, CHAIN)
        assert good == place // RECORD_BYTES
        assert state == ("damaged" if good < RECORDS - 1 else "torn")
        copy[place] ^= 1


def test_the_check_itself_finds_a_reader_that_is_wrong(body: npt.NDArray[np.uint8]) -> None:
    """With a wrong chain for one record the very trial that rests on it must fail."""
    copy = body.copy()
    chains = chains_of(body)
    chains[500] ^= np.uint64(1)
    after = np.zeros(1, np.uint64)
    place = damaged(copy.view(np.uint64), copy, chains, after, 0, copy.size, FIRST)
    assert place // RECORD_BYTES == 502, "the first trial that begins at record 500"


def test_bytes_set_exchanged_and_repeated(body: npt.NDArray[np.uint8]) -> None:
    rng = random.Random(3)
    rows = body.reshape(RECORDS, RECORD_BYTES)
    for _ in range(60):
        one, other = sorted(rng.sample(range(RECORDS), 2))
        copy = rows.copy()
        copy[[one, other]] = copy[[other, one]]
        assert scan(copy.reshape(-1), FIRST, CHAIN)[0] == one, "two records exchanged"
        copy = np.delete(rows, one, axis=0)
        assert scan(copy.reshape(-1), FIRST, CHAIN)[0] == one, "one left out"
        copy = np.insert(rows, other, rows[one], axis=0)
        assert scan(copy.reshape(-1), FIRST, CHAIN)[0] == other, "one put in twice"
        copy = rows.copy()
        copy[one:] = 0
        assert scan(copy.reshape(-1), FIRST, CHAIN)[::2] == (one, "good"), "zeros end a journal"


def test_a_spoiled_header_gives_nothing_back(body: npt.NDArray[np.uint8], header: bytes) -> None:
    for place in range(HEADER_BYTES):
        spoiled = bytearray(header + body[: 4 * RECORD_BYTES].tobytes())
        spoiled[place] ^= 1 << place % 8
        found = read_segment("x", spoiled)
        assert found.state == "unreadable" and len(found.records) == 0
        assert len(read_segment("x", header[:place]).records) == 0


def test_through_real_files(body: npt.NDArray[np.uint8], header: bytes, tmp_path: Path) -> None:
    """The reader and the quarantine as a start runs them, at a few hundred places of a file."""
    rng = random.Random(9)
    whole = header + body[: 300 * RECORD_BYTES].tobytes()
    name = segment_name(1, 1)
    places = [HEADER_BYTES, len(whole) - 1, *rng.sample(range(HEADER_BYTES, len(whole)), 120)]
    for number, place in enumerate(places):
        for flip in (False, True):
            folder = tmp_path / f"{number}{flip}"
            disk = FolderDisk(folder)
            content = bytearray(whole if flip else whole[:place])
            if flip:
                content[place] ^= 0x10
            (folder / name).write_bytes(bytes(content))
            (segment,) = read_journal(disk)
            good = (place - HEADER_BYTES) // RECORD_BYTES
            assert len(segment.records) == good
            assert segment.records.tobytes() == body[: good * RECORD_BYTES].tobytes()
            disk.close()


def test_a_torn_end_is_put_aside_and_named(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "memory", FolderDisk(tmp_path / "journal"))
    keeper.trade(random.Random(1), 60)
    keeper.journal.checkpoint()
    sums = keeper.sums()
    keeper.desk.send(keeper.desk.intent())
    keeper.journal.flush()
    (name,) = [p.name for p in (tmp_path / "journal").iterdir() if p.name.endswith(".journal")]
    path = tmp_path / "journal" / name
    whole = path.read_bytes()
    end = keeper.journal.writer.offset
    keeper.disk.close()
    path.write_bytes(whole[: end - 50] + bytes(len(whole) - end + 50))
    disk = FolderDisk(tmp_path / "journal")
    found = recover(disk, ACCOUNT)
    aside = tmp_path / "journal" / f"{name}.torn-{end - RECORD_BYTES}"
    assert aside.read_bytes() == whole[end - RECORD_BYTES : end - 50].rstrip(b"\0")
    assert found.findings == [
        f"{name}: bytes that are no record from offset {end - RECORD_BYTES} on, nothing good "
        f"after them; moved to {aside.name}"
    ]
    assert path.stat().st_size == end - RECORD_BYTES
    disk.close()
    # The next start finds nothing to complain of, and the same books.
    survivor = Keeper(tmp_path / "memory2", FolderDisk(tmp_path / "journal"))
    assert survivor.found.findings == [] and survivor.sums() == sums
    assert survivor.journal.run == keeper.journal.run + 1
    survivor.desk.close()
    keeper.desk.close()


def test_damage_in_the_middle_stops_there_and_says_so(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "memory", FolderDisk(tmp_path / "journal"))
    keeper.trade(random.Random(1), 60)
    keeper.disk.close()
    (path,) = (tmp_path / "journal").glob("*.journal")
    with open(path, "r+b") as file:
        file.seek(HEADER_BYTES + 20 * RECORD_BYTES + 70)
        file.write(b"\xff\xfe")
    disk = FolderDisk(tmp_path / "journal")
    found = recover(disk, ACCOUNT)
    (finding,) = found.findings
    assert "record 20 of the segment (sequence 21" in finding
    assert f"good records follow from offset {HEADER_BYTES + 21 * RECORD_BYTES}" in finding
    assert found.has_state and found.tip.sequence == 21
    disk.close()
    keeper.desk.close()


def test_a_segment_that_was_only_begun_is_put_aside(tmp_path: Path) -> None:
    """Power lost while the next run wrote its first state: the last one is what counts."""
    keeper = Keeper(tmp_path / "memory", FolderDisk(tmp_path / "journal"))
    keeper.trade(random.Random(1), 60)
    sums = keeper.sums()
    keeper.disk.close()
    second = Keeper(tmp_path / "memory2", FolderDisk(tmp_path / "journal"))
    second.disk.close()
    newest = max((tmp_path / "journal").glob("*.journal"))
    with open(newest, "r+b") as file:
        file.truncate(HEADER_BYTES + 4 * RECORD_BYTES)
    third = Keeper(tmp_path / "memory3", FolderDisk(tmp_path / "journal"))
    assert third.found.findings == [
        f"{newest.name}: its snapshot is not whole; moved to {newest.name}.torn"
    ]
    assert third.sums() == sums and third.journal.run == second.journal.run + 1
    for one in (keeper, second, third):
        one.desk.close()
