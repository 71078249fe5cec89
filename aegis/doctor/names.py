"""Names and certificates: how this box resolves an address, and whom it finds there.

Blocking, for the doctor alone. A name server is asked directly, by a query of RFC 1035 over UDP,
since the resolver of the system hides which of them answers.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import ssl
import struct
from collections.abc import Callable
from time import monotonic
from typing import Final

from aegis.doctor.exchange_look import Certificate, Host, Resolver

__all__ = ["certificate_of", "host_of", "query_bytes", "resolver_text", "resolvers_of"]

_PATIENCE_S: Final = 3.0
_DNS_PORT: Final = 53
_STUB: Final = "127.0.0.53"
_BEHIND_STUB: Final = "/run/systemd/resolve/resolv.conf"
_RECURSION_WANTED: Final = 0x0100
_CLASS_IN, _TYPE_A = 1, 1
_ANSWERED: Final = 0x8000
_DAY_S: Final = 86_400.0


def host_of(name: str) -> Host:
    """Resolve a name as the connections will."""
    if name == "localhost" or _is_numeric(name):
        return Host(name, is_numeric=True)
    before = monotonic()
    try:
        socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    except OSError as error:
        return Host(name, False, error=error.strerror or str(error))
    return Host(name, False, (monotonic() - before) * 1e3)


def _is_numeric(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def resolver_text(read: Callable[[str], str | None]) -> str:
    """The resolv.conf that names the resolvers, also where systemd-resolved stands before them."""
    text = read("/etc/resolv.conf") or ""
    named = {words[1] for words in map(str.split, text.splitlines()) if words[:1] == ["nameserver"]
             and len(words) > 1}  # fmt: skip
    return (read(_BEHIND_STUB) if named == {_STUB} else None) or text


def resolvers_of(text: str, name: str, port: int = _DNS_PORT) -> list[Resolver]:
    """Ask each name server of a resolv.conf for a name."""
    found: list[Resolver] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            found.append(Resolver(words[1], _query_ms(words[1], name, port)))
    return found


def _query_ms(address: str, name: str, port: int) -> float | None:
    number = secrets.randbits(16)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.settimeout(_PATIENCE_S)
            line.connect((address, port))
            before = monotonic()
            line.send(query_bytes(number, name))
            reply = line.recv(4_096)
    except OSError:
        return None
    if len(reply) < 12 or struct.unpack(">HH", reply[:4])[0] != number:
        return None
    flags = struct.unpack(">H", reply[2:4])[0]
    return (monotonic() - before) * 1e3 if flags & _ANSWERED and flags & 0xF == 0 else None


def query_bytes(number: int, name: str) -> bytes:
    """A query for the address of a name (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode("idna") for label in name.split("."))
    head = struct.pack(">HHHHHH", number, _RECURSION_WANTED, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", _TYPE_A, _CLASS_IN)


def certificate_of(name: str, port: int, trust: ssl.SSLContext, now_s: float) -> Certificate:
    """Shake hands as the connections will: chain and name are verified."""
    place = f"{name}:{port}"
    try:
        with (
            socket.create_connection((name, port), _PATIENCE_S) as plain,
            trust.wrap_socket(plain, server_hostname=name) as line,
        ):
            told = line.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(place, error=f"not verified: {error.verify_message}")
    except OSError as error:
        return Certificate(place, error=error.strerror or str(error) or type(error).__name__)
    ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
    return Certificate(place, (ends - now_s) / _DAY_S)
