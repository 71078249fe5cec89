"""A box in a folder: every file that the checks read, as a well-kept box of bare metal has it.

Cores 0 to 3, of which 1 to 3 are isolated for an instance that runs; tests change single files,
commands or keys of the configuration and see what the doctor says of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aegis import BUILD_ID
from aegis.config import config_hash, load_config
from aegis.doctor.box import Box, CommandResult, Socket
from aegis.doctor.check import Outcome
from aegis.doctor.examine import judge_one
from aegis.doctor.exchange_look import Look
from aegis.doctor.registry import CHECKS
from aegis.doctor.visit import RunningProcess, Visit
from aegis.monitor.notes import Notes
from aegis.shm.region import HEADER
from tests.config.sample import EIGHT_CORES, edited

BY_NAME = {check.name: check for check in CHECKS}
CPU = "/sys/devices/system/cpu"
NOW = datetime.datetime(2026, 11, 29, 12, 0, tzinfo=datetime.UTC)
CONFIGURATION = edited(
    (
        "cores = { feed = 0, brain = 1, execution = 0, venue = 0 }",
        "cores = { feed = 1, brain = 2, execution = 3, venue = 0 }\nshare_cores = false\n"
        'isolcpus = [1, 2, 3]\nhugepages = 8\nwait = "spin"\nscheduler = "fifo"\npriority = 10\n'
        'shm_dir = "/dev/shm"',
    )
) + (
    '\n[journal]\ndir = "/var/lib/journals"\n'
    "[doctor]\nrestore_drill = 2026-11-20\nfault_drill = 2026-11-28\n"
)
STAT = "cpu  100 0 100 10000 0 0 0 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
INTERRUPTS = """\
           CPU0       CPU1       CPU2       CPU3
 24:     {zero}          0          {two}          0  PCI-MSI 1 eth0-rx-0
