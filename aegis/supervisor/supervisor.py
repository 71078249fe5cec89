"""The supervisor's loop: fork, watch, restart, reload, tell systemd, and in the end drain.

`aegis run` makes one `Supervisor` and calls `run` on the main thread. One turn takes well under a
millisecond and comes ten times a second; nothing in it may block, because the supervisor's
heartbeat is what execution trusts. Everything it decides on is in pure modules beside it (`watch`,
`budget`, `reload`); this file only carries the decisions out.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import time
from collections.abc import Mapping
from dataclasses import replace

from aegis.config import AegisConfig, Settings, config_hash
from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.monitor.last_run import MOST_WORDS, LastRun, when
from aegis.shm.instance import remove_directory
from aegis.shm.said import all_said
from aegis.supervisor.child import Birth
from aegis.supervisor.children import Child
from aegis.supervisor.drain import drain
from aegis.supervisor.errors import exit_code_of
from aegis.supervisor.instance import Audience, Instance
from aegis.supervisor.reload import live_text, plan_reload
from aegis.supervisor.sampling import take_sample
from aegis.supervisor.seat import map_memory, reset_gauges, take_seat
from aegis.supervisor.signals import SignalInbox
from aegis.supervisor.startup import prepare, warm_up
from aegis.supervisor.status_line import health_number, status_line
from aegis.supervisor.warmup import EntryPoint
from aegis.supervisor.watch import CHILDREN, DEGRADED, READY

__all__ = ["Supervisor"]

_STANDARD_ERROR = 2
_TURN_MS = 100
_SECOND_NS = 1_000_000_000
# From the first fork to READY=1; a start that takes longer has failed and says on what.
START_TIMEOUT_NS = 90 * _SECOND_NS
# How long the watch's predicates may fail while processes are being restarted within budget.
REPAIR_TIMEOUT_NS = 60 * _SECOND_NS
_EXTENSION_US = 15_000_000
# A process that was given a new configuration answers within this time or is named.
_APPLY_TIMEOUT_NS = 3 * _SECOND_NS


class Supervisor:
    """One run of one instance. `seconds` bounds it, counted from READY; None: until a signal."""

    def __init__(
        self,
        settings: Settings,
        config: AegisConfig,
        audience: Audience,
        *,
        seconds: float | None = None,
        entry_modules: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._config = config
        self._audience = audience
        self._seconds = seconds
        self._entry_modules = entry_modules
        self._entry_points: Mapping[str, EntryPoint] = {}
        self._failing_since_ns: int | None = None
        self._quiet_since_ns: int | None = None
        self._apply_by_ns: int | None = None
        self._last_extension_ns = 0
        # READY=1 is owed: after the start, and after every reload.
        self._ready_owed = True

    def run(self) -> int:
        """Run the instance to its end; returns the exit code. Raises SupervisorError."""
        # A missed watchdog ends in SIGABRT: the stacks then say where the loop stood.
        faulthandler.enable(_STANDARD_ERROR)
        inbox = SignalInbox()
        try:
            instance = prepare(self._settings, self._config, inbox, self._audience)
            run = LastRun.begun(instance.settings.venue.mode, instance.memory.directory)
            run.write(instance.settings.name)
            try:
                self._entry_points = warm_up(instance, self._entry_modules)
                self._live(instance)
            except BaseException as error:
                instance.exit_code = instance.exit_code or exit_code_of(error)
                instance.reason = instance.reason or str(error) or type(error).__name__
                raise
            finally:
                _kill_remaining(instance)
                _tell_the_end(instance, run)
                _take_down(instance)
            return instance.exit_code
        finally:
            inbox.close()

    def _live(self, instance: Instance) -> None:
        """From the first fork to the last process's end."""
        try:
            instance.forked_ns = instance.heartbeat()
            # The compilation was no turn of this loop.
            instance.memory.counters["supervisor"]["max_cycle_ns"] = 0
            if instance.settings.has_own_venue:
                self._schedule(instance, instance.children["venue"], instance.forked_ns)
            while not instance.reason:
                self._turn(instance, instance.pause(_TURN_MS))
        except BaseException as error:
            instance.exit_code = 1
            instance.reason = f"the supervisor failed: {type(error).__name__}: {error}"
            raise
        finally:
            drain(instance, instance.reason)
            if instance.unclean or instance.open_orders != 0:
                instance.exit_code = 1
            instance.audience.conclude(instance)

    def _turn(self, instance: Instance, now_ns: int) -> None:
        self._reap(instance, now_ns)
        if instance.inbox.take_reload():
            self._reload(instance)
        self._fork_due(instance, now_ns)
        self._watch(instance, now_ns)
        self._check_applied(instance, now_ns)
        self._tell_systemd(instance, now_ns)
        instance.audience.turn(instance)
        self._consider_end(instance, now_ns)

    # ------------------------------------------------------------------ processes

    def _schedule(self, instance: Instance, child: Child, at_ns: int) -> None:
        """Plan a fork. The generation moves now: execution sees at once that the brain is gone."""
        child.restart_at_ns = at_ns
        child.generation = instance.memory.control.next_generation(child.process)

    def _reap(self, instance: Instance, now_ns: int) -> None:
        for child in instance.children.values():
            end = child.reap()
            if end is None:
                continue
            instance.watch.ended(child.process)
            pause_ns = child.budget.spend(now_ns)
            if pause_ns is None:
                window_s = child.budget.window_ns / _SECOND_NS
                self._fail(
                    instance,
                    f"{child.process} {end}; its budget of {child.budget.limit} restarts in "
                    f"{window_s:g} s is gone",
                )
                return
            child.restarts += 1
            instance.memory.counters["supervisor"][f"restarts_{child.process}"] = child.restarts
            self._schedule(instance, child, now_ns + pause_ns)
            wait = f" after {pause_ns / _SECOND_NS:.1f} s" if pause_ns else ""
            spent = f"{child.budget.spent(now_ns)} of {child.budget.limit}"
            instance.say(f"{child.process}: {end}; restarting{wait} ({spent})")

    def _fork_due(self, instance: Instance, now_ns: int) -> None:
        for process in CHILDREN[1:]:
            child = instance.children[process]
            if child.generation == 0 and _may_begin(instance, process):
                self._schedule(instance, child, now_ns)
        for child in instance.children.values():
            due_ns = child.restart_at_ns
            if not child.running and due_ns is not None and due_ns <= now_ns:
                self._fork(instance, child, now_ns)

    def _fork(self, instance: Instance, child: Child, now_ns: int) -> None:
        settings, process = instance.settings, child.process
        if process == "venue" and instance.wiring.venue_port():
            # The others know the port: a restarted venue must be found where the first one was.
            port = instance.wiring.venue_port()
            settings = replace(settings, venue=settings.venue.model_copy(update={"port": port}))
        counters = instance.memory.counters[process]
        entry_point = self._entry_points[process]
        generation = child.generation
        parent_pid = instance.notes.pid

        def birth(report_to: int) -> Birth:
            instance.inbox.give_back()
            wiring = instance.wiring
            return Birth(
                instance=instance.name,
                process=process,
                parent_pid=parent_pid,
                report_to=report_to,
                keep=(wiring.intents_fd, wiring.outcomes_fd, wiring.ticks_fd),
                memory_directories=instance.memory_directories,
                needed=(lambda: _execution_lives(instance)) if process == "venue" else None,
                patience_s=settings.supervisor.drain_timeout_ms / 1e3,
            )

        def body() -> int:
            take_seat(process, settings, counters, generation)
            reset_gauges(process, counters)
            map_memory(instance.memory)
            return entry_point(settings, instance.memory, instance.wiring)

        instance.memory.control.undrain(process)
        try:
            child.fork(birth, body)
        except OSError as error:
            instance.say(f"{process} cannot be forked: {error.strerror}; trying again")
            child.restart_at_ns = now_ns + _SECOND_NS
            return
        instance.watch.forked(process, counters["loop_seq"], now_ns)
        if child.restarts == 0:
            core = settings.cores.by_process()[process]
            instance.say(f"{process} forked: pid {child.pid}, core {core}")
        instance.write_notes()

    # ------------------------------------------------------------------ watching

    def _watch(self, instance: Instance, now_ns: int) -> None:
        sample = take_sample(instance.memory, instance.running(), now_ns)
        for verdict in instance.watch.check(sample):
            child = instance.children[verdict.process]
            if child.running and not child.verdict:
                child.kill(verdict.reason + _on_whose_account(instance, verdict.process))
        counters = instance.memory.counters["supervisor"]
        counters["health"] = health_number(instance.watch)
        whole = not instance.watch.failing
        counters["state"] = READY if whole and instance.ready_ns else READY - 1
        if instance.ready_ns is not None and not whole:
            counters["state"] = DEGRADED
        if whole:
            self._failing_since_ns = None
            if instance.ready_ns is None and not instance.watch.unready:
                self._become_ready(instance, now_ns)
        elif self._failing_since_ns is None:
            self._failing_since_ns = now_ns

    def _become_ready(self, instance: Instance, now_ns: int) -> None:
        instance.ready_ns = now_ns
        instance.memory.counters["supervisor"]["ready"] = 1
        instance.notes.phase = "running"
        took_s = (now_ns - instance.started_ns) / _SECOND_NS
        instance.say(f"ready after {took_s:.1f} s: the canary went round, every book is valid")

    def _tell_systemd(self, instance: Instance, now_ns: int) -> None:
        notifier = instance.notifier
        if not notifier.active:
            return
        if instance.ready_ns is None:
            if now_ns - self._last_extension_ns > _SECOND_NS:
                self._last_extension_ns = now_ns
                notifier.extend_timeout(_EXTENSION_US)
                waiting = "; ".join([*instance.watch.failing, *instance.watch.unready])
                notifier.status(f"starting: {waiting}")
            return
        if self._ready_owed:
            self._ready_owed = not notifier.ready(status_line(instance, now_ns))
        notifier.status(status_line(instance, now_ns))
        # A process being restarted within its budget is repair at work, not a hang; the repair
        # itself is bounded (`_consider_end`), so the ping still proves something.
        if notifier.ping_if_due():
            instance.memory.counters["supervisor"]["watchdog_pings"] = notifier.pings

    # ------------------------------------------------------------------ reload

    def _reload(self, instance: Instance) -> None:
        instance.notifier.reloading()
        plan = plan_reload(instance.settings.source, instance.config, instance.name)
        counters = instance.memory.counters["supervisor"]
        note = instance.notes.last_reload
        note.attempts += 1
        note.unix_ms = time.time_ns() // 1_000_000
        note.ok = plan.config is not None
        note.text = plan.text
        note.settled = plan.config is None
        if plan.config is None:
            counters["config_reload_failures"] = counters["config_reload_failures"] + 1
            instance.say(f"reload {plan.text}")
        else:
            instance.config = plan.config
            instance.notes.config_hash = config_hash(plan.config)
            table = plan.config.instances[instance.name]
            instance.settings = replace(instance.settings, instance=table)
            version = instance.memory.control.write_text(live_text(table))
            counters["config_version"] = note.config_version = version
            self._apply_by_ns = instance.heartbeat() + _APPLY_TIMEOUT_NS
            instance.say(f"reloaded as version {version}: {plan.text}")
        instance.write_notes()
        self._ready_owed = True

    def _check_applied(self, instance: Instance, now_ns: int) -> None:
        """Name the process that does not take the new configuration up."""
        if self._apply_by_ns is None:
            return
        version = instance.memory.control.config_version
        late = [
            process
            for process in ("brain", "execution")
            if instance.memory.counters[process]["parameters_version"] < version
        ]
        if late and now_ns < self._apply_by_ns:
            return
        self._apply_by_ns = None
        note = instance.notes.last_reload
        note.settled = True
        if late:
            note.ok = False
            note.text = f"version {version} is not in force in {' and '.join(late)}"
            counters = instance.memory.counters["supervisor"]
            counters["config_reload_failures"] = counters["config_reload_failures"] + 1
            instance.say(f"reload: {note.text}")
        instance.write_notes()

    # ------------------------------------------------------------------ the end

    def _consider_end(self, instance: Instance, now_ns: int) -> None:
        if instance.reason:
            return
        if instance.inbox.stop_count:
            instance.reason = "a stop was asked for"
        elif self._start_is_overdue(instance, now_ns):
            waiting = "; ".join([*instance.watch.failing, *instance.watch.unready])
            waited_s = (now_ns - (instance.forked_ns or now_ns)) / _SECOND_NS
            self._fail(instance, f"not ready {waited_s:.0f} s after the first fork: {waiting}")
        elif self._repair_is_overdue(instance, now_ns):
            failing = "; ".join(instance.watch.failing)
            self._fail(instance, f"not whole for {REPAIR_TIMEOUT_NS // _SECOND_NS} s: {failing}")
        elif instance.mirrored and self._recording_is_over(instance, now_ns):
            instance.reason = "the recording has ended"
        elif self._time_is_over(instance, now_ns):
            instance.reason = f"the {self._seconds:g} s of the run are over"

    def _start_is_overdue(self, instance: Instance, now_ns: int) -> bool:
        if instance.ready_ns is not None or instance.forked_ns is None:
            return False
        # A recording played slowly reaches its first snapshot late.
        slowness = 1.0 / min(instance.settings.speed, 1.0) if instance.mirrored else 1.0
        return now_ns - instance.forked_ns > START_TIMEOUT_NS * slowness

    def _time_is_over(self, instance: Instance, now_ns: int) -> bool:
        if self._seconds is None or instance.ready_ns is None:
            return False
        return now_ns - instance.ready_ns >= self._seconds * _SECOND_NS

    def _repair_is_overdue(self, instance: Instance, now_ns: int) -> bool:
        since_ns = self._failing_since_ns
        return (
            instance.ready_ns is not None
            and since_ns is not None
            and now_ns - since_ns > REPAIR_TIMEOUT_NS
        )

    def _recording_is_over(self, instance: Instance, now_ns: int) -> bool:
        """The last line was sent, and what it caused has been worked off for half a second."""
        memory = instance.memory
        lanes = (memory.intents.pending_count(), memory.outcomes.pending_count())
        if not memory.counters["venue"]["mirror_done"] or any(lanes):
            self._quiet_since_ns = None
            return False
        if self._quiet_since_ns is None:
            self._quiet_since_ns = now_ns
        return now_ns - self._quiet_since_ns > _SECOND_NS // 2

    def _fail(self, instance: Instance, reason: str) -> None:
        instance.exit_code = 1
        instance.reason = f"failed: {reason}"
        instance.say(instance.reason)


