"""The rate ledger: rows of living processes, summed by window, left by nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aegis.shm.errors import ShmError
from aegis.shm.rate_ledger import (
    ORDERS_1M,
    ORDERS_10S,
    ROWS,
    WEIGHT,
    RateLedger,
    ledger_path,
)

NOW_MS = 1_763_700_000_000


def test_every_process_sees_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    ours, theirs = RateLedger.open(path, 1), RateLedger.open(path, 1)
    stranger = RateLedger.open(path, 2)
    ours.spend(WEIGHT, 5, NOW_MS)
    theirs.spend(WEIGHT, 7, NOW_MS)
    stranger.spend(WEIGHT, 1, NOW_MS)
    for ledger in (ours, theirs, stranger):
        assert ledger.used(WEIGHT, NOW_MS) == 13, "weight is the address's"
    ours.spend(ORDERS_10S, 2, NOW_MS)
    stranger.spend(ORDERS_10S, 4, NOW_MS)
    assert (ours.used(ORDERS_10S, NOW_MS), stranger.used(ORDERS_10S, NOW_MS)) == (2, 4)
    assert ours.used(WEIGHT, NOW_MS + 60_000) == 0
    for ledger in (ours, theirs, stranger):
        ledger.close()
    assert not path.exists(), "the last one removes it"


def test_what_the_exchange_tells_counts_and_goes_on_from_there() -> None:
    ledger = RateLedger.private()
    ledger.spend(WEIGHT, 10, NOW_MS)
    ledger.tell(WEIGHT, 300, NOW_MS)
    assert ledger.used(WEIGHT, NOW_MS) == 300
    ledger.spend(WEIGHT, 4, NOW_MS)
    assert ledger.used(WEIGHT, NOW_MS) == 304
    ledger.tell(WEIGHT, 2, NOW_MS)
    assert ledger.used(WEIGHT, NOW_MS) == 14, "never less than we know to have spent"
    assert ledger.used(WEIGHT, NOW_MS + 60_000) == 0
    assert ledger.used(ORDERS_1M, NOW_MS) == 0


def test_pauses_are_the_boxs(tmp_path: Path) -> None:
    ours, theirs = RateLedger.open(tmp_path / "rates", 1), RateLedger.open(tmp_path / "rates", 2)
    theirs.be_quiet(NOW_MS + 5_000)
    theirs.be_quiet(NOW_MS + 1_000)
    theirs.stop(NOW_MS + 9_000)
    assert (ours.quiet_until_ms, ours.stopped_until_ms) == (NOW_MS + 5_000, NOW_MS + 9_000)
    ours.close()
    theirs.close()


def test_the_row_of_a_dead_process_is_taken_over_with_what_it_spent(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    keeper = RateLedger.open(path, 1)
    pid = os.fork()
    if pid == 0:
        RateLedger.open(path, 1).spend(WEIGHT, 40, NOW_MS)
        os._exit(0)
    os.waitpid(pid, 0)
    assert keeper.used(WEIGHT, NOW_MS) == 40
    heirs = [RateLedger.open(path, 1) for _ in range(ROWS - 1)]
    assert keeper.used(WEIGHT, NOW_MS) == 40
    with pytest.raises(ShmError, match="all 64 rows"):
        RateLedger.open(path, 1)
    for ledger in (*heirs, keeper):
        ledger.close()
    assert not path.exists()


def test_a_file_of_others_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    path.write_bytes(b"something else")
    path.chmod(0o600)
    with pytest.raises(ShmError, match="no ledger"):
        RateLedger.open(path, 1)
    path.chmod(0o644)
    with pytest.raises(ShmError, match="open to others"):
        RateLedger.open(path, 1)
    assert path.read_bytes() == b"something else"


def test_where_it_is() -> None:
    instance = Path("/dev/shm/aegis-btc")
    assert ledger_path(instance, None) == instance / "rates"
    assert ledger_path(instance, "h:8") == Path("/dev/shm/.aegis-rates-h-8")
