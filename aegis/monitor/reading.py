"""A look at an instance from outside: shared memory attached read-only, the note file, /proc.

Called by `aegis status` and by anything that only watches. It must never wait for a writer, never
write, and never die of what it finds: a file that is missing, foreign, half-written or shorter
than its header says becomes a sentence, not an exception.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from aegis.config.environments import OWN_VENUE_MODES
from aegis.host.process_identity import ProcessIdentity, is_alive, read_boot_id
from aegis.host.resources import read_resources
from aegis.host.scheduler import shown_scheduler
from aegis.monitor.last_run import hidden_place, read_last_run
from aegis.monitor.lock_holder import holder_pid
from aegis.monitor.notes import Notes, read_notes
from aegis.monitor.view import BookLook, InstanceView, ProcessView, RingView
from aegis.risk.controls import control_name
from aegis.shm.absence import why_absent
from aegis.shm.counter_tables import PROCESSES, STATES
from aegis.shm.errors import ShmError
from aegis.shm.instance import InstanceMemory, directory_of
from aegis.shm.instruments import TRADING
from aegis.shm.intent import PLACE
from aegis.shm.said import all_said

__all__ = ["DEGRADED_BITS", "instances_in", "read_instance", "read_memory"]

PREFIX = "aegis-"
E8 = 1e8
_QUOTES_LOOK_BACK = 256
_NS_PER_MS = 1e6

# Bits of the counter `degraded_flags`.
DEGRADED_BITS = {
    1: "not pinned to its core",
    2: "scheduling policy refused",
    4: "memory not locked",
    8: "no huge pages",
}
_GATE_STATES = {0: "unknown", 1: "active", 2: "reducing", 3: "halted"}


def instances_in(shm_dir: str | Path) -> list[str]:
    """The instances that run or have left something, by their directories."""
    try:
        entries = sorted(Path(shm_dir).iterdir())
    except OSError:
        return []
    return [
        entry.name.removeprefix(PREFIX)
        for entry in entries
        if entry.name.startswith(PREFIX) and entry.is_dir() and not entry.is_symlink()
    ]


def read_instance(instance: str, shm_dir: str | Path) -> InstanceView:
    """Everything there is to see of one instance, without its problems."""
    directory = directory_of(instance, shm_dir)
    view = InstanceView(instance, directory=str(directory))
    if not directory.is_dir():
        view.last_run = read_last_run(instance, directory)
        view.last_run_hidden = hidden_place(instance)
        return view
    notes = read_notes(directory)
    if notes is not None:
        _read_notes_into(view, notes)
    _read_said_into(view, directory)
    try:
        _attach_and_read(view, notes, shm_dir)
    except (ShmError, LookupError, ValueError, OSError, AssertionError) as error:
        # Foreign, cut short, of another build: told, and judged by the notes alone.
        view.unreadable = f"{type(error).__name__}: {error}"
        view.state = _state_without_memory(directory, notes)
    if view.state == "dead":
        view.leftovers = _files(directory)
    return view


def _attach_and_read(view: InstanceView, notes: Notes | None, shm_dir: str | Path) -> None:
    memory = InstanceMemory.attach(view.instance, shm_dir=shm_dir)
    try:
        read_memory(view, memory)
        if view.mode not in OWN_VENUE_MODES:
            # Its place in the memory stays empty: the exchange is no process of this box.
            view.processes.pop("venue", None)
        _judge_state(view, notes, memory)
    finally:
        memory.close()


def read_memory(view: InstanceView, memory: InstanceMemory) -> None:
    """Fill the view from mapped memory, also the supervisor's own while it still runs."""
    now_ns = time.monotonic_ns()
    for process in PROCESSES:
        counters = memory.counters[process].snapshot()
        view.counters[process] = counters
        known = view.processes.setdefault(process, ProcessView())
        _read_process(known, counters, now_ns)
    supervisor, execution = view.counters["supervisor"], view.counters["execution"]
    for process in PROCESSES[1:]:
        view.processes[process].restarts = supervisor[f"restarts_{process}"]
    view.restarts = sum(view.processes[process].restarts for process in PROCESSES)
    view.ready = bool(supervisor["ready"])
    view.config_version = supervisor["config_version"]
    view.config_reload_failures = supervisor["config_reload_failures"]
    view.orders = execution["orders_sent"]
    view.open_orders = execution["open_orders"]
    view.unknown_orders = execution["orders_unknown"]
    view.orders_denied = execution["orders_denied"]
    view.fills = execution["fills"]
    view.realized_pnl = execution["realized_pnl_e8"] / E8
    view.fees = execution["fees_e8"] / E8
    reason = execution["gate_reason"]
    view.gate = {
        "state": _GATE_STATES.get(execution["gate_state"], "unknown"),
        "reason": control_name(reason) if reason else "",
    }
    canary_ns = execution["canary_ns"]
    view.canary = {
        "sent": view.counters["feed"]["canary_number"],
        "back": execution["canary_number"],
        "age_ms": _age_ms(now_ns, canary_ns),
    }
    _read_silence(view, now_ns)
    _read_rings(view, memory)
    view.latency = {
        name: histogram.percentiles()
        for process in PROCESSES
        for name, histogram in memory.histograms[process].items()
    }
    _read_books(view, memory, now_ns)
    _read_quotes(view, memory)


