"""Client order ids: deterministic, never reused, and readable both ways.

::

    a<instance>-<strategy: 3><run: 6><brain epoch: 3>-<order reference>       digits in base 36

The strategy is a checksum of its name: which algorithm an order belongs to can be told from the
exchange's own records. The run is the journal's durable epoch (see `run_after`): it only grows,
whatever the clock does, so a restart never repeats an id; the brain epoch and the order reference
come with the intent. The same intent always gives the same id, so a retry can only find its first
copy, never double it. At most 36 characters of the set that the exchange allows.

Kernels write ids through `aegis.execution.order_messages`; this is the cold side: reconciliation
reads ids back to tell our own orders (of this run, of an earlier one) from everybody else's.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from aegis.execution.decimal_text import to_base36

__all__ = [
    "BRAIN_DIGITS",
    "MAX_EPOCH",
    "RUN_DIGITS",
    "STOP_EPOCH",
    "ClientIds",
    "OrderName",
    "first_request",
    "run_after",
    "strategy_tag",
]

MAX_LENGTH = 36
RUN_DIGITS = 6
BRAIN_DIGITS = 3
REF_DIGITS = 11
TAG_DIGITS = 3
MAX_EPOCH: int = 36**BRAIN_DIGITS - 1
# In the ids of protective stops: no brain has this epoch.
STOP_EPOCH = 0
MAX_RUN: int = 36**RUN_DIGITS - 1
MAX_REF = 2**53 - 1
NAME_LENGTH = MAX_LENGTH - len("a--") - TAG_DIGITS - RUN_DIGITS - BRAIN_DIGITS - REF_DIGITS
_TAGS: int = 36**TAG_DIGITS
_YEAR_2020_S = 1_577_836_800
# A run is a second: these are twelve days, and more requests than can be sent in that time.
_RUNS_TOLD_APART, _REQUESTS_OF_A_RUN = 1 << 20, 1 << 32
assert MAX_REF < 36**REF_DIGITS, "every reference that the gate lets through fits"
assert NAME_LENGTH == 10


class OrderName(NamedTuple):
    """What an id says: run of execution, the brain's epoch and reference, the strategy's tag."""

    run: int
    epoch: int
    order_ref: int
    tag: int = 0


def _short_name(instance: str) -> str:
    """The instance in at most 10 characters; a longer name keeps its head and a checksum."""
    if len(instance) <= NAME_LENGTH:
        return instance
    return instance[: NAME_LENGTH - 7] + to_base36(zlib.crc32(instance.encode()), 7)


def strategy_tag(strategy: str) -> int:
    """The tag of a strategy's name, 0 to 46655."""
    return zlib.crc32(strategy.encode()) % _TAGS


def run_after(last_run: int, started_s: int) -> int:
    """The run that follows `last_run` (0: none) at a wall clock of `started_s` s since 1970.

    Seconds since 2020, so that it is new even where every record of earlier runs was lost; and
    after the last run known, so that it is new even where the clock was set back.
    """
    return max(last_run + 1, started_s - _YEAR_2020_S, 1)


def first_request(run: int) -> int:
    """The number of a run's first request: no other run of the last days has any from here on.

    An answer that a line still carries from an earlier run is then nobody's. Below 2^53, so that
    whoever reads numbers as doubles gives it back as it was.
    """
    return (run % _RUNS_TOLD_APART) * _REQUESTS_OF_A_RUN + 1


class ClientIds:
    """The ids of one instance and one run of its execution process."""

    def __init__(self, instance: str, run: int, strategy: str = "") -> None:
        """`run` is the durable epoch, see `run_after`. Raises ValueError when none is left."""
        self.name = _short_name(instance)
        self.run = run
        self.tag = strategy_tag(strategy)
        if not 0 < self.run <= MAX_RUN:
            raise ValueError(f"run {run} of execution does not fit in an order id (1 to {MAX_RUN})")
        lengths = (TAG_DIGITS, RUN_DIGITS, BRAIN_DIGITS)
        digits = "".join(f"([0-9a-z]{{{length}}})" for length in lengths)
        self._pattern = re.compile(rf"a{re.escape(self.name)}-{digits}-([0-9a-z]{{1,11}})")
        self.prefix = self._prefix(self.run, self.tag).encode()

    def _prefix(self, run: int, tag: int) -> str:
        return f"a{self.name}-{to_base36(tag, TAG_DIGITS)}{to_base36(run, RUN_DIGITS)}"

    def text_of(self, name: OrderName) -> str:
        """The client order id of an order of whatever run of this instance."""
        prefix = self._prefix(name.run, name.tag)
        return f"{prefix}{to_base36(name.epoch, BRAIN_DIGITS)}-{to_base36(name.order_ref)}"

    def text(self, epoch: int, order_ref: int) -> str:
        """The client order id of an order reference of a brain epoch."""
        assert 0 <= epoch <= MAX_EPOCH, f"brain epoch {epoch}"
        assert 0 < order_ref <= MAX_REF, f"order reference {order_ref}"
        return f"{self.prefix.decode()}{to_base36(epoch, BRAIN_DIGITS)}-{to_base36(order_ref)}"

    def parse(self, client_id: str) -> OrderName | None:
        """What an id of this instance says, of whatever run; None when it is somebody else's."""
        found = self._pattern.fullmatch(client_id)
        if found is None:
            return None
        tag, run, epoch, order_ref = (int(part, 36) for part in found.groups())
        return OrderName(run, epoch, order_ref, tag)

    def is_own(self, client_id: str) -> bool:
        """Whether an order was placed by this instance, in this run or an earlier one."""
        return self._pattern.fullmatch(client_id) is not None
