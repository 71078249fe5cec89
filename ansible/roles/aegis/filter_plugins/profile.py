"""Filters that turn aegis.toml's [hardware] profile into what the kernel has to be told.

The role calls them on the machine that runs the playbook. They decide nothing else: whether the
rest of the file is right is for `aegis check` on the box. Errors come as AnsibleFilterError, which
names file, key and value.
"""

from __future__ import annotations

import tomllib
from typing import Any

from ansible.errors import AnsibleFilterError


def from_toml(text: str) -> dict[str, Any]:
    """Parse TOML text. Raises AnsibleFilterError with line and column where it is broken."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise AnsibleFilterError(f"aegis.toml: {problem}") from None


def parse_cores(text: str) -> list[int]:
    """The cores of the kernel's list notation: "0-2,5" is [0, 1, 2, 5]."""
    cores: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores += range(int(first), int(last or first) + 1)
    return cores


def format_cores(cores: list[int]) -> str:
    """The kernel's list notation of sorted cores: [0, 1, 2, 5] is "0-2,5"."""
    spans: list[list[int]] = []
    for core in cores:
        if spans and core == spans[-1][-1] + 1:
            spans[-1][1:] = [core]
        else:
            spans.append([core])
    return ",".join("-".join(str(core) for core in span) for span in spans)


def kernel_arguments(profile: dict[str, Any], online: str) -> list[str]:
    """The kernel command line for [hardware] isolcpus, in a fixed order; [] where it asks nothing.

    `online` is the box's /sys/devices/system/cpu/online. managed_irq and domain keep interrupts and
    the load balancer away; nohz_full stops the tick while one task runs; rcu_nocbs and irqaffinity
    move kernel callbacks and interrupts to the cores that are left (kernel-parameters.txt).
    """
    isolated = profile.get("hardware", {}).get("isolcpus", [])
    if not isinstance(isolated, list) or any(type(core) is not int for core in isolated):
        raise AnsibleFilterError(f"aegis.toml: hardware.isolcpus = {isolated!r}: a list of cores")
    present = parse_cores(online)
    foreign = sorted(set(isolated) - set(present))
    if foreign:
        raise AnsibleFilterError(
            f"aegis.toml: hardware.isolcpus = {isolated!r}: the box has the cores {online.strip()},"
            f" not {format_cores(foreign)}"
        )
    housekeeping = [core for core in present if core not in isolated]
    if not housekeeping:
        raise AnsibleFilterError(
            f"aegis.toml: hardware.isolcpus = {isolated!r}: no core would be left for the system"
        )
    if not isolated:
        return []
    cores = format_cores(sorted(set(isolated)))
    return [
        f"isolcpus=managed_irq,domain,{cores}",
        f"nohz_full={cores}",
        f"rcu_nocbs={cores}",
        f"irqaffinity={format_cores(housekeeping)}",
    ]


def huge_pages(profile: dict[str, Any], instances: list[str]) -> int:
    """How many 2 MiB pages the box must hold: [hardware] hugepages is what one instance maps."""
    pages = profile.get("hardware", {}).get("hugepages", 0)
    if type(pages) is not int or pages < 0:
        raise AnsibleFilterError(f"aegis.toml: hardware.hugepages = {pages!r}: a count of pages")
    return pages * len(instances)


class FilterModule:
    """The door by which Ansible finds the filters."""

    def filters(self) -> dict[str, Any]:
        return {
            "aegis_from_toml": from_toml,
            "aegis_kernel_arguments": kernel_arguments,
            "aegis_huge_pages": huge_pages,
        }