def _read_silence(view: InstanceView, now_ns: int) -> None:
    feed = view.counters["feed"]
    banned_ns = feed["banned_until_ns"]
    left_ns = max(feed["quiet_until_ns"], banned_ns) - now_ns
    if left_ns > 0:
        view.silence_s = round(left_ns / 1e9, 3)
        until = time.gmtime(time.time() + view.silence_s)
        view.silence_until = time.strftime("%Y-%m-%d %H:%M:%S UTC", until)
        view.banned = banned_ns > now_ns


def _read_process(known: ProcessView, counters: dict[str, int], now_ns: int) -> None:
    known.pid = counters["pid"] or known.pid
    known.state = STATES.get(counters["state"], f"unknown {counters['state']}")
    known.generation = counters["generation"]
    known.loop_seq = counters["loop_seq"]
    known.heartbeat_age_ms = _age_ms(now_ns, counters["loop_ts_ns"])
    known.max_cycle_ms = counters["max_cycle_ns"] / _NS_PER_MS
    known.errors = counters["errors"]
    known.core_asked, known.core_got = counters["core_asked"], counters["core_got"]
    known.scheduler = shown_scheduler(counters["scheduler_got"], 0)
    known.mlocked = bool(counters["mlocked"])
    known.gc_collections = counters["gc_collections"]
    known.gc_collections_in_cycle = counters["gc_collections_in_cycle"]
    known.gc_pause_max_ns = counters["gc_pause_max_ns"]
    known.parameters_version = counters["parameters_version"]
    flags = counters["degraded_flags"]
    known.degraded = [text for bit, text in DEGRADED_BITS.items() if flags & bit]
    identity = ProcessIdentity(known.pid, counters["start_time_ticks"], "")
    known.alive = is_alive(identity)
    resources = read_resources(known.pid) if known.alive else None
    known.process_state = resources.state if resources is not None else ""
    known.rss_bytes = resources.rss_bytes if resources is not None else 0


def _read_rings(view: InstanceView, memory: InstanceMemory) -> None:
    rings: tuple[tuple[str, Any], ...] = (
        ("ticks", memory.ticks),
        ("intents", memory.intents),
        ("outcomes", memory.outcomes),
    )
    sequences = memory.sequences()
    for name, ring in rings:
        published, consumed = sequences[name]["published"], sequences[name]["consumed"]
        view.rings[name] = RingView(
            ring.capacity, published, consumed, max(published - consumed, 0)
        )