LOC:       9999       9999       9999       9999  Local timer interrupts
"""
TCP = "  sl  local_address rem_address   st\n   0: {address} 00000000:0000 0A\n"
TASK = "{pid} (name with ) bracket) S 1 1 1 0 -1 {flags}" + " 0" * 29 + " {core} 0 0\n"
UNIT = """\
LoadState=loaded
User=aegis
Id=aegis@btc.service
Type=notify
Restart=on-failure
KillMode=mixed
OOMPolicy=stop
WatchdogUSec=10s
StartLimitBurst=5
ExecStopPost={ path=/opt/aegis/venv/bin/aegis ; argv[]=aegis cancel-all btc --independent }
"""
FILES: dict[str, str | bytes] = {
    f"{CPU}/online": "0-3",
    f"{CPU}/isolated": "1-3",
    f"{CPU}/nohz_full": "1-3",
    **{f"{CPU}/cpu{core}/topology/thread_siblings_list": f"{core}" for core in range(4)},
    **{f"{CPU}/cpu{core}/cpufreq/scaling_governor": "performance" for core in range(4)},
    **{f"{CPU}/cpu{core}/cpuidle/state0/latency": "0" for core in range(4)},
    **{f"{CPU}/cpu{core}/cpuidle/state0/disable": "0" for core in range(4)},
    **{f"{CPU}/cpu{core}/cpuidle/state3/latency": "133" for core in range(4)},
    **{f"{CPU}/cpu{core}/cpuidle/state3/disable": "1" for core in range(4)},
    f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI",
    "/proc/cmdline": "quiet isolcpus=managed_irq,domain,1-3 nohz_full=1-3 rcu_nocbs=1-3",
    "/proc/cpuinfo": "flags\t\t: fpu constant_tsc nonstop_tsc\n",
    "/proc/stat": STAT.format(steal=0),
    "/proc/interrupts": INTERRUPTS.format(zero=10, two=5),
    "/proc/pressure/cpu": "some avg10=0.12 avg60=0.00 avg300=0.00 total=1",
    "/proc/swaps": "Filename Type Size Used Priority\n",
    "/proc/self/mounts": "tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0\n",
    "/proc/net/tcp": TCP.format(address="0100007F:1F90"),
    "/proc/net/tcp6": TCP.format(address="00000000000000000000000000000000:0016"),
    "/proc/1/comm": "systemd",
    "/proc/7/comm": "migration/2",
    "/proc/7/stat": TASK.format(pid=7, flags=0x0020_0000, core=2),
    "/proc/7/task/7/stat": TASK.format(pid=7, flags=0x0020_0000, core=2),
    "/proc/50/comm": "sshd",
    "/proc/50/stat": TASK.format(pid=50, flags=0, core=0),
    "/proc/50/task/50/stat": TASK.format(pid=50, flags=0, core=0),
    "/proc/50/environ": b"PATH=/bin\0LANG=C\0",
    "/sys/devices/virtual/workqueue/cpumask": "1",
    "/sys/devices/virtual/workqueue/writeback/cpumask": "00000000,00000001",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "/sys/devices/system/node/node0/cpulist": "0-3",
    "/sys/class/net/eth0/device/numa_node": "0",
    "/sys/class/net/eth0/queues/rx-0/rps_cpus": "00000001",
    "/sys/class/net/eth0/queues/tx-0/xps_cpus": "0",
    "/sys/class/net/lo/mtu": "65536",
    "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "/sys/kernel/mm/transparent_hugepage/defrag": "always defer [madvise] never",
    "/sys/kernel/mm/ksm/run": "0",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "16",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "8",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages": "0",
    "/proc/sys/kernel/timer_migration": "0",
    "/proc/sys/vm/stat_interval": "10",
    "/proc/sys/kernel/nmi_watchdog": "0",
    "/proc/sys/kernel/sched_rt_runtime_us": "950000",
    "/proc/sys/kernel/numa_balancing": "0",
    "/proc/sys/kernel/yama/ptrace_scope": "1",
    "/proc/sys/kernel/core_pattern": "core",
    "/proc/sys/vm/swappiness": "10",
    "/proc/sys/fs/suid_dumpable": "0",
    "/proc/sys/net/core/busy_poll": "50",
    "/proc/sys/net/core/busy_read": "50",
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle": "0",
    "/proc/sys/net/ipv4/tcp_timestamps": "1",
    "/run/systemd/system/x": "",
    "/var/log/journal/x": "",
    "/var/lib/journals/btc/segment": "records",
    "/etc/passwd": "root:x:0:0::/root:/bin/bash\naegis:x:998:998::/:/usr/sbin/nologin\n",
    "/etc/systemd/journald.conf": "[Journal]\n#Storage=volatile\n",
    "/etc/systemd/journald.conf.d/aegis.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=1G\n",
    "/etc/apt/apt.conf.d/50unattended": '//Unattended-Upgrade::Automatic-Reboot "true";\n',
    "/etc/needrestart/needrestart.conf": "$nrconf{restart} = 'i';\n",
}
PIDS = {"supervisor": 100, "feed": 101, "brain": 102, "execution": 103}
CORES = {"feed": 1, "brain": 2, "execution": 3}
for _name, _pid in PIDS.items():
    _core = CORES.get(_name, 0)
    FILES |= {
        f"/proc/{_pid}/comm": f"aegis-{_name}",
        f"/proc/{_pid}/status": "VmSwap:\t0 kB\n",
        f"/proc/{_pid}/limits": "Max core file size        0          0        bytes\n",
        f"/proc/{_pid}/stat": TASK.format(pid=_pid, flags=0, core=_core),
        f"/proc/{_pid}/task/{_pid}/stat": TASK.format(pid=_pid, flags=0, core=_core),
        f"/proc/{_pid}/task/{_pid}/status": f"Cpus_allowed_list:\t{_core}\n",
    }
COMMANDS = {
    "systemctl show aegis@btc": UNIT,
    "systemctl show -p RuntimeWatchdogUSec": "RuntimeWatchdogUSec=30s\n",
    "systemctl --version": "systemd 252 (252.39-1)\n+PAM\n",
    "systemd-analyze security": "→ Overall exposure level for aegis@btc.service: 1.7 OK\n",
    "sshd -T": "permitrootlogin no\npasswordauthentication no\nallowtcpforwarding local\n",
    "auditctl -l": "-w /etc/passwd -p wa\n",
    "dmesg": "[    0.0] clocksource: Switched to clocksource tsc\n",
    "ethtool -c eth0": "Adaptive RX: off  TX: off\nrx-usecs: 0\n",
    "journalctl -u aegis@btc": "READY\n",
}
SOCKETS = [Socket("192.0.2.1:443", True, True, 0)]


def region_header(build: str = BUILD_ID) -> bytes:
    """The first bytes of a region of shared memory."""
    head = np.zeros(1, HEADER)
    head["magic"], head["build"] = b"AEGISSHM", int(build, 16)
    return head.tobytes()


def make_visit(
    folder: Path,
    *,
    files: Mapping[str, str | bytes | None] | None = None,
    later: Mapping[str, str] | None = None,
    commands: Mapping[str, str | CommandResult | None] | None = None,
    configuration: Sequence[tuple[str, str]] = (),
    look: Look | None = None,
    runs: bool = True,
    **more: Any,
) -> Visit:
    """A visit to the well-kept box, with single things changed: None takes a file away.

    `later` are files as they are a second later; `more` are fields of the box or of the visit.
    """
    root = folder / "box"
    shared: dict[str, str | bytes | None] = {"/dev/shm/aegis-btc/ticks": region_header()}
    for name, content in (FILES | (shared if runs else {}) | dict(files or {})).items():
        path = root / name.lstrip("/")
        if content is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (root / "dev/shm").mkdir(parents=True, exist_ok=True)
    answers: dict[str, str | CommandResult | None] = {**COMMANDS, **(commands or {})}

    def command(words: Sequence[str]) -> CommandResult | None:
        line = " ".join(words)
        found = next((answers[start] for start in answers if line.startswith(start)), None)
        return CommandResult(0, found) if isinstance(found, str) else found

    def pause(seconds: float) -> None:
        assert seconds == 1.0
        for name, content in (later or {"/proc/stat": STAT.format(steal=0)}).items():
            text = content.replace("10000", "10100")
            (root / name.lstrip("/")).write_text(text)

    source = folder / "aegis.toml"
    source.write_text(edited(*configuration, text=CONFIGURATION))
    config = load_config(source, EIGHT_CORES)
    box_fields = {name: more.pop(name) for name in list(more) if name in Box.__slots__}
    box = Box(
        **{
            "root": root,
            "command": command,
            "pause": pause,
            "now_s": NOW.timestamp,
            "sockets": lambda pid: SOCKETS if pid else [],
            "environment": {},
            "clock_is_kept": lambda: True,
            "user_id": 998,
            **box_fields,
        }
    )
    notes = Notes("btc", PIDS["supervisor"], 1, "boot", BUILD_ID, config_hash=config_hash(config))
    fields: dict[str, Any] = {
        "running": {"btc": notes} if runs else {},
        "processes": tuple(
            RunningProcess("btc", name, pid, CORES.get(name)) for name, pid in PIDS.items()
        )
        if runs
        else (),
        "look_at_exchange": lambda visit: look or Look(absent="nobody to ask"),
        **more,
    }
    return Visit(box=box, config=config, source=source, instances=("btc",), **fields)


def outcome_of(name: str, visit: Visit) -> Outcome:
    """One check on a visit."""
    return judge_one(BY_NAME[name], visit)
