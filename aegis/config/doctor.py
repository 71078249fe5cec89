"""``[doctor]``: what the operator knowingly accepts of the pre-flight check, and when drills were.

``CHECKS`` names every check that ``aegis doctor`` makes and says which may be accepted; the checks
themselves are in ``aegis.doctor``, and a test holds both lists to each other. What money rests on
(the configuration, the clock, the certificate, the exchange's state, the keys, the journal's disk)
can be mended and never be accepted.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import Field, field_validator

from aegis.config.table import Table, unique

__all__ = ["CHECKS", "DoctorConfig", "accepted_words"]

_ACCEPTABLE: Final = (
    "cores_online", "cores_isolated", "cores_tickless", "rcu_offloaded", "siblings_idle",
    "processes_pinned", "foreign_tasks", "interrupts_elsewhere", "kernel_workers_elsewhere",
    "cpu_governor", "cpu_sleep_states", "clock_source", "stolen_time", "transparent_huge_pages",
    "same_page_merging", "numa_balancing", "swap", "kernel_timers", "real_time_limit",
    "huge_pages", "shared_memory", "core_dumps", "cpu_mitigations", "audit_rules", "busy_polling",
    "packet_steering", "interrupt_coalescing", "slow_start_after_idle", "tcp_timestamps",
    "live_sockets", "name_resolution", "exchange_latency", "egress_address", "system_log",
    "service_user", "unit_sandbox", "listening_ports", "ssh_access", "ptrace_scope",
    "unit_settings", "systemd_version", "hardware_watchdog", "automatic_restarts", "core_jitter",
    "kernel_log", "one_build", "drills",
)  # fmt: skip
_NEVER_ACCEPTED: Final = (
    "configuration", "clock_offset", "exchange_certificate", "exchange_symbols",
    "exchange_account", "exchange_limits", "exchange_streams", "exchange_countdown",
    "exchange_orders", "key_leak", "key_permissions", "journal_disk",
)  # fmt: skip
CHECKS: Final[Mapping[str, bool]] = MappingProxyType(
    {**dict.fromkeys(_ACCEPTABLE, True), **dict.fromkeys(_NEVER_ACCEPTED, False)}
)
"""The name of every check, and whether its failure may be accepted."""


class DoctorConfig(Table):
    """``[doctor]``: checks whose failure is ``accepted``, and the days of the last drills.

    ``restore_drill`` is the day on which a backup was last restored, ``fault_drill`` that of the
    last rehearsed failure; both are TOML dates such as 2026-11-01.
    """

    accepted: list[str] = Field(default_factory=list, max_length=len(CHECKS))
    restore_drill: datetime.date | None = None
    fault_drill: datetime.date | None = None

    @field_validator("accepted")
    @classmethod
    def _each_check_once(cls, names: list[str]) -> list[str]:
        return unique(names, "check")


def accepted_words(doctor: DoctorConfig) -> str:
    """What is accepted, as it stands on every run and in every status; empty for nothing."""
    if not doctor.accepted:
        return ""
    return f"accepted by [doctor] of aegis.toml, pass or fail: {', '.join(doctor.accepted)}"
