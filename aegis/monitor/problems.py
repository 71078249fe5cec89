"""What is wrong with an instance, why, and what to do about it: the page to read at 3 a.m.

Pure: judges an `InstanceView`. One rule per function, each yields problems; the order of `RULES` is
the order in which they are shown, worst first. A rule names numbers, never only moods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from aegis.config.environments import OWN_VENUE_MODES
from aegis.monitor.data_problems import market_data, silence_imposed, universe
from aegis.monitor.latch_advice import ADVICE, OTHERWISE
from aegis.monitor.view import LIVE_STATES, InstanceView, Problem, ProcessView, seconds

__all__ = ["RULES", "find_problems", "judge"]

STALL_MS = 3_000.0
CANARY_MS = 3_000.0
_NS_PER_MS = 1e6
CHILDREN = ("venue", "feed", "brain", "execution")

Rule = Callable[[InstanceView], Iterator[Problem]]


def judge(view: InstanceView) -> InstanceView:
    """The view with its problems and `healthy` filled in."""
    problems = find_problems(view)
    faults = any(problem.severity == "fault" for problem in problems)
    return replace(view, problems=problems, healthy=view.state == "running" and not faults)


def find_problems(view: InstanceView) -> list[Problem]:
    """Every problem, faults before warnings."""
    found = [problem for rule in RULES for problem in rule(view)]
    return sorted(found, key=lambda problem: problem.severity != "fault")


def not_running(view: InstanceView) -> Iterator[Problem]:
    """Nothing there, or only what a dead supervisor left."""
    name = view.instance
    if view.state == "absent":
        yield Problem(
            f"{name} is not running",
            f"{view.directory} does not exist; {_last_end(view)}{_hidden_end(view)}",
            _what_then(view),
        )
    elif view.state == "dead":
        orphans = [p for p in CHILDREN if p in view.processes and view.processes[p].alive]
        left = f"{len(view.leftovers)} files in {view.directory}"
        if orphans:
            left += f" and the processes {', '.join(orphans)}"
        yield Problem(
            f"{name} is not running: its supervisor died without cleaning up",
            f"left behind: {left}",
            f"aegis run {name} clears it and starts; aegis clean {name} only clears it",
        )
        if view.mode not in OWN_VENUE_MODES:
            yield Problem(
                "nobody watches what it has at the exchange",
                "orders may rest there, and a position may be held: it did not get to cancel",
                f"aegis cancel-all {name} cancels them and tells the position; aegis halt {name} "
                "halts its next start, too",
            )


def _last_end(view: InstanceView) -> str:
    """How the last run ended, and how much is known of it."""
    return "no earlier run is known of" if view.last_run is None else str(view.last_run)


def _hidden_end(view: InstanceView) -> str:
    if not view.last_run_hidden:
        return ""
    return (
        f"; what systemd's runs left in {view.last_run_hidden} this user must not read: "
        f"sudo aegis status {view.instance} tells it"
    )


def _what_then(view: InstanceView) -> str:
    name, run = view.instance, view.last_run
    if run is None:
        return f"aegis run {name}"
    # A start that was stopped before it was one ends in order, and knows nothing of orders.
    is_known = run.mode in OWN_VENUE_MODES or (run.exit_code == 0 and run.open_orders == 0)
    first = "" if is_known else f"aegis cancel-all {name}; "
    if run.ended_unix_ms and run.exit_code == 0:
        return f"{first}aegis run {name}"
    return f"{first}mend what ended it, then aegis run {name} (systemctl start aegis@{name})"


def not_settled(view: InstanceView) -> Iterator[Problem]:
    """On the way up or down."""
    if view.state == "starting":
        waiting = "; ".join(_unready(view)) or "the first canary"
        ready = view.counters.get("execution", {}).get("ready", 0)
        yield Problem(
            f"{view.instance} is starting",
            f"still waiting for: {waiting}" + ("" if ready else _last_word(view, "execution")),
            "wait, then look again; if it stays, its log tells what is wrong",
        )
    elif view.state == "stopping":
        yield Problem(
            f"{view.instance} is stopping",
            "it cancels its orders and ends",
            "wait, then look again",
        )


def memory_unreadable(view: InstanceView) -> Iterator[Problem]:
    """The instance lives, but what it writes cannot be understood from here."""
    if view.unreadable and view.state in LIVE_STATES:
        yield Problem(
            f"the shared memory of {view.instance} cannot be read",
            view.unreadable,
            f"look with the build that runs it; if it is the same: aegis stop {view.instance}",
        )


def supervisor_stands_still(view: InstanceView) -> Iterator[Problem]:
    """The supervisor itself is stopped or hung: nobody restarts anything."""
    supervisor = view.processes.get("supervisor")
    if view.state not in LIVE_STATES or supervisor is None:
        return
    age_ms = supervisor.heartbeat_age_ms
    stopped = supervisor.process_state == "T"
    # While it compiles kernels there is nothing to watch yet, and it beats only between two.
    if stopped or (view.ready and age_ms is not None and age_ms > STALL_MS):
        why = "it is stopped by a signal" if stopped else f"no turn for {seconds(age_ms)}"
        yield Problem(
            f"the supervisor (pid {supervisor.pid}) stands still",
            f"{why}; nothing is watched; execution cancels its orders after heartbeat_timeout_ms",
            f"kill -CONT {supervisor.pid}, or kill -9 {supervisor.pid} and aegis run "
            f"{view.instance}",
        )


def process_faults(view: InstanceView) -> Iterator[Problem]:
    """A process that is gone, stopped, hung or not ready."""
    if view.state not in ("running", "starting"):
        return
    for name in CHILDREN:
        process = view.processes.get(name)
        if process is None or process.generation == 0:
            continue
        yield from _process_fault(view, name, process)


def _process_fault(view: InstanceView, name: str, process: ProcessView) -> Iterator[Problem]:
    last = f"; before: {process.last_end}" if process.last_end else ""
    age_ms = process.heartbeat_age_ms
    if not process.alive:
        yield Problem(
            f"{name} does not run",
            f"pid {process.pid} is gone{last}",
            "the supervisor restarts it within its budget; look again in a few seconds",
        )
    elif process.process_state == "T":
        yield Problem(
            f"{name} (pid {process.pid}) is stopped by a signal",
            f"no duty cycle for {seconds(age_ms)}",
            "the supervisor kills and restarts it within stall_timeout_ms",
        )
    elif age_ms is not None and age_ms > STALL_MS and view.ready:
        yield Problem(
            f"{name} (pid {process.pid}) makes no progress",
            f"no duty cycle for {seconds(age_ms)} though the process exists{last}",
            "the supervisor kills and restarts it within stall_timeout_ms",
        )
    elif process.state == "degraded":
        yield Problem(
            f"{name} is degraded",
            f"it says so itself; errors so far: {process.errors}",
            "see the other problems and the events for the reason",
        )
    elif process.state != "ready" and view.state == "running":
        yield Problem(
            f"{name} is {process.state}",
            f"generation {process.generation}{last}",
            "look again in a few seconds; the events tell what it waits for",
        )


def chain_is_broken(view: InstanceView) -> Iterator[Problem]:
    """The canary does not come round although everybody seems to live."""
    age_ms = view.canary.get("age_ms")
    if view.state != "running" or not view.ready:
        return
    if isinstance(age_ms, float | int) and age_ms > CANARY_MS:
        yield Problem(
            f"the canary is stuck at {view.canary.get('back')}",
            f"feed has sent {view.canary.get('sent')}, none came through for {seconds(age_ms)}",
            "the supervisor restarts the process at fault; if it stays, aegis stop and run again",
        )


def execution_faults(view: InstanceView) -> Iterator[Problem]:
    """Not reconciled, not connected, orders in doubt, the latch."""
    if view.state != "running":
        return
    execution = view.counters.get("execution", {})
    links = {"user data stream": "private_connected", "order connection": "order_connected"}
    down = [text for text, name in links.items() if not execution.get(name, 1)]
    if not execution.get("ready", 1):
        yield Problem(
            "execution is not ready",
            f"it has not reconciled with the venue; down: {', '.join(down) or 'nothing'}"
            + _last_word(view, "execution"),
            "it retries by itself and no order is sent; if it stays, check the venue",
        )
    elif down:
        yield Problem(
            f"down: {', '.join(down)}",
            "without it fills or answers would be missed, so no new risk is taken",
            "it reconnects by itself; if it stays, check the venue",
        )
    if view.unknown_orders:
        yield Problem(
            f"{view.unknown_orders} order commands have an unknown outcome",
            "the venue neither confirmed nor refused them; their risk stays reserved",
            "execution asks by client order id until it knows; if it stays, ask the venue by hand",
        )
    if view.orders_denied and view.orders_denied > view.orders:
        yield Problem(
            f"the risk gate denied {view.orders_denied} orders and let {view.orders} through",
            "what the strategy asks for is outside the limits, or the data is too old for them",
            f"compare [instances.{view.instance}.parameters] with its limits: aegis check "
            f"{view.instance}; then aegis reload {view.instance}",
        )
    state = view.gate.get("state", "")
    if state in ("reducing", "halted"):
        reason = view.gate.get("reason", "").upper()
        seen, then = ADVICE.get(reason, OTHERWISE)
        yield Problem(
            f"the gate is {state.upper()}",
            f"tripped by {reason or 'an unnamed control'}: {seen}",
            f"{then.format(name=view.instance)}; a restart does not re-arm, a person does: "
            f"aegis arm {view.instance}",
        )


# Why the brain does not ask its strategy any more, by the counter strategy_latch.
_LATCH_WORDS = {
    1: "it raised an error{line}",
    2: "too many of its wishes were no orders: not finite, no such slot, or too many at once",
    3: "it did not come back in time{line}",
}


def strategy_faults(view: InstanceView) -> Iterator[Problem]:
    """The strategy is latched, or some of what it wished was no order."""
    brain = view.counters.get("brain", {})
    latch, errors = brain.get("strategy_latch", 0), brain.get("strategy_errors", 0)
    if view.state != "running":
        return
    own = "/" in view.strategy or view.strategy.endswith(".py")
    look = f"aegis strategy check {view.strategy}" if own else "report it"
    if latch:
        line = brain.get("strategy_line", 0)
        words = _LATCH_WORDS.get(latch, "for a reason that this build does not know")
        yield Problem(
            f"the strategy {view.strategy} is latched: nothing is quoted",
            words.format(line=f" in line {line}" if line else "")
            + "; its orders are withdrawn, the log of the brain has the words",
            f"mend it ({look}), then aegis stop {view.instance} and aegis run {view.instance}; "
            f"other parameters and aegis reload {view.instance} re-arm it too",
        )
    elif errors:
        yield Problem(
            f"{errors} results of the strategy {view.strategy} were refused",
            "a wish was not finite, named no slot, or there were more than there are slots",
            f"{look}; too many in a minute latch it",
            "warning",
        )


def losses(view: InstanceView) -> Iterator[Problem]:
    """Records that were overwritten unread, lanes that were full."""
    brain = view.counters.get("brain", {})
    if brain.get("ticks_lost"):
        yield Problem(
            f"the brain lost {brain['ticks_lost']} ticks",
            f"lapped {brain.get('laps', 0)} times: it was slower than the feed",
            "give the brain its own core ([hardware] cores), or wait = spin",
            "warning",
        )
    if brain.get("catch_ups"):
        yield Problem(
            f"the brain passed over {brain['ticks_skipped']} records to catch up",
            f"{brain['catch_ups']} times it was further behind than [feed] catch_up_records",
            "give the brain its own core ([hardware] cores), or set [feed] conflate_ms = 100",
            "warning",
        )
    if brain.get("intents_refused_full"):
        yield Problem(
            f"{brain['intents_refused_full']} intents found the lane to execution full",
            "execution does not keep up",
            "give execution its own core, or quote less often",
            "warning",
        )
    venue = view.counters.get("venue", {})
    if venue.get("ticks_lost"):
        yield Problem(
            f"the venue missed {venue['ticks_lost']} ticks of the market that it matches against",
            "it was lapped: nothing was filled meanwhile, and a funding may have been missed",
            "give the venue its own core ([hardware] cores), or set [feed] conflate_ms = 100",
            "warning",
        )
    ticks = view.rings.get("ticks")
    if view.state == "running" and ticks is not None and ticks.lag > ticks.capacity // 2:
        yield Problem(
            f"the brain is {ticks.lag} ticks behind",
            f"the ring holds {ticks.capacity}; beyond that, ticks are lost",
            "give the brain its own core ([hardware] cores)",
            "warning",
        )


def collections(view: InstanceView) -> Iterator[Problem]:
    """The collector ran where it must not."""
    for name, process in view.processes.items():
        if process.gc_collections_in_cycle:
            yield Problem(
                f"{name}: {process.gc_collections_in_cycle} garbage collections in a duty cycle",
                f"longest {process.gc_pause_max_ns / _NS_PER_MS:.1f} ms",
                "report it: the collector must only run at safe points",
                "warning",
            )


def restarts(view: InstanceView) -> Iterator[Problem]:
    """Processes that had to be restarted."""
    for name in CHILDREN:
        process = view.processes.get(name)
        if process is not None and process.restarts:
            yield Problem(
                f"{name} was restarted {process.restarts} times",
                process.last_end or "the reason is in the events",
                "if it goes on, find the cause before the restart budget is gone",
                "warning",
            )


def reload_refused(view: InstanceView) -> Iterator[Problem]:
    """The file on disk is not what runs."""
    if view.last_reload and not view.last_reload.get("ok", True):
        yield Problem(
            "the last reload failed: the file is not what runs",
            str(view.last_reload.get("text", "")),
            f"mend {view.config or 'the file'} (aegis check), then aegis reload {view.instance}",
            "warning",
        )


RULES: tuple[Rule, ...] = (
    not_running,
    memory_unreadable,
    supervisor_stands_still,
    process_faults,
    chain_is_broken,
    silence_imposed,
    market_data,
    universe,
    execution_faults,
    not_settled,
    strategy_faults,
    losses,
    collections,
    reload_refused,
    restarts,
)


def _unready(view: InstanceView) -> list[str]:
    waiting = [
        f"{name} ({view.processes[name].state})"
        for name in CHILDREN
        if name in view.processes and view.processes[name].state != "ready"
    ]
    if not view.counters.get("execution", {}).get("ready", 0):
        waiting.append("reconciliation with the venue")
    invalid = sum(book.trading and not book.valid for book in view.books)
    if invalid:
        waiting.append(f"{invalid} books")
    return waiting


def _last_word(view: InstanceView, process: str) -> str:
    text = view.said.get(process, "")
    return f"; {process}'s last word: {text}" if text else ""
