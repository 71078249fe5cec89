"""One recording and the market it drives, once or again and again.

``conductor`` takes the cues of all reels in the order of their times. With looping a recording that
has ended begins anew, its times and ids moved behind everything before (``mirror.shift``): from its
snapshot on, because only from there a book is known. To the streams the jump back is one more depth
event, which leads from the book at the end to that of the snapshot, so that a client's chain of
depth events, and its book, stay valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from aegis.venue.mirror.player import Kind, Player, kind_of
from aegis.venue.mirror.recording import Line, Recording
from aegis.venue.mirror.shift import (
    TIME,
    UPDATE,
    Shift,
    moved,
    number_of,
    numbers,
    with_number,
)

# Between the last message of a pass and the first of the next.
GAP_MS: Final = 100
MS_NS: Final = 1_000_000


class Cue(NamedTuple):
    """The next thing of a reel: a recorded line, or, with `chains`, the jump back to the start.

    `chains` are the last update ids of the diff depth streams; the line is the snapshot then.
    """

    reel: Reel
    line: Line
    chains: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recording is played again: from which line, and what is added in each pass."""

    snapshot: Line | None  # None: the recording has none, and begins with an empty book
    begin: int  # lines before the first that is played again
    begin_ns: int
    first_event_ms: int
    base_id: int  # the book's update id at the jump, before it is moved
    shift: Shift
    cues: int  # of one later pass


class Reel:
    """A recording on its market. `loop` plays it without end."""

    def __init__(self, recording: Recording, player: Player, *, loop: bool = False) -> None:
        """Reads the recording through once more if it is to be looped. Raises RecordingError."""
        self.recording = recording
        self.player = player
        self.plan = _plan(recording) if loop else None

    @property
    def symbol(self) -> str:
        (symbol,) = self.recording.summary.symbols
        return symbol

    @property
    def awaits_snapshot(self) -> bool:
        """The recorded snapshot has not had its turn yet."""
        return self.recording.summary.has_snapshot and self.player.snapshot_id == 0

    def locate(self, cues: int) -> tuple[int, int]:
        """Where `cues` cues end: a pass from which to start, and how many cues of it to skip.

        Never the very beginning of a later pass: the jump to it needs what was before.
        """
        lines = self.recording.summary.lines
        if self.plan is None or cues <= lines + self.plan.cues:
            return 0, cues
        whole = (cues - lines - 1) // self.plan.cues
        return whole, cues - lines - (whole - 1) * self.plan.cues

    def cues(self, first_pass: int = 0) -> Iterator[Cue]:
        """All cues from the beginning of a pass on. Raises RecordingError."""
        chains: dict[str, int] = {}
        if first_pass == 0:
            for line in self.recording.lines():
                if self.plan is not None and _is_diff(line):
                    chains[line.stream] = number_of(line.stream, line.message, "u")
                yield Cue(self, line)
        if self.plan is not None:
            number = max(1, first_pass)
            while True:
                yield from self._again(self.plan, number, chains)
                number += 1

    def rejoin(self, cue: Cue) -> list[Line]:
        """The depth events that lead from the book as it is to where the pass begins."""
        assert cue.chains is not None and self.plan is not None, "not the beginning of a pass"
        line = cue.line
        bids, asks = self.player.book.changes_to(line.message)
        base_id = number_of("", line.message, "lastUpdateId")
        self.player.snapshot_id = base_id
        event_ms = self.plan.first_event_ms + (line.time_ns - self.plan.begin_ns) // MS_NS
        lines = []
        for stream, last_id in cue.chains.items():
            message = msgspec.json.encode(
                {
                    "e": "depthUpdate",
                    "E": event_ms,
                    "T": event_ms,
                    "s": self.symbol,
                    "U": last_id + 1,
                    "u": base_id,
                    "pu": last_id,
                    "b": bids,
                    "a": asks,
                }
            )
            enveloped = b'{"stream":"%b","data":%b}' % (stream.encode(), message)
            lines.append(Line(line.number, line.time_ns, stream, enveloped, message))
        return lines

    def _again(self, plan: Plan, number: int, chains: dict[str, int]) -> Iterator[Cue]:
        """One later pass; `chains` are kept up to date."""
        shift = plan.shift.times(number)
        base_id = plan.base_id + shift.update
        begin_ns = plan.begin_ns + shift.time_ms * MS_NS
        snapshot = b'{"lastUpdateId":%d,"bids":[],"asks":[]}' % base_id
        if plan.snapshot is not None:
            snapshot = moved("", plan.snapshot.message, shift)
        yield Cue(self, Line(plan.begin, begin_ns, "", snapshot, snapshot), dict(chains))
        for stream in chains:
            chains[stream] = base_id
        joined: set[str] = set()
        for line in self.recording.lines(plan.begin):
            if not line.stream:
                continue
            message = moved(line.stream, line.message, shift)
            if _is_diff(line):
                last_id = number_of(line.stream, message, "u")
                if line.stream not in joined:
                    message = with_number(message, "pu", base_id)
                # What the snapshot holds already is left out; a cue it stays, so that they count.
                if last_id < base_id:
                    message = b""
                else:
                    joined.add(line.stream)
                    chains[line.stream] = last_id
            yield Cue(self, _rewritten(line, message, shift))


