"""What was asked of the machine and what it gave, as one value.

Every function of ``aegis.host`` that asks the kernel for something returns a ``Grant``: the caller
shows it, counts it, and goes on. Nothing in here may fail silently, and nothing may raise because
the machine said no: a smaller box is a degraded mode, told in words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing (``what``) as asked and as got; why not, and what a person can do about it."""

    what: str
    asked: str
    got: str
    honoured: bool
    reason: str = ""
    remedy: str = ""

    @property
    def degradation(self) -> str:
        """One line for logs and status; empty when the machine did as asked."""
        if self.honoured:
            return ""
        text = f"{self.what}: asked {self.asked}, got {self.got}"
        if self.reason:
            text += f": {self.reason}"
        return f"{text}; {self.remedy}" if self.remedy else text

    def as_dict(self) -> dict[str, str | bool]:
        """The JSON form: stable keys what, asked, got, honoured, reason, remedy."""
        return asdict(self)


def refusal(error: OSError) -> str:
    """The kernel's reason in words, with its number."""
    return f"{error.strerror or error} (errno {error.errno})"
