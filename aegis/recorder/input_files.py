"""Reading other people's files: gzip, zip or plain, as whole lines, keeping the good part.

Called by the imports. A file that breaks off (a download that stopped, a recorder that was killed)
gives the lines that are whole; a last line without its newline is not. What was wrong is told by
the `InputReport`, once, with its place.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aegis.recorder.errors import RecorderError

__all__ = ["Advance", "InputReport", "blocks", "lines"]

_READ_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4 << 20
# A line longer than this is no line of any of the formats.
_LINE_BYTES: Final = 16 << 20
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_ZIP_HEAD: Final = struct.Struct("<4sHHHHHIIIHH")
_DEFLATED: Final = 8
# A signature, a sum and two lengths of up to eight bytes, and then the signature of what follows.
_DESCRIPTOR_BYTES: Final = 4 + 4 + 16 + len(_ZIP)
_MORE_MEMBERS: Final = "the zip holds more files than its first; import each by itself"
_GZIP_WINDOW: Final = 31
_SHOWN: Final = 80
# So many refused lines without a good one, and the file is of another kind.
_PATIENCE: Final = 100
_KINDS: Final = 20

Advance = Callable[[int], None]


@dataclass(slots=True)
class InputReport:
    """What was wrong with one input. `cut` says where it breaks off, `first` what was refused.

    `left_out` counts what is well formed and yet becomes no record, by what it calls itself.
    """

    path: Path
    good: int = 0
    refused: int = 0
    first: str = ""
    cut: str = ""
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        """Nothing was missing and nothing refused."""
        return not self.cut and not self.refused

    def refuse(self, line: int, why: str) -> None:
        """Count a line that is not what it should be. Raises RecorderError if all are so."""
        self.refused += 1
        if not self.first:
            self.first = f"line {line}: {why}"
        if self.good == 0 and self.refused >= _PATIENCE:
            raise RecorderError(
                f"{self.path}: none of its first {self.refused} lines is of the kind that was "
                f"named; {self.first}"
            )

    def leave_out(self, kind: str) -> None:
        """Count a good line of which no record is made. A file may hold any number of kinds."""
        known = kind in self.left_out or len(self.left_out) < _KINDS
        self.left_out[kind if known else "others"] += 1

    def sentences(self) -> list[str]:
        """What a person should read; empty for a whole file."""
        said = []
        if self.refused:
            said.append(f"{self.path}: {self.refused} lines left out; {self.first}")
        if self.left_out:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.left_out.most_common())
            said.append(f"{self.path}: no record is made of {kinds}")
        if self.cut:
            said.append(f"{self.path}: breaks off: {self.cut}; kept is what comes before")
        return said


def lines(path: Path, report: InputReport, advance: Advance) -> Iterator[tuple[int, bytes]]:
    """(number from 1, text without its newline) of every whole line."""
    number = 0
    for block in blocks(path, report, advance):
        for line in block.split(b"\n")[:-1]:
            number += 1
            yield number, line


def blocks(path: Path, report: InputReport, advance: Advance) -> Iterator[bytes]:
    """The text in pieces of some megabytes, each ending in a newline. Raises RecorderError."""
    rest = bytearray()
    for chunk in _chunks(path, report, advance):
        rest += chunk
        if len(rest) < _BLOCK_BYTES:
            continue
        end = rest.rfind(b"\n") + 1
        if end:
            yield bytes(rest[:end])
            del rest[:end]
        elif len(rest) > _LINE_BYTES:
            raise RecorderError(f"{path}: a line of more than {_LINE_BYTES} bytes")
    end = rest.rfind(b"\n") + 1
    if end:
        yield bytes(rest[:end])
    if end < len(rest) and not report.cut:
        report.cut = f"its last line has no end: {_show(bytes(rest[end:]))}"


def _chunks(path: Path, report: InputReport, advance: Advance) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            if start[:2] == _GZIP:
                yield from _inflate(stream, report, advance, _GZIP_WINDOW)
            elif start == _ZIP:
                yield from _inflate_zip(stream, report, advance)
            else:
                while chunk := stream.read(_READ_BYTES):
                    advance(len(chunk))
                    yield chunk
    except OSError as error:
        raise RecorderError(f"{path}: {error.strerror}") from error


def _inflate_zip(stream: Any, report: InputReport, advance: Advance) -> Iterator[bytes]:
    """The only member, read without the table at the end, which a torn download lacks."""
    head = _ZIP_HEAD.unpack(stream.read(_ZIP_HEAD.size).ljust(_ZIP_HEAD.size, b"\0"))
    method, stored, name_bytes, extra_bytes = head[3], head[7], head[9], head[10]
    stream.read(name_bytes + extra_bytes)
    if method == _DEFLATED:
        yield from _inflate(stream, report, advance, -zlib.MAX_WBITS)
    elif method == 0:
        data = stream.read(stored)
        advance(len(data))
        if len(data) < stored:
            report.cut = f"the zip holds {len(data)} of {stored} bytes"
        yield data
        if stream.read(len(_ZIP)) == _ZIP:
            report.cut = _MORE_MEMBERS
    else:
        raise RecorderError(f"{report.path}: zip method {method}; deflated or stored are read")


def _inflate(
    stream: Any, report: InputReport, advance: Advance, window_bits: int
) -> Iterator[bytes]:
    one_member = window_bits < 0
    machine = zlib.decompressobj(window_bits)
    empty = True
    try:
        while chunk := stream.read(_READ_BYTES):
            advance(len(chunk))
            while chunk:
                if machine.eof:
                    if one_member:
                        # Behind it stands its descriptor, if any, and then the next head.
                        if _ZIP in chunk[:_DESCRIPTOR_BYTES] + stream.read(_DESCRIPTOR_BYTES):
                            report.cut = _MORE_MEMBERS
                        return
                    if not chunk.lstrip(b"\0"):
                        return
                    machine = zlib.decompressobj(window_bits)
                found = machine.decompress(chunk, _BLOCK_BYTES)
                chunk = machine.unconsumed_tail or machine.unused_data
                empty = empty and not found
                yield found
        if not machine.eof:
            # All input is taken, yet some of what it stands for may still be inside.
            found = machine.flush()
            empty = empty and not found
            yield found
        if not machine.eof:
            report.cut = "the compressed data is cut short"
    except zlib.error as error:
        report.cut = f"the compressed data is spoiled ({error})"
    if report.cut and empty:
        report.cut += " before its first byte"


def _show(text: bytes) -> str:
    return repr(text[:_SHOWN].decode("utf-8", "replace"))
