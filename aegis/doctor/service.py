"""systemd and what stands around the service: user, unit, sandbox, logs, ssh, restarts, drills."""

from __future__ import annotations

import datetime
import re
from typing import Final

from aegis.doctor.check import Check, Verdict, failed, passed, skipped, warned
from aegis.doctor.visit import Visit

__all__ = ["CHECKS"]

_NO_SYSTEMD: Final = "systemd does not run this box"
_SYSTEM_USERS_BELOW: Final = 1_000
_NO_SHELLS: Final = ("nologin", "false")
_CREDENTIALS_SINCE: Final = 250
# What the shipped unit comes to is below; tests/deploy holds it to the same bound.
EXPOSURE_MOST: Final = 2.0
_SHIPPED: Final = {
    "Type": "notify",
    "Restart": "on-failure",
    "KillMode": "mixed",
    "OOMPolicy": "stop",
    "WatchdogUSec": "10s",
    "StartLimitBurst": "5",
}
_BY_KEYBOARD: Final = ("kbdinteractiveauthentication", "challengeresponseauthentication")
_LAST_CANCEL: Final = "cancel-all"
_DRILL_DAYS: Final = 30


def _properties(visit: Visit, name: str, wanted: str) -> dict[str, str]:
    """Properties of an instance's unit; empty where systemd knows no such unit."""
    words = ["systemctl", "show", f"aegis@{name}.service", "-p", f"LoadState,{wanted}"]
    answer = visit.box.command(words)
    lines = answer.output.splitlines() if answer is not None and answer.code == 0 else []
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return found if found.get("LoadState") == "loaded" else {}


def service_user(visit: Visit) -> Verdict:
    users: dict[str, str] = {}
    if visit.box.has_systemd:
        for name in visit.instances:
            found = _properties(visit, name, "User")
            if found:
                users.setdefault(found.get("User") or "root", f"aegis@{name}")
    lines = [line.split(":") for line in (visit.box.text("/etc/passwd") or "").splitlines()]
    accounts = [fields for fields in lines if len(fields) >= 7 and fields[2].isdigit()]
    texts: list[str] = []
    is_bad = False
    for user, told_by in (users or {str(visit.box.user_id): "the doctor runs as"}).items():
        account = next((fields for fields in accounts if user in (fields[0], fields[2])), None)
        if account is None:
            return skipped(f"/etc/passwd does not know {user}")
        shell, number = account[6].rsplit("/", 1)[-1], int(account[2])
        texts.append(f"{told_by} {account[0]} ({number}), shell {shell}")
        is_bad = is_bad or number == 0 or number >= _SYSTEM_USERS_BELOW or shell not in _NO_SHELLS
    if is_bad:
        return failed("; ".join(texts), "User=aegis in the unit; make provision makes the user")
    return passed("; ".join(texts))


def unit_sandbox(visit: Visit) -> Verdict:
    if not visit.box.has_systemd:
        return skipped(_NO_SYSTEMD)
    texts: list[str] = []
    worst = 0.0
    for name in visit.instances:
        if not _properties(visit, name, "Id"):
            continue
        answer = visit.box.command(
            ["systemd-analyze", "security", "--no-pager", f"aegis@{name}.service"]
        )
        found = re.search(r"exposure level for \S+: ([\d.]+)", answer.output if answer else "")
        if found is None:
            return skipped(f"systemd-analyze security says nothing of aegis@{name}")
        worst = max(worst, float(found[1]))
        texts.append(f"aegis@{name} {found[1]}")
    if not texts:
        return skipped("no unit aegis@INSTANCE is installed")
    if worst > EXPOSURE_MOST:
        fix = "systemctl revert aegis@INSTANCE, or tighten the drop-in"
        return failed(f"exposure {', '.join(texts)}", fix)
    return passed(f"exposure {', '.join(texts)}")


