"""`aegis data ls` and `aegis data verify`: what a directory of recordings holds, and what is wrong.

Called by `data.py`. Exit 0 when all is good, 1 when a file is damaged, 2 when there is none.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis.cli.data_progress import Bar
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain, print_object
from aegis.recorder.errors import RecorderError
from aegis.recorder.layout import RECORD_BYTES
from aegis.recorder.repair import Finding, examine, recordings_in, repair

__all__ = ["list_command", "verify_command"]

_PIPE_COLUMNS: Final = 160


def list_command(place: Path, as_json: bool) -> int:
    """Look at the heads of every file; quick, and finds torn ends but not spoiled bodies."""
    paths = _paths(place)
    if paths is None:
        return EXIT_USAGE
    findings = [examine(path, bodies=False) for path in paths]
    if as_json:
        print_object(
            {"ok": all(found.is_good for found in findings), "files": list(map(_object, findings))}
        )
    else:
        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            # A pipe has no width; names should not be folded for it.
            console = Console(highlight=False, markup=False, width=_PIPE_COLUMNS)
        console.print(_table(findings))
        for found in findings:
            if found.text and not found.is_good:
                console.print(f"{found.path}: {found.text}", soft_wrap=True)
    return EXIT_GOOD if all(found.is_good for found in findings) else EXIT_FAILED


def verify_command(place: Path, mend: bool, as_json: bool) -> int:
    """Check every byte of every file; with `mend`, repair what can be."""
    paths = _paths(place)
    if paths is None:
        return EXIT_USAGE
    if not paths:
        complain(f"{place}: holds no recording")
        return EXIT_USAGE
    told = []
    good = True
    with Bar("verifying", sum(path.stat().st_size for path in paths)) as bar:
        for path in paths:
            found = examine(path, bar.file())
            entry = _object(found)
            good = good and found.is_good
            complain(f"{path}: {_verdict(found)}")
            if mend and not found.is_good:
                entry |= _mend(path)
            told.append(entry)
    if as_json:
        print_object({"ok": good, "files": told})
    return EXIT_GOOD if good else EXIT_FAILED


def _mend(path: Path) -> dict[str, Any]:
    try:
        done = repair(path)
    except RecorderError as error:
        complain(f"not repaired: {error}")
        return {"repaired": False, "quarantined": None}
    complain(f"{path}: repaired; {done}")
    return {
        "repaired": True, "quarantined": str(done.kept), "missing": done.missing,
        "missing_is_exact": done.is_exact, "gaps": done.gaps,
    }  # fmt: skip


def _paths(place: Path) -> list[Path] | None:
    try:
        return recordings_in(place)
    except (RecorderError, OSError) as error:
        complain(str(error))
        return None


def _verdict(found: Finding) -> str:
    if found.state == "whole":
        lost = f", {found.lost} are missing" if found.lost else ""
        more = f" ({found.text})" if found.text else ""
        return f"good, {found.frames} frames with {found.records} records{lost}{more}"
    if found.state == "writing":
        return f"being written, good so far ({found.frames} frames, {found.records} records)"
    return f"DAMAGED: {found.text}"


def _object(found: Finding) -> dict[str, Any]:
    header = found.header
    return {
        "file": str(found.path),
        "state": found.state,
        "text": found.text,
        "bytes": found.file_bytes,
        "frames": found.frames,
        "records": found.records,
        "lost": found.lost,
        "symbols": found.symbols,
        "bad_frame": found.bad_frame,
        "bad_offset": found.bad_offset,
        "source": header.source if header is not None else None,
        "instance": header.instance if header is not None else None,
        "created_unix_ns": header.created_unix_ns if header is not None else None,
    }


def _table(findings: list[Finding]) -> Table:
    table = Table(title="recordings", title_justify="left")
    for column in (
        "file",
        "of",
        "begun, UTC",
        "symbols",
        "records",
        "lost",
        "MB",
        "ratio",
        "state",
    ):
        right = column in ("symbols", "records", "lost", "MB", "ratio")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for found in findings:
        header = found.header
        begun = time.gmtime(header.created_unix_ns // 10**9) if header is not None else None
        ratio = found.records * RECORD_BYTES / found.file_bytes if found.file_bytes else 0.0
        table.add_row(
            Text(found.path.name),
            (header.instance or header.source) if header is not None else "",
            time.strftime("%Y-%m-%d %H:%M:%S", begun) if begun is not None else "",
            str(found.symbols),
            f"{found.records:,}",
            f"{found.lost:,}",
            f"{found.file_bytes / 1e6:,.1f}",
            f"{ratio:.1f}",
            Text(found.state, "" if found.is_good else "bold red"),
        )
    return table
