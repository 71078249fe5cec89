"""Clocks: what the kernel reads time from, and how far ours is from the exchange's."""

from __future__ import annotations

from typing import Final

from aegis.doctor.check import Check, Verdict, failed, passed, skipped, warned
from aegis.doctor.exchange_look import Failure
from aegis.doctor.visit import Visit

__all__ = ["CHECKS", "OFFSET_FAIL_MS", "OFFSET_WARN_MS"]

_SOURCE: Final = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_FAST: Final = ("tsc", "kvm-clock", "arch_sys_counter")
_TSC_FLAGS: Final = ("constant_tsc", "nonstop_tsc")
# The exchange refuses a timestamp that is more than a second ahead of it (-1021).
OFFSET_WARN_MS: Final = 100.0
OFFSET_FAIL_MS: Final = 500.0


def clock_source(visit: Visit) -> Verdict:
    source = visit.box.text(_SOURCE)
    if source is None:
        return skipped(f"no {_SOURCE}")
    if source not in _FAST:
        fix = "kernel command line: tsc=reliable where the TSC is stable; else another provider"
        return failed(source, fix)
    missing = [flag for flag in _TSC_FLAGS if flag not in visit.box.cpu_flags]
    if source == "tsc" and missing:
        return failed(f"tsc, but the cores lack {', '.join(missing)}", "another provider")
    return passed(source)


def clock_offset(visit: Visit) -> Verdict:
    if visit.look.absent:
        return skipped(visit.look.absent)
    offset_ms = visit.look.offset_ms
    if isinstance(offset_ms, Failure):
        fix = "the way to the exchange: checks name_resolution and exchange_certificate"
        return failed(f"the exchange's clock could not be read: {offset_ms.text}", fix)
    is_kept = visit.box.clock_is_kept()
    kept = {True: "synchronised", False: "NOT synchronised", None: "unknown to the kernel"}
    text = f"{offset_ms:+.0f} ms to the exchange; our clock is {kept[is_kept]}"
    fix = "apt-get install chrony; chronyc makestep"
    if abs(offset_ms) > OFFSET_FAIL_MS:
        return failed(text, fix)
    if abs(offset_ms) > OFFSET_WARN_MS or not is_kept:
        return warned(text, fix)
    return passed(text)


CHECKS: Final = (
    Check(
        "12", "clock_source", "warn", f"{_SOURCE}, flags of /proc/cpuinfo",
        f"{', '.join(_FAST)}; tsc with {' and '.join(_TSC_FLAGS)}",
        "every look at the clock is a system call otherwise", clock_source,
    ),
    Check(
        "33", "clock_offset", "fail", "adjtimex(2), /fapi/v1/time in the middle of its round trip",
        f"synchronised, within {OFFSET_WARN_MS:.0f} ms; a failure beyond {OFFSET_FAIL_MS:.0f} ms",
        "the exchange refuses orders from another time (-1021)", clock_offset,
    ),
)  # fmt: skip
