"""A core with a journal over any disk: what the tests of this room write with."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from aegis.execution.journal.journal import Journal
from aegis.execution.journal.recovery import (
    Identity,
    Recovered,
    open_journal,
    recover,
    restore,
)
from aegis.shm.intent import IOC, POST_ONLY
from tests.execution.harness import NOW_MS, NOW_NS, Desk

ACCOUNT = "embedded-test"
SEGMENT_BYTES = 1 << 20
WALL_NS = 1_763_700_000_000_000_000


class Keeper:
    """A desk whose core is journaled; `again` is the next process on the same disk."""

    def __init__(self, folder: Path, disk: Any, *, keep_bytes: int = 1 << 30) -> None:
        self.folder = folder
        self.disk = disk
        folder.mkdir(exist_ok=True)
        self.found: Recovered = recover(disk, ACCOUNT)
        self.journal: Journal = open_journal(
            disk,
            Identity("t", ACCOUNT, "build", b"c" * 32),
            self.found,
            lambda: self.now_ns,
            lambda: WALL_NS + self.now_ns,
            segment_bytes=SEGMENT_BYTES,
            keep_bytes=keep_bytes,
        )
        self.desk = Desk(folder, run=self.journal.run)
        self.core = self.desk.core
        self.unplaced = restore(self.core, self.found, self.desk.now_ns)
        self.journal.attach(self.core)
        self.trade_id = 0
        self.sent: list[int] = []

    @property
    def now_ns(self) -> int:
        """The desk's clock, from before there is a desk."""
        return self.desk.now_ns if hasattr(self, "desk") else NOW_NS

    def trade(self, rng: random.Random, steps: int) -> None:
        """So many random pieces of news: orders, answers, fills, cancels, ends."""
        for _ in range(steps):
            self.desk.now_ns += 1_000_000
            self.desk.refresh()
            self._step(rng)
            self.journal.flush()
            self.core.publish(self.desk.now_ns)
            self.desk.memory.outcomes.take()

    def _step(self, rng: random.Random) -> None:
        desk = self.desk
        if not self.sent or rng.random() < 0.3:
            side = rng.choice((1, -1))
            flags = rng.choice((POST_ONLY, IOC, 0))
            price = 600_000 - side * rng.randint(1, 50)
            record = desk.intent(
                side=side, flags=flags, price_ticks=price, qty_lots=rng.randint(2, 9)
            )
            if desk.send(record):
                self.sent.append(desk.next_ref)
            return
        ref = self.sent[rng.randrange(max(0, len(self.sent) - 20), len(self.sent))]
        kind = rng.choice(("NEW", "TRADE", "TRADE", "TRADE", "CANCELED", "EXPIRED", "cancel"))
        if kind == "cancel":
            desk.cancel(ref)
        elif kind == "TRADE":
            self.trade_id += 1
            lots = f"0.{rng.randint(1, 4):03d}"
            price = f"{60_000 + rng.randint(-500, 500) / 10:.1f}"
            desk.update(ref, "TRADE", l=lots, z=lots, L=price, t=self.trade_id, n="0.0123", T=9)
        else:
            desk.update(ref, kind)

    def again(self) -> Keeper:
        """Another process, over what this one left (which is not closed: it was killed)."""
        self.desk.close()
        return Keeper(self.folder, self.disk)

    def sums(self) -> list[tuple[int, ...]]:
        """Positions, cost, realised profit and fees."""
        held = self.core.gate.exposure
        names = ("position_lots", "cost_e8", "realized_e8", "fees_e8")
        return [tuple(int(row[name]) for name in names) for row in held]


__all__ = ["ACCOUNT", "NOW_MS", "SEGMENT_BYTES", "Keeper"]
