"""From a valid configuration to an instance that is ready to fork: lock, clear, memory, kernels.

Called once by the supervisor. Every step is said aloud, and every step that fails undoes the ones
before it, so that a start that is refused leaves the machine as it found it.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from aegis import BUILD_ID
from aegis.config import AegisConfig, Settings, config_hash
from aegis.host.affinity import NOT_PINNED
from aegis.host.capabilities import plain_words
from aegis.host.clock import monotonic_ns
from aegis.host.grant import Grant
from aegis.host.hugepages import HUGE_PAGE_BYTES, huge_pages_grant, hugetlbfs_mounts
from aegis.host.process_identity import own_identity
from aegis.host.scheduler import scheduler_of
from aegis.monitor.last_run import LastRun, read_last_run
from aegis.monitor.notes import ChildNote, Notes
from aegis.shm.candles import CandlePlan
from aegis.shm.control import RUN
from aegis.shm.errors import NotEnoughMemory
from aegis.shm.instance import (
    InstanceMemory,
    directory_of,
    memory_error_text,
    remove_directory,
)
from aegis.shm.wiring import Credentials, Wiring
from aegis.supervisor.budget import RestartBudget
from aegis.supervisor.children import Child
from aegis.supervisor.errors import MemoryShortError, PortTakenError, exit_code_of
from aegis.supervisor.instance import Audience, Instance
from aegis.supervisor.instance_lock import InstanceLock
from aegis.supervisor.leftovers import clear_leftovers, find_leftovers
from aegis.supervisor.notify import Notifier
from aegis.supervisor.seat import NO_HUGE_PAGES
from aegis.supervisor.signals import SignalInbox
from aegis.supervisor.warmup import (
    EntryPoint,
    compile_in_parallel,
    freeze,
    load_entry_points,
    thread_count,
    uncompiled,
)
from aegis.supervisor.watch import READY, Watch, WatchLimits, processes_of

__all__ = ["prepare", "take_lock", "warm_up", "watch_limits"]

_EXTENSION_US = 60_000_000
_WORKER_TURN_MS = 1_000
_MS_NS = 1_000_000
_NEVER_NS = 1 << 62


def take_lock(
    instance: str, directory: Path, patience_ns: int, say: Callable[[str], None]
) -> InstanceLock:
    """Lock the instance and clear what a dead supervisor left. Raises AlreadyRunningError."""
    while True:
        lock = InstanceLock(instance, directory)
        found = find_leftovers(directory)
        if not found:
            return lock
        say(f"clearing what a dead start left: {found}")
        try:
            killed = clear_leftovers(
                found, patience_ns, monotonic_ns, lambda timeout_ms: time.sleep(timeout_ms / 1e3)
            )
        finally:
            lock.close()
        if killed:
            say(f"cleared; these obeyed nothing but SIGKILL: {', '.join(killed)}")


def watch_limits(settings: Settings) -> WatchLimits:
    """The watch's bounds as the configuration has them."""
    limits = WatchLimits(
        stall_timeout_ns=settings.supervisor.stall_timeout_ms * _MS_NS,
        canary_timeout_ns=settings.supervisor.canary_timeout_ms * _MS_NS,
    )
    if not settings.mirrors:
        return limits
    # A recording is as slow as --speed makes it, and a restart in its midst would falsify it.
    return replace(limits, start_timeout_ns=_NEVER_NS, reconnect_timeout_ns=_NEVER_NS)


def prepare(
    settings: Settings, config: AegisConfig, inbox: SignalInbox, audience: Audience
) -> Instance:
    """Everything up to the first fork except the kernels. Raises SupervisorError."""
    directory = directory_of(settings.name, settings.hardware.shm_dir)
    patience_ns = settings.supervisor.drain_timeout_ms * _MS_NS
    lock = take_lock(settings.name, directory, patience_ns, audience.say)
    try:
        return _furnish(settings, config, inbox, audience, lock)
    except BaseException as error:
        before = read_last_run(settings.name, directory)
        run = LastRun.begun(settings.venue.mode, directory)
        run.not_started(exit_code_of(error), str(error), before).write(settings.name)
        remove_directory(directory)
        lock.close()
        raise


def _check_port(host: str, port: int) -> None:
    """Raises PortTakenError if the exchange's port is in use: no restart would free it."""
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortTakenError(
                f"the exchange cannot listen on {host}:{port}: {reason}; "
                "write another port (or 0: any free one) under [venue]"
            ) from None


def _furnish(
    settings: Settings,
    config: AegisConfig,
    inbox: SignalInbox,
    audience: Audience,
    lock: InstanceLock,
) -> Instance:
    """Memory, wiring and notes of an instance whose lock is held."""
    if settings.has_own_venue:
        _check_port(settings.venue.host, settings.venue.port)
    huge = huge_pages_grant(settings.hardware.hugepages)
    memory, directories = _make_memory(settings, huge)
    # A core dump of a process that holds keys would be a copy of the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The keys of any other exchange are read by execution alone.
    credentials = _mint_credentials() if settings.has_own_venue else None
    wiring = Wiring.make(settings.name, memory, credentials, settings.venue.host)
    processes = processes_of(settings)
    supervision = settings.supervisor
    window_ns = int(supervision.restart_window_s * 1e9)
    instance = Instance(
        settings=settings,
        config=config,
        lock=lock,
        memory=memory,
        wiring=wiring,
        children={
            process: Child(process, RestartBudget(supervision.restart_budget, window_ns))
            for process in processes
        },
        watch=Watch(watch_limits(settings), processes),
        notifier=Notifier(monotonic_ns),
        inbox=inbox,
        notes=_first_notes(settings, config),
        audience=audience,
        memory_directories=directories,
        started_ns=monotonic_ns(),
    )
    memory.control.command = RUN
    memory.control.mirror = instance.mirrored
    _count_oneself(instance, huge)
    size = (settings.instance.rows, settings.feed.book_levels, _kept(settings))
    mebibytes = InstanceMemory.bytes_needed(*size) / (1 << 20)
    instance.say(f"shared memory: {mebibytes:.1f} MiB in {memory.directory}")
    for words in instance.notes.degraded:
        instance.say(f"mind: {words}")
    if settings.environment is not None:
        money = "REAL MONEY" if settings.venue.mode == "live" else "no real money"
        mode = settings.venue.mode.upper()
        instance.say(f"{mode}: orders go to {settings.environment.host}, {money}")
    return instance


