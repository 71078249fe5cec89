"""Opening a journal is recovering it: the same path after a clean stop, a kill and a power loss.

`recover` finds the newest whole snapshot, replays from there, and puts aside whatever does not
belong to the good prefix (bytes are moved to a file named after where they stood, never thrown
away). `open_journal` then begins a new run with a number that was never used before. `restore`
brings what was found into a core that has just been made: positions, sums and latch as they were,
and every order that was still open as UNKNOWN, because only the exchange knows what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.batch import CARRIED_EPOCH
from aegis.execution.client_id import OrderName, run_after
from aegis.execution.journal.disk import Disk
from aegis.execution.journal.errors import JournalSpaceError
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.layout import (
    CHECKPOINT,
    CONTINUES,
    LATCH,
    RECORD,
    SUMS,
    SegmentHeader,
    is_segment,
    run_of_name,
)
from aegis.execution.journal.reader import (
    DAMAGED,
    TORN,
    UNREADABLE,
    Segment,
    read_journal,
    recovery_base,
)
from aegis.execution.journal.replay import Replay
from aegis.execution.journal.state import (
    amend_records,
    apply_records,
    known_trades,
    order_records,
    position_records,
)
from aegis.execution.journal.sync import SyncWork
from aegis.execution.journal.writer import SPARE_NAME, SegmentWriter, Tip
from aegis.execution.words import FUNDING_E8
from aegis.risk.gate_state import DAY_BASE_E8, NET_REALIZED_E8

if TYPE_CHECKING:
    from aegis.execution.core import ExecutionCore

__all__ = ["Identity", "Recovered", "open_journal", "recover", "restore"]

_STATE_BITS = 15
# See `_put_aside`: a whole file, or what was cut off behind its good prefix.
_DAMAGE_ASIDE = re.compile(rf"(.+)\.(?:{DAMAGED}|{UNREADABLE})(-\d+)?")
# What moves with the first order or trade of an instrument.
_BOOKED = ("position_lots", "realized_e8", "fees_e8", "open_orders")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose journal it is. `account` names the account at its exchange, never with a key in it."""

    instance: str
    account: str
    build_id: str = ""
    config_hash: bytes = bytes(32)
    mode: int = 0


@dataclass(slots=True)
class Recovered:
    """What a journal gave back. `replay` is None when there was nothing of this account."""

    last_run: int = 0
    tip: Tip = field(default_factory=Tip)
    replay: Replay | None = None
    findings: list[str] = field(default_factory=list)
    other_account: str = ""
    # More is bad than the end of the last write, which a kill or a power loss may cut short.
    is_damaged: bool = False

    @property
    def has_lost_books(self) -> bool:
        """Whether there were books, and none can be read any more: profit of the day and all."""
        return self.is_damaged and not self.has_state and not self.other_account

    @property
    def has_state(self) -> bool:
        """Whether the books of this account are known.

        A first start that failed has written a journal, too, but no books: these begin with the
        positions, and right after them with the time from which on funding is booked.
        """
        replay = self.replay
        if replay is None or replay.tables is None or replay.gate is None:
            return False
        # Of a journal that kept no such time yet: whatever has ever moved.
        moved = any(bool(replay.gate.exposure[name].any()) for name in _BOOKED)
        return replay.funding.since_ms > 0 or moved

    @property
    def sums_e8(self) -> tuple[int, int]:
        """Realised profit and fees of all instruments."""
        return _sum(self.replay, "realized_e8"), _sum(self.replay, "fees_e8")


def _sum(replay: Replay | None, name: str) -> int:
    return int(replay.gate.exposure[name].sum()) if replay and replay.gate is not None else 0