def unit_settings(visit: Visit) -> Verdict:
    if not visit.box.has_systemd:
        return skipped(_NO_SYSTEMD)
    wrong: list[str] = []
    seen = 0
    for name in visit.instances:
        found = _properties(visit, name, ",".join([*_SHIPPED, "ExecStopPost"]))
        if not found:
            continue
        seen += 1
        wrong += [
            f"aegis@{name} {key}={found.get(key)}, shipped {value}"
            for key, value in _SHIPPED.items()
            if found.get(key) != value
        ]
        if _LAST_CANCEL not in found.get("ExecStopPost", ""):
            wrong.append(f"aegis@{name} has no ExecStopPost that cancels")
    if not seen:
        return skipped("no unit aegis@INSTANCE is installed")
    if wrong:
        return failed("; ".join(wrong), "systemctl revert aegis@INSTANCE")
    return passed(f"{seen} units as shipped")


def systemd_version(visit: Visit) -> Verdict:
    if not visit.box.has_systemd:
        return skipped(_NO_SYSTEMD)
    answer = visit.box.command(["systemctl", "--version"])
    found = re.match(r"systemd (\d+)", answer.output) if answer is not None else None
    if found is None:
        return skipped("systemctl --version says nothing")
    text = f"systemd {found[1]}"
    if int(found[1]) < _CREDENTIALS_SINCE:
        return failed(f"{text} knows no encrypted credentials", "a newer system, Debian 12")
    return passed(text)


def hardware_watchdog(visit: Visit) -> Verdict:
    if not visit.box.has_systemd:
        return skipped(_NO_SYSTEMD)
    answer = visit.box.command(["systemctl", "show", "-p", "RuntimeWatchdogUSec"])
    value = answer.output.strip().partition("=")[2] if answer is not None else ""
    if not value:
        return skipped("systemctl show says nothing")
    if value in ("0", "off", "infinity"):
        return failed(f"RuntimeWatchdogUSec {value}", "RuntimeWatchdogSec=30 in system.conf")
    return passed(f"RuntimeWatchdogUSec {value}")


def system_log(visit: Visit) -> Verdict:
    if not visit.box.has_systemd:
        return skipped(_NO_SYSTEMD)
    values: dict[str, str] = {}
    folder = "/etc/systemd/journald.conf.d"
    files = ["/etc/systemd/journald.conf", *(f"{folder}/{n}" for n in visit.box.names(folder))]
    for file in files:
        for line in (visit.box.text(file) or "").splitlines():
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                values[key.strip()] = value.strip()
    storage = values.get("Storage", "auto")
    is_kept = storage == "persistent" or (
        storage == "auto" and visit.box.path("/var/log/journal").is_dir()
    )
    cap = values.get("SystemMaxUse", "")
    text = f"Storage={storage}, SystemMaxUse={cap or 'default'}"
    missing = [*([] if is_kept else ["Storage=persistent"]), *([] if cap else ["SystemMaxUse=1G"])]
    if missing:
        return failed(text, f"{', '.join(missing)} in {folder}/aegis.conf")
    return passed(text)


def ssh_access(visit: Visit) -> Verdict:
    answer = visit.box.command(["sshd", "-T"])
    if answer is None:
        return skipped("sshd is not installed")
    if answer.code != 0:
        return skipped(f"sshd -T: {answer.errors.strip()[:80]}")
    values = dict(line.split(" ", 1) for line in answer.output.splitlines() if " " in line)
    bad = [
        f"{key} {values.get(key)}"
        for key, wanted in (
            ("permitrootlogin", ("no", "prohibit-password", "without-password")),
            ("passwordauthentication", ("no",)),
            ("allowtcpforwarding", ("no", "local")),
        )
        if values.get(key) not in wanted
    ]
    # PAM asks for the password just as well.
    by_pam = [key for key in _BY_KEYBOARD if values.get(key) == "yes"]
    if by_pam and values.get("usepam") == "yes":
        bad.append(f"{by_pam[0]} yes with usepam yes")
    if bad:
        fix = "PermitRootLogin no, PasswordAuthentication no, KbdInteractiveAuthentication no, "
        fix += "AllowTcpForwarding local"
        return failed(", ".join(bad), f"{fix} in /etc/ssh/sshd_config.d/aegis.conf")
    return passed("no root by password, no passwords, forwarding no wider than local")


