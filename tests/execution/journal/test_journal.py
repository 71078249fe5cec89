"""The journal written and read back: nothing lost, the same state, the same hash."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegis.execution import order_states as states
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.errors import JournalBusyError, JournalDirError
from aegis.execution.journal.layout import (
    CHECKPOINT,
    HEADER_BYTES,
    KINDS,
    PLACE,
    SegmentHeader,
    is_segment,
    run_of_name,
    segment_name,
)
from aegis.execution.journal.reader import read_journal, recovery_base
from aegis.execution.journal.replay import Replay
from aegis.execution.journal.state import state_hash
from tests.execution.journal.keeper import ACCOUNT, SEGMENT_BYTES, Keeper
from tests.execution.journal.memory_disk import MemoryDisk


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(tmp_path / "memory", MemoryDisk())
    yield made
    made.desk.close()


def replayed(disk: MemoryDisk, first: str = "") -> Replay:
    replay = Replay()
    for segment in read_journal(disk, first):
        assert segment.is_good, segment.text
        replay.feed(segment.records)
    return replay


def test_a_header_reads_back_and_any_flipped_bit_is_found() -> None:
    header = SegmentHeader(7, 2, 11, 12, 13, "btc", "b" * 16, b"c" * 32, "account", b"p" * 32, 1, 2)
    packed = header.pack()
    assert len(packed) == HEADER_BYTES and SegmentHeader.unpack(packed) == header
    for place in range(HEADER_BYTES):
        spoiled = bytearray(packed)
        spoiled[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"checksum|magic|bytes"):
            SegmentHeader.unpack(bytes(spoiled))


def test_names_sort_as_segments_follow() -> None:
    names = [segment_name(run, number) for run in (9, 10, 2_000_000_000) for number in (1, 2, 10)]
    assert names == sorted(names) and all(map(is_segment, names))
    assert run_of_name(names[0]) == 9
    assert run_of_name(names[0] + ".torn-640") == 9 and not is_segment(names[0] + ".torn-640")
    assert run_of_name("spare") is None and not is_segment("lock")


def test_a_placement_is_written_before_anybody_could_send_it(keeper: Keeper) -> None:
    (action,) = keeper.desk.send(keeper.desk.intent(qty_lots=3, price_ticks=599_000))
    assert keeper.journal.flush()
    (segment,) = read_journal(keeper.disk)
    last = segment.records[-1]
    assert KINDS[int(last["kind"])] == "PLACE"
    placed = [int(last[name]) for name in ("order_ref", "price_ticks", "qty_lots")]
    assert placed == [1, 599_000, 3]
    assert keeper.core.view(action[1]).client_id == keeper.core.ids.text(1, 1)
    body = segment.records[-1:].tobytes()
    assert int(last["crc"]) == zlib.crc32(body[8:]), "anybody can check it"


def test_a_replay_rebuilds_the_same_hash_at_every_checkpoint(keeper: Keeper) -> None:
    rng = random.Random(5)
    for _ in range(20):
        keeper.trade(rng, 40)
        live = keeper.journal.checkpoint()
        replay = replayed(keeper.disk)
        assert replay.hash == live and not replay.hash_errors
    assert replay.hashes >= 20
    assert replay.gate is not None
    assert [tuple(map(int, row)) for row in replay.gate.exposure[["position_lots", "cost_e8"]]] == [
        row[:2] for row in keeper.sums()
    ]
    assert any(any(row) for row in keeper.sums()), "something was traded"


def test_a_hash_that_is_not_the_states_is_told(keeper: Keeper) -> None:
    keeper.trade(random.Random(1), 30)
    keeper.core.gate.exposure[0]["realized_e8"] += 1
    keeper.journal.checkpoint()
    (error,) = replayed(keeper.disk).hash_errors
    assert "checkpoint at sequence" in error


def test_the_next_process_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    first = Keeper(tmp_path / "memory", MemoryDisk())
    first.trade(random.Random(3), 300)
    sums = first.sums()
    still_open = {order.client_id for order in first.core.open_orders()}
    assert still_open
    second = first.again()
    assert not second.found.findings and second.sums() == sums
    assert second.journal.run > first.journal.run
    carried = second.core.open_orders()
    assert {order.client_id for order in carried} == still_open
    assert {order.state for order in carried} <= {states.UNKNOWN, states.CLOSING}
    for side, name in ((1, "open_buy_lots"), (-1, "open_sell_lots")):
        rows = [second.core.tables.rows[order.slot] for order in carried]
        left = sum(int(row["qty_lots"] - row["filled_lots"]) for row in rows if row["side"] == side)
        assert int(second.core.gate.exposure[0][name]) == left, "their exposure is reserved"
    # A late fill and an end of such an order find it, and a third process knows of both.
    order = next(o for o in carried if o.state == states.UNKNOWN)
    name = second.core.carried[order.name.order_ref]
    second.desk.update(0, "TRADE", c=order.client_id, l="0.001", L="60000.0", t=777_777, T=9)
    second.desk.update(0, "CANCELED", c=order.client_id)
    assert name in second.core.carried_refs
    second.journal.flush()
    before = second.sums()
    third = second.again()
    assert third.sums() == before
    assert order.client_id not in {o.client_id for o in third.core.open_orders()}
    third.desk.update(0, "TRADE", c=order.client_id, l="0.001", L="60000.0", t=777_777, T=9)
    assert third.sums() == before, "the same trade is booked once, over a restart too"
    third.desk.close()


def test_segments_rotate_and_each_stands_alone(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "memory", MemoryDisk(), keep_bytes=0)
    rng = random.Random(8)
    while keeper.journal.writer.number < 4:
        keeper.trade(rng, 100)
        # Stands for a long day: the same records without their orders.
        for _ in range(1_500):
            keeper.core.on_funding(1, keeper.desk.now_ns)
        keeper.journal.flush()
    live = keeper.journal.checkpoint()
    base = recovery_base(keeper.disk)
    assert base == keeper.journal.writer.base_name
    assert replayed(keeper.disk, base).hash == live, "the newest segment alone is enough"
    whole = replayed(keeper.disk)
    assert whole.hash == live and not whole.hash_errors, "and so are all of them, one after another"
    assert len([n for n in keeper.disk.names() if is_segment(n)]) == 4
    keeper.journal.work.turn()
    assert [n for n in keeper.disk.names() if is_segment(n)] == [base], "the others may go"
    assert replayed(keeper.disk).hash == live
    keeper.desk.close()


def test_a_changed_segment_is_found_by_the_one_after_it(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "memory", MemoryDisk())
    keeper.trade(random.Random(2), 50)
    second = keeper.again()
    first_name = next(name for name in second.disk.names() if is_segment(name))
    # Somebody rewrites history, with right checksums: one record less.
    (segment, _) = read_journal(second.disk)
    del second.disk.files[first_name].content[segment.good_bytes - 128 :]
    found = list(read_journal(second.disk))
    assert not found[-1].is_good and "records are missing" in found[-1].text
    second.desk.close()


def test_another_account_begins_anew_but_never_with_an_old_run(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "memory", MemoryDisk())
    keeper.trade(random.Random(2), 50)
    from aegis.execution.journal.recovery import recover

    found = recover(keeper.disk, "embedded-other")
    assert not found.has_state and found.last_run == keeper.journal.run
    assert (found.other_account, found.findings) == (ACCOUNT, [])
    keeper.desk.close()


def test_on_a_real_directory(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "t"
    keeper = Keeper(tmp_path / "memory", FolderDisk(folder))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with pytest.raises(JournalBusyError, match="another process"):
        FolderDisk(folder)
    keeper.trade(random.Random(4), 100)
    live = keeper.journal.checkpoint()
    keeper.journal.work.turn()
    assert keeper.journal.work.syncs == 1 and (folder / "spare").exists()
    beside = FolderDisk(folder, to_write=False)
    (segment,) = read_journal(beside)
    assert segment.is_good and segment.file_bytes == SEGMENT_BYTES, "read while it is being written"
    assert keeper.journal.close()
    assert not (folder / "spare").exists()
    (segment,) = read_journal(beside)
    assert segment.good_bytes == segment.file_bytes, "a clean end gives the rest back"
    assert int(segment.records[-1]["kind"]) == CHECKPOINT
    assert int(np.uint64(segment.records[-1]["ident"])) == live
    assert (segment.records["kind"] == PLACE).sum() > 10
    assert int(state_hash(keeper.core.directory)) == live
    keeper.desk.close()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalDirError, match=r"file/t cannot be used.*journal"):
        FolderDisk(tmp_path / "file" / "t")
