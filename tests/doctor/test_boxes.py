"""Every check of the box on a box in a folder: well kept, spoilt in one place, and hidden."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aegis import BUILD_ID
from aegis.config import Problem
from aegis.doctor import disk, examine, placement
from aegis.doctor.box import CommandResult, Socket
from aegis.doctor.jitter import Spin
from aegis.doctor.registry import CHECKS
from aegis.doctor.visit import RunningProcess, Visit
from aegis.monitor.notes import Notes
from tests.doctor.ground import (
    COMMANDS,
    CPU,
    INTERRUPTS,
    STAT,
    TASK,
    TCP,
    UNIT,
    make_visit,
    outcome_of,
    region_header,
)

OF_THE_EXCHANGE = {check.name for check in CHECKS if check.number in ("31", "33", "34", "35", "40")}
OF_THE_EXCHANGE |= {check.name for check in CHECKS if check.name.startswith("exchange_")}
OF_THE_BOX = [check.name for check in CHECKS if check.name not in OF_THE_EXCHANGE]
SYSCTL = "/proc/sys"
ETC = "/etc/systemd/journald.conf.d/aegis.conf"
OTHER_BUILD = "00000000000000aa"

STATVFS = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree",
           "f_favail", "f_flag", "f_namemax")  # fmt: skip

Case = tuple[str, str, dict[str, Any], str]
# A check, what it must come to, what is other than on the well-kept box, a piece of what was read.
BAD: list[Case] = [
    ("cores_online", "fail", {"files": {f"{CPU}/online": "0-2"}}, "3 is missing"),
    ("cores_isolated", "warn", {"files": {f"{CPU}/isolated": "1-2"}}, "isolated 1-2"),
    ("cores_tickless", "warn", {"files": {f"{CPU}/nohz_full": "1"}}, "core 2-3 ticks"),
    ("cores_tickless", "warn", {"files": {f"{CPU}/nohz_full": "(null)"}}, "ticks"),
    ("cores_tickless", "warn", {"files": {f"{CPU}/nohz_full": None}}, "no nohz_full"),
    ("rcu_offloaded", "warn", {"files": {"/proc/cmdline": "rcu_nocbs=1"}}, "cover 1"),
    (
        "siblings_idle", "warn",
        {"files": {f"{CPU}/cpu1/topology/thread_siblings_list": "0-1"}}, "1 with 0",
    ),
    ("cpu_governor", "warn", {"files": {f"{CPU}/cpu2/cpufreq/scaling_governor": "powersave"}},
     "2 powersave"),
    ("cpu_sleep_states", "warn", {"files": {f"{CPU}/cpu2/cpuidle/state3/disable": "0"}},
     "2 state3 (133 us)"),
    ("processes_pinned", "fail",
     {"files": {"/proc/102/task/102/status": "Cpus_allowed_list:\t0-3\n"}}, "may run on 0-3"),
    ("foreign_tasks", "warn",
     {"files": {"/proc/50/task/50/stat": TASK.format(pid=50, flags=0, core=2)}}, "sshd (50) on 2"),
    ("interrupts_elsewhere", "warn",
     {"later": {"/proc/interrupts": INTERRUPTS.format(zero=900, two=205)}}, "24 (eth0-rx-0) 200/s"),
    ("kernel_workers_elsewhere", "warn",
     {"files": {"/sys/devices/virtual/workqueue/cpumask": "f"}}, "has 1-3"),
    ("clock_source", "warn",
     {"files": {"/sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"}},
     "hpet"),
    ("clock_source", "warn", {"files": {"/proc/cpuinfo": "flags : constant_tsc\n"}}, "nonstop_tsc"),
    ("stolen_time", "fail", {"later": {"/proc/stat": STAT.format(steal=9)}}, "% stolen"),
    ("stolen_time", "warn", {"later": {"/proc/stat": STAT.format(steal=4)}}, "% stolen"),
    ("transparent_huge_pages", "warn",
     {"files": {"/sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise"}}, "always"),
    ("transparent_huge_pages", "warn",
     {"files": {"/sys/kernel/mm/transparent_hugepage/defrag": "[always] madvise"}}, "always"),
    ("same_page_merging", "warn", {"files": {"/sys/kernel/mm/ksm/run": "1"}}, "ksm/run 1"),
    ("numa_balancing", "warn", {"files": {f"{SYSCTL}/kernel/numa_balancing": "1"}}, "1"),
    ("numa_balancing", "warn",
     {"files": {"/sys/devices/system/node/node0/cpulist": "0-1"}}, "core 2-3 is not"),
    ("swap", "warn", {"files": {"/proc/swaps": "Filename\n/dev/vda2 file 1 0 -2\n"}}, "1 swap"),
    ("swap", "warn", {"files": {"/proc/101/status": "VmSwap:\t12 kB\n"}}, "btc.feed 12 kB"),
    ("kernel_timers", "warn", {"files": {f"{SYSCTL}/vm/stat_interval": "1"}}, "stat_interval 1"),
    ("kernel_timers", "warn", {"files": {f"{SYSCTL}/kernel/nmi_watchdog": "1"}}, "watchdog 1"),
    ("real_time_limit", "fail", {"files": {f"{SYSCTL}/kernel/sched_rt_runtime_us": "-1"}}, "-1"),
    ("huge_pages", "warn", {"configuration": [("hugepages = 8", "hugepages = 9")], "runs": False},
     "8 of 16 free, 9 needed"),
    ("shared_memory", "fail", {"files": {"/proc/self/mounts": "/dev/vda / ext4 rw 0 0\n"}}, "ext4"),
    ("shared_memory", "warn",
     {"files": {"/proc/self/mounts": "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n"}}, "noexec"),
    ("core_dumps", "warn", {"files": {f"{SYSCTL}/fs/suid_dumpable": "2"}}, "suid_dumpable 2"),
    ("core_dumps", "warn",
     {"files": {"/proc/103/limits": "Max core file size   unlimited  unlimited  bytes\n"}},
     "btc.execution"),
    ("cpu_mitigations", "info", {"files": {"/proc/cmdline": "mitigations=off"}}, "off"),
    ("cpu_mitigations", "info", {"files": {f"{CPU}/vulnerabilities/meltdown": "Vulnerable"}},
     "1 open: meltdown"),
    ("audit_rules", "warn", {"commands": {"auditctl -l": "-a always -S connect\n"}}, "1 rules"),
    ("busy_polling", "info", {"files": {f"{SYSCTL}/net/core/busy_poll": "0"}}, "busy_poll 0"),
    ("packet_steering", "warn",
     {"files": {"/sys/class/net/eth0/queues/rx-0/rps_cpus": "4"}}, "rps_cpus = 4"),
    ("interrupt_coalescing", "info",
     {"commands": {"ethtool -c eth0": "Adaptive RX: on  TX: on\n"}}, "eth0 adaptive"),
    ("slow_start_after_idle", "warn",
     {"files": {f"{SYSCTL}/net/ipv4/tcp_slow_start_after_idle": "1"}}, "idle 1"),
    ("tcp_timestamps", "warn", {"files": {f"{SYSCTL}/net/ipv4/tcp_timestamps": "0"}}, "stamps 0"),
    ("live_sockets", "fail", {"sockets": lambda pid: [Socket("a:1", False, True, 0)]}, "NODELAY"),
    ("live_sockets", "warn", {"sockets": lambda pid: [Socket("a:1", True, False, 0)]}, "keepalive"),
    ("system_log", "warn", {"files": {ETC: "Storage=volatile\nSystemMaxUse=1G\n"}}, "volatile"),
    ("system_log", "warn", {"files": {ETC: "Storage=persistent\n"}}, "SystemMaxUse=default"),
    ("service_user", "fail",
     {"commands": {"systemctl show aegis@btc": UNIT.replace("User=aegis", "User=")}}, "root (0)"),
    ("service_user", "fail", {"files": {"/etc/passwd": "aegis:x:1001:1::/:/bin/false\n"}}, "1001"),
    ("service_user", "fail", {"files": {"/etc/passwd": "aegis:x:98:1::/:/bin/bash\n"}}, "bash"),
    ("key_leak", "fail",
     {"files": {"/proc/50/environ": b"BINANCE_API_SECRET=" + b"a1B2" * 16}}, "/proc/50/environ"),
    ("key_leak", "fail",
     {"files": {"/proc/50/cmdline": b"x\0-----BEGIN PRIVATE KEY-----"}}, "/proc/50/cmdline"),
    ("unit_sandbox", "fail",
     {"commands": {"systemd-analyze security": "exposure level for aegis@btc.service: 6.1 M\n"}},
     "6.1"),
    ("listening_ports", "fail",
     {"files": {"/proc/net/tcp": TCP.format(address="00000000:1F90")}}, "0.0.0.0 port 8080"),
    ("listening_ports", "fail",
     {"files": {"/proc/net/tcp6": TCP.format(address="B80D0120000000000000000001000000:0050")}},
     "2001:db8::1 port 80"),
    ("ssh_access", "warn", {"commands": {"sshd -T": "permitrootlogin yes\n"}}, "login yes"),
    ("ssh_access", "warn", {"commands": {"sshd -T": COMMANDS["sshd -T"]
     + "kbdinteractiveauthentication yes\nusepam yes\n"}}, "with usepam yes"),
    ("journal_disk", "warn",
     {"files": {"/proc/self/mounts": "tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0\n"
                "tmpfs /var/lib/journals tmpfs rw 0 0\n"}}, "gone with the next boot"),
    ("ptrace_scope", "warn", {"files": {f"{SYSCTL}/kernel/yama/ptrace_scope": "0"}}, "0"),
    ("ptrace_scope", "warn", {"files": {f"{SYSCTL}/kernel/yama/ptrace_scope": None}}, "no Yama"),
    ("unit_settings", "fail",
     {"commands": {"systemctl show aegis@btc": UNIT.replace("cancel-all", "true")}}, "cancels"),
    ("unit_settings", "fail",
     {"commands": {"systemctl show aegis@btc": UNIT.replace("on-failure", "always")}},
     "Restart=always"),
    ("systemd_version", "fail", {"commands": {"systemctl --version": "systemd 249 (2)\n"}}, "249"),
    ("hardware_watchdog", "warn",
     {"commands": {"systemctl show -p RuntimeWatchdogUSec": "RuntimeWatchdogUSec=0\n"}}, "0"),
    ("automatic_restarts", "warn",
     {"files": {"/etc/apt/apt.conf.d/51x": 'Unattended-Upgrade::Automatic-Reboot "true";'}},
     "reboots"),
    ("automatic_restarts", "warn",
     {"files": {"/etc/needrestart/conf.d/a.conf": "$nrconf{restart} = 'a';\n"}}, "needrestart"),
    ("configuration", "warn",
     {"warnings": (Problem("aegis.toml", "a.b", 1, "is odd"),)}, "1 warnings, the first"),
    ("kernel_log", "warn", {"commands": {"dmesg": "[9] Out of memory: Killed 7\n"}}, "Out of mem"),
    ("kernel_log", "warn",
     {"commands": {"dmesg": "timekeeping watchdog on CPU1: Marking clocksource 'tsc'"}},
     "Marking"),
    ("one_build", "fail",
     {"files": {"/dev/shm/aegis-btc/ticks": region_header(OTHER_BUILD)}}, OTHER_BUILD),
    ("drills", "warn", {"configuration": [("2026-11-20", "2026-10-01")]}, "59 days"),
    ("drills", "warn", {"configuration": [("fault_drill = 2026-11-28", "")]}, "not told"),
    ("drills", "warn", {"configuration": [("2026-11-28", "2027-11-28")]}, "future"),
]  # fmt: skip
NO_UNIT = {"commands": {"systemctl show aegis@btc": "LoadState=not-found\n"}}
NO_SYSTEMD = {"files": {"/run/systemd/system/x": None}}
# What cannot be judged is said to be skipped, with the reason, and never passed.
HIDDEN: list[tuple[str, dict[str, Any], str]] = [
    ("cores_online", {"files": {f"{CPU}/online": None}}, "does not tell"),
    ("cores_isolated", {"configuration": [("[1, 2, 3]", "[]")], "files": {f"{CPU}/isolated": ""}},
     "asks for no"),
    ("cpu_governor", {"files": {f"{CPU}/cpu{n}/cpufreq/scaling_governor": None for n in range(4)}},
     "cpufreq"),
    ("cpu_governor", {"files": {"/proc/cpuinfo": "flags : hypervisor\n"}}, "a virtual machine"),
    ("processes_pinned", {"runs": False}, "runs"),
    ("live_sockets", {"runs": False}, "runs"),
    ("live_sockets", {"sockets": lambda pid: []}, "no connection"),
    ("one_build", {"runs": False}, "no instance runs"),
    ("stolen_time", {"quick": True}, "--quick"),
    ("interrupts_elsewhere", {"quick": True}, "--quick"),
    ("core_jitter", {"quick": True}, "--quick"),
    ("core_jitter", {}, "the instance runs"),
    ("core_jitter",
     {"runs": False, "neighbours": (RunningProcess("eth", "brain", 50, 2),)}, "eth runs"),
    ("stolen_time", {"files": {"/proc/stat": None}, "later": {}}, "stolen"),
    ("transparent_huge_pages",
     {"files": {"/sys/kernel/mm/transparent_hugepage/enabled": None}}, "no /sys"),
    ("same_page_merging", {"files": {"/sys/kernel/mm/ksm/run": None}}, "no KSM"),
    ("huge_pages", {"configuration": [("hugepages = 8", "hugepages = 0")]}, "hugepages = 0"),
    ("real_time_limit",
     {"configuration": [('"fifo"\npriority = 10', '"other"\npriority = 0')]}, "other"),
    ("listening_ports", {"files": {"/proc/net/tcp": None, "/proc/net/tcp6": None}}, "no /proc/net"),
    ("interrupts_elsewhere", {"files": {"/proc/interrupts": None}}, "no interrupt"),
    ("packet_steering", {"files": {f"/sys/class/net/eth0/queues/{queue}": None for queue in (
        "rx-0/rps_cpus", "tx-0/xps_cpus")}}, "tells its queues"),
    ("processes_pinned",
     {"files": {"/proc/102/task/102/status": None, "/proc/102/task/102/stat": None}}, "btc.brain"),
    ("foreign_tasks", {"files": {"/proc/1/comm": None}}, "hidepid"),
    ("swap", {"files": {"/proc/swaps": None}}, "no /proc/swaps"),
    ("shared_memory", {"files": {"/proc/self/mounts": None}}, "mount is not told"),
    ("core_dumps", {"files": {"/proc/103/limits": None}}, "limits of what runs"),
    ("kernel_log", {"commands": {"dmesg": "\n"}}, "not to be had"),
    ("interrupt_coalescing",
     {"commands": {"ethtool -c eth0": "Adaptive RX: n/a  TX: n/a\nrx-usecs: n/a\n"}}, "tells"),
    ("audit_rules", {"commands": {"auditctl -l": None}}, "not installed"),
    ("audit_rules", {"commands": {"auditctl -l": CommandResult(4, "", "must be root")}}, "root"),
    ("kernel_log", {"commands": {"dmesg": CommandResult(1, "", "not permitted")}}, "not permitted"),
    ("ssh_access", {"commands": {"sshd -T": None}}, "not installed"),
    ("interrupt_coalescing", {"commands": {"ethtool -c eth0": None}}, "not installed"),
    ("unit_settings", NO_UNIT, "no unit"),
    ("unit_sandbox", NO_UNIT, "no unit"),
    ("unit_sandbox", {"commands": {"systemd-analyze security": None}}, "says nothing"),
    *((name, NO_SYSTEMD, "systemd does not run") for name in (
        "system_log", "unit_sandbox", "unit_settings", "systemd_version", "hardware_watchdog")),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk and cores that are never slow; the real ones are measured elsewhere."""
    monkeypatch.setattr(disk, "sync_times_ms", lambda folder: [0.5] * 200)
    monkeypatch.setattr(placement, "spin", lambda core: Spin(0.2, 9.0, 1_000_000))


