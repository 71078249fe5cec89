"""Client order ids: deterministic, never reused, and readable both ways.

::

    a<instance>-<run: 6 digits><brain epoch: 3 digits>-<order reference>      digits in base 36

The run is the second at which execution started (since 2020-01-01 UTC), so a restart never repeats
an id even if it lost everything; the brain epoch and the order reference come with the intent. The
same intent always gives the same id, so a retry can only find its first copy, never double it.
At most 36 characters of the set that the exchange allows.

Kernels write ids through `aegis.execution.order_messages`; this is the cold side: reconciliation
reads ids back to tell our own orders (of this run, of an earlier one) from everybody else's.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from aegis.execution.decimal_text import to_base36

__all__ = ["BRAIN_DIGITS", "MAX_EPOCH", "RUN_DIGITS", "ClientIds", "OrderName"]

MAX_LENGTH = 36
RUN_DIGITS = 6
BRAIN_DIGITS = 3
REF_DIGITS = 11
MAX_EPOCH: int = 36**BRAIN_DIGITS - 1
MAX_RUN: int = 36**RUN_DIGITS - 1
MAX_REF = 2**53 - 1
NAME_LENGTH = MAX_LENGTH - len("a--") - RUN_DIGITS - BRAIN_DIGITS - REF_DIGITS
_YEAR_2020_S = 1_577_836_800
assert MAX_REF < 36**REF_DIGITS, "every reference that the gate lets through fits"
assert NAME_LENGTH == 13


class OrderName(NamedTuple):
    """What an id says: the run of execution, the brain's epoch, the brain's own reference."""

    run: int
    epoch: int
    order_ref: int


def _short_name(instance: str) -> str:
    """The instance in at most 13 characters; a longer name keeps its head and a checksum."""
    if len(instance) <= NAME_LENGTH:
        return instance
    return instance[: NAME_LENGTH - 7] + to_base36(zlib.crc32(instance.encode()), 7)


class ClientIds:
    """The ids of one instance and one run of its execution process."""

    def __init__(self, instance: str, started_s: int) -> None:
        """`started_s` is the wall clock at the start, in whole seconds since 1970."""
        self.name = _short_name(instance)
        self.run = started_s - _YEAR_2020_S
        if not 0 <= self.run <= MAX_RUN:
            raise ValueError(f"the clock says {started_s} s since 1970; wanted 2020 to 2089")
        digits = f"[0-9a-z]{{{RUN_DIGITS}}})([0-9a-z]{{{BRAIN_DIGITS}}}"
        self._pattern = re.compile(rf"a{re.escape(self.name)}-({digits})-([0-9a-z]{{1,11}})")
        self.prefix = f"a{self.name}-{to_base36(self.run, RUN_DIGITS)}".encode()

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
        return OrderName(*(int(part, 36) for part in found.groups()))

    def is_own(self, client_id: str) -> bool:
        """Whether an order was placed by this instance, in this run or an earlier one."""
        return self._pattern.fullmatch(client_id) is not None
