"""The record of a passed doctor, which an instance with mode = "live" does not start without.

``aegis doctor`` writes it into the instance's state directory when a whole run has passed (not with
``--quick``), and takes it away when one has not; ``aegis run`` reads it. It says when, and of which
configuration, build and boot: what was seen of another is worth nothing. A file that is absent,
torn or foreign is no record.

A live run that was killed or has failed, and that systemd or a person starts anew, was admitted and
may hold a position: what it lacks is only a young record. Of the same boot and build, and with the
values that were in force, it goes on without one, however long ago it ended. ``admitted.json``
beside the record says so: written when a live run is READY and with each accepted reload, removed
by an end in good order. Shared memory could not tell it: the unit clears that after every end.

::

    {"version": 1, "instance": "btc", "unix_s": 1763700000, "config_hash": "...",
     "build_id": "...", "boot_id": "...", "accepted": ["service_user"]}
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aegis import BUILD_ID
from aegis.config import AegisConfig, config_hash
from aegis.host.process_identity import read_boot_id
from aegis.host.whole_file import replace_file
from aegis.risk.latch_record import record_file, record_file_by_hand

__all__ = [
    "MAX_AGE_S",
    "DoctorRecord",
    "admitted_file",
    "doctor_file",
    "doctor_file_by_hand",
    "present_record",
    "read_doctor",
    "refusal_of",
    "write_doctor",
]

FILE_NAME: Final = "doctor.json"
ADMITTED_NAME: Final = "admitted.json"
MAX_AGE_S: Final = 24 * 3_600
_VERSION: Final = 1
_MOST_BYTES: Final = 16_384
_SHOWN: Final = 12
# A clock may be set back a little between the run and the start.
_AHEAD_S: Final = 60


@dataclass(frozen=True, slots=True)
class DoctorRecord:
    """A passed run: when, of what, and what was accepted in it."""

    instance: str
    unix_s: int
    config_hash: str
    build_id: str
    boot_id: str
    accepted: tuple[str, ...] = ()


def present_record(config: AegisConfig, instance: str, now_s: float) -> DoctorRecord:
    """What a run that passes now would leave."""
    return DoctorRecord(
        instance,
        int(now_s),
        config_hash(config),
        BUILD_ID,
        read_boot_id(),
        tuple(config.doctor.accepted),
    )


def doctor_file(instance: str) -> Path:
    """The record of an instance, as the instance finds it."""
    return record_file(instance).with_name(FILE_NAME)


def doctor_file_by_hand(instance: str) -> Path:
    """The same for a command run by hand, which may mean an instance of systemd's."""
    return record_file_by_hand(instance).with_name(FILE_NAME)


def admitted_file(instance: str) -> Path:
    """What a live run leaves that has not ended in good order: of the same form."""
    return record_file(instance).with_name(ADMITTED_NAME)


def write_doctor(file: Path, record: DoctorRecord) -> None:
    """Replace the file as a whole, see `host.whole_file`. Raises OSError."""
    replace_file(file, json.dumps({"version": _VERSION, **asdict(record)}).encode())


def read_doctor(file: Path) -> DoctorRecord | None:
    """What the file says; None when there is none that this build understands and may believe."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            state = os.fstat(descriptor)
            # Whoever can write it can pass himself.
            if state.st_uid not in (0, os.geteuid()) or stat.S_IMODE(state.st_mode) & 0o022:
                return None
            found: Any = json.loads(opened.read(_MOST_BYTES))
        if not isinstance(found, dict) or found.pop("version", None) != _VERSION:
            return None
        found["accepted"] = tuple(found["accepted"])
        record = DoctorRecord(**found)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    is_whole = type(record.unix_s) is int and isinstance(record.config_hash, str)
    return record if is_whole else None


def refusal_of(
    config: AegisConfig,
    instance: str,
    now_s: float,
    read: Callable[[Path], DoctorRecord | None] = read_doctor,
) -> str:
    """Why a live instance may not start, with the command to run; empty when it may.

    Any other mode needs no record, and neither does what goes on with a run that was killed.
    """
    if config.venue.mode != "live":
        return ""
    file = doctor_file(instance)
    found, wanted = read(file), present_record(config, instance, now_s)
    left = read_doctor(admitted_file(instance))
    if left is not None and _goes_on(left, wanted):
        return ""
    reason = _difference(found, wanted, file)
    return reason and f'mode = "live" needs a passed doctor: {reason}; run: aegis doctor {instance}'


def _goes_on(left: DoctorRecord, wanted: DoctorRecord) -> bool:
    """Whether a live run that nobody has stopped would only go on with what it was."""
    return (
        left.instance == wanted.instance
        and left.config_hash == wanted.config_hash
        and left.build_id == wanted.build_id
        and bool(wanted.boot_id)
        and left.boot_id == wanted.boot_id
    )


def _difference(found: DoctorRecord | None, wanted: DoctorRecord, file: Path) -> str:
    if found is None:
        return f"there is no record of one ({file})"
    if found.instance != wanted.instance:
        return f"the record is of {found.instance}"
    age_s = wanted.unix_s - found.unix_s
    if not -_AHEAD_S <= age_s <= MAX_AGE_S:
        hours = f"{age_s / 3_600:.0f} h old, at most {MAX_AGE_S // 3_600} h count"
        return f"the record is {hours if age_s > 0 else 'from the future'}"
    if found.config_hash != wanted.config_hash:
        hashes = f"{found.config_hash[:_SHOWN]} then, {wanted.config_hash[:_SHOWN]} now"
        return f"the configuration is another ({hashes})"
    if found.build_id != wanted.build_id:
        return f"the build is another ({found.build_id} then, {wanted.build_id} now)"
    if not wanted.boot_id or found.boot_id != wanted.boot_id:
        return "the box was started anew since"
    return ""
