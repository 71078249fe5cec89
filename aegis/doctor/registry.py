"""Every check there is, in the order of its number."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from aegis.doctor import (
    clock,
    configuration,
    cores,
    disk,
    exchange,
    kernel,
    memory,
    network,
    placement,
    secrets,
    service,
)
from aegis.doctor.check import Check

__all__ = ["CHECKS", "ROOMS", "room_of"]

ROOMS: Final[tuple[ModuleType, ...]] = (
    cores, placement, clock, kernel, memory, network, disk, secrets, service, configuration,
    exchange,
)  # fmt: skip


def _place(check: Check) -> tuple[int, ...]:
    return tuple(int(part) for part in check.number.split("."))


CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted((check for room in ROOMS for check in room.CHECKS), key=_place)
)


def room_of(check: Check) -> str:
    """The file that a check is in."""
    return check.judge.__module__.rsplit(".", 1)[-1]