@pytest.mark.parametrize("name", OF_THE_BOX)
def test_a_well_kept_box_passes(tmp_path: Path, name: str) -> None:
    runs = name not in ("core_jitter",)
    outcome = outcome_of(name, make_visit(tmp_path, runs=runs))
    assert outcome.status == "pass", outcome.found
    assert outcome.found and not outcome.stands_in_the_way


@pytest.mark.parametrize(("name", "status", "changes", "piece"), BAD)
def test_a_spoilt_box_is_told(
    tmp_path: Path, name: str, status: str, changes: dict[str, Any], piece: str
) -> None:
    outcome = outcome_of(name, make_visit(tmp_path, **changes))
    assert outcome.status == status, outcome.found
    assert piece in outcome.found
    assert outcome.fix or status == "info", "what to do"
    assert outcome.check.good and outcome.check.why


@pytest.mark.parametrize(("name", "changes", "piece"), HIDDEN)
def test_what_cannot_be_judged_is_skipped(
    tmp_path: Path, name: str, changes: dict[str, Any], piece: str
) -> None:
    outcome = outcome_of(name, make_visit(tmp_path, **changes))
    assert outcome.status == "skipped", outcome.found
    assert piece in outcome.found


def test_another_instance_of_the_file_is_nobody_else(tmp_path: Path) -> None:
    there = {"/proc/50/task/50/stat": TASK.format(pid=50, flags=0, core=2)}
    assert outcome_of("foreign_tasks", make_visit(tmp_path, files=there)).status == "warn"
    other = (RunningProcess("eth", "brain", 50, 2),)
    visit = make_visit(tmp_path, files=there, neighbours=other)
    assert outcome_of("foreign_tasks", visit).status == "pass"


