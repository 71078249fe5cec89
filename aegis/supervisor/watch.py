"""The watch's rules: who is alive, who only looks alive, and whether the whole loop runs.

Pure: the supervisor samples the counters every 100 ms, hands the sample over and acts on the
verdicts. A stopped or hung process passes waitpid and kill(pid, 0); only progress exposes it, so
every rule asks whether a number has moved, never whether a process exists. Theory of operation:

* Each process counts its duty cycles. One whose count stands still for `stall_timeout_ns` is
  stalled.
* A numbered canary goes feed -> brain -> execution every 200 ms. When its number stands still in
  execution though all three count their cycles, the first of the chain that passed nothing on is
  at fault: a process may spin happily and do nothing.
* A process must reach READY within a bound after its fork, and a lost connection must come back
  within a bound; a fresh process is the cure for both.
* The feed is lost as a whole or not at all: no connection, no market data, or not one valid book
  for the time. A single book is its own watch's matter, and what the exchange makes it wait for (a
  pause after a 429, a ban, the next minute's weight) is nobody's fault: a fresh process could ask
  no sooner. Each of the three has its own clock, which begins anew when that gets better.
* `failing` (a process or the chain does not work) and `unready` (the exchange is not reached, a
  book is not valid) are kept apart: both forbid READY=1, only the first one is a watchdog's matter.
  An exchange that is down for an hour must not make systemd give the appliance up.
* A watcher that was itself paused knows nothing about the pause: all clocks are moved on by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aegis.config.settings import Settings

__all__ = [
    "CHAIN",
    "CHILDREN",
    "DEGRADED",
    "READY",
    "ProcessSample",
    "Sample",
    "Verdict",
    "Watch",
    "WatchLimits",
    "processes_of",
]

# In the order of start-up; the canary's way is the middle part.
CHILDREN = ("venue", "feed", "brain", "execution")
CHAIN = ("feed", "brain", "execution")


def processes_of(settings: Settings) -> tuple[str, ...]:
    """The processes of an instance: the exchange is one of them only where it is our own."""
    return CHILDREN if settings.has_own_venue else CHILDREN[1:]


STARTING, READY, DEGRADED, DRAINING, STOPPED = 1, 2, 3, 4, 5

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """How long is too long, in ns."""

    stall_timeout_ns: int
    canary_timeout_ns: int
    # The first duty cycle comes after imports and connections, on a box that may be busy.
    first_cycle_timeout_ns: int = 15 * _SECOND_NS
    start_timeout_ns: int = 60 * _SECOND_NS
    reconnect_timeout_ns: int = 30 * _SECOND_NS
    # A check later than this means that the watcher itself did not run.
    late_check_ns: int = _SECOND_NS


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process's standard counters."""

    loop_seq: int
    loop_ts_ns: int
    state: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything the watch looks at, read at `now_ns`. Processes that do not run are left out."""

    now_ns: int
    processes: Mapping[str, ProcessSample]
    canary_sent: int = 0
    canary_back: int = 0
    ticks_consumed: int = 0
    intents_consumed: int = 0
    execution_ready: bool = False
    books_valid: int = 0
    books_total: int = 0
    connected: int = 0
    # Mark prices among them: they come every second from a market in which nothing else happens.
    messages: int = 0
    # Until when the exchange may not be asked: it said 429 or 418. In the past when it may.
    quiet_until_ns: int = 0
    weight_waiting: bool = False
    # A recording is played as slowly as its conductor likes: silence is no fault.
    is_recording: bool = False
    # A recording that has ended sends nothing more: silence is then no fault.
    market_over: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One process that must be killed and forked again, and why."""

    process: str
    reason: str


@dataclass(slots=True)
class _Moving:
    """A number and when it was last seen to move."""

    value: int = 0
    moved_ns: int = 0

    def look(self, value: int, now_ns: int) -> bool:
        if value == self.value:
            return False
        self.value = value
        self.moved_ns = now_ns
        return True