def warm_up(instance: Instance, modules: Mapping[str, str] | None) -> dict[str, EntryPoint]:
    """Import and compile. Raises StartCancelledError when a stop is asked for meanwhile."""
    entry_points: dict[str, EntryPoint] = {}
    settings = instance.settings
    began_ns = instance.heartbeat()

    def tell(text: str) -> None:
        instance.notifier.extend_timeout(_EXTENSION_US)
        instance.notifier.status(f"starting: {text}")
        took_s = (instance.heartbeat() - began_ns) / 1e9
        instance.audience.say(f"{text} ({took_s:.1f} s)")

    def pause() -> None:
        instance.pause(_WORKER_TURN_MS)
        instance.notifier.extend_timeout(_EXTENSION_US)

    with instance.inbox.interrupting():
        missing = uncompiled(settings) if modules is None else {}
        if missing:
            tell("compiling kernels for this release, once")
            compile_in_parallel(settings, missing, lambda name: tell(f"{name} is compiled"), pause)
        for process, entry_point in load_entry_points(settings, modules):
            entry_points[process] = entry_point
            tell(f"{process} is loaded")
    freeze()
    threads = thread_count()
    if threads > 1:
        instance.say(f"mind: {threads} threads before the fork, there should be one")
    return entry_points


def _kept(settings: Settings) -> CandlePlan:
    return CandlePlan(settings.feed.intervals_s, settings.feed.candle_history)


def _make_memory(settings: Settings, huge: Grant) -> tuple[InstanceMemory, tuple[Path, ...]]:
    shm_dir = Path(settings.hardware.shm_dir)
    huge_dir = None
    if settings.hardware.hugepages and huge.honoured:
        mounts = [mount for mount in hugetlbfs_mounts() if os.access(mount, os.W_OK | os.X_OK)]
        huge_dir = mounts[0] if mounts else None
    identity = own_identity()
    rows = settings.instance.rows
    try:
        memory = InstanceMemory.create(
            settings.name,
            instruments=rows,
            kept=_kept(settings),
            shm_dir=shm_dir,
            owner=(identity.pid, identity.start_time_ticks),
            huge_dir=huge_dir,
            book_depth=settings.feed.book_levels,
        )
    except NotEnoughMemory as error:
        text = memory_error_text(error, rows, settings.feed.book_levels, _kept(settings))
        pages = f" in pages of {HUGE_PAGE_BYTES >> 20} MiB" if huge_dir is not None else ""
        raise MemoryShortError(
            f"instance {settings.name}: {text}{pages}; free some of {shm_dir}, enlarge it "
            f"(mount -o remount,size=… {shm_dir}), or name another in hardware.shm_dir"
        ) from None
    roots = (shm_dir,) if huge_dir is None else (shm_dir, huge_dir)
    return memory, tuple(directory_of(settings.name, root).resolve() for root in roots)


def _mint_credentials() -> Credentials:
    """Test keys of the embedded venue: in memory only, new at every start."""
    from aegis.venue.credentials import mint

    minted = mint()
    return Credentials(
        api_key=minted.api_key,
        hmac_secret=minted.hmac_secret,
        ed25519_private_pem=minted.ed25519_private_pem,
        ed25519_public_pem=minted.ed25519_public_pem,
    )


def _first_notes(settings: Settings, config: AegisConfig) -> Notes:
    identity = own_identity()
    return Notes(
        instance=settings.name,
        pid=identity.pid,
        start_time_ticks=identity.start_time_ticks,
        boot_id=identity.boot_id,
        build_id=BUILD_ID,
        config=str(settings.source.resolve()),
        config_hash=config_hash(config),
        simulated=settings.has_own_venue,
        mode=settings.venue.mode,
        market_host=settings.market.host if settings.market is not None else "",
        strategy=settings.instance.strategy,
        started_unix_ms=time.time_ns() // 1_000_000,
        children={process: ChildNote() for process in processes_of(settings)},
        degraded=plain_words(config, settings.name),
    )


def _count_oneself(instance: Instance, huge: Grant) -> None:
    """Fill the supervisor's own standard counters."""
    counters = instance.memory.counters["supervisor"]
    counters["pid"] = instance.notes.pid
    counters["start_time_ticks"] = instance.notes.start_time_ticks
    counters["generation"] = 1
    counters["core_asked"] = NOT_PINNED
    counters["core_got"] = NOT_PINNED
    counters["scheduler_got"] = scheduler_of()[0]
    counters["state"] = READY - 1
    if not huge.honoured:
        counters["degraded_flags"] = NO_HUGE_PAGES
        instance.notes.degraded.append(huge.degradation)
