"""`aegis journal`: while the writer writes, over damage, and its exit codes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from aegis.cli.main import app
from aegis.execution.journal.describe import Narrator
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import HEADER_BYTES, RECORD_BYTES, is_segment
from tests.execution.journal.keeper import Keeper


def aegis(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["journal", *arguments])


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """A writer that is at work."""
    made = Keeper(tmp_path / "memory", FolderDisk(tmp_path / "journal" / "t"))
    made.trade(random.Random(6), 120)
    made.journal.checkpoint()
    yield made
    made.desk.close()


@pytest.fixture
def folder(keeper: Keeper) -> str:
    return str(keeper.disk.folder)


def test_tail_shows_the_newest_while_the_writer_writes(keeper: Keeper, folder: str) -> None:
    done = aegis("tail", "t", "--dir", folder, "-n", "200", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["records"]
    assert told[-1]["kind"] == "CHECKPOINT"
    assert int(told[-1]["state_hash"], 16) == keeper.journal.checkpoint()
    placed = next(record for record in told if record["kind"] == "PLACE")
    assert placed["symbol"] == "BTCUSDT" and placed["side"] in ("BUY", "SELL")
    assert keeper.core.ids.parse(placed["client_id"]) is not None
    assert 59_000 < placed["price"] < 61_000
    fill = next(record for record in told if record["kind"] == "FILL")
    assert fill["fee"] == 0.0123 and fill["trade_id"] > 0
    lines = aegis("tail", "t", "--dir", folder, "-n", "5").stdout.splitlines()
    assert len(lines) == 5 and "CHECKPOINT" in lines[-1]


def test_tail_tells_only_what_it_shows(
    keeper: Keeper, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of millions of records, the time that it takes is that of a look and not of a story."""
    tail = ("tail", "t", "--dir", folder, "--json", "-n")
    every = json.loads(aegis(*tail, "100000").stdout)["records"]
    asked: list[int] = []
    tell = Narrator.tell

    def counted(narrator: Narrator, note: Any) -> dict[str, Any]:
        asked.append(int(note["sequence"]))
        return tell(narrator, note)

    monkeypatch.setattr(Narrator, "tell", counted)
    for count in (1, 5, len(every) - 1, len(every)):
        asked.clear()
        told = json.loads(aegis(*tail, str(count)).stdout)["records"]
        assert told == every[-count:], "symbols and ids are known all the same"
        assert len(asked) == count


def test_follow_shows_what_comes_and_does_not_sit_silent_behind_damage(
    keeper: Keeper, folder: str
) -> None:
    command = [sys.executable, "-m", "aegis.cli", "journal", "tail", "t", "--dir", folder]
    with subprocess.Popen(
        [*command, "-f", "-n", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as tail:  # fmt: skip
        assert tail.stdout is not None and tail.stderr is not None
        assert json.loads(tail.stdout.readline())["kind"] == "CHECKPOINT"
        keeper.journal.checkpoint()
        assert json.loads(tail.stdout.readline())["kind"] == "CHECKPOINT", "what comes is shown"
        (path,) = (entry for entry in Path(folder).iterdir() if is_segment(entry.name))
        with path.open("r+b") as file:
            file.seek(HEADER_BYTES + 5 * RECORD_BYTES + 40)
            file.write(b"\xff" * 8)
        output, error = tail.communicate(timeout=60)
    assert tail.returncode == 1
    assert "record 5 of the segment" in error and "cannot be followed" in error
    assert "Traceback" not in error and not output


def test_verify_replays_and_compares(keeper: Keeper, folder: str) -> None:
    done = aegis("verify", "t", "--dir", folder, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["ok"] and found["hashes_compared"] >= 2 and not found["hash_errors"]
    held = keeper.core.gate.exposure[0]
    assert found["positions"]["BTCUSDT"]["position_lots"] == int(held["position_lots"])
    assert found["positions"]["BTCUSDT"]["realized_e8"] == int(held["realized_e8"])
    assert found["segments"][0]["config_sha256"] == (b"c" * 32).hex()


def test_damage_is_one_and_says_where(keeper: Keeper, folder: str, tmp_path: Path) -> None:
    (path,) = Path(folder).glob("*.journal")
    with open(path, "r+b") as file:
        file.seek(512 + 30 * 128 + 5)
        file.write(b"\xff")
    done = aegis("verify", "t", "--dir", folder)
    assert done.exit_code == 1
    assert "DAMAGED: record 30 of the segment" in done.stderr
    out = tmp_path / "half.parquet"
    done = aegis("export", "t", str(out), "--dir", folder)
    assert done.exit_code == 1 and "only what comes before" in done.stderr
    assert pq.read_table(out).num_rows == 30
    assert aegis("tail", "t", "--dir", folder).exit_code == 1


def test_export_keeps_every_integer(keeper: Keeper, folder: str, tmp_path: Path) -> None:
    out = tmp_path / "journal.parquet"
    done = aegis("export", "t", str(out), "--dir", folder, "--json")
    assert done.exit_code == 0, done.output
    rows = pq.read_table(out).to_pylist()
    assert json.loads(done.stdout)["records"] == len(rows)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    fills = [row for row in rows if row["kind_name"] == "FILL"]
    assert sum(row["amount_e8"] for row in fills) == sum(s[3] for s in keeper.sums())
    assert all(row["symbol"] == "BTCUSDT" and row["client_id"] for row in fills)
    assert aegis("export", "t", str(out), "--dir", folder).exit_code == 2, "never over a file"


def test_what_is_not_there_is_usage(tmp_path: Path) -> None:
    done = aegis("verify", "t", "--dir", str(tmp_path / "none"))
    assert done.exit_code == 2 and "has no journal in" in done.stderr
    (tmp_path / "empty").mkdir()
    assert aegis("tail", "t", "--dir", str(tmp_path / "empty")).exit_code == 2
    assert aegis("tail", "../t").exit_code == 2
