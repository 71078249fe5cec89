"""The kernel: time that the host takes, its timers, limits, mitigations, audit and log."""

from __future__ import annotations

import re
from typing import Final

from aegis.doctor.check import Check, Verdict, failed, noted, passed, skipped, warned
from aegis.doctor.visit import Visit

__all__ = ["CHECKS"]

_STEAL: Final = 7  # of the numbers of the line "cpu" in /proc/stat
_STOLEN_WARN_PERCENT: Final = 0.1
_STOLEN_FAIL_PERCENT: Final = 1.0
_SURE_TICKS: Final = 5
_VULNERABILITIES: Final = "/sys/devices/system/cpu/vulnerabilities"
_SECOND_US: Final = 1_000_000
_MOST_NAMED: Final = 4
_TROUBLE: Final = re.compile(
    r"out of memory|oom-kill|marking clocksource|watchdog on cpu.*unstable|netdev watchdog|"
    r"transmit queue .*timed out|link is down|machine check|hardware error",
    re.IGNORECASE,
)


def stolen_time(visit: Visit) -> Verdict:
    before, after = (_times(texts["stat"]) for texts in visit.one_second)
    if len(before) <= _STEAL or len(after) <= _STEAL:
        return skipped("/proc/stat tells no stolen time")
    total = sum(after[: _STEAL + 1]) - sum(before[: _STEAL + 1])
    if total <= 0:
        return skipped("the counters of /proc/stat stand still")
    stolen = after[_STEAL] - before[_STEAL]
    percent = 100.0 * stolen / total
    text = f"{percent:.2f} % stolen{_pressure(visit)}"
    # The counters go in hundredths of a second, of which one or two may be chance.
    if percent > _STOLEN_FAIL_PERCENT and stolen >= _SURE_TICKS:
        return failed(text, "a host with dedicated virtual cores")
    if percent > _STOLEN_WARN_PERCENT and stolen > 1:
        return warned(text, "a host with dedicated virtual cores")
    return passed(text)


def _times(text: str) -> list[int]:
    first = text.splitlines()[0].split() if text else []
    return [int(word) for word in first[1:]]


def _pressure(visit: Visit) -> str:
    found = re.search(r"some avg10=([\d.]+)", visit.box.text("/proc/pressure/cpu") or "")
    return f"; tasks waited {found[1]} % of the last 10 s" if found else ""


def kernel_timers(visit: Visit) -> Verdict:
    wanted = {"kernel.timer_migration": 0, "vm.stat_interval": 10, "kernel.nmi_watchdog": 0}
    found = {name: visit.box.sysctl(name) for name in wanted}
    told = {name: value for name, value in found.items() if value is not None}
    if not told:
        return skipped("the kernel tells none of these settings")
    bad = {
        name: wanted[name]
        for name, value in told.items()
        if (value < wanted[name] if name == "vm.stat_interval" else value != wanted[name])
    }
    text = ", ".join(f"{name} {value}" for name, value in told.items())
    if bad:
        return failed(text, f"sysctl -w {' '.join(f'{name}={n}' for name, n in bad.items())}")
    return passed(text)


def real_time_limit(visit: Visit) -> Verdict:
    hardware = visit.config.hardware
    if hardware.scheduler == "other" or hardware.wait not in ("spin", "yield"):
        return skipped(f'scheduler = "{hardware.scheduler}", wait = "{hardware.wait}"')
    runtime_us = visit.box.sysctl("kernel.sched_rt_runtime_us")
    if runtime_us is None:
        return skipped("the kernel tells no kernel.sched_rt_runtime_us")
    text = f"kernel.sched_rt_runtime_us {runtime_us}"
    if 0 <= runtime_us < _SECOND_US:
        return passed(text)
    return failed(text, "sysctl -w kernel.sched_rt_runtime_us=950000")


def cpu_mitigations(visit: Visit) -> Verdict:
    names = visit.box.names(_VULNERABILITIES)
    if not names:
        return skipped(f"no {_VULNERABILITIES}")
    open_ones = [
        name
        for name in names
        if (visit.box.text(f"{_VULNERABILITIES}/{name}") or "").startswith("Vulnerable")
    ]
    value = visit.box.boot_parameter("mitigations")
    text = f"{len(names)} known, {len(open_ones)} open"
    if value == "off":
        return noted(f"mitigations=off, {text}", "take mitigations=off away where keys live")
    if open_ones:
        return noted(f"{text}: {', '.join(open_ones[:_MOST_NAMED])}")
    return passed(text)


def audit_rules(visit: Visit) -> Verdict:
    answer = visit.box.command(["auditctl", "-l"])
    if answer is None:
        return skipped("auditctl is not installed")
    if answer.code != 0:
        return skipped(f"auditctl -l: {(answer.errors or answer.output).strip()[:80]}")
    rules = [line for line in answer.output.splitlines() if re.search(r"(^| )-S ", line)]
    if rules:
        return failed(f"{len(rules)} rules on system calls: {rules[0][:80]}", "auditctl -D")
    return passed("no rule on system calls")


def kernel_log(visit: Visit) -> Verdict:
    answer = visit.box.command(["dmesg"])
    if answer is None or answer.code != 0 or not answer.output.strip():
        reason = (answer.errors.strip()[:80] if answer else "") or "dmesg is not to be had"
        return skipped(reason)
    found = [line for line in answer.output.splitlines() if _TROUBLE.search(line)]
    if found:
        return failed(f"{len(found)} lines, the last: {found[-1][:120]}", "dmesg; mend the host")
    return passed("no OOM, unstable clock, lost link or machine check in what the kernel keeps")


CHECKS: Final = (
    Check(
        "13", "stolen_time", "fail", "/proc/stat steal, a second apart; /proc/pressure/cpu",
        f"below {_STOLEN_WARN_PERCENT} %; a failure above {_STOLEN_FAIL_PERCENT:.0f} %",
        "the host runs somebody else in our time", stolen_time, slow=True,
    ),
    Check(
        "18", "kernel_timers", "warn",
        "kernel.timer_migration, vm.stat_interval, kernel.nmi_watchdog", "0, at least 10, 0",
        "each is a noise that comes again and again", kernel_timers,
    ),
    Check(
        "19", "real_time_limit", "fail", "kernel.sched_rt_runtime_us", "950000",
        "a real-time process that spins locks its core up", real_time_limit,
    ),
    Check(
        "23", "cpu_mitigations", "info", f"{_VULNERABILITIES}/*, mitigations=", "none open",
        "keys are read through what is open", cpu_mitigations,
    ),
    Check(
        "24", "audit_rules", "warn", "auditctl -l", "no rule on system calls",
        "each costs every system call a microsecond", audit_rules,
    ),
    Check(
        "52", "kernel_log", "warn", "dmesg",
        "no OOM, unstable clock, lost link, machine check", "the host or its memory is at fault",
        kernel_log,
    ),
)  # fmt: skip
