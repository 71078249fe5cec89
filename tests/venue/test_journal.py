"""What survives a kill -9: every torn tail, either file, and nobody else's state."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis.venue.errors import JournalError
from aegis.venue.journal import NAMES, Journal, VenueState
from aegis.venue.ledger import Account, Position
from aegis.venue.orders import Order


def order(order_id: int, status: str = "NEW") -> Order:
    return Order(order_id, f"c{order_id}", 16, "BTCUSDT", 1, "LIMIT", "GTC", 600_000, 5, False, 2,
                 1, 1, status)  # fmt: skip


def account(wallet: int) -> Account:
    return Account(16, "client-0", wallet, positions={("BTCUSDT", "LONG"): Position(3, 4, 5, 6)})


def test_state_and_changes_come_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me")
    assert journal.recover() is None
    journal.begin(VenueState(accounts=[account(1)], reserved_ids=(1, 2, 3), prices={"A": 1}))
    journal.append(VenueState(orders=[order(1), order(2)]))
    journal.append(VenueState(orders=[order(1, "FILLED")], accounts=[account(7)], fees_e8=9))
    found = Journal(tmp_path, "me").recover()
    assert found is not None
    assert {key: one.status for key, one in found.orders.items()} == {1: "FILLED", 2: "NEW"}
    assert found.accounts[16] == account(7)
    assert (found.reserved_ids, found.fees_e8, found.prices) == ((1, 2, 3), 9, {"A": 1})


def test_every_torn_tail_gives_a_prefix(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me")
    journal.begin(VenueState(fees_e8=0))
    path = next(tmp_path / name for name in NAMES if (tmp_path / name).exists())
    whole = [path.stat().st_size]
    for number in range(1, 4):
        journal.append(VenueState(fees_e8=number))
        whole.append(path.stat().st_size)
    raw = path.read_bytes()
    for length in range(len(raw) + 1):
        path.write_bytes(raw[:length])
        found = Journal(tmp_path, "me").recover()
        kept = sum(size <= length for size in whole) - 1
        assert (None if found is None else found.fees_e8) == (None if kept < 0 else kept), length


@pytest.mark.parametrize("at", [0, 9, 20, 30, 45])
def test_a_flipped_bit_is_never_believed(tmp_path: Path, at: int) -> None:
    journal = Journal(tmp_path, "me")
    journal.begin(VenueState(fees_e8=1_000))
    path = next(tmp_path / name for name in NAMES if (tmp_path / name).exists())
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x10
    path.write_bytes(raw)
    found = Journal(tmp_path, "me").recover()
    assert found is None or (at == 9 and found.fees_e8 == 1_000)  # a file's number has no CRC


def test_the_files_take_turns_and_the_newer_one_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me", rotate_bytes=200)
    journal.begin(VenueState(fees_e8=0))
    for number in range(1, 41):
        journal.append(VenueState(fees_e8=number))
        if journal.is_full:
            journal.begin(VenueState(fees_e8=number))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 400
    again = Journal(tmp_path, "me")
    found = again.recover()
    assert found is not None and found.fees_e8 == 40
    # Were the newer file lost, the older one would still open.
    newest = max(
        tmp_path.iterdir(), key=lambda path: int.from_bytes(path.read_bytes()[8:16], "little")
    )
    newest.unlink()
    older = Journal(tmp_path, "me").recover()
    assert older is not None and older.fees_e8 < 40
    again.discard()
    assert list(tmp_path.iterdir()) == []


def test_another_venues_state_is_not_taken(tmp_path: Path) -> None:
    Journal(tmp_path, "me").begin(VenueState(fees_e8=1))
    assert Journal(tmp_path, "you").recover() is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no-such-folder"):
        Journal(tmp_path / "no-such-folder", "me").begin(VenueState())


def test_a_file_that_cannot_be_begun_costs_no_descriptor(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "me")
    journal.begin(VenueState(fees_e8=1))
    (path,) = (tmp_path / name for name in NAMES if not (tmp_path / name).exists())
    path.mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(JournalError):
            journal.begin(VenueState(fees_e8=2))
            journal.begin(VenueState(fees_e8=2))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    journal.append(VenueState(fees_e8=3))
