"""Names and certificates on real sockets of this box: resolvers, handshakes, verification."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.doctor.names import certificate_of, host_of, query_bytes, resolver_text, resolvers_of
from tests.execution.test_tls import certificate


def answering(code: int, times: int = 1) -> tuple[int, threading.Thread]:
    """A name server on loopback that answers with a result code; its port."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.settimeout(10.0)
    line.bind(("127.0.0.1", 0))

    def serve() -> None:
        with line:
            for _ in range(times):
                asked, peer = line.recvfrom(4_096)
                flags = struct.pack(">H", 0x8180 | code)
                line.sendto(asked[:2] + flags + asked[4:], peer)

    thread = threading.Thread(target=serve)
    thread.start()
    return line.getsockname()[1], thread


@pytest.mark.parametrize(("code", "answers"), [(0, True), (2, False)])
def test_each_resolver_is_asked_itself(code: int, answers: bool) -> None:
    port, thread = answering(code)
    text = "# a comment\nsearch example\nnameserver 127.0.0.1\n"
    (found,) = resolvers_of(text, "fapi.example.com", port)
    thread.join()
    assert found.address == "127.0.0.1"
    assert (found.took_ms is not None) is answers


def test_a_silent_resolver_is_known_as_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (found,) = resolvers_of("nameserver 127.0.0.1", "fapi.example.com", port)
    assert found.took_ms is None


@pytest.mark.parametrize(
    ("first", "behind", "expected"),
    [
        ("nameserver 127.0.0.53\noptions edns0", "nameserver 192.0.2.1", "nameserver 192.0.2.1"),
        ("nameserver 127.0.0.53", None, "nameserver 127.0.0.53"),
        ("nameserver 192.0.2.9", "nameserver 192.0.2.1", "nameserver 192.0.2.9"),
        (None, "nameserver 192.0.2.1", ""),
    ],
)
def test_the_resolvers_behind_the_stub_count(
    first: str | None, behind: str | None, expected: str
) -> None:
    files = {"/etc/resolv.conf": first, "/run/systemd/resolve/resolv.conf": behind}
    assert resolver_text(files.__getitem__) == expected


def test_a_query_is_what_the_standard_says() -> None:
    expected = bytes.fromhex("123401000001000000000000026162076578616d706c650000010001")
    assert query_bytes(0x1234, "ab.example") == expected


def test_numbers_and_this_box_need_no_resolver() -> None:
    assert host_of("127.0.0.1").is_numeric and host_of("localhost").is_numeric
    lost = host_of("no-such-host.invalid")
    assert not lost.is_numeric and lost.error


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server that shakes hands and leaves; its port and its certificate."""
    pem = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(10.0)

        def serve() -> None:
            line, _ = door.accept()
            try:
                context.wrap_socket(line, server_side=True).close()
            except (ssl.SSLError, OSError):
                line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield door.getsockname()[1], pem
        thread.join()


def test_a_trusted_certificate_tells_how_long_it_lasts(encrypted: tuple[int, Path]) -> None:
    port, pem = encrypted
    trust = ssl.create_default_context(cafile=str(pem))
    found = certificate_of("127.0.0.1", port, trust, time.time())
    assert found.error == "" and 0 < found.days_left < 1


def test_an_untrusted_certificate_is_told(encrypted: tuple[int, Path]) -> None:
    port, _ = encrypted
    found = certificate_of("127.0.0.1", port, ssl.create_default_context(), time.time())
    assert "not verified" in found.error


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    found = certificate_of("127.0.0.1", port, ssl.create_default_context(), time.time())
    assert "refused" in found.error
