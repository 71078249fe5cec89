"""What comes of one trial, as `campaign` counts it and processes hand it over."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Result"]


@dataclass(slots=True)
class Result:
    """What came of a seed. `oracle` is empty when nothing was violated."""

    seed: int
    steps: int
    virtual_s: float
    oracle: str = ""
    text: str = ""
    checksum: int = 0
    halted: str = ""
    counts: dict[str, int] = field(default_factory=dict)