def slices(cues: Iterable[Cue], width_ns: int, first_ns: int) -> Iterator[list[Cue]]:
    """Cues grouped by their time, `width_ns` each, empty groups left out.

    Snapshots and jumps are groups of their own: nothing else happens at their moment.
    """
    group: list[Cue] = []
    group_number = 0
    for cue in cues:
        number = (cue.line.time_ns - first_ns) // width_ns
        alone = not cue.line.stream
        if group and (number != group_number or alone or not group[-1].line.stream):
            yield group
            group = []
        group.append(cue)
        group_number = number
    if group:
        yield group


def _rewritten(line: Line, message: bytes, shift: Shift) -> Line:
    opening = line.enveloped[: len(line.enveloped) - len(line.message) - 1]
    enveloped = opening + message + b"}" if message else b""
    time_ns = line.time_ns + shift.time_ms * MS_NS
    return line._replace(time_ns=time_ns, enveloped=enveloped, message=message)


def _is_diff(line: Line) -> bool:
    return bool(line.stream) and kind_of(line.stream) is Kind.DEPTH


def _plan(recording: Recording) -> Plan:
    """Read the recording through for what looping it needs."""
    # Highest ids and times of all of it, lowest ones of the part that is played again.
    low, high = [0, 0, 0, 0], [0, 0, 0, 0]
    snapshot: Line | None = None
    begin, begin_ns, last_ns, base_id, cues = 0, recording.summary.first_ns, 0, 0, 1
    for line in recording.lines():
        last_ns = max(last_ns, line.time_ns)
        if not line.stream:
            if snapshot is None:
                snapshot, begin, begin_ns = line, line.number, line.time_ns
                base_id = number_of("", line.message, "lastUpdateId")
                low, cues = [0, base_id, 0, 0], 1
            continue
        cues += 1
        stale = _is_diff(line) and number_of(line.stream, line.message, "u") < base_id
        for key, role, value in numbers(line.stream, line.message):
            # Of the times only the event's own: others lie ahead, or hours back.
            if (role == TIME and key != "E") or key in ("U", "pu"):
                continue
            high[role] = max(high[role], value)
            if not stale:
                low[role] = min(low[role] or value, value)
    width = [top - bottom + 1 for bottom, top in zip(low, high, strict=True)]
    width[TIME] = GAP_MS + max(width[TIME], -(-(last_ns - begin_ns) // MS_NS))
    return Plan(
        snapshot=snapshot,
        begin=begin,
        begin_ns=begin_ns,
        first_event_ms=low[TIME],
        base_id=base_id or low[UPDATE] - 1,
        shift=Shift(*width),
        cues=cues,
    )
