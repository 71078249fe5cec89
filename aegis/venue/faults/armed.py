"""A fault that has been put on the board: its window, its count, its own dice.

``board`` arms faults; whoever carries them out asks `strikes` for each thing that matched. The same
schedule, seed and matches strike the same things, however fast anything runs.
"""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Any, Final

from aegis.venue.faults.menu import MENU, Dish
from aegis.venue.faults.schema import Fault

ENDLESS_MS: Final = 1 << 62


class Armed:
    """One fault, from its beginning to its end. Times in ms of the market's own time."""

    def __init__(self, number: int, fault: Fault, origin_ms: int, seed: int) -> None:
        self.number = number
        self.fault = fault
        self.dish: Dish = MENU[fault.kind]
        self.dice = random.Random(f"{seed}:{number}")
        self.begin_ms = origin_ms + fault.at_ms
        self.end_ms = ENDLESS_MS if fault.for_ms is None else self.begin_ms + fault.for_ms
        self.seen = 0
        self.struck = 0
        self.begun = False
        self.note = ""
        # What a kind keeps between two strikes: a frozen message, a snapshot, an old setting.
        self.memory: dict[str, Any] = {}
        self._next_ms = self.begin_ms

    def is_live(self, now_ms: int) -> bool:
        """May it still strike now?"""
        return self.begin_ms <= now_ms < self.end_ms and not self.is_spent

    @property
    def is_spent(self) -> bool:
        """It has struck as often as it may."""
        most = self.fault.most
        return most is not None and self.struck >= most

    def strikes(self, now_ms: int) -> bool:
        """Something matched: does the fault strike it? Counts either way."""
        if not self.is_live(now_ms):
            return False
        self.seen += 1
        fault = self.fault
        if self.seen <= fault.after:
            return False
        if fault.probability < 1.0 and self.dice.random() >= fault.probability:
            return False
        self.struck += 1
        return True

    def next_moment_ms(self) -> int:
        """When a kind that happens at moments is due next; far away when it never is again."""
        if self.is_spent or self._next_ms >= self.end_ms:
            return ENDLESS_MS
        return self._next_ms

    def take_moment(self) -> None:
        """One moment has come: count it and plan the next one."""
        self.struck += 1
        every_ms = self.fault.every_ms
        if every_ms is not None:
            self._next_ms += every_ms
        elif self.fault.times is None:
            self._next_ms = ENDLESS_MS

    def report(self, origin_ms: int) -> dict[str, Any]:
        """What the control endpoint shows of it."""
        fault = self.fault
        row: dict[str, Any] = {"number": self.number, "kind": fault.kind}
        if fault.name:
            row["name"] = fault.name
        row |= {"begin_ms": self.begin_ms - origin_ms, "seen": self.seen, "struck": self.struck}
        if self.end_ms < ENDLESS_MS:
            row["end_ms"] = self.end_ms - origin_ms
        if self.note:
            row["note"] = self.note
        return row


def matches(pattern: str, text: str) -> bool:
    """A glob against a name: "*" is all, case counts."""
    return pattern == "*" or fnmatchcase(text, pattern)
