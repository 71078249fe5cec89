"""All the shared memory of one instance, by name.

The supervisor creates it before it forks, so the children inherit the mappings; the CLI and the
monitor attach by path, read-only. The directory is `<shm_dir>/aegis-<instance>` (0700, files
0600), and with huge pages the rings and books live in the same directory name on a hugetlbfs
mount.
"""

import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

from aegis.shm import books, broadcast, candles, control, counters, gated, instruments
from aegis.shm.books import Books
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.candles import CandlePlan, Candles
from aegis.shm.control import Control
from aegis.shm.counter_tables import PROCESSES
from aegis.shm.counters import Counters
from aegis.shm.errors import NotEnoughMemory, RegionGone, ShmError, error_kind
from aegis.shm.gated import GatedRing
from aegis.shm.instruments import INSTRUMENT, Instruments
from aegis.shm.intent import INTENT
from aegis.shm.outcome import OUTCOME
from aegis.shm.region import HEADER_BYTES, Region
from aegis.shm.tick import TICK

__all__ = ["InstanceMemory", "directory_of"]

TICKS_CAPACITY = 16_384
INTENTS_CAPACITY = 4_096
OUTCOMES_CAPACITY = 8_192
NO_CANDLES = CandlePlan()


def directory_of(instance: str, shm_dir: str | Path = "/dev/shm") -> Path:
    """Where an instance's regions live."""
    return Path(shm_dir) / f"aegis-{instance}"


def _plan(
    rows: int, depth: int = books.DEPTH, kept: CandlePlan = NO_CANDLES
) -> list[tuple[str, int, int, int, int]]:
    """(file, kind, capacity, record bytes, body bytes) of every region."""
    rings = [
        ("ticks.ring", broadcast.KIND, TICKS_CAPACITY, TICK.itemsize),
        ("intents.ring", gated.KIND, INTENTS_CAPACITY, INTENT.itemsize),
        ("outcomes.ring", gated.KIND, OUTCOMES_CAPACITY, OUTCOME.itemsize),
        ("books", books.KIND, rows, books.book_bytes(depth)),
        ("instruments", instruments.KIND, rows, INSTRUMENT.itemsize),
        ("candles", candles.KIND, kept.lines(rows), candles.SLOT_BYTES),
    ]
    plan = [(name, kind, count, size, count * size) for name, kind, count, size in rings]
    plan.append(("control", control.KIND, 1, control.BODY_BYTES, control.BODY_BYTES))
    for process in PROCESSES:
        name = f"counters-{process}"
        plan.append((name, counters.KIND, counters.CAPACITY, 512, counters.BODY_BYTES))
    return plan


class InstanceMemory:
    """Rings, books, tables and counters of one instance. Use `create` or `attach`."""

    def __init__(
        self,
        instance: str,
        directory: Path,
        regions: dict[str, Region],
        *,
        owner: bool,
        book_depth: int | None = None,
    ) -> None:
        self.instance = instance
        self.directory = directory
        self.regions = regions
        self.ticks = BroadcastRing(regions["ticks.ring"], TICK)
        self.intents = GatedRing(regions["intents.ring"], INTENT)
        self.outcomes = GatedRing(regions["outcomes.ring"], OUTCOME)
        self.books = Books(regions["books"], depth=book_depth)
        self.instruments = Instruments(regions["instruments"])
        self.candles = Candles(regions["candles"])
        self.control = Control(regions["control"])
        self.counters = {
            process: Counters(regions[f"counters-{process}"], process, owner=owner)
            for process in PROCESSES
        }
        self.histograms = {process: self.counters[process].histograms for process in PROCESSES}

    @classmethod
    def bytes_needed(
        cls, instruments: int = 1, book_depth: int = books.DEPTH, kept: CandlePlan = NO_CANDLES
    ) -> int:
        """Bytes of shared memory that an instance of so many instruments takes."""
        plan = _plan(max(instruments, 1), book_depth, kept)
        return sum(HEADER_BYTES + region[4] for region in plan)

    @classmethod
    def create(
        cls,
        instance: str,
        *,
        instruments: int = 1,
        kept: CandlePlan = NO_CANDLES,
        shm_dir: str | Path = "/dev/shm",
        owner: tuple[int, int] = (0, 0),
        huge_dir: Path | None = None,
        book_depth: int = books.DEPTH,
    ) -> "InstanceMemory":
        """Create every region (the supervisor, before the fork).

        `owner` is the creator's (pid, start time in clock ticks); `huge_dir` a writable hugetlbfs
        mount for rings and books, or None; `book_depth` the levels a side of a book, `kept` the
        candles. The directory may exist (the supervisor locks it first) but must hold no region.
        Raises NotEnoughMemory with the sizes, leaving nothing.
        """
        directory = directory_of(instance, shm_dir)
        huge_place = None if huge_dir is None else directory_of(instance, huge_dir)
        made = [] if directory.exists() else [directory]
        if huge_place is not None:
            made.append(huge_place)
        regions: dict[str, Region] = {}
        try:
            _private_directory(directory)
            if huge_place is not None:
                _private_directory(huge_place)
            rows = max(instruments, 1)
            plan = _plan(rows, book_depth, kept)
            _create_regions(regions, directory, huge_place, plan, owner)
            Candles.describe(regions["candles"], rows, kept)
            return cls(instance, directory, regions, owner=True, book_depth=book_depth)
        except (ShmError, OSError) as error:
            for name, region in regions.items():
                region.close()
                region.unlink()
                (directory / name).unlink(missing_ok=True)
            for place in made:
                if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
                    place.rmdir()
            if isinstance(error, ShmError):
                raise
            raise error_kind(error)(f"{directory}: cannot be set up: {error}") from error

    @classmethod
    def attach(
        cls, instance: str, *, shm_dir: str | Path = "/dev/shm", readonly: bool = True
    ) -> "InstanceMemory":
        """Map a running instance's regions; raises RegionGone or LayoutMismatch."""
        directory = directory_of(instance, shm_dir)
        if not directory.is_dir():
            raise RegionGone(f"{directory}: no such instance")
        regions: dict[str, Region] = {}
        try:
            for name, kind, _, record_bytes, body_bytes in _plan(1):
                path = directory / name
                if path.is_symlink() and _is_huge_twin(path):
                    path = path.resolve()
                regions[name] = Region.attach(
                    path,
                    kind=kind,
                    # How deep its books are is the instance's affair.
                    record_bytes=None if kind == books.KIND else record_bytes,
                    body_bytes=0 if kind == books.KIND else body_bytes,
                    readonly=readonly,
                )
            return cls(instance, directory, regions, owner=False)
        except ShmError:
            for region in regions.values():
                region.close()
            raise

    def is_linked(self) -> bool:
        """Whether what is mapped is still the instance's current memory (not an old copy)."""
        return all(region.is_linked() for region in self.regions.values())

    def sequences(self) -> dict[str, dict[str, int]]:
        """Cursors of the rings: published and consumed."""
        return {
            "ticks": {
                "published": self.ticks.published,
                "consumed": self.counters["brain"]["ticks_consumed"],
            },
            "intents": {
                "published": self.intents.published,
                "consumed": self.intents.consumed,
            },
            "outcomes": {
                "published": self.outcomes.published,
                "consumed": self.outcomes.consumed,
            },
        }

    def close(self) -> None:
        """Drop the mappings of this process."""
        for name in ("ticks", "intents", "outcomes", "books", "instruments", "candles", "control"):
            if hasattr(self, name):
                delattr(self, name)
        self.counters = {}
        self.histograms = {}
        for region in self.regions.values():
            region.close()

    def unlink(self) -> None:
        """Remove every region and the directory (the supervisor, at the end)."""
        remove_directory(self.directory)