def test_a_visit_knows_the_other_instances_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_visit(tmp_path).config
    table = config.instances["btc"]
    config = config.model_copy(update={"instances": {"btc": table, "eth": table}})

    def runs(_: object, name: str) -> Notes:
        return Notes(name, 1, 1, "boot", BUILD_ID)

    monkeypatch.setattr(examine, "_running", runs)
    monkeypatch.setattr(
        examine, "_processes", lambda _, name, notes: [RunningProcess(name, "brain", 1, 1)]
    )
    visit = examine.visit_of(config, tmp_path, ["btc"])
    assert list(visit.running) == ["btc"]
    assert [process.instance for process in visit.processes] == ["btc"]
    assert [process.instance for process in visit.neighbours] == ["eth"]


def test_every_check_of_the_box_has_a_case_that_fails() -> None:
    told = {name for name, *_ in BAD} | {"core_jitter", "journal_disk"}
    assert told == set(OF_THE_BOX)


def test_a_jittery_core_is_noted_on_metal_and_reported_on_a_host_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "spin", lambda core: Spin(3.0, 800.0, 1_000_000))
    found = outcome_of("core_jitter", make_visit(tmp_path, runs=False))
    assert found.status == "info" and "worst 800 us" in found.found
    virtual = {"/proc/cpuinfo": "flags : hypervisor constant_tsc\n"}
    guest = outcome_of("core_jitter", make_visit(tmp_path, runs=False, files=virtual))
    assert guest.status == "pass" and "p99.9 3.0 us" in guest.found


