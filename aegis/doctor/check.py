"""What a check is and what it comes to: values only, shared by every room of the doctor.

A check that cannot be judged here is ``skipped`` with the reason; it is never passed in silence. A
failure counts as its check's severity says, unless the check itself calls it milder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from aegis.doctor.visit import Visit

__all__ = ["ORDER", "Check", "Outcome", "Severity", "Status", "Verdict"]
__all__ += ["failed", "noted", "passed", "skipped", "warned"]

Severity = Literal["fail", "warn", "info"]
Status = Literal["fail", "warn", "info", "skipped", "pass"]
# Worst first: the order in which a person reads them.
ORDER: Final[tuple[Status, ...]] = ("fail", "warn", "info", "skipped", "pass")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look came to: a status (empty: as severe as the check), what was read, a fix."""

    status: Status | Literal[""]
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``judge`` looks; the texts say what it reads, what is good, and why it matters.

    ``slow`` ones take seconds and are left out by ``--quick``, ``metal_only`` ones say nothing of a
    virtual machine.
    """

    number: str
    name: str
    severity: Severity
    reads: str
    good: str
    why: str
    judge: Callable[[Visit], Verdict]
    metal_only: bool = False
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check with its result; ``accepted`` by the operator's word in the configuration."""

    check: Check
    status: Status
    found: str
    fix: str
    accepted: bool = False

    @property
    def stands_in_the_way(self) -> bool:
        """Whether nothing may be started with it."""
        return self.status == "fail" and not self.accepted

    def as_dict(self) -> dict[str, str | bool]:
        """The JSON form; its keys are stable."""
        return {
            "id": self.check.number,
            "name": self.check.name,
            "severity": self.check.severity,
            "status": self.status,
            "accepted": self.accepted,
            "found": self.found,
            "good": self.check.good,
            "why": self.check.why,
            "fix": self.fix,
        }


def passed(found: str) -> Verdict:
    """As it should be."""
    return Verdict("pass", found)


def failed(found: str, fix: str) -> Verdict:
    """Not as it should be: as severe as the check is."""
    return Verdict("", found, fix)


def warned(found: str, fix: str) -> Verdict:
    """Not as it should be, but no failure, whatever the check's severity."""
    return Verdict("warn", found, fix)


def noted(found: str, fix: str = "") -> Verdict:
    """Worth knowing."""
    return Verdict("info", found, fix)


def skipped(reason: str) -> Verdict:
    """Not to be judged here."""
    return Verdict("skipped", reason)
