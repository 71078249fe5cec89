"""The configuration and the release: what the file says, and whether all of it is one build."""

from __future__ import annotations

from typing import Final

from aegis import BUILD_ID
from aegis.config import config_hash
from aegis.doctor.check import Check, Verdict, failed, passed, skipped, warned
from aegis.doctor.visit import Visit
from aegis.shm.instance import directory_of
from aegis.shm.region import HEADER

__all__ = ["CHECKS"]

_HASH_SHOWN: Final = 12
_MAGIC: Final = b"AEGISSHM"


def configuration(visit: Visit) -> Verdict:
    present = config_hash(visit.config)
    text = f"{visit.source}, hash {present[:_HASH_SHOWN]}"
    stale = [
        f"{name} runs {notes.config_hash[:_HASH_SHOWN] or 'an unknown one'}"
        for name, notes in visit.running.items()
        if notes.config_hash != present
    ]
    if visit.mode == "live" and not visit.config.venue.armed:
        return failed(f"{text}: not armed", "[venue] armed = true")
    if stale:
        fix = "aegis reload INSTANCE, or a restart"
        return warned(f"{text}; {', '.join(stale)}", fix)
    if visit.warnings:
        count = len(visit.warnings)
        return warned(f"{text}; {count} warnings, the first: {visit.warnings[0]}", "aegis check")
    return passed(text)


def one_build(visit: Visit) -> Verdict:
    if not visit.running:
        return skipped("no instance runs")
    others: list[str] = []
    count = 0
    for name, notes in visit.running.items():
        if notes.build_id != BUILD_ID:
            others.append(f"{name} runs {notes.build_id}")
        folder = visit.box.path(directory_of(name, visit.config.hardware.shm_dir))
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            if not file.is_file():
                continue  # A socket, for example.
            with file.open("rb") as opened:
                head = opened.read(HEADER.itemsize)
            if not head.startswith(_MAGIC):
                continue
            count += 1
            place = HEADER.fields["build"][1]  # type: ignore[index]
            build = int.from_bytes(head[place : place + 8], "little")
            if build != int(BUILD_ID, 16):
                others.append(f"{file.name} of {name} is of {build:016x}")
    if others:
        return failed(f"{'; '.join(others[:4])}; installed is {BUILD_ID}", "restart the instance")
    return passed(f"build {BUILD_ID} in {len(visit.running)} instances and {count} regions")


CHECKS: Final = (
    Check(
        "49", "configuration", "fail", "aegis.toml, and what the running instance says of its own",
        "whole, without warnings, and the one that runs", "what runs is what was read",
        configuration,
    ),
    Check(
        "53", "one_build", "fail", "the build of running processes and of every region's header",
        "the installed one", "two builds in one memory", one_build,
    ),
)  # fmt: skip
