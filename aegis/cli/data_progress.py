"""A progress bar for the long commands of `aegis data`: on a terminal a bar, elsewhere nothing.

Used by `data_reports.py` and `data_conversions.py`. It writes to standard error only.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Bar"]


class Bar:
    """As a context: shown while it lasts. `total` is in whatever unit `advance` counts."""

    def __init__(self, what: str, total: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task(what, total=max(total, 1))

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._progress.stop()

    def advance(self, amount: int) -> None:
        """So much more is done."""
        self._progress.advance(self._task, amount)

    def file(self) -> Callable[[int], None]:
        """A callback for one file, told the offset that was reached in it."""
        reached = 0

        def progress(offset: int) -> None:
            nonlocal reached
            self.advance(offset - reached)
            reached = offset

        return progress
