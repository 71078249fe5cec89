"""sd_notify against a real AF_UNIX datagram socket, named and abstract."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.supervisor.notify import STATUS_INTERVAL_NS, Notifier

SECOND_NS = 1_000_000_000


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 5 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


class Listener:
    """The receiving end: what systemd would read."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Listener]:
    if request.param == "path":
        address = shown = str(tmp_path / "notify")
    else:
        shown = f"@aegis-test-{secrets.token_hex(6)}"
        address = "\0" + shown[1:]
    made = Listener(address)
    monkeypatch.setenv("NOTIFY_SOCKET", shown)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    yield made
    made.socket.close()


def test_every_message_is_one_datagram(systemd: Listener) -> None:
    clock = Clock()
    notifier = Notifier(clock)
    assert notifier.active
    assert notifier.ready("trading\nand more")
    assert notifier.reloading()
    assert notifier.extend_timeout(15_000_000)
    assert notifier.stopping("asked to")
    assert notifier.trigger_watchdog("gone")
    assert systemd.received() == [
        "READY=1\nSTATUS=trading and more",
        f"RELOADING=1\nMONOTONIC_USEC={clock.now_ns // 1000}",
        "EXTEND_TIMEOUT_USEC=15000000",
        "STOPPING=1\nSTATUS=asked to",
        "STATUS=gone\nWATCHDOG=trigger",
    ]
    notifier.close()
    assert not notifier.active


def test_status_comes_at_most_once_a_second_and_only_when_it_changed(systemd: Listener) -> None:
    clock = Clock()
    notifier = Notifier(clock)
    notifier.status("one")
    notifier.status("two")
    assert systemd.received() == ["STATUS=one"]
    clock.now_ns += STATUS_INTERVAL_NS
    notifier.status("two")
    clock.now_ns += STATUS_INTERVAL_NS
    notifier.status("two")
    assert systemd.received() == ["STATUS=two"]
    notifier.close()


def test_ping_at_half_the_watchdog_interval(systemd: Listener) -> None:
    clock = Clock()
    notifier = Notifier(clock)
    assert notifier.watchdog_interval_ns == SECOND_NS
    assert notifier.ping_if_due()
    clock.now_ns += SECOND_NS - 1
    assert not notifier.ping_if_due()
    clock.now_ns += 1
    assert notifier.ping_if_due()
    assert systemd.received() == ["WATCHDOG=1", "WATCHDOG=1"]
    assert notifier.pings == 2
    notifier.close()


def test_a_manager_that_does_not_read_never_blocks_us(systemd: Listener) -> None:
    notifier = Notifier(Clock())
    sent = sum(notifier.extend_timeout(number) for number in range(1_000))
    assert sent < 1_000
    assert notifier.failures == 1_000 - sent
    began_ns = time.monotonic_ns()
    assert not notifier.ready("x"), "it waits a moment for room, then gives up"
    assert time.monotonic_ns() - began_ns < 5 * SECOND_NS
    notifier.close()


def test_a_watchdog_meant_for_another_process_is_not_ours(
    systemd: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    notifier = Notifier(Clock())
    assert notifier.watchdog_interval_ns is None
    assert not notifier.ping_if_due()
    assert systemd.received() == []
    notifier.close()


def test_without_a_manager_everything_is_a_no_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "not a number")
    notifier = Notifier(Clock())
    assert not notifier.active
    assert not notifier.ready("x")
    notifier.status("x")
    assert notifier.failures == 0


def test_a_socket_that_is_gone_is_counted_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    systemd = Listener(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notifier = Notifier(Clock())
    systemd.socket.close()
    assert not notifier.ready("x")
    assert notifier.failures == 1
    notifier.close()
