"""What is wrong with an instance, why, and what to do about it: the page to read at 3 a.m.

Pure: judges an `InstanceView`. One rule per function, each yields problems; the order of `RULES` is
the order in which they are shown, worst first. A rule names numbers, never only moods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from aegis.config.environments import OWN_VENUE_MODES
from aegis.monitor.view import BookLook, InstanceView, Problem, ProcessView

__all__ = ["RULES", "find_problems", "judge"]

STALL_MS = 3_000.0
CANARY_MS = 3_000.0
SILENT_FEED_MS = 10_000.0
_NS_PER_MS = 1e6
# So many invalid books are named one by one; under this share of all it is no fault of the whole.
FEW_BOOKS = 3
FEW_SHARE = 0.05
FEW_REASONS = 3
# The feed's code for its own list of symbols, in the counter universe_source.
_FALLBACK = 3
CHILDREN = ("venue", "feed", "brain", "execution")
_LIVE_STATES = ("running", "starting", "stopping")

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
            f"{name} is not running", f"{view.directory} does not exist", f"aegis run {name}"
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
    if view.unreadable and view.state in _LIVE_STATES:
        yield Problem(
            f"the shared memory of {view.instance} cannot be read",
            view.unreadable,
            f"look with the build that runs it; if it is the same: aegis stop {view.instance}",
        )


def supervisor_stands_still(view: InstanceView) -> Iterator[Problem]:
    """The supervisor itself is stopped or hung: nobody restarts anything."""
    supervisor = view.processes.get("supervisor")
    if view.state not in _LIVE_STATES or supervisor is None:
        return
    age_ms = supervisor.heartbeat_age_ms
    stopped = supervisor.process_state == "T"
    # While it compiles kernels there is nothing to watch yet, and it beats only between two.
    if stopped or (view.ready and age_ms is not None and age_ms > STALL_MS):
        why = "it is stopped by a signal" if stopped else f"no turn for {_seconds(age_ms)}"
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
            f"no duty cycle for {_seconds(age_ms)}",
            "the supervisor kills and restarts it within stall_timeout_ms",
        )
    elif age_ms is not None and age_ms > STALL_MS and view.ready:
        yield Problem(
            f"{name} (pid {process.pid}) makes no progress",
            f"no duty cycle for {_seconds(age_ms)} though the process exists{last}",
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
            f"feed has sent {view.canary.get('sent')}, none came through for {_seconds(age_ms)}",
            "the supervisor restarts the process at fault; if it stays, aegis stop and run again",
        )


def silence_imposed(view: InstanceView) -> Iterator[Problem]:
    """The exchange has banned this address (418), or wants a pause (429): nothing is asked."""
    if view.state not in _LIVE_STATES or view.silence_s <= 0.0:
        return
    left = f"until {view.silence_until}, {view.silence_s:.0f} s from now"
    if view.banned:
        yield Problem(
            f"the exchange has banned this address {left}",
            "it answered 418; nothing can be asked: no list, no snapshot, no new connection",
            "do not restart: the feed goes on by itself when it ends, and each question inside it "
            "makes it longer; stop what else asks from this address",
        )
    else:
        yield Problem(
            f"the exchange wants no questions from this address {left}",
            "it answered 429; books that need a snapshot and connections that are lost wait",
            "do not restart: the feed goes on by itself; stop what else asks from this address",
            "warning",
        )


def market_data(view: InstanceView) -> Iterator[Problem]:
    """Books that must not be traded on, silence, comparisons that failed."""
    if view.state != "running":
        return
    feed = view.counters.get("feed", {})
    yield from _invalid_books(view, feed)
    ages = [book.age_ms for book in view.books if book.age_ms is not None]
    over = view.counters.get("venue", {}).get("mirror_done", 0)
    if ages and min(ages) > SILENT_FEED_MS and not over:
        yield Problem(
            "market data is silent",
            f"the newest book is {_seconds(min(ages))} old",
            "check the venue process; the gate denies new risk meanwhile",
        )
    mismatches = feed.get("top_mismatches", 0)
    if mismatches:
        yield Problem(
            f"{mismatches} book tops differed from bookTicker at equal update ids",
            f"of {feed.get('top_checks', 0)} compared; each such book was put out of force and "
            "fetched anew",
            "if the number grows, stop trading (aegis stop) and report a recording (aegis record)",
            "warning",
        )
    yield from _silent_streams(view, feed)


def _silent_streams(view: InstanceView, feed: dict[str, int]) -> Iterator[Problem]:
    """Trades or mark prices that have stopped while the books go on."""
    what_follows = {
        "trades": "candles and what reads trades stand still; each is marked incomplete",
        "marks": "the gate has no second opinion on prices and refuses what needs one",
    }
    for name, follows in what_follows.items():
        silent = feed.get(f"{name}_silent", 0)
        if silent:
            streams = "trades" if name == "trades" else "mark prices"
            yield Problem(
                f"the {streams} of {silent} of {len(view.books)} symbols have stopped",
                f"their books go on; {follows}",
                "the feed has asked for them again and goes on doing so; its log names them",
                "warning" if 2 * silent < len(view.books) else "fault",
            )


def _invalid_books(view: InstanceView, feed: dict[str, int]) -> Iterator[Problem]:
    """Each by its name while they are few; halted symbols have none, and need none."""
    invalid = [book for book in view.books if book.trading and not book.valid]
    names = [book.symbol or str(book.instrument) for book in invalid]
    severity = "warning" if len(names) < FEW_SHARE * len(view.books) else "fault"
    counts = (
        f"gaps {feed.get('gaps', 0)}, resyncs {feed.get('resyncs', 0)}, connections "
        f"{feed.get('connected', 0)}; nothing is quoted from it"
    )
    do = "the feed resynchronises by itself; if it stays, check the venue and the network"
    if len(names) <= FEW_BOOKS:
        for name, book in zip(names, invalid, strict=True):
            why = f"{_why_invalid(book)}; {counts}"
            yield Problem(f"the book of {name} is not valid", why, do, severity)
        return
    shown = f"{', '.join(names[:FEW_BOOKS])} and {len(names) - FEW_BOOKS} more"
    what = f"{len(names)} of {len(view.books)} books are not valid: {shown}"
    reasons = Counter(book.why for book in invalid if book.why).most_common(FEW_REASONS)
    why = "; ".join([*(f"{count} because {reason}" for reason, count in reasons), counts])
    yield Problem(what, why, f"{do}; aegis universe {view.instance} names them all", severity)


def _why_invalid(book: BookLook) -> str:
    since = "ever since the start" if book.absent_s is None else f"for {book.absent_s:.0f} s now"
    return f"{since}, because {book.why}" if book.why else f"{since}, no reason was told"


def universe(view: InstanceView) -> Iterator[Problem]:
    """What is followed is not what the exchange lists, or was not to be had."""
    feed = view.counters.get("feed", {})
    if view.state not in ("running", "starting"):
        return
    if feed.get("universe_source") == _FALLBACK:
        yield Problem(
            f"the exchange's list of symbols is not to be had: {feed.get('universe_listed')} "
            "well-known pairs are followed instead",
            f"{feed.get('discovery_failures', 0)} attempts failed; nothing can be traded without "
            "tick and step sizes",
            "the feed asks again every few seconds; check [feed] rest_url, the proxy and the net",
        )
    if feed.get("universe_overflow"):
        yield Problem(
            f"{feed['universe_overflow']} listed symbols are not followed",
            f"all {feed.get('universe_listed')} rows of shared memory are taken",
            f"raise max_symbols in [instances.{view.instance}] and start anew",
            "warning",
        )
    if feed.get("rate_limited"):
        yield Problem(
            f"the exchange told the feed {feed['rate_limited']} times to ask less",
            f"request weight {feed.get('weight_used')} of {feed.get('weight_limit')} this minute: "
            "others on this address ask too",
            "raise weight_reserve in [feed], or stop what else asks from this address",
            "warning",
        )
    if feed.get("handovers_failed"):
        yield Problem(
            f"{feed['handovers_failed']} planned replacements of a connection failed",
            f"{feed.get('handovers', 0)} succeeded; without one the exchange cuts the connection "
            "after 24 h and its books are invalid for a moment",
            "if it goes on: raise overlap_s in [feed], or check the network",
            "warning",
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
        yield Problem(
            f"the gate is {state.upper()}",
            f"tripped by {view.gate.get('reason') or 'an unnamed control'}",
            f"find the cause; a restart does not re-arm, a person does: aegis arm {view.instance}",
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
    return f"; its last word: {text}" if text else ""


def _seconds(age_ms: float | None) -> str:
    return "an unknown time" if age_ms is None else f"{age_ms / 1e3:.1f} s"
