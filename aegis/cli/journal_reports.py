"""What `aegis journal` does: tail, verify, export. Exit codes are those of the README."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aegis.cli.config_path import config_path
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain, print_object
from aegis.config import read_config
from aegis.config.journal_dir import AUTO, journal_dir_to_read
from aegis.execution.journal.describe import Narrator
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import is_segment
from aegis.execution.journal.reader import DAMAGED, UNREADABLE, Segment, read_journal
from aegis.execution.journal.replay import Replay

__all__ = ["export_command", "tail_command", "verify_command"]

_LOOK_EVERY_S = 0.2


def tail_command(
    instance: str,
    folder: Path | None,
    config: Path | None,
    count: int,
    follow: bool,
    as_json: bool,
) -> int:
    """The newest `count` records, and with `follow` those that come."""
    disk = _disk(instance, folder, config)
    if disk is None:
        return EXIT_USAGE
    narrator = Narrator(instance)
    newest = _Newest(narrator, count)
    seen = 0
    problem = ""
    for segment in read_journal(disk):
        newest.add(segment.records)
        seen = segment.tip.sequence if segment.records.size else seen
        problem = "" if segment.is_good else f"{segment.name}: {segment.text}"
    if as_json and not follow:
        print_object({"ok": not problem, "records": list(newest.told()), "problem": problem})
    else:
        for told in newest.told():
            _print(told, as_json)
    if problem:
        complain(problem)
        return EXIT_FAILED
    return _follow(disk, narrator, seen, as_json) if follow else EXIT_GOOD


class _Newest:
    """The last `count` records of a journal that may hold millions: only these are told."""

    def __init__(self, narrator: Narrator, count: int) -> None:
        self._narrator = narrator
        self._count = count
        self._waiting: deque[Any] = deque()
        self._size = 0

    def add(self, records: Any) -> None:
        """The records of the next segment."""
        self._waiting.append(records)
        self._size += len(records)
        while self._size - len(self._waiting[0]) >= self._count:
            self._size -= len(self._waiting[0])
            self._narrator.pass_over(self._waiting.popleft())

    def told(self) -> Iterator[dict[str, Any]]:
        """They, in their order."""
        older = max(self._size - self._count, 0)
        for records in self._waiting:
            self._narrator.pass_over(records[:older])
            yield from map(self._narrator.tell, records[older:])
            older = 0


def _follow(disk: FolderDisk, narrator: Narrator, seen: int, as_json: bool) -> int:
    """Look again and again from the newest segment on; a rotation is followed.

    Damage that two looks have seen ends it: what is written behind it would never be shown, and
    silence would pass for quiet. An end that is torn is only being written.
    """
    problem = ""
    while True:
        time.sleep(_LOOK_EVERY_S)
        names = [name for name in disk.names() if is_segment(name)]
        before, problem = problem, ""
        for segment in read_journal(disk, names[-2] if len(names) > 1 else ""):
            for note in segment.records[segment.records["sequence"] >= seen]:
                _print(narrator.tell(note), as_json)
                seen = int(note["sequence"]) + 1
            if segment.state in (DAMAGED, UNREADABLE):
                problem = f"{segment.name}: {segment.text}"
        if problem and problem == before:
            complain(f"{problem}; what is written behind it cannot be followed")
            return EXIT_FAILED


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, allow_nan=False), flush=True)
        return
    head = f"{told['sequence']:>10}  {told['time'][:26]}  {told['kind']:<10}"
    rest = [f"{key} {value}" for key, value in told.items() if key not in _HEAD]
    print(f"{head}  {'  '.join(rest)}", flush=True)


_HEAD = frozenset({"sequence", "time", "ts_ns", "kind"})


def verify_command(instance: str, folder: Path | None, config: Path | None, as_json: bool) -> int:
    """Every checksum, every tie from segment to segment, and the state replayed."""
    disk = _disk(instance, folder, config)
    if disk is None:
        return EXIT_USAGE
    replay = Replay()
    told = []
    is_good = True
    for segment in read_journal(disk):
        told.append(_segment_object(segment))
        complain(_segment_line(segment))
        is_good = is_good and segment.is_good
        replay.feed(segment.records)
    aside = [name for name in disk.names() if ".journal." in name]
    for error in replay.hash_errors:
        complain(error)
    is_good = is_good and not replay.hash_errors
    complain(
        f"{replay.records} records, {replay.hashes} state hashes compared, "
        f"{len(replay.hash_errors)} different; state {replay.hash:016x}"
    )
    for name in aside:
        complain(f"put aside by an earlier start: {name}")
    if as_json:
        print_object(
            {
                "ok": is_good,
                "directory": str(disk.folder),
                "records": replay.records,
                "run": replay.run,
                "hashes_compared": replay.hashes,
                "hash_errors": replay.hash_errors,
                "state_hash": f"{replay.hash:016x}",
                "segments": told,
                "put_aside": aside,
                "positions": _positions(replay),
            }
        )
    return EXIT_GOOD if is_good else EXIT_FAILED


def _segment_line(segment: Segment) -> str:
    if segment.is_good:
        return f"{segment.name}: good, {len(segment.records)} records"
    return f"{segment.name}: {segment.state.upper()}: {segment.text}"


def _segment_object(segment: Segment) -> dict[str, Any]:
    header = segment.header
    return {
        "file": segment.name,
        "state": segment.state,
        "text": segment.text,
        "records": len(segment.records),
        "good_bytes": segment.good_bytes,
        "bytes": segment.file_bytes,
        "run": header.run if header is not None else None,
        "account": header.account if header is not None else None,
        "build_id": header.build_id if header is not None else None,
        "config_sha256": header.config_hash.hex() if header is not None else None,
        "created_unix_ns": header.created_ns if header is not None else None,
    }


def _positions(replay: Replay) -> dict[str, dict[str, int]]:
    names = ("position_lots", "cost_e8", "realized_e8", "fees_e8", "open_orders")
    return {
        symbol: {name: int(row[name]) for name in names}
        for symbol, row in replay.symbol_rows().items()
    }


def export_command(
    instance: str, folder: Path | None, config: Path | None, out: Path, as_json: bool
) -> int:
    """All good records to one Parquet file."""
    from aegis.execution.journal.export import write_parquet

    disk = _disk(instance, folder, config)
    if disk is None:
        return EXIT_USAGE
    if out.exists():
        complain(f"{out} is there already; name a file that is not")
        return EXIT_USAGE
    problems: list[str] = []

    def parts() -> Iterator[Any]:
        for segment in read_journal(disk):
            if not segment.is_good:
                problems.append(f"{segment.name}: {segment.text}")
            yield segment.records

    try:
        rows = write_parquet(parts(), instance, out)
    except OSError as error:
        complain(f"{out} cannot be written: {error.strerror}")
        return EXIT_FAILED
    complain(f"{out}: {rows} records")
    for problem in problems:
        complain(f"only what comes before is exported: {problem}")
    if as_json:
        print_object({"ok": not problems, "file": str(out), "records": rows, "problems": problems})
    return EXIT_FAILED if problems else EXIT_GOOD


def _disk(instance: str, folder: Path | None, config: Path | None) -> FolderDisk | None:
    """The journal's directory to read; None, and said, when there is none."""
    place = folder
    if place is None:
        found = read_config(config_path(config))
        configured = found.config.journal.dir if found.config is not None else AUTO
        place = journal_dir_to_read(configured, instance)
    if not place.is_dir():
        complain(f"{instance} has no journal in {place}; --dir names another folder")
        return None
    disk = FolderDisk(place, to_write=False)
    if not any(map(is_segment, disk.names())):
        complain(f"{place} holds no journal")
        return None
    return disk
