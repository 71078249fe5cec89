"""A recording: `<local ns> <json>` lines, gzipped or plain, read in order and in bounded memory.

A line is a message of a combined stream, `{"stream":"<name>","data":{...}}`, or the bare REST depth
snapshot. The message's bytes are never decoded here and never changed: what subscribers get is what
was recorded.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from aegis.venue.errors import RecordingError

_STREAM: Final = b'{"stream":"'
_DATA: Final = b'","data":'
_SNAPSHOT: Final = b'{"lastUpdateId":'
_GZIP_MAGIC: Final = b"\x1f\x8b"
MAX_STREAMS: Final = 1_024


class Line(NamedTuple):
    """One recorded message; `stream` is "" for the depth snapshot."""

    number: int
    time_ns: int
    stream: str
    enveloped: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """What a first pass over the file finds."""

    lines: int
    streams: frozenset[str]
    symbols: frozenset[str]
    first_ns: int
    last_ns: int
    has_snapshot: bool


class Recording:
    """A file of recorded lines. Opening reads it through once, to know what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary = self._survey()

    def lines(self, skip: int = 0) -> Iterator[Line]:
        """The lines in order, the first `skip` left out. Raises RecordingError."""
        names: dict[bytes, str] = {}
        try:
            with self.path.open("rb") as probe:
                opener = gzip.open if probe.read(2) == _GZIP_MAGIC else open
            with opener(self.path, "rb") as stream:
                for number, raw in enumerate(stream, 1):
                    if number > skip:
                        yield self._parse(number, raw, names)
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{self.path}: cannot be read: {error}") from error

    def _parse(self, number: int, raw: bytes, names: dict[bytes, str]) -> Line:
        stamp, _, text = raw.rstrip(b"\r\n").partition(b" ")
        if not stamp.isdigit():
            raise RecordingError(f"{self.path}:{number}: does not begin with a time in ns")
        if text.startswith(_STREAM):
            end = text.find(_DATA, len(_STREAM))
            if end > 0 and text.endswith(b"}"):
                key = text[len(_STREAM) : end]
                name = names.get(key)
                if name is None:
                    if len(names) >= MAX_STREAMS:
                        raise RecordingError(
                            f"{self.path}:{number}: more than {MAX_STREAMS} streams"
                        )
                    name = names[key] = key.decode("ascii", "replace")
                return Line(number, int(stamp), name, text, text[end + len(_DATA) : -1])
        elif text.startswith(_SNAPSHOT):
            return Line(number, int(stamp), "", text, text)
        raise RecordingError(
            f"{self.path}:{number}: neither a combined stream message nor a depth snapshot: "
            f"{text[:60]!r}"
        )

    def _survey(self) -> Summary:
        count = 0
        first_ns = last_ns = 0
        has_snapshot = False
        streams: dict[str, None] = {}
        for line in self.lines():
            count += 1
            first_ns = first_ns or line.time_ns
            last_ns = max(last_ns, line.time_ns)
            if line.stream:
                streams[line.stream] = None
            else:
                has_snapshot = True
        if not streams:
            raise RecordingError(f"{self.path}: holds no stream message")
        symbols = frozenset(name.partition("@")[0].upper() for name in streams)
        if len(symbols) > 1:
            raise RecordingError(
                f"{self.path}: one symbol per recording; this one has {', '.join(sorted(symbols))}"
            )
        return Summary(count, frozenset(streams), symbols, first_ns, last_ns, has_snapshot)
