"""Who runs where: our processes on their cores, and everybody else away from isolated ones."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from aegis.config.cores import format_core_list, parse_core_list
from aegis.doctor.box import cores_of_mask
from aegis.doctor.check import Check, Verdict, failed, noted, passed, skipped
from aegis.doctor.jitter import spin
from aegis.doctor.visit import Visit

__all__ = ["CHECKS"]

_NONE_ASKED: Final = "[hardware] isolcpus asks for no isolated core"
_NOT_RUNNING: Final = "no process of the instance runs"
_PROCESSOR: Final = 39 - 3
_MOST_NAMED: Final = 5
_INTERRUPTS_PER_S: Final = 1
_WORKQUEUE: Final = "/sys/devices/virtual/workqueue"
_QUIET_METAL_US: Final = 50.0


def processes_pinned(visit: Visit) -> Verdict:
    ours = [process for process in visit.processes if process.core is not None]
    if not ours:
        return skipped(_NOT_RUNNING)
    loose: list[str] = []
    users: dict[int, list[str]] = defaultdict(list)
    unseen: list[str] = []
    for process in ours:
        seen = False
        for task in visit.box.names(f"/proc/{process.pid}/task"):
            allowed = visit.box.status(process.pid, int(task)).get("Cpus_allowed_list")
            seen = seen or allowed is not None
            if allowed is not None and parse_core_list(allowed) != {process.core}:
                loose.append(f"{process} may run on {allowed}, wanted {process.core}")
                break
        if not seen:
            unseen.append(str(process))
        assert process.core is not None
        users[process.core].append(str(process))
    shared = [f"{core}: {', '.join(names)}" for core, names in users.items() if len(names) > 1]
    if loose:
        fix = "no CPUAffinity= in the unit or a drop-in, and the cores in the unit's cpuset"
        return failed("; ".join(loose[:_MOST_NAMED]), fix)
    if shared and not visit.config.hardware.share_cores:
        return failed(f"shared: {'; '.join(shared)}", "[hardware] cores, a core for each")
    if unseen:
        return skipped(f"/proc does not show {', '.join(unseen)}")
    text = f"{len(ours)} processes, each on its core"
    return passed(f"{text}; shared as share_cores allows: {'; '.join(shared)}" if shared else text)


def foreign_tasks(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    found: list[str] = []
    for pid in visit.box.pids():
        if pid in visit.pids or visit.box.is_kernel_thread(pid):
            continue
        for task in visit.box.names(f"/proc/{pid}/task"):
            fields = visit.box.stat(f"/proc/{pid}/task/{task}/stat")
            if len(fields) <= _PROCESSOR or int(fields[_PROCESSOR]) not in visit.isolated_cores:
                continue
            name = visit.box.text(f"/proc/{pid}/comm") or "?"
            found.append(f"{name} ({pid}) on {fields[_PROCESSOR]}")
            break
    if not found and not visit.box.names("/proc/1"):
        return skipped("/proc does not show what others run (hidepid)")
    if found:
        fix = "systemctl set-property --runtime system.slice AllowedCPUs=HOUSEKEEPING"
        return failed(f"{len(found)} others: {', '.join(found[:_MOST_NAMED])}", fix)
    return passed("nobody else's task last ran there")


def interrupts_elsewhere(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    before, after = (_interrupts(texts["interrupts"]) for texts in visit.one_second)
    if not after:
        return skipped("/proc/interrupts tells no interrupt of a device")
    busy: list[str] = []
    for name, (counts, what) in after.items():
        former = before.get(name, ({}, ""))[0]
        for core in sorted(visit.isolated_cores):
            rate = counts.get(core, 0) - former.get(core, 0)
            if rate > _INTERRUPTS_PER_S:
                busy.append(f"{name} ({what}) {rate}/s on {core}")
    if busy:
        fix = "kernel command line: irqaffinity=HOUSEKEEPING, or write /proc/irq/N/smp_affinity"
        return failed("; ".join(busy[:_MOST_NAMED]), fix)
    return passed(f"at most {_INTERRUPTS_PER_S}/s of any device on isolated cores")


def _interrupts(text: str) -> dict[str, tuple[dict[int, int], str]]:
    """Counts by core and a description of every device's interrupt."""
    lines = text.splitlines()
    cores = [int(name[3:]) for name in lines[0].split()] if lines else []
    found: dict[str, tuple[dict[int, int], str]] = {}
    for line in lines[1:]:
        name, _, rest = line.strip().partition(":")
        words = rest.split()
        if name.isdigit() and len(words) >= len(cores):
            counts = {core: int(word) for core, word in zip(cores, words, strict=False)}
            found[name] = (counts, " ".join(words[len(cores) :][-1:]))
    return found