def test_a_slow_disk_warns_and_one_beyond_sync_ms_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slow_ms, status in ((19.0, "pass"), (30.0, "warn"), (150.0, "fail")):
        times = [0.5] * 190 + [slow_ms] * 10
        monkeypatch.setattr(disk, "sync_times_ms", lambda folder, times=times: times)
        found = outcome_of("journal_disk", make_visit(tmp_path))
        assert found.status == status and f"{slow_ms:.1f} ms" in found.found
    quick = outcome_of("journal_disk", make_visit(tmp_path, quick=True))
    assert quick.status == "pass" and "fsync" not in quick.found


def test_a_journal_without_room_fails(tmp_path: Path) -> None:
    more = "keep_bytes = 1099511627776\nsegment_bytes = 1073741824"
    visit = make_visit(
        tmp_path, configuration=[('"/var/lib/journals"', f'"/var/lib/journals"\n{more}')]
    )
    found = outcome_of("journal_disk", visit)
    assert found.status == "fail" and "MiB free" in found.found


def two_instances(visit: Visit) -> Visit:
    """The same with an instance beside it."""
    table = visit.config.instances["btc"]
    visit.config = visit.config.model_copy(update={"instances": {"btc": table, "eth": table}})
    visit.instances = ("btc", "eth")
    return visit