def automatic_restarts(visit: Visit) -> Verdict:
    apt, needrestart = "/etc/apt/apt.conf.d", "/etc/needrestart"
    texts = [visit.box.text(f"{apt}/{name}") or "" for name in visit.box.names(apt)]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    settings = " ".join(line for line in lines if not line.startswith(("//", "#")))
    if re.search(r'Unattended-Upgrade::Automatic-Reboot\s+"true"', settings):
        fix = f'Unattended-Upgrade::Automatic-Reboot "false"; in {apt}/52aegis'
        return failed("unattended-upgrades reboots the box", fix)
    main = visit.box.text(f"{needrestart}/needrestart.conf")
    if main is not None:
        files = [f"{needrestart}/conf.d/{n}" for n in visit.box.names(f"{needrestart}/conf.d")]
        whole = "\n".join([main, *((visit.box.text(file) or "") for file in files)])
        is_automatic = re.search(r"^\s*\$nrconf\{restart\}\s*=\s*'a'", whole, re.MULTILINE)
        if is_automatic and "aegis" not in whole:
            fix = f"$nrconf{{override_rc}}{{qr(^aegis@)}} = 0; in {needrestart}/conf.d/aegis.conf"
            return failed("needrestart restarts services by itself", fix)
    return passed("nothing restarts the instance by itself")


def drills(visit: Visit) -> Verdict:
    doctor = visit.config.doctor
    today = datetime.datetime.fromtimestamp(visit.box.now_s(), datetime.UTC).date()
    bad: list[str] = []
    good: list[str] = []
    for key, day in (("restore_drill", doctor.restore_drill), ("fault_drill", doctor.fault_drill)):
        if day is None:
            bad.append(f"{key} is not told")
            continue
        age = (today - day).days
        text = f"{key} {age} days ago" if age >= 0 else f"{key} lies in the future"
        (good if 0 <= age <= _DRILL_DAYS else bad).append(text)
    if bad:
        fix = f"[doctor] restore_drill = {today}, fault_drill = {today}, after the drill"
        return warned("; ".join([*bad, *good]), fix)
    return passed("; ".join(good))


CHECKS: Final = (
    Check(
        "37", "system_log", "warn", "/etc/systemd/journald.conf and its drop-ins",
        "persistent, capped", "a full disk, or no log of what happened", system_log,
    ),
    Check(
        "38", "service_user", "fail", "systemctl show User, /etc/passwd",
        "a system user without a shell, not root",
        "what breaks the program has what its user may do", service_user,
    ),
    Check(
        "41", "unit_sandbox", "fail", "systemd-analyze security", f"at most {EXPOSURE_MOST}",
        "a drop-in may have opened the sandbox", unit_sandbox,
    ),
    Check(
        "43", "ssh_access", "warn", "sshd -T",
        "no root by password, no passwords, local forwarding",
        "whoever gets in has the keys", ssh_access,
    ),
    Check(
        "45", "unit_settings", "fail", "systemctl show",
        "as shipped: notify, watchdog, restart, the last cancel",
        "it is what cancels when all else has died", unit_settings,
    ),
    Check(
        "46", "systemd_version", "fail", "systemctl --version",
        f"at least {_CREDENTIALS_SINCE}", "encrypted credentials", systemd_version,
    ),
    Check(
        "47", "hardware_watchdog", "warn", "systemctl show RuntimeWatchdogUSec", "set",
        "a kernel that hangs is not restarted by anybody else", hardware_watchdog, metal_only=True,
    ),
    Check(
        "48", "automatic_restarts", "warn", "unattended-upgrades, needrestart",
        "no restart of the instance", "a restart in the midst of trading", automatic_restarts,
    ),
    Check(
        "54", "drills", "warn", "[doctor] restore_drill and fault_drill",
        f"within {_DRILL_DAYS} days", "what was never rehearsed does not work", drills,
    ),
)  # fmt: skip