def recover(disk: Disk, account: str) -> Recovered:
    """Replay, and put aside what is bad. Raises OSError; the journal is left as readable as it was.

    Findings are sentences for a person. State of another account (an embedded exchange that has
    been started anew) is not taken over, its run numbers are; `other_account` names it.
    """
    found = Recovered()
    names = disk.names()
    found.last_run = max((run_of_name(name) or 0 for name in names), default=0)
    disk.remove(SPARE_NAME)
    base = recovery_base(disk)
    replay = Replay()
    last: Segment | None = None
    for segment in read_journal(disk, base):
        last = segment
        if _is_begun_only(segment):
            # The state is what the segment before has. Killed while it was begun, unless good
            # records follow: then it was whole, and is damaged.
            if segment.state != DAMAGED:
                segment.state, segment.text = TORN, "its snapshot is not whole"
            segment.good_bytes = 0
            break
        replay.feed(segment.records)
        if segment.is_good or segment.good_bytes:
            found.tip = segment.tip
    if last is not None:
        _put_aside(disk, last, found)
    found.findings += replay.hash_errors
    owner = _account_of(disk, base)
    if replay.tables is not None and owner == account:
        found.replay = replay
    elif replay.tables is not None:
        found.other_account = owner
    elif last is not None and last.header is not None and last.header.account != account:
        found.other_account = last.header.account
    if not found.has_state and not found.other_account:
        # A start that put it aside, and then failed or was killed, has halted nothing for good.
        found.is_damaged = found.is_damaged or _has_damage_aside(disk, account)
    return found


def _has_damage_aside(disk: Disk, account: str) -> bool:
    """Whether damage of this account's journal was put aside, by this start or an earlier one."""
    names = set(disk.names())
    for name in names:
        aside = _DAMAGE_ASIDE.fullmatch(name)
        if aside is None:
            continue
        # What was cut off has no header of its own.
        headed = aside[1] if aside[2] else name
        if headed not in names:
            continue
        try:
            owner = SegmentHeader.unpack(disk.read(headed)).account
        except ValueError:
            return True
        if owner == account:
            return True
    return False


def _is_begun_only(segment: Segment) -> bool:
    """A segment that should begin with a snapshot and has not got to the end of it."""
    if segment.header is None or segment.header.flags & CONTINUES:
        return False
    return not (segment.records["kind"] == CHECKPOINT).any()


def _account_of(disk: Disk, base: str) -> str:
    if not base:
        return ""
    return SegmentHeader.unpack(disk.read(base)).account


def _put_aside(disk: Disk, last: Segment, found: Recovered) -> None:
    """The end that is not good, and every segment after it, under names of their own."""
    if not last.is_good:
        if last.good_bytes:
            aside = f"{last.name}.{last.state}-{last.good_bytes}"
            disk.cut(last.name, last.good_bytes, aside)
        else:
            aside = f"{last.name}.{last.state}"
            disk.rename(last.name, aside)
        found.findings.append(f"{last.name}: {last.text}; moved to {aside}")
        found.is_damaged = last.state != TORN
    for name in disk.names():
        if is_segment(name) and name > last.name:
            disk.rename(name, f"{name}.orphan")
            found.findings.append(
                f"{name}: what it follows from is damaged; moved to {name}.orphan"
            )