def test_journals_on_one_disk_share_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "keep_bytes = 1073741824\nsegment_bytes = 16777216"
    changes = [('"/var/lib/journals"', f'"/var/lib/journals"\n{more}')]
    room = os.statvfs(tmp_path)
    fields = [getattr(room, name) for name in STATVFS]
    fields[STATVFS.index("f_bavail")] = (1_500 << 20) // room.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    assert outcome_of("journal_disk", make_visit(tmp_path, configuration=changes)).status == "pass"
    both = two_instances(make_visit(tmp_path, configuration=changes))
    found = outcome_of("journal_disk", both)
    assert found.status == "fail" and "together" in found.found


def test_one_instance_as_root_is_not_hidden_by_the_next(tmp_path: Path) -> None:
    units = {"systemctl show aegis@btc": UNIT.replace("User=aegis", "User=")}
    units["systemctl show aegis@eth"] = UNIT
    found = outcome_of("service_user", two_instances(make_visit(tmp_path, commands=units)))
    assert found.status == "fail" and "aegis@btc root (0)" in found.found


def test_what_may_not_be_read_of_others_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, real = make_visit(tmp_path), Path.open

    def denied(file: Path, *rest: Any, **more: Any) -> Any:
        if file.name == "environ":
            raise PermissionError(13, "Permission denied")
        return real(file, *rest, **more)

    monkeypatch.setattr(Path, "open", denied)
    found = outcome_of("key_leak", visit)
    assert found.status == "pass" and "may not be read" in found.found


