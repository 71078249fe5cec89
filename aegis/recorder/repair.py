"""Looking after recordings: what a directory holds, what is wrong with a file, making it good.

Called by `aegis data ls` and `verify`. A repair never destroys: what is good takes the file's name,
the whole of what was there keeps its bytes under the name with `.damaged` behind it. Nor does it
hide: where frames were spoiled the new file has a LOSS.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aegis.recorder import layout
from aegis.recorder.converting import temporary_name
from aegis.recorder.errors import ForeignError, RecorderError
from aegis.recorder.frames import decode_records
from aegis.recorder.header import Header
from aegis.recorder.reading import Frame, RecordingFile
from aegis.recorder.salvage import Gap, salvage
from aegis.recorder.symbols import named
from aegis.recorder.writing import FrameFile
from aegis.shm.instruments import INSTRUMENT

__all__ = ["Finding", "Repaired", "examine", "quarantine_name", "recordings_in", "repair"]

_DAMAGED: Final = ".damaged"
_TORN: Final = "its end was spoiled and repaired: more records may be missing than are counted"
Progress = Callable[[int], None]


@dataclass(slots=True)
class Finding:
    """What one file is. `state`: whole, writing, damaged or foreign; `text` what is wrong."""

    path: Path
    state: str
    text: str = ""
    file_bytes: int = 0
    frames: int = 0
    records: int = 0
    lost: int = 0
    bad_frame: int | None = None
    bad_offset: int | None = None
    symbols: int = 0
    header: Header | None = None

    @property
    def is_good(self) -> bool:
        """Whole, or being written this moment with nothing wrong so far."""
        return self.state in ("whole", "writing")


def recordings_in(place: Path) -> list[Path]:
    """The recordings of a directory by name, or the one file. Raises RecorderError."""
    if place.is_dir():
        return sorted(path for path in place.glob(f"*{layout.SUFFIX}") if path.is_file())
    if not place.exists():
        raise RecorderError(f"{place}: no such file or directory")
    return [place]


def examine(path: Path, progress: Progress = lambda end: None, *, bodies: bool = True) -> Finding:
    """Read a file through. Without bodies only its heads, which is quick and finds torn ends."""
    size = path.stat().st_size if path.exists() else 0
    try:
        recording = RecordingFile(path)
    except ForeignError as error:
        state = "writing" if _is_locked(path) else "foreign"
        return Finding(path, state, str(error), size, bad_frame=0, bad_offset=0)
    # Asked before reading: what is closed meanwhile is found whole by the reading.
    locked = _is_locked(path)
    for frame in recording.frames(bodies=bodies):
        progress(frame.end)
    damage, header = recording.damage, recording.header
    torn = any(loss.reason == layout.TORN for loss in recording.losses)
    found = Finding(
        path, "whole", _TORN if torn else "", recording.file_bytes, recording.good_frames,
        recording.records, sum(loss.lost for loss in recording.losses), header=header,
        symbols=len(named(recording.instruments)),
    )  # fmt: skip
    if damage is not None:
        found.state = "writing" if locked else "damaged"
        found.text = str(damage)
        found.bad_frame, found.bad_offset = damage.frame, damage.offset
    return found


def _is_locked(path: Path) -> bool:
    """Whether a writer has the file in its hands."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def quarantine_name(path: Path) -> Path:
    """Where the damaged original goes: a name that is free."""
    candidate, number = path.with_name(path.name + _DAMAGED), 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}{_DAMAGED}.{number}")
    return candidate


@dataclass(slots=True)
class Repaired:
    """What a repair did. `kept`: the original; `missing` records in `gaps` places of the result.

    Not `is_exact`: more may be missing, for behind the last place nothing good was found.
    """

    kept: Path
    gaps: int = 0
    missing: int = 0
    is_exact: bool = True

    def __str__(self) -> str:
        if not self.gaps:
            return f"no record is known to be missing; the original is {self.kept}"
        least = "" if self.is_exact else "at least "
        return (
            f"{least}{self.missing} records are missing (spoiled places: {self.gaps}), which the "
            f"file tells; the original is {self.kept}"
        )


def repair(path: Path, progress: Progress = lambda end: None) -> Repaired:
    """Put what is good in the place of a damaged file, with a LOSS wherever something was spoiled.

    Raises RecorderError for a file that is whole, at work, or holds nothing good.
    """
    if _is_locked(path):
        raise RecorderError(f"{path}: is being written; end its recorder first")
    recording = RecordingFile(path)
    partial = temporary_name(path)
    good = FrameFile(partial, recording.header)
    done = Repaired(path)
    try:
        for piece in salvage(recording):
            if isinstance(piece, Gap):
                good.loss(piece.lost, 0, layout.DAMAGE if piece.exact else layout.TORN)
                done.gaps += 1
                done.missing += piece.lost
                done.is_exact = done.is_exact and piece.exact
            else:
                done.missing += _copy(piece, good, done.missing)
            progress(piece.end)
        if recording.damage is None:
            raise RecorderError(f"{path}: is whole; there is nothing to repair")
        good.close()
        done.kept = quarantine_name(path)
        os.rename(path, done.kept)
        os.rename(partial, path)
    except OSError as error:
        raise RecorderError(f"{path}: cannot be repaired: {error.strerror}") from error
    finally:
        good.release()
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
    return done


def _copy(frame: Frame, good: FrameFile, missing: int) -> int:
    """The frame as it is; HEADER and END are the new file's own.

    `missing` are the records of the gaps so far. Returns how many more an END speaks of: those of
    LOSS frames that were spoiled themselves.
    """
    kind = frame.head.kind
    if kind == layout.RECORDS:
        good.write(decode_records(frame.body))
    elif kind == layout.INSTRUMENTS:
        good.instruments(np.frombuffer(frame.body, INSTRUMENT))
    elif kind == layout.LOSS:
        good.loss(*layout.LOSS_BODY.unpack(frame.body))
    elif kind == layout.END:
        _, lost, _ = layout.END_BODY.unpack(frame.body)
        unsaid: int = lost - (good.lost - missing)
        if unsaid > 0:
            good.loss(unsaid, 0, layout.DAMAGE)
            return unsaid
    return 0
