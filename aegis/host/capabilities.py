"""What a configuration asks of this box, item by item, and what the box can honour.

``aegis check`` and status print it, before and without starting anything. It reads and tries, and
leaves the machine as it was. ``assess`` answers what is asked for; ``plain_words`` says what the
set-up is not, so that nobody takes a laptop for a trading box.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Final

from aegis.config.cores import BoxCores, box_cores, format_core_list
from aegis.config.doctor import accepted_words
from aegis.config.environments import market_of, paper_words
from aegis.config.models import AegisConfig, CoresConfig, HardwareConfig
from aegis.config.rules import HOT_PROCESSES
from aegis.host.affinity import isolated_cores, nohz_full_cores
from aegis.host.grant import Grant
from aegis.host.hugepages import huge_pages_grant
from aegis.host.memory_lock import memory_lock_grant
from aegis.host.scheduler import real_time_runtime_us, scheduler_grant

# The regions of an instance take just under 5 MiB; the rest is room to grow.
SHARED_MEMORY_NEEDED_BYTES: Final = 8 << 20
FUTEX_WAITV_KERNEL: Final = (5, 16)
FUTEX_MACHINES: Final = ("x86_64", "aarch64")


def assess(config: AegisConfig, instance: str | None = None) -> list[Grant]:
    """One grant per thing that the file asks for, of one instance or of all."""
    hardware = config.hardware
    box = box_cores()
    names = [name for name in config.instances if instance in (None, name)]
    grants = [_cores_grant(name, config.cores_of(name), box) for name in names]
    grants.append(_isolation_grant(hardware))
    grants.append(huge_pages_grant(hardware.hugepages))
    grants.append(scheduler_grant(hardware.scheduler, hardware.priority))
    if hardware.scheduler != "other":
        grants.append(_throttle_grant(hardware))
    grants.append(memory_lock_grant(hardware.mlock))
    grants.append(_wait_grant(hardware))
    grants.append(_directory_grant(Path(hardware.shm_dir), len(config.instances)))
    return grants


def plain_words(config: AegisConfig, instance: str | None = None) -> list[str]:
    """What this set-up is not, one sentence each; empty for a fully dedicated box."""
    hardware = config.hardware
    names = [name for name in config.instances if instance in (None, name)]
    words: list[str] = []
    if config.venue.mode == "embedded":
        words.append("fills are simulated: the embedded venue trades no money")
    elif config.venue.mode == "paper":
        market = market_of(config.venue, config.feed)
        assert market is not None, "the prices of paper come from somewhere"
        words.append(paper_words(market.host))
    elif config.venue.mode == "live":
        words.append("LIVE: orders move real money")
    else:
        words.append("the testnet's fills and prices are not those of the live exchange")
    hot: set[int] = set()
    for name in names:
        cores = config.cores_of(name).by_process()
        hot |= {cores[process] for process in HOT_PROCESSES}
        for core in sorted(set(cores.values())):
            users = [process for process, own in cores.items() if own == core]
            if len(users) > 1:
                words.append(f"{name}: {', '.join(users)} share core {core}")
    open_cores = hot - isolated_cores()
    if open_cores:
        words.append(f"not isolated: other programs may run on core {format_core_list(open_cores)}")
    ticking = hot - nohz_full_cores()
    if ticking and not open_cores:
        words.append(f"the kernel's tick still runs on core {format_core_list(ticking)}")
    if hardware.hugepages == 0:
        words.append("no huge pages: shared memory is in pages of 4 KiB")
    if hardware.wait != "spin":
        words.append(f"waits by {hardware.wait}: a wake-up costs microseconds, spinning does not")
    accepted = accepted_words(config.doctor)
    return [*words, accepted] if accepted else words


def describe_box() -> dict[str, str | int]:
    """The box itself: kernel, machine, cores, user; stable keys."""
    box = box_cores()
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "online_cores": format_core_list(box.online),
        "usable_cores": format_core_list(box.usable),
        "isolated_cores": format_core_list(isolated_cores()),
        "nohz_full_cores": format_core_list(nohz_full_cores()),
        "user_id": os.geteuid(),
    }


def _cores_grant(instance: str, cores: CoresConfig, box: BoxCores) -> Grant:
    what = f"cores of {instance}"
    by_process = cores.by_process()
    asked = ", ".join(f"{process} {core}" for process, core in by_process.items())
    missing = {core for core in by_process.values() if core not in box.usable}
    if missing:
        got = ", ".join(f"{p} {c}" for p, c in by_process.items() if c not in missing) or "none"
        reason = f"core {format_core_list(missing)} is not to be had"
        return Grant(what, asked, got, False, reason, f"usable: {format_core_list(box.usable)}")
    return Grant(what, asked, asked, True)


def _isolation_grant(hardware: HardwareConfig) -> Grant:
    asked, got = frozenset(hardware.isolcpus), isolated_cores()
    texts = (format_core_list(asked), format_core_list(got))
    missing = asked - got
    if missing:
        reason = f"core {format_core_list(missing)} is not isolated"
        remedy = f"kernel command line: isolcpus=managed_irq,domain,{texts[0]}"
        return Grant("isolcpus", *texts, False, reason, remedy)
    return Grant("isolcpus", *texts, True)


def _throttle_grant(hardware: HardwareConfig) -> Grant:
    """Real-time tasks must leave the kernel a share of each second, or a spinner locks the core."""
    runtime_us = real_time_runtime_us()
    got = "unknown" if runtime_us is None else f"{runtime_us} us"
    if runtime_us == -1 and hardware.wait in ("spin", "yield"):
        reason = f'no limit for real-time tasks while wait = "{hardware.wait}"'
        remedy = "sysctl kernel.sched_rt_runtime_us=950000"
        return Grant("real-time throttle", "below 1000000 us", got, False, reason, remedy)
    return Grant("real-time throttle", "below 1000000 us", got, True)


def _wait_grant(hardware: HardwareConfig) -> Grant:
    """Parking sleeps on two rings at once, which Linux can do since futex_waitv(2)."""
    asked = hardware.wait
    machine, kernel = platform.machine(), platform.release()
    if asked != "park" or (machine in FUTEX_MACHINES and _version(kernel) >= FUTEX_WAITV_KERNEL):
        return Grant("wait", asked, asked, True)
    reason = f"Linux {kernel} on {machine} has no futex_waitv, so parking would never sleep"
    return Grant("wait", asked, "spin", False, reason, 'set wait = "backoff"')


def _version(release: str) -> tuple[int, ...]:
    """The leading numbers of a kernel release: 6.1.0-18-amd64 is (6, 1, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", release)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _directory_grant(directory: Path, instances: int) -> Grant:
    """The shared memory's place: there, writable, in memory, and with room for every instance."""
    what, asked = "shm_dir", str(directory)
    try:
        room = os.statvfs(directory)
    except OSError as error:
        reason = error.strerror or str(error)
        return Grant(what, asked, "nothing", False, reason, "make it, or name another")
    if not os.access(directory, os.W_OK | os.X_OK):
        reason = f"user {os.geteuid()} may not write there"
        return Grant(what, asked, "nothing", False, reason, "chmod it, or name another")
    free, needed = room.f_bavail * room.f_frsize, SHARED_MEMORY_NEEDED_BYTES * instances
    got = f"{asked} with {free >> 20} MiB free"
    if free < needed:
        reason = f"{needed >> 20} MiB are wanted"
        return Grant(what, asked, got, False, reason, "mount -o remount,size=… that tmpfs")
    if _file_system_of(directory) not in ("tmpfs", "hugetlbfs", "unknown"):
        reason = f"it lies on {_file_system_of(directory)}, not in memory"
        return Grant(what, asked, got, False, reason, "name a tmpfs such as /dev/shm")
    return Grant(what, asked, got, True)


def _file_system_of(directory: Path) -> str:
    """The type of the mount that holds a directory: the longest mount point above it."""
    resolved = directory.resolve()
    best, kind = Path(), "unknown"
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        fields = line.split(" ")
        point = Path(fields[1])
        # Of several mounts at one point, the last one is on top.
        if resolved.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, fields[2]
    return kind