def test_a_stopped_start_is_measured_from_the_folder_above(tmp_path: Path) -> None:
    visit = make_visit(tmp_path, files={"/var/lib/journals/btc/segment": None})
    assert outcome_of("journal_disk", visit).status == "pass"


def test_the_running_configuration_is_compared_with_the_file(tmp_path: Path) -> None:
    visit = make_visit(tmp_path)
    visit.running["btc"] = replace(visit.running["btc"], config_hash="a" * 64)
    found = outcome_of("configuration", visit)
    assert found.status == "warn" and "btc runs aaaaaaaaaaaa" in found.found


def test_shared_cores_fail_unless_the_file_allows_them(tmp_path: Path) -> None:
    status = "Cpus_allowed_list:\t1\n"
    visit = make_visit(tmp_path, files={"/proc/102/task/102/status": status})
    visit.processes = tuple(
        replace(process, core=1) if process.name == "brain" else process
        for process in visit.processes
    )
    found = outcome_of("processes_pinned", visit)
    assert found.status == "fail" and "1: btc.feed, btc.brain" in found.found


def test_a_denied_look_is_skipped_but_for_what_money_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> str:
        raise PermissionError(13, "Permission denied", "/etc/shadowy")

    visit = make_visit(tmp_path)
    monkeypatch.setattr("aegis.doctor.box.Box.text", denied)
    hidden = outcome_of("swap", visit)
    assert hidden.status == "skipped" and "/etc/shadowy" in hidden.found
    monkeypatch.setattr(disk, "journal_dir_to_read", denied)
    assert outcome_of("journal_disk", visit).status == "fail"


def test_a_check_that_breaks_is_a_failure_of_its_own(tmp_path: Path) -> None:
    visit = make_visit(tmp_path, files={"/proc/net/tcp": "x\n 0: nonsense 0 0A\n"})
    found = outcome_of("listening_ports", visit)
    assert found.status == "fail" and "cannot be understood" in found.found