def kernel_workers_elsewhere(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    there: list[str] = []
    seen = False
    for path in (f"{_WORKQUEUE}/cpumask", f"{_WORKQUEUE}/writeback/cpumask"):
        text = visit.box.text(path)
        seen = seen or text is not None
        meets = cores_of_mask(text or "") & visit.isolated_cores
        if meets:
            there.append(f"{path} has {format_core_list(meets)}")
    if not seen:
        return skipped(f"no {_WORKQUEUE}")
    if there:
        return failed("; ".join(there), f"echo HOUSEKEEPING_MASK > {_WORKQUEUE}/cpumask")
    return passed("the masks of kernel workers leave isolated cores out")


def packet_steering(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    there: list[str] = []
    seen = False
    for name in visit.box.interfaces():
        folder = f"/sys/class/net/{name}/queues"
        for queue in visit.box.names(folder):
            file = "rps_cpus" if queue.startswith("rx-") else "xps_cpus"
            try:
                mask = visit.box.text(f"{folder}/{queue}/{file}")
            except OSError:
                continue  # A queue that knows no such mask answers ENOENT or EINVAL.
            seen = seen or mask is not None
            if cores_of_mask(mask or "") & visit.isolated_cores:
                there.append(f"{folder}/{queue}/{file} = {mask}")
    if there:
        return failed("; ".join(there[:_MOST_NAMED]), f"echo MASK > {there[0].split(' ')[0]}")
    if not seen:
        return skipped("no network interface of hardware tells its queues")
    return passed("no queue of a network interface is steered to an isolated core")


def core_jitter(visit: Visit) -> Verdict:
    if not visit.isolated_cores:
        return skipped(_NONE_ASKED)
    if visit.processes:
        return skipped("the instance runs on these cores")
    if visit.neighbours:
        # Spinning there would take half of a core from whatever trades on it.
        return skipped(f"{visit.neighbours[0].instance} runs on this box")
    texts: list[str] = []
    worst_us = 0.0
    for core in sorted(visit.isolated_cores):
        result = spin(core)
        if result is None:
            texts.append(f"{core}: may not be taken")
            continue
        worst_us = max(worst_us, result.worst_us)
        texts.append(f"{core}: p99.9 {result.p999_us:.1f} us, worst {result.worst_us:.0f} us")
    if worst_us == 0.0:
        return skipped("; ".join(texts))
    if worst_us > _QUIET_METAL_US and not visit.box.is_virtual:
        return noted("; ".join(texts), "the checks 02 to 18 tell what interrupts these cores")
    return passed("; ".join(texts))


CHECKS: Final = (
    Check(
        "06", "processes_pinned", "fail", "/proc/PID/task/*/status Cpus_allowed_list",
        "each process on its own core alone",
        "isolated cores know no balancing: two on one core stay there", processes_pinned,
    ),
    Check(
        "07", "foreign_tasks", "warn", "/proc/*/task/*/stat field 39",
        "no other program on isolated cores", "it takes the core for a while", foreign_tasks,
    ),
    Check(
        "08", "interrupts_elsewhere", "warn", "/proc/interrupts, a second apart",
        f"at most {_INTERRUPTS_PER_S}/s of a device on isolated cores",
        "a device's interrupt stops whatever runs", interrupts_elsewhere, slow=True,
    ),
    Check(
        "09", "kernel_workers_elsewhere", "warn", f"{_WORKQUEUE}/cpumask, writeback/cpumask",
        "no isolated core", "kernel workers take the core", kernel_workers_elsewhere,
    ),
    Check(
        "26", "packet_steering", "warn", "/sys/class/net/*/queues/*/{rps,xps}_cpus",
        "no isolated core", "packets are handled on the brain's core", packet_steering,
    ),
    Check(
        "51", "core_jitter", "info", "five seconds of spinning on each isolated core",
        f"worst below {_QUIET_METAL_US:.0f} us on metal", "the proof of the checks before",
        core_jitter, slow=True,
    ),
)  # fmt: skip
