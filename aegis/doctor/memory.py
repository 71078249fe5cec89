"""Memory: pages that move, pages that are fetched, huge pages, and the room of the rings."""

from __future__ import annotations

import os
from typing import Final

from aegis.config.cores import format_core_list
from aegis.doctor.check import Check, Verdict, failed, passed, skipped, warned
from aegis.doctor.visit import Visit
from aegis.host.hugepages import read_huge_pages
from aegis.shm.candles import CandlePlan
from aegis.shm.instance import InstanceMemory

__all__ = ["CHECKS"]

_THP: Final = "/sys/kernel/mm/transparent_hugepage"
_POOL: Final = "/sys/kernel/mm/hugepages/hugepages-2048kB"
_SWAPPINESS_MOST: Final = 10
_SHM_OPTIONS: Final = ("nosuid", "nodev", "noexec")
_TIMES: Final = 2
_IN_MEMORY: Final = ("tmpfs", "hugetlbfs")


def transparent_huge_pages(visit: Visit) -> Verdict:
    enabled, defrag = (visit.box.selected(f"{_THP}/{name}") for name in ("enabled", "defrag"))
    if enabled is None:
        return skipped(f"no {_THP}")
    text = f"enabled {enabled}, defrag {defrag}"
    if enabled == "always":
        return failed(text, f"echo madvise > {_THP}/enabled")
    if defrag == "always":
        return failed(text, f"echo madvise > {_THP}/defrag")
    return passed(text)


def same_page_merging(visit: Visit) -> Verdict:
    value = visit.box.number("/sys/kernel/mm/ksm/run")
    if value is None:
        return skipped("the kernel has no KSM")
    if value:
        return failed(f"ksm/run {value}", "echo 0 > /sys/kernel/mm/ksm/run")
    return passed("ksm/run 0")


def numa_balancing(visit: Visit) -> Verdict:
    value = visit.box.sysctl("kernel.numa_balancing")
    far = _far_interfaces(visit)
    if value is None and not visit.box.names("/sys/devices/system/node"):
        return skipped("the kernel knows no NUMA nodes")
    if value:
        return failed(f"kernel.numa_balancing {value}", "sysctl -w kernel.numa_balancing=0")
    if far:
        return failed("; ".join(far), "[hardware] cores on the node of the network interface")
    return passed("no balancing, no network interface on another node than the cores")


def _far_interfaces(visit: Visit) -> list[str]:
    nodes = {
        int(name[4:]): visit.box.cores(f"/sys/devices/system/node/{name}/cpulist") or frozenset()
        for name in visit.box.names("/sys/devices/system/node")
        if name.startswith("node") and name[4:].isdigit()
    }
    found: list[str] = []
    for name in visit.box.interfaces():
        node = visit.box.number(f"/sys/class/net/{name}/device/numa_node")
        if node is None or node < 0 or node not in nodes:
            continue
        far = visit.configured_cores - nodes[node]
        if far:
            found.append(f"{name} is on node {node}, core {format_core_list(far)} is not")
    return found


def swap(visit: Visit) -> Verdict:
    areas = visit.box.text("/proc/swaps")
    lines = (areas or "").splitlines()[1:]
    swapped = [
        f"{process} {size}"
        for process in visit.processes
        if (size := visit.box.status(process.pid).get("VmSwap", "0 kB")) != "0 kB"
    ]
    if swapped:
        return failed(f"swapped out: {', '.join(swapped)}", "swapoff -a; [hardware] mlock = true")
    if areas is None:
        return skipped("no /proc/swaps")
    if not lines:
        return passed("no swap")
    swappiness = visit.box.sysctl("vm.swappiness")
    text = f"{len(lines)} swap areas, vm.swappiness {swappiness}"
    less = "" if (swappiness or 0) <= _SWAPPINESS_MOST else "; or sysctl -w vm.swappiness=10"
    return failed(text, f"swapoff -a, and out of /etc/fstab{less}")


def huge_pages(visit: Visit) -> Verdict:
    asked = visit.config.hardware.hugepages
    if asked == 0:
        return skipped("[hardware] hugepages = 0")
    pages = read_huge_pages(visit.box.path(_POOL))
    if pages is None:
        return failed("the kernel has no pages of 2 MiB", "[hardware] hugepages = 0")
    still = asked * sum(name not in visit.running for name in visit.instances)
    text = f"{pages.available} of {pages.total} free, {still} needed"
    if pages.available >= still:
        return passed(text)
    more = pages.total - pages.available + still
    return failed(text, f"sysctl -w vm.nr_hugepages={more}")


def shared_memory(visit: Visit) -> Verdict:
    folder = visit.config.hardware.shm_dir
    needed = _TIMES * sum(
        _ring_bytes(visit, name) for name in visit.instances if name not in visit.running
    )
    try:
        room = os.statvfs(visit.box.path(folder))
    except OSError as error:
        return failed(f"{folder}: {error.strerror}", "[hardware] shm_dir names a tmpfs")
    free = room.f_bavail * room.f_frsize
    mount = visit.box.mount_of(folder)
    text = f"{folder}: {free >> 20} MiB free, {_TIMES} times the rings are {needed >> 20} MiB"
    if free < needed:
        return failed(text, f"mount -o remount,size={(needed >> 20) * 2}M {folder}")
    if mount is None:
        return skipped(f"{text}; its mount is not told")
    if mount.kind not in _IN_MEMORY:
        return failed(f"{folder} is on {mount.kind}", "[hardware] shm_dir names a tmpfs")
    missing = [option for option in _SHM_OPTIONS if option not in mount.options]
    if missing:
        fix = f"mount -o remount,{','.join(_SHM_OPTIONS)} {mount.point}"
        return warned(f"{text}; mounted without {', '.join(missing)}", fix)
    return passed(text)


def _ring_bytes(visit: Visit, name: str) -> int:
    feed, instance = visit.config.feed, visit.config.instances[name]
    plan = CandlePlan(feed.intervals_s, feed.candle_history)
    return int(InstanceMemory.bytes_needed(instance.rows, feed.book_levels, plan))


CHECKS: Final = (
    Check(
        "14", "transparent_huge_pages", "warn", f"{_THP}/enabled, defrag", "madvise or never",
        "the kernel stops a process while it puts pages together", transparent_huge_pages,
    ),
    Check(
        "15", "same_page_merging", "warn", "/sys/kernel/mm/ksm/run", "0",
        "the kernel compares pages all the time", same_page_merging,
    ),
    Check(
        "16", "numa_balancing", "warn", "kernel.numa_balancing, the nodes of network interfaces",
        "0, and the cores on the interface's node", "pages are unmapped and moved",
        numa_balancing,
    ),
    Check(
        "17", "swap", "warn", "/proc/swaps, vm.swappiness, VmSwap", "no swap",
        "a page that comes from a disk takes milliseconds", swap,
    ),
    Check(
        "20", "huge_pages", "warn", f"{_POOL}", "[hardware] hugepages for every instance",
        "without them the rings are in pages of 4 KiB", huge_pages,
    ),
    Check(
        "21", "shared_memory", "fail", "statvfs and mount options of [hardware] shm_dir",
        f"{_TIMES} times the rings; nosuid, nodev, noexec", "an instance does not start",
        shared_memory,
    ),
)  # fmt: skip
