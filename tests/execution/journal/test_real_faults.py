"""ENOSPC and EIO for real: a small tmpfs in a mount namespace, and an fdatasync that fails.

The process under test is the trading process itself, with sockets and a fake exchange.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.reader import read_journal
from aegis.execution.journal.replay import Replay
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from tests.conftest import REPOSITORY

PATIENCE_S = 90
PROGRAM = [sys.executable, "-m", "tests.execution.journal.sick_disk"]


def outcome_of(command: list[str], **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def replayed(folder: Path) -> Replay:
    replay = Replay()
    for segment in read_journal(FolderDisk(folder, to_write=False)):
        assert segment.is_good, segment.text
        replay.feed(segment.records)
    assert not replay.hash_errors
    return replay


def test_a_file_system_that_fills_up(tmp_path: Path) -> None:
    """REDUCING, and cancels and reducing orders go on; the journal stays whole."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) is not installed")
    small = tmp_path / "small"
    small.mkdir()
    probe = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs tmpfs {small}"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not make a mount namespace with a tmpfs in it")
    # Room for a segment of 4 MiB, its reserve, and not for a third.
    script = (
        f'mount -t tmpfs -o size=10m tmpfs {small} && "$@" full {small}; code=$?; '
        f"cp -r {small}/t {tmp_path}/copy; exit $code"
    )
    told = outcome_of(["unshare", "--mount", "sh", "-c", script, "sh", *PROGRAM])
    assert (told["state"], told["reason"]) == (LatchState.REDUCING, Control.JOURNAL_FULL)
    assert told["refused_by"] == Control.KILL
    assert told["orders_sent"] == 3, "the reducing one, too"
    assert (told["resting"], told["exit_code"]) == ([], 0)
    replay = replayed(tmp_path / "copy")
    assert int(replay.symbol_rows()["BTCUSDT"]["position_lots"]) == 4


def test_a_disk_that_cannot_sync(tmp_path: Path) -> None:
    """HALTED after the first failure; fdatasync is never called again."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc)")
    library = tmp_path / "failing.so"
    source = Path(__file__).with_name("failing_sync.c")
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(build, check=True, capture_output=True)
    folder = tmp_path / "journal"
    folder.mkdir()
    told = outcome_of(
        [*PROGRAM, "sync", str(folder)],
        LD_PRELOAD=str(library),
        FAIL_FILE=str(folder / "fail"),
        COUNT_FILE=str(tmp_path / "count"),
    )
    assert (told["state"], told["reason"]) == (LatchState.HALTED, Control.JOURNAL_SYNC)
    assert told["refused_by"] == Control.KILL
    assert told["resting"] == []
    assert (tmp_path / "count").read_bytes() == b"x", "a second sync would lie"
    assert replayed(folder / "t").records > 10