def _read_books(view: InstanceView, memory: InstanceMemory, now_ns: int) -> None:
    execution = view.counters["execution"]
    rows = min(memory.books.capacity, memory.instruments.rows.size)
    for instrument in range(rows):
        row = memory.instruments.row(instrument)
        if instrument > 0 and int(row["version"]) == 0:
            # Reserved for what may be listed some day; rows are filled in order.
            break
        symbol = memory.instruments.symbol(instrument)
        trading = int(row["status"]) == TRADING or int(row["version"]) == 0
        book = memory.books.read(instrument)
        if book is None:
            view.books.append(BookLook(instrument, symbol, False, None, None, None, None, trading))
            continue
        view.books.append(
            BookLook(
                instrument=instrument,
                symbol=symbol,
                valid=book.valid,
                update_id=book.update_id,
                bid=float(book.bids[0, 0]) if len(book.bids) else None,
                ask=float(book.asks[0, 0]) if len(book.asks) else None,
                age_ms=_age_ms(now_ns, book.ts_recv_ns),
                trading=trading,
                why="" if book.valid or not book.why else why_absent(book.why),
                absent_s=_absent_s(now_ns, book.since_ns) if not book.valid else None,
            )
        )
    if rows:
        step = float(memory.instruments.row(0)["step_size"])
        lots = execution["position_lots"]
        # Lots are integers of the step; rounding takes the binary noise of 3 * 0.001 away.
        quantity = round(lots * step, 12)
        view.position = {memory.instruments.symbol(0) or "0": quantity}


def _read_quotes(view: InstanceView, memory: InstanceMemory) -> None:
    """Look back in the intents lane for the newest PLACE of each side of instrument 0.

    For the eye only: the brain may be writing the very slot that is read, so nonsense is left out.
    """
    ring = memory.intents
    published = ring.published
    tick_size = float(memory.instruments.row(0)["tick_size"])
    for sequence in range(published - 1, max(published - _QUOTES_LOOK_BACK, 0) - 1, -1):
        intent = ring.records[sequence % ring.capacity]
        if int(intent["kind"]) != PLACE or int(intent["instrument"]) != 0:
            continue
        side = {1: "bid", -1: "ask"}.get(int(intent["side"]))
        price = int(intent["price_ticks"]) * tick_size
        if side is not None and price > 0:
            view.quotes.setdefault(side, round(price, 10))
        if len(view.quotes) == 2:
            return


def _read_said_into(view: InstanceView, directory: Path) -> None:
    """What the processes themselves have said, among the supervisor's events in order of time."""
    for process, line in all_said(directory):
        view.said[process] = line.text
        view.events.append({"unix_ms": line.unix_ms, "text": f"{process}: {line.text}"})
    view.events.sort(key=lambda event: int(event["unix_ms"]))


def _read_notes_into(view: InstanceView, notes: Notes) -> None:
    view.state = notes.phase
    view.simulated = notes.simulated
    view.mode = notes.mode
    view.market_host = notes.market_host
    view.config = notes.config
    view.strategy = notes.strategy
    view.build_id = notes.build_id
    view.degraded = list(notes.degraded)
    view.uptime_s = max(time.time() - notes.started_unix_ms / 1e3, 0.0)
    view.last_reload = {
        "attempts": notes.last_reload.attempts,
        "ok": notes.last_reload.ok,
        "unix_ms": notes.last_reload.unix_ms,
        "text": notes.last_reload.text,
    }
    view.events = [{"unix_ms": event.unix_ms, "text": event.text} for event in notes.events]
    for name, child in notes.children.items():
        view.processes[name] = ProcessView(
            pid=child.pid, generation=child.generation, last_end=child.last_end
        )


def _judge_state(view: InstanceView, notes: Notes | None, memory: InstanceMemory) -> None:
    """Dead when the supervisor that made the memory is gone, whatever the notes say."""
    pid, start = memory.regions["control"].owner
    boot = notes.boot_id if notes is not None else read_boot_id()
    supervisor = view.processes["supervisor"]
    supervisor.pid = supervisor.pid or pid
    alive = is_alive(ProcessIdentity(pid, start, boot))
    supervisor.alive = alive
    if not alive:
        view.state = "dead"
    elif notes is None:
        view.state = "running" if view.ready else "starting"


def _state_without_memory(directory: Path, notes: Notes | None) -> str:
    if notes is None:
        # A supervisor that has the lock and has not yet written anything is about to.
        return "starting" if holder_pid(directory) else "dead"
    alive = is_alive(ProcessIdentity(notes.pid, notes.start_time_ticks, notes.boot_id))
    return notes.phase if alive else "dead"


def _files(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []


def _absent_s(now_ns: int, since_ns: int) -> float | None:
    return None if since_ns <= 0 else round(max(now_ns - since_ns, 0) / 1e9, 1)


def _age_ms(now_ns: int, then_ns: int) -> float | None:
    return None if then_ns <= 0 else round(max(now_ns - then_ns, 0) / _NS_PER_MS, 3)
