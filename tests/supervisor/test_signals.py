"""The supervisor's signals: flags for the loop, an interruption for the long start."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from aegis.supervisor.errors import StartCancelledError
from aegis.supervisor.signals import SignalInbox


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    made = SignalInbox()
    yield made
    made.close()


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_stops_are_counted_and_a_reload_is_taken_once(inbox: SignalInbox) -> None:
    assert inbox.stop_count == 0
    send(signal.SIGHUP)
    send(signal.SIGHUP)
    send(signal.SIGINT)
    send(signal.SIGTERM)
    assert inbox.stop_count == 2
    assert inbox.take_reload()
    assert not inbox.take_reload()


def test_a_signal_ends_the_wait_at_once(inbox: SignalInbox) -> None:
    began_ns = time.monotonic_ns()
    send(signal.SIGCHLD)
    inbox.wait(60_000)
    assert time.monotonic_ns() - began_ns < 10_000_000_000
    began_ns = time.monotonic_ns()
    inbox.wait(30)
    assert time.monotonic_ns() - began_ns >= 25_000_000, "nothing is left to wake it again"


def test_a_stop_interrupts_the_start_and_only_the_start(inbox: SignalInbox) -> None:
    with pytest.raises(StartCancelledError), inbox.interrupting():
        send(signal.SIGINT)
        raise AssertionError("not reached")
    send(signal.SIGINT)
    with pytest.raises(StartCancelledError), inbox.interrupting():
        raise AssertionError("not reached: the stop came before")


def test_the_former_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)]
    SignalInbox().close()
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)]
    assert after == before