def _create_regions(
    regions: dict[str, Region],
    directory: Path,
    huge_place: Path | None,
    plan: list[tuple[str, int, int, int, int]],
    owner: tuple[int, int],
) -> None:
    """Create every region into `regions`, so that the caller can undo what a failure leaves."""
    created_ns = time.time_ns()
    for name, kind, capacity, record_bytes, body_bytes in plan:
        path = directory / name
        huge = huge_place is not None and (name.endswith(".ring") or name == "books")
        if huge_place is not None and huge:
            if path.is_symlink():
                raise ShmError(f"{path}: already exists; clear the leftover first")
            path = huge_place / name
            # Nothing links to it: its instance's directory is gone, so it is nobody's.
            path.unlink(missing_ok=True)
        regions[name] = Region.create(
            path,
            kind=kind,
            capacity=capacity,
            record_bytes=record_bytes,
            body_bytes=body_bytes,
            owner=owner,
            created_ns=created_ns,
            huge=huge,
        )
        if huge:
            (directory / name).symlink_to(path)


def remove_directory(directory: Path) -> None:
    """Remove an instance's directory, the regions in it, and those it links to on hugetlbfs.

    Whatever does not look like `<shm_dir>/aegis-<instance>` is left alone: a name with a path in it
    must never decide what is deleted.
    """
    if not directory.name.startswith("aegis-") or ".." in directory.parts:
        raise ShmError(f"{directory}: is no instance's directory; nothing was removed")
    if not directory.is_dir():
        return
    for entry in directory.iterdir():
        if entry.is_symlink() and _is_huge_twin(entry):
            target = entry.resolve()
            target.unlink(missing_ok=True)
            if target.parent.is_dir() and not any(target.parent.iterdir()):
                target.parent.rmdir()
    shutil.rmtree(directory, ignore_errors=True)


def _private_directory(directory: Path) -> None:
    """Make a directory that only we may enter, or make sure that the one found is such."""
    directory.mkdir(mode=0o700, exist_ok=True)
    state = directory.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise ShmError(
            f"{directory}: mode {stat.filemode(state.st_mode)}, owner {state.st_uid}; it must be "
            f"a directory of mode drwx------ that belongs to user {os.geteuid()}"
        )


def _is_huge_twin(link: Path) -> bool:
    """Whether a link leads to the file of the same instance and name on another filesystem."""
    target = link.resolve()
    return (target.parent.name, target.name) == (link.parent.name, link.name)


def memory_error_text(
    error: NotEnoughMemory,
    instruments: int,
    book_depth: int = books.DEPTH,
    kept: CandlePlan = NO_CANDLES,
) -> str:
    """What a person should read when the memory cannot be had."""
    need: Any = InstanceMemory.bytes_needed(instruments, book_depth, kept)
    return f"{error}; the instance needs {need} bytes of shared memory in all"
