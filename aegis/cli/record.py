"""`aegis record INSTANCE`: write what a running instance hears into files, until one of them ends.

Attaches read-only, in a process of its own: it cannot slow the feed. Exit 0 when all was written,
1 when records are missing (the feed lapped us, or the disk was full too long), 2 usage, 3 not
running, 4 when another recorder writes the same files. Keys of the JSON form: those of `_summary`.
"""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from aegis.cli.config_path import ConfigOption, shm_dir_of
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_NOT_RUNNING,
    EXIT_REFUSED,
    EXIT_USAGE,
    complain,
    print_object,
)
from aegis.cli.instance_name import instance_name

if TYPE_CHECKING:
    from aegis.recorder.recorder import Recorder
    from aegis.recorder.segments import Segments
    from aegis.shm.instance import InstanceMemory

__all__ = ["record"]

_STDERR: Final = 2
_SHOW_EVERY_S: Final = 0.5
_SIZE: Final = re.compile(r"(\d+)([KMGT]?)")
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def _size(text: str) -> str:
    """Typer's callback: a number of bytes, or with K, M, G or T behind it (times 1024)."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text[:40]!r}: bytes, or a number with K, M, G or T behind it")
    return str(int(found.group(1)) << _UNITS[found.group(2)])


def record(
    instance: Annotated[str, typer.Argument(callback=instance_name, help="A running instance.")],
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the files go; made if need be.")
    ] = Path("recordings"),
    max_bytes: Annotated[
        str,
        typer.Option(
            "--max-bytes", metavar="N", callback=_size,
            help="All files of the instance together, 8M or more; the oldest are deleted.",
        ),
    ] = "10G",
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0.1, help="End after this.")
    ] = None,
    books_every_s: Annotated[
        float,
        typer.Option(
            "--books", metavar="SECONDS", min=0.0, max=3600.0,
            help="How often to take the 20 best levels of every book that changed; 0: never.",
        ),
    ] = 1.0,
    config: ConfigOption = None,
    shm_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the regions are; else from the file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:  # fmt: skip
    """Record a running instance's market data until Ctrl-C, or until it stops."""
    from aegis.recorder.errors import RecorderError
    from aegis.recorder.segments import LEAST_MAX_BYTES, BusyError, Segments

    if int(max_bytes) < LEAST_MAX_BYTES:
        complain(f"--max-bytes {max_bytes}: at least {LEAST_MAX_BYTES} bytes")
        raise typer.Exit(EXIT_USAGE)
    memory = _attach(instance, str(shm_dir) if shm_dir is not None else shm_dir_of(config))
    try:
        segments = Segments(directory, instance, int(max_bytes), say=complain)
    except BusyError as error:
        complain(str(error))
        raise typer.Exit(EXIT_REFUSED) from None
    except (RecorderError, OSError) as error:
        complain(f"--dir {directory}: {error}")
        raise typer.Exit(EXIT_USAGE) from None
    _tell_of_torn(directory, instance)
    raise typer.Exit(_record(memory, segments, seconds, books_every_s, as_json))


def _attach(instance: str, shm_dir: str) -> InstanceMemory:
    from aegis.host.process_identity import ProcessIdentity, is_alive
    from aegis.shm.errors import RegionGone, ShmError
    from aegis.shm.instance import InstanceMemory

    try:
        memory = InstanceMemory.attach(instance, shm_dir=shm_dir)
    except RegionGone:
        complain(f"{instance} is not running")
        raise typer.Exit(EXIT_NOT_RUNNING) from None
    except ShmError as error:
        complain(str(error))
        raise typer.Exit(EXIT_FAILED) from None
    pid, started = memory.regions["ticks.ring"].owner
    if pid and not is_alive(ProcessIdentity(pid, started, "")):
        complain(f"{instance} is not running: its supervisor has died (aegis clean {instance})")
        raise typer.Exit(EXIT_NOT_RUNNING)
    return memory


def _tell_of_torn(directory: Path, instance: str) -> None:
    """Name the newest file of before if its recorder was killed; it stays as it is."""
    from aegis.recorder.repair import examine
    from aegis.recorder.segments import segment_paths

    for path in segment_paths(directory, instance)[-1:]:
        found = examine(path, bodies=False)
        if not found.is_good:
            complain(f"an earlier recorder did not close {path}: {found.text}")
            complain(f"aegis data verify --repair {path} keeps the good part")


