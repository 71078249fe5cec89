"""The network: settings of TCP, what listens, how the running connections are set, names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from aegis.doctor.check import Check, Verdict, failed, noted, passed, skipped, warned
from aegis.doctor.visit import Visit

__all__ = ["CHECKS"]

_LISTENS: Final = "0A"
_SSH_PORT: Final = 22
_MOST_NAMED: Final = 6
_SLOW_NAME_MS: Final = 50.0
_RESOLVERS: Final = 2
_TRADERS: Final = ("feed", "execution")
_ADAPTIVE: Final = re.compile(r"Adaptive RX:\s*on", re.IGNORECASE)
_TOLD_ADAPTIVE: Final = re.compile(r"Adaptive RX:\s*(on|off)", re.IGNORECASE)
_RX_USECS: Final = re.compile(r"^rx-usecs:\s*(\d+)", re.MULTILINE)
_SHORT_US: Final = 8


def _wanted_setting(visit: Visit, name: str, wanted: int) -> Verdict:
    value = visit.box.sysctl(name)
    if value is None:
        return skipped(f"the kernel tells no {name}")
    if value == wanted:
        return passed(f"{name} {value}")
    return failed(f"{name} {value}", f"sysctl -w {name}={wanted}")


def slow_start_after_idle(visit: Visit) -> Verdict:
    return _wanted_setting(visit, "net.ipv4.tcp_slow_start_after_idle", 0)


def tcp_timestamps(visit: Visit) -> Verdict:
    return _wanted_setting(visit, "net.ipv4.tcp_timestamps", 1)


def busy_polling(visit: Visit) -> Verdict:
    poll, read = (visit.box.sysctl(f"net.core.busy_{name}") for name in ("poll", "read"))
    if poll is None or read is None:
        return skipped("the kernel has no busy polling")
    text = f"net.core.busy_poll {poll}, net.core.busy_read {read}"
    if poll and read:
        return passed(text)
    fix = "sysctl -w net.core.busy_poll=50 net.core.busy_read=50, if aegis bench path is better"
    return noted(text, fix)


def interrupt_coalescing(visit: Visit) -> Verdict:
    held: list[str] = []
    seen = 0
    for name in visit.box.interfaces():
        answer = visit.box.command(["ethtool", "-c", name])
        if answer is None:
            return skipped("ethtool is not installed")
        usecs = _RX_USECS.search(answer.output)
        if answer.code != 0 or (usecs is None and not _TOLD_ADAPTIVE.search(answer.output)):
            continue
        seen += 1
        if _ADAPTIVE.search(answer.output):
            held.append(f"{name} adaptive")
        elif usecs and int(usecs[1]) > _SHORT_US:
            held.append(f"{name} rx-usecs {usecs[1]}")
    if not seen:
        return skipped("no network interface tells its coalescing")
    if held:
        return noted(", ".join(held), "ethtool -C INTERFACE adaptive-rx off rx-usecs 0")
    return passed(f"{seen} interfaces, none waits")


def live_sockets(visit: Visit) -> Verdict:
    traders = [process for process in visit.processes if process.name in _TRADERS]
    if not traders:
        return skipped("no process of the instance runs")
    late: list[str] = []
    half_open: list[str] = []
    count = 0
    for process in traders:
        try:
            sockets = visit.box.sockets(process.pid)
        except OSError as error:
            return skipped(f"the sockets of {process} may not be read: {error.strerror}")
        for one in sockets:
            count += 1
            if not one.no_delay:
                late.append(f"{process} to {one.peer}")
            if not one.keeps_alive and not one.user_timeout_ms:
                half_open.append(f"{process} to {one.peer}")
    if not count:
        return skipped("no connection is up")
    if late:
        text = f"without TCP_NODELAY: {', '.join(late[:_MOST_NAMED])}"
        return failed(text, "aegis reload cannot mend it: restart, and report it")
    if half_open:
        text = f"{count} with TCP_NODELAY, {len(half_open)} without keepalive or user timeout"
        return warned(text, "none needed while the pings of the protocol are answered")
    return passed(f"{count} connections with TCP_NODELAY and keepalive or user timeout")


def listening_ports(visit: Visit) -> Verdict:
    if visit.box.text("/proc/net/tcp") is None:
        return skipped("no /proc/net/tcp")
    exposed = sorted(
        {
            (str(address), port)
            for address, port in _listening(visit)
            if not address.is_loopback and port not in _ssh_ports(visit)
        }
    )
    if exposed:
        shown = ", ".join(f"{address} port {port}" for address, port in exposed[:_MOST_NAMED])
        more = len(exposed) - _MOST_NAMED
        fix = "bind it to 127.0.0.1, or a firewall that drops what comes in"
        return failed(f"{shown}{f' and {more} more' if more > 0 else ''}", fix)
    return passed("loopback and ssh alone")


def _listening(visit: Visit) -> Iterator[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    for name in ("tcp", "tcp6"):
        for line in (visit.box.text(f"/proc/net/{name}") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTENS:
                raw, _, port = fields[1].partition(":")
                yield _address(raw), int(port, 16)


def _address(raw: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel prints words of 32 bits in the box's byte order, which is little endian."""
    words = [bytes.fromhex(raw[place : place + 8])[::-1] for place in range(0, len(raw), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return ipaddress.IPv4Address(packed)
    found = ipaddress.IPv6Address(packed)
    return found.ipv4_mapped or found


def _ssh_ports(visit: Visit) -> set[int]:
    try:
        text = visit.box.text("/etc/ssh/sshd_config") or ""
    except OSError:
        text = ""
    named = re.findall(r"^\s*Port\s+(\d+)", text, re.MULTILINE | re.IGNORECASE)
    return {int(port) for port in named} or {_SSH_PORT}


def name_resolution(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    asked = [host for host in look.hosts if not host.is_numeric]
    if not asked:
        return skipped("the addresses are numeric or this box's own")
    lost = [f"{host.name}: {host.error}" for host in asked if host.error]
    if lost:
        return failed("; ".join(lost), "/etc/systemd/resolved.conf or /etc/resolv.conf")
    slow = [host for host in asked if host.took_ms > _SLOW_NAME_MS]
    silent = [one.address for one in look.resolvers if one.took_ms is None]
    worst = max(host.took_ms for host in asked)
    answering = len(look.resolvers) - len(silent)
    text = f"{len(asked)} names, the slowest in {worst:.0f} ms; {answering} resolvers answer"
    if silent:
        text += f", silent: {', '.join(silent)}"
    if slow or silent or answering < _RESOLVERS:
        return warned(text, "two near resolvers: DNS= in /etc/systemd/resolved.conf")
    return passed(text)


CHECKS: Final = (
    Check(
        "25", "busy_polling", "info", "net.core.busy_poll, net.core.busy_read",
        "50, where it was measured to be better", "a packet waits for its interrupt", busy_polling,
    ),
    Check(
        "27", "interrupt_coalescing", "info", "ethtool -c", "adaptive off, rx-usecs small",
        "the card holds packets back to save interrupts", interrupt_coalescing, metal_only=True,
    ),
    Check(
        "28", "slow_start_after_idle", "warn", "net.ipv4.tcp_slow_start_after_idle", "0",
        "an idle connection starts slowly again", slow_start_after_idle,
    ),
    Check(
        "29", "tcp_timestamps", "warn", "net.ipv4.tcp_timestamps", "1",
        "without them round trips are guessed (a hardening role may set 0)", tcp_timestamps,
    ),
    Check(
        "30", "live_sockets", "fail", "socket options of the running feed and execution",
        "TCP_NODELAY; keepalive or user timeout", "small messages wait, half-open lines stay",
        live_sockets,
    ),
    Check(
        "31", "name_resolution", "fail", "getaddrinfo of every address, a query to each resolver",
        f"within {_SLOW_NAME_MS:.0f} ms, {_RESOLVERS} resolvers answer",
        "a reconnection needs the name first", name_resolution,
    ),
    Check(
        "42", "listening_ports", "fail", "/proc/net/tcp, /proc/net/tcp6", "loopback and ssh alone",
        "whatever listens can be attacked", listening_ports,
    ),
)  # fmt: skip