@dataclass(slots=True)
class _Clock:
    """What is known of one process since its fork."""

    forked_ns: int
    cycles: _Moving
    cycled: bool = False
    was_ready: bool = False


@dataclass(slots=True)
class Watch:
    """Feed it `forked`, `ended` and `check`; read `failing` and `unready` between checks."""

    limits: WatchLimits
    expects: tuple[str, ...] = CHILDREN
    failing: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    canary_round: bool = False
    _clocks: dict[str, _Clock] = field(default_factory=dict)
    _canary_sent: _Moving = field(default_factory=_Moving)
    _canary_back: _Moving = field(default_factory=_Moving)
    _ticks: _Moving = field(default_factory=_Moving)
    _intents: _Moving = field(default_factory=_Moving)
    _messages: _Moving = field(default_factory=_Moving)
    # By process and what it has lost.
    _lost_since_ns: dict[tuple[str, str], int] = field(default_factory=dict)
    _last_check_ns: int = 0

    def forked(self, process: str, loop_seq: int, now_ns: int) -> None:
        """A new process runs: `loop_seq` is what its predecessor left in the counter."""
        self._clocks[process] = _Clock(now_ns, _Moving(loop_seq, now_ns))
        self._found_again(process)
        if process in CHAIN:
            self.canary_round = False
            self._restart_canary(now_ns)

    def ended(self, process: str) -> None:
        """A process is gone; nothing is asked of it until the next `forked`."""
        self._clocks.pop(process, None)
        if process in CHAIN:
            self.canary_round = False

    def check(self, sample: Sample) -> list[Verdict]:
        """Judge one sample; `failing` and `unready` then hold a sentence per broken predicate."""
        self._forgive_own_pause(sample.now_ns)
        self.failing = [
            f"{process} does not run" for process in self.expects if process not in self._clocks
        ]
        verdicts = [
            verdict
            for process, clock in self._clocks.items()
            for verdict in self._check_process(process, clock, sample)
        ]
        verdicts += self._check_canary(sample, blame=not verdicts)
        verdicts += self._check_connections(sample, blame=not verdicts)
        return verdicts

    def _forgive_own_pause(self, now_ns: int) -> None:
        pause_ns = now_ns - self._last_check_ns if self._last_check_ns else 0
        self._last_check_ns = now_ns
        if pause_ns <= self.limits.late_check_ns:
            return
        for clock in self._clocks.values():
            clock.cycles.moved_ns += pause_ns
            clock.forked_ns += pause_ns
        for moving in (self._canary_sent, self._canary_back, self._ticks, self._intents):
            moving.moved_ns += pause_ns
        for loss in self._lost_since_ns:
            self._lost_since_ns[loss] += pause_ns

    def _check_process(self, process: str, clock: _Clock, sample: Sample) -> list[Verdict]:
        found = sample.processes.get(process)
        if found is None:
            return []
        now_ns = sample.now_ns
        if clock.cycles.look(found.loop_seq, now_ns):
            clock.cycled = True
        if clock.cycled and found.state in (READY, DEGRADED):
            clock.was_ready = True
        still_ns = now_ns - clock.cycles.moved_ns
        limit_ns = self.limits.stall_timeout_ns
        if not clock.cycled:
            limit_ns = max(limit_ns, self.limits.first_cycle_timeout_ns)
        if still_ns > limit_ns:
            what = "stalled" if clock.cycled else "never began its duty cycle"
            reason = f"{what}: no progress for {_seconds(still_ns)} (cycle {found.loop_seq})"
            self.failing.append(f"{process} {reason}")
            return [Verdict(process, reason)]
        if not clock.was_ready:
            if process in ("feed", "venue") and now_ns < sample.quiet_until_ns:
                # On paper the venue waits for the contracts that the feed may not ask for yet.
                clock.forked_ns = now_ns
            waited_ns = now_ns - clock.forked_ns
            self.failing.append(f"{process} is starting")
            if waited_ns > self.limits.start_timeout_ns:
                return [Verdict(process, f"not ready {_seconds(waited_ns)} after its start")]
        return []

    def _check_canary(self, sample: Sample, *, blame: bool) -> list[Verdict]:
        now_ns = sample.now_ns
        clocks = [self._clocks.get(process) for process in CHAIN]
        up = all(clock is not None and clock.was_ready for clock in clocks)
        if not up:
            self._restart_canary(now_ns)
            return []
        self._canary_sent.look(sample.canary_sent, now_ns)
        self._ticks.look(sample.ticks_consumed, now_ns)
        self._intents.look(sample.intents_consumed, now_ns)
        if self._canary_back.look(sample.canary_back, now_ns):
            self.canary_round = True
        if not self.canary_round:
            self.failing.append("the canary has not come round yet")
        still_ns = now_ns - self._canary_back.moved_ns
        limit_ns = self.limits.canary_timeout_ns
        if still_ns <= limit_ns:
            return []
        reason = f"the canary is stuck at {sample.canary_back} for {_seconds(still_ns)}"
        if self.canary_round:
            self.failing.append(reason)
        self.canary_round = False
        return [Verdict(self._canary_culprit(now_ns), reason)] if blame else []

    def _canary_culprit(self, now_ns: int) -> str:
        """The first process of the chain that passed nothing on while the canary stood still.

        Half the limit tells: whoever stopped did so up to one canary interval after the last
        canary came back, and all before it in the chain have moved since.
        """
        outputs = (self._canary_sent, self._ticks, self._intents)
        for process, moving in zip(CHAIN, outputs, strict=True):
            if now_ns - moving.moved_ns > self.limits.canary_timeout_ns // 2:
                return process
        return "execution"

    def _check_connections(self, sample: Sample, *, blame: bool) -> list[Verdict]:
        self.unready = []
        speaks = self._messages.look(sample.messages, sample.now_ns)
        if sample.market_over:
            self._lost_since_ns.clear()
            return []
        if sample.books_valid < max(sample.books_total, 1):
            self.unready.append(f"{sample.books_valid} of {sample.books_total} books valid")
        if not sample.execution_ready:
            self.unready.append("execution is not reconciled")
        losses = {
            "feed": _losses_of_feed(sample, speaks=speaks),
            "execution": {"execution is not reconciled": not sample.execution_ready},
        }
        verdicts = []
        for process, found in losses.items():
            clock = self._clocks.get(process)
            if clock is None or not clock.was_ready:
                self._found_again(process)
                continue
            lost = self._lost_for(process, found, sample.now_ns)
            if lost is not None:
                verdicts.append(Verdict(process, lost))
        return verdicts if blame else []

    def _lost_for(self, process: str, found: Mapping[str, bool], now_ns: int) -> str | None:
        """What the process has been without for too long, and for how long; None when nothing."""
        words = None
        for text, is_lost in found.items():
            if not is_lost:
                self._lost_since_ns.pop((process, text), None)
                continue
            lost_ns = now_ns - self._lost_since_ns.setdefault((process, text), now_ns)
            if words is None and lost_ns > self.limits.reconnect_timeout_ns:
                words = f"{text} for {_seconds(lost_ns)}"
        return words

    def _found_again(self, process: str) -> None:
        for loss in [loss for loss in self._lost_since_ns if loss[0] == process]:
            del self._lost_since_ns[loss]

    def _restart_canary(self, now_ns: int) -> None:
        for moving in (self._canary_sent, self._canary_back, self._ticks, self._intents):
            moving.moved_ns = now_ns


def _losses_of_feed(sample: Sample, *, speaks: bool) -> dict[str, bool]:
    """What the feed as a whole is without, in words, and whether it is so in this sample."""
    may_ask = sample.now_ns >= sample.quiet_until_ns
    is_connected = sample.connected > 0
    is_silent = is_connected and not speaks and not sample.is_recording
    no_book = is_connected and sample.books_valid == 0 and sample.books_total > 0
    return {
        "no connection to the exchange": may_ask and not is_connected,
        "no market data": may_ask and is_silent,
        "not one book valid": may_ask and no_book and not sample.weight_waiting,
    }


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / _SECOND_NS:.1f} s"