def _may_begin(instance: Instance, process: str) -> bool:
    """Whether a process finds the exchange that it needs: our own must have its port first.

    On paper it is the venue that waits: for the contracts that the feed has from the exchange.
    """
    settings = instance.settings
    if not settings.has_own_venue or (settings.is_paper and process != "execution"):
        return True
    return instance.children["venue"].running and instance.wiring.venue_port() != 0


def _on_whose_account(instance: Instance, process: str) -> str:
    """A brain that hangs inside its strategy says so: the restart will not mend that."""
    row = instance.memory.counters["brain"]["in_step"]
    if process != "brain" or row == 0:
        return ""
    symbol = bytes(instance.memory.instruments.row(row - 1)["symbol"]).decode()
    return f" inside the step of strategy {instance.settings.instance.strategy} on {symbol}"


def _execution_lives(instance: Instance) -> bool:
    """Asked by an orphaned venue: is there somebody who still cancels orders?"""
    counters = instance.memory.counters["execution"]
    return is_alive(ProcessIdentity(counters["pid"], counters["start_time_ticks"], ""))


def _kill_remaining(instance: Instance) -> None:
    """Nobody may outlive the memory. The drain has ended them all, unless it failed itself."""
    for process in instance.running():
        child = instance.children[process]
        child.kill("left over by a drain that failed")
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child.pid, 0)


def _tell_the_end(instance: Instance, run: LastRun) -> None:
    """For whoever looks when nothing runs any more."""
    orders = -1 if instance.open_orders is None else instance.open_orders
    reason = "; ".join([instance.reason, *instance.unclean])
    said = all_said(instance.memory.directory)
    words = [
        f"{process}: {line.text} ({when(line.unix_ms)})" for process, line in said[-MOST_WORDS:]
    ]
    run.ended(instance.exit_code, reason, orders, words).write(instance.settings.name)


def _take_down(instance: Instance) -> None:
    """Leave nothing: the regions, the descriptors, the lock, in this order."""
    failed = instance.exit_code != 0 and instance.reason.startswith("failed")
    instance.wiring.close()
    instance.memory.close()
    with contextlib.suppress(OSError):
        for directory in instance.memory_directories:
            remove_directory(directory)
    instance.lock.close()
    if failed:
        # Last of all: systemd answers it with SIGABRT, and everything is in order by now.
        instance.notifier.trigger_watchdog(instance.reason)
    instance.notifier.close()