def _record(
    memory: InstanceMemory,
    segments: Segments,
    seconds: float | None,
    books_every_s: float,
    as_json: bool,
) -> int:
    from aegis.recorder.recorder import Recorder

    asked: list[str] = []

    def on_signal(number: int, frame: object) -> None:
        asked.append(f"{signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    show = _Show(segments.instance, as_json)
    recorder = Recorder(memory, segments, books_every_s=books_every_s, say=show.say)
    segments.say = show.say
    show.say(f"recording into {segments.directory}")
    started_s = time.monotonic()
    ends_s = None if seconds is None else started_s + seconds

    def wish() -> str:
        if asked:
            return asked[0]
        return "the time is over" if ends_s and time.monotonic() >= ends_s else ""

    try:
        reason = recorder.run(wish, lambda: show.watch(recorder))
    finally:
        show.close()
    summary = _summary(recorder, reason, time.monotonic() - started_s)
    show.conclude(summary)
    if as_json:
        print_object(summary)
    return EXIT_GOOD if summary["ok"] else EXIT_FAILED


def _summary(recorder: Recorder, reason: str, seconds: float) -> dict[str, Any]:
    tally, segments = recorder.tally, recorder.segments
    written = segments.bytes_written
    return {
        "ok": not (tally.lost or tally.dropped),
        "instance": segments.instance,
        "directory": str(segments.directory),
        "ended": reason,
        "seconds": round(seconds, 3),
        "records": tally.records,
        "records_per_s": round(tally.records / max(seconds, 1e-9), 1),
        "books": tally.pictures,
        "lost": tally.lost,
        "laps": tally.laps,
        "dropped": tally.dropped,
        "disk_failures": tally.disk_failures,
        "files": segments.files,
        "frames": segments.frames,
        "raw_bytes": segments.raw_bytes,
        "bytes_written": written,
        "ratio": round(segments.raw_bytes / written, 2) if written else None,
        "deleted_files": segments.deleted_files,
        "deleted_bytes": segments.deleted_bytes,
    }


class _Show:
    """What a person sees: a line that is redrawn on a terminal, sentences anywhere."""

    def __init__(self, instance: str, as_json: bool) -> None:
        from rich.console import Console

        from aegis.cli.outlet import Outlet

        # A terminal that was stopped with Ctrl-S must not stop the recorder with it.
        stream = cast("IO[str]", Outlet(_STDERR))
        self.console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self._instance = instance
        self._status = None
        self._due_s = 0.0
        if self.console.is_terminal and not as_json:
            self._status = self.console.status(
                "waiting for the first records", refresh_per_second=4
            )
            self._status.start()

    def say(self, text: str) -> None:
        """A sentence, as it happens."""
        self.console.print(f"aegis {self._instance}: {text}")

    def watch(self, recorder: Recorder) -> None:
        """Redraw the line when it is time to."""
        now_s = time.monotonic()
        if self._status is None or now_s < self._due_s:
            return
        self._due_s = now_s + _SHOW_EVERY_S
        tally, segments = recorder.tally, recorder.segments
        missing = tally.lost + tally.dropped
        text = (
            f"{tally.records:,} records, {segments.bytes_written / 1e6:,.1f} MB in "
            f"{segments.files} files" + (f", {missing:,} MISSING" if missing else "")
        )
        self._status.update(f"{text}  {recorder.trouble}")

    def close(self) -> None:
        """Give the line back."""
        if self._status is not None:
            self._status.stop()

    def conclude(self, found: dict[str, Any]) -> None:
        """The sum, in sentences."""
        ratio = f", {found['ratio']:g} to 1" if found["ratio"] else ""
        self.say(
            f"{found['ended']}: {found['records']:,} records, {found['books']:,} pictures of books "
            f"among them, in {found['files']} files, {found['bytes_written']:,} bytes{ratio}"
        )
        if found["deleted_files"]:
            self.say(f"{found['deleted_files']} old files were deleted to keep the bound")
        if not found["ok"]:
            self.say(
                f"INCOMPLETE: {found['lost']:,} records lost to the feed's pace, "
                f"{found['dropped']:,} to the disk"
            )
