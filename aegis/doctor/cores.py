"""Cores: online, isolated, without tick and callbacks, alone, and awake."""

from __future__ import annotations

from typing import Final

from aegis.config.cores import format_core_list, parse_core_list
from aegis.doctor.check import Check, Verdict, failed, passed, skipped
from aegis.doctor.visit import Visit

__all__ = ["CHECKS"]

CPU: Final = "/sys/devices/system/cpu"
_NONE_ASKED: Final = "[hardware] isolcpus asks for no isolated core"
# A core that sleeps deeper than this takes longer to wake up than a message takes to be handled.
_SHALLOW_US: Final = 10


def cores_online(visit: Visit) -> Verdict:
    online, wanted = visit.box.cores(f"{CPU}/online"), visit.configured_cores
    if online is None:
        return skipped("the kernel does not tell which cores are online")
    missing = wanted - online
    text = f"online {format_core_list(online)}, configured {format_core_list(wanted)}"
    if not missing:
        return passed(text)
    core = min(missing)
    fix = f"[hardware] cores in aegis.toml, or echo 1 > {CPU}/cpu{core}/online"
    return failed(f"{text}: {format_core_list(missing)} is missing", fix)


def cores_isolated(visit: Visit) -> Verdict:
    wanted = visit.isolated_cores
    found = visit.box.cores(f"{CPU}/isolated") or frozenset()
    if not wanted and not found:
        return skipped(_NONE_ASKED)
    text = f"isolated {format_core_list(found)}, configured {format_core_list(wanted)}"
    if found == wanted:
        return passed(text)
    if not wanted:
        return failed(text, f"[hardware] isolcpus = [{', '.join(map(str, sorted(found)))}]")
    return failed(text, f"kernel command line: isolcpus=managed_irq,domain,{_list(wanted)}")


def cores_tickless(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    found = visit.box.cores(f"{CPU}/nohz_full")
    fix = f"kernel command line: nohz_full={_list(visit.isolated_cores)}"
    if found is None:
        return failed("this kernel has no nohz_full", f"{fix}, on a kernel with NO_HZ_FULL")
    ticking = visit.isolated_cores - found
    text = f"nohz_full {format_core_list(found)}"
    if ticking:
        return failed(f"{text}: core {format_core_list(ticking)} ticks", fix)
    return passed(text)


def rcu_offloaded(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    covered: frozenset[int] = frozenset()
    for name in ("rcu_nocbs", "nohz_full"):
        value = visit.box.boot_parameter(name)
        if value == "all":
            return passed(f"{name}=all")
        if value:
            covered |= parse_core_list(value)
    text = f"rcu_nocbs and nohz_full cover {format_core_list(covered)}"
    if visit.isolated_cores <= covered:
        return passed(text)
    return failed(text, f"kernel command line: rcu_nocbs={_list(visit.isolated_cores)}")


def siblings_idle(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    busy: list[str] = []
    seen = False
    for core in sorted(visit.isolated_cores):
        siblings = visit.box.cores(f"{CPU}/cpu{core}/topology/thread_siblings_list")
        seen = seen or siblings is not None
        others = (siblings or frozenset()) - {core}
        online = visit.box.cores(f"{CPU}/online") or frozenset()
        if others & online:
            busy.append(f"{core} with {format_core_list(others & online)}")
    if not seen:
        return skipped("the kernel tells no siblings of these cores")
    if busy:
        fix = f"kernel command line: nosmt, or echo off > {CPU}/smt/control"
        return failed(f"one physical core is shared: {'; '.join(busy)}", fix)
    return passed("no isolated core has an online sibling")


def cpu_governor(visit: Visit) -> Verdict:
    found: dict[int, str] = {}
    for core in sorted(visit.configured_cores):
        text = visit.box.text(f"{CPU}/cpu{core}/cpufreq/scaling_governor")
        if text is not None:
            found[core] = text
    if not found:
        return skipped(f"no {CPU}/cpu*/cpufreq: the frequency is not ours to govern")
    text = ", ".join(f"{core} {governor}" for core, governor in found.items())
    if set(found.values()) == {"performance"}:
        return passed(text)
    return failed(text, "tuned-adm profile latency-performance")


def cpu_sleep_states(visit: Visit) -> Verdict:
    deep: list[str] = []
    seen = False
    for core in sorted(visit.configured_cores):
        folder = f"{CPU}/cpu{core}/cpuidle"
        for state in visit.box.names(folder):
            latency_us = visit.box.number(f"{folder}/{state}/latency")
            seen = seen or latency_us is not None
            is_open = visit.box.number(f"{folder}/{state}/disable") == 0
            if is_open and (latency_us or 0) > _SHALLOW_US:
                name = visit.box.text(f"{folder}/{state}/name") or state
                deep.append(f"{core} {name} ({latency_us} us)")
    if not seen:
        return skipped(f"no {CPU}/cpu*/cpuidle/state*: sleep is not ours to govern")
    if not deep:
        return passed(f"no sleep deeper than {_SHALLOW_US} us is open")
    if _holds_latency(visit):
        return passed("deep sleeps are open, and a process holds /dev/cpu_dma_latency")
    fix = "tuned-adm profile latency-performance (it holds /dev/cpu_dma_latency)"
    return failed(f"open: {', '.join(deep[:4])}", fix)


def _holds_latency(visit: Visit) -> bool:
    for pid in visit.box.pids():
        folder = f"/proc/{pid}/fd"
        try:
            links = [visit.box.path(f"{folder}/{name}") for name in visit.box.names(folder)]
            if any(str(link.readlink()).endswith("cpu_dma_latency") for link in links):
                return True
        except OSError:
            continue  # Another user's, or gone.
    return False


def _list(cores: frozenset[int]) -> str:
    return format_core_list(cores)


CHECKS: Final = (
    Check(
        "01", "cores_online", "fail", f"{CPU}/online", "every configured core",
        "a process that cannot be pinned is not started", cores_online,
    ),
    Check(
        "02", "cores_isolated", "warn", f"{CPU}/isolated", "exactly [hardware] isolcpus",
        "the scheduler puts other programs on a core that is not isolated", cores_isolated,
    ),
    Check(
        "03", "cores_tickless", "warn", f"{CPU}/nohz_full", "every isolated core",
        "the kernel's tick interrupts a core up to a thousand times a second", cores_tickless,
    ),
    Check(
        "04", "rcu_offloaded", "warn", "/proc/cmdline", "rcu_nocbs or nohz_full covers them",
        "the kernel's RCU callbacks run on the core", rcu_offloaded,
    ),
    Check(
        "05", "siblings_idle", "warn", f"{CPU}/cpu*/topology/thread_siblings_list",
        "the siblings of isolated cores are offline",
        "two threads of one physical core share its caches and units", siblings_idle,
        metal_only=True,
    ),
    Check(
        "10", "cpu_governor", "warn", f"{CPU}/cpu*/cpufreq/scaling_governor", "performance",
        "a core that clocks up answers late", cpu_governor, metal_only=True,
    ),
    Check(
        "11", "cpu_sleep_states", "warn", f"{CPU}/cpu*/cpuidle, /dev/cpu_dma_latency",
        f"no sleep deeper than {_SHALLOW_US} us", "a core that sleeps deeply wakes up late",
        cpu_sleep_states, metal_only=True,
    ),
)  # fmt: skip
