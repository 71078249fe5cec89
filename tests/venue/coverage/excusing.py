"""Weighs differences against rules: what is left over, and which rules were for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.venue.coverage.exceptions import Rule
from tests.venue.coverage.shapes import Difference


def unexcused(found: Iterable[Difference], rules: Sequence[Rule]) -> list[str]:
    """The differences that no rule excuses, and the excuses that nothing needed."""
    texts = [str(one) for one in found]
    excuses = [excuse for one in rules for excuse in one.excuses]
    left = [text for text in texts if not any(text.startswith(excuse) for excuse in excuses)]
    idle = [
        f"needless excuse {excuse!r}"
        for excuse in excuses
        if not any(text.startswith(excuse) for text in texts)
    ]
    return left + idle
