"""What a person sees of a foreground run: the steps of the start, then the state, then the sum.

On a terminal a table that is redrawn every second, on a pipe one line every five seconds (every
minute under systemd, whose journal keeps them); with `--json` all of it on standard error and the
sum as data. Called from the supervisor's loop, so it
never blocks (see `outlet.py`) and never raises for a reader that has gone.
"""

from __future__ import annotations

from typing import IO, Any, cast

from rich.console import Console
from rich.live import Live

from aegis.cli.outlet import Outlet
from aegis.cli.run_summary import MemoryTrend, summary_lines, summary_of
from aegis.host.clock import monotonic_ns
from aegis.monitor.problems import judge
from aegis.monitor.reading import read_memory
from aegis.monitor.render import live_line, live_table
from aegis.monitor.view import InstanceView
from aegis.supervisor.instance import Instance

__all__ = ["RunAudience"]

_TABLE_EVERY_NS = 1_000_000_000
_LINE_EVERY_NS = 5_000_000_000
_JOURNAL_LINE_EVERY_NS = 60_000_000_000
_TREND_EVERY_NS = 1_000_000_000
_STDOUT, _STDERR = 1, 2


class RunAudience:
    """The console of one run. `summary` is set once the run has concluded."""

    def __init__(self, instance: str, *, as_json: bool) -> None:
        self.summary: dict[str, Any] | None = None
        self._instance = instance
        self._words = Outlet(_STDERR)
        self._state = Outlet(_STDERR if as_json else _STDOUT)
        self._trend = MemoryTrend()
        self._live: Live | None = None
        self._due_ns = 0
        self._trend_due_ns = 0
        self._on_terminal = not as_json and self._state.isatty()

    def say(self, text: str) -> None:
        """A sentence from the supervisor, as it happens."""
        if self._live is not None:
            self._live.console.print(f"aegis {self._instance}: {text}", markup=False)
        else:
            self._words.line(f"aegis {self._instance}: {text}")

    def turn(self, instance: Instance) -> None:
        """Show the state when it is time to."""
        now_ns = monotonic_ns()
        if instance.ready_ns is not None and now_ns >= self._trend_due_ns:
            self._trend_due_ns = now_ns + _TREND_EVERY_NS
            self._trend.look(instance, now_ns)
        if now_ns < self._due_ns or instance.ready_ns is None:
            return
        view = view_of(instance)
        if self._on_terminal:
            self._due_ns = now_ns + _TABLE_EVERY_NS
            self._live = self._live or self._begin_live()
            self._live.update(live_table(view), refresh=True)
        else:
            journal = instance.notifier.active
            self._due_ns = now_ns + (_JOURNAL_LINE_EVERY_NS if journal else _LINE_EVERY_NS)
            self._state.line(live_line(view))

    def conclude(self, instance: Instance) -> None:
        """Sum the run up while its memory can still be read."""
        self.close()
        self.summary = summary_of(instance, view_of(instance), self._trend)
        for line in summary_lines(self.summary):
            self._state.line(line)

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _begin_live(self) -> Live:
        console = Console(file=cast("IO[str]", self._state), force_terminal=True, highlight=False)
        # No refresh thread: the supervisor forks, and a fork copies only the thread that calls it.
        live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        live.start()
        return live


def view_of(instance: Instance) -> InstanceView:
    """The instance as the supervisor's own memory shows it."""
    notes = instance.notes
    view = InstanceView(
        instance.name,
        state=notes.phase,
        simulated=notes.simulated,
        mode=notes.mode,
        market_host=notes.market_host,
    )
    view.degraded = list(notes.degraded)
    view.uptime_s = (monotonic_ns() - instance.started_ns) / 1e9
    read_memory(view, instance.memory)
    for process, child in instance.children.items():
        view.processes[process].last_end = child.last_end
    return judge(view)