def open_journal(
    disk: Disk,
    identity: Identity,
    found: Recovered,
    clock_ns: Callable[[], int],
    wall_ns: Callable[[], int],
    *,
    segment_bytes: int,
    keep_bytes: int,
) -> Journal:
    """Begin the next run. Raises JournalSpaceError without room for a segment and its reserve.

    Nothing is written before `Journal.attach`; the caller makes a `SyncThread` for `journal.work`.
    """
    run = run_after(found.last_run, wall_ns() // 1_000_000_000)
    header = SegmentHeader(
        run=run,
        number=0,
        first_sequence=0,
        chain=0,
        created_ns=0,
        instance=identity.instance,
        build_id=identity.build_id,
        config_hash=identity.config_hash,
        account=identity.account,
        mode=identity.mode,
    )
    writer = SegmentWriter(disk, header, found.tip, segment_bytes)
    work = SyncWork(writer, keep_bytes, clock_ns)
    try:
        writer.prepare_spare()
    except OSError as error:
        raise JournalSpaceError(
            f"the journal needs {2 * segment_bytes:,} bytes and cannot have them: "
            f"{error.strerror}; make room, or set [journal] dir or segment_bytes"
        ) from None
    return Journal(writer, work, clock_ns, wall_ns, run=run, mode=identity.mode)


def restore(core: ExecutionCore, found: Recovered, now_ns: int) -> list[str]:
    """Bring the recovered state into a new core; symbols that it does not trade are told.

    Open orders get the epoch CARRIED_EPOCH and a reference of their own; `core.carried` has their
    names.
    """
    replay = found.replay
    if replay is None or replay.tables is None or replay.gate is None:
        return []
    places = [core.index.get(rules.symbol, -1) for rules in replay.instruments]
    core.unbooked = [place for place in range(len(core.instruments)) if place not in places]
    told = _unplaced(core, replay, places)
    notes = [_sums(replay), _latch(replay)]
    orders = order_records(replay.tables.rows)
    amends = amend_records(replay.tables.rows, replay.tables.terms)
    references: dict[tuple[int, int], int] = {}
    for number, note in enumerate(orders):
        references[int(note["epoch"]), int(note["order_ref"])] = found.tip.sequence + number
        _carry(core, replay, note, found.tip.sequence + number)
    for note in amends:
        note["order_ref"] = references[int(note["epoch"]), int(note["order_ref"])]
        note["epoch"] = CARRIED_EPOCH
    for table in (
        position_records(replay.gate.exposure),
        known_trades(replay.tables.array("trades"), replay.confirmed),
        orders,
        amends,
    ):
        mapped = np.asarray(places, np.int64)[table["instrument"]]
        table["instrument"] = np.maximum(mapped, 0)
        notes.append(table[mapped >= 0])
    records = np.concatenate(notes)
    records["mono_ns"] = now_ns
    done = int(apply_records(core.directory, records, 0, len(records)))
    assert done == len(records), "a snapshot holds nothing but what a kernel takes"
    for number, (place, trade_id) in enumerate(zip(places, replay.confirmed, strict=True)):
        if place >= 0:
            core.confirmed_trades[place] = trade_id
            if number in replay.begun_ms:
                core.begun_ms[place] = replay.begun_ms[number]
    for change in replay.funding.state():
        core.funding.take(change)
    return told


def _unplaced(core: ExecutionCore, replay: Replay, places: list[int]) -> list[str]:
    """What the journal knows of symbols that are not traded any more, or on another grid."""
    assert replay.gate is not None
    told = []
    for number, (rules, place) in enumerate(zip(replay.instruments, places, strict=True)):
        held = replay.gate.exposure[number]
        moved = any(int(held[name]) for name in ("position_lots", "open_orders"))
        if place < 0:
            if moved:
                told.append(f"{rules.symbol} is not traded any more but has a position or orders")
            continue
        now = core.instruments[place]
        grid = (now.tick_mantissa, now.tick_decimals, now.step_mantissa, now.step_decimals)
        was = (rules.tick_mantissa, rules.tick_decimals, rules.step_mantissa, rules.step_decimals)
        if grid != was and moved:
            told.append(f"{rules.symbol} has another tick or step than when its books were kept")
    return told


def _carry(core: ExecutionCore, replay: Replay, note: Any, reference: int) -> None:
    """Name an open order of an earlier run, and take it for UNKNOWN unless it is CLOSING."""
    if int(note["epoch"]) == CARRIED_EPOCH:
        name = replay.carried[int(note["order_ref"])]
    else:
        name = OrderName(replay.run, int(note["epoch"]), int(note["order_ref"]), replay.tag)
    core.carried[reference] = name
    core.carried_refs[name] = reference
    note["epoch"] = CARRIED_EPOCH
    note["order_ref"] = reference
    code = int(note["code"])
    if code & _STATE_BITS != states.CLOSING:
        note["code"] = code & ~_STATE_BITS | states.UNKNOWN


def _sums(replay: Replay) -> Any:
    assert replay.tables is not None and replay.gate is not None
    note = np.zeros(1, RECORD)
    note["kind"] = SUMS
    note["amount_e8"] = replay.tables.words[FUNDING_E8]
    note["cum_lots"] = replay.gate.words[NET_REALIZED_E8]
    note["trade_id"] = replay.gate.words[DAY_BASE_E8]
    return note


def _latch(replay: Replay) -> Any:
    assert replay.gate is not None
    note = np.zeros(1, RECORD)
    note["kind"] = LATCH
    note["code"] = int(replay.gate.latch.state)
    note["number"] = replay.gate.latch.reason
    return note
