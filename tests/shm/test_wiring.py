"""What children inherit: eventfds that work across a fork, and secrets that no repr shows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from aegis.shm.control import DRAIN, RUN
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import INTENT
from aegis.shm.wake import arm_eventfd
from aegis.shm.wiring import Credentials, Wiring
from tests.shm.conftest import Fork


@pytest.fixture
def memory(shm_dir: Path) -> InstanceMemory:
    return InstanceMemory.create("t", shm_dir=shm_dir, owner=(os.getpid(), 0))


def test_an_eventfd_made_before_the_fork_wakes_across_it(
    memory: InstanceMemory, fork: Fork
) -> None:
    wiring = Wiring.make("t", memory)
    intent = np.zeros(1, INTENT)
    assert memory.intents.offer(intent[:0]) == 0
    assert arm_eventfd(memory.intents.header, 0, wiring.intents_fd, 0) == 1
    child = fork(lambda: memory.intents.offer(intent))
    assert child.join() == 0
    assert os.eventfd_read(wiring.intents_fd) == 1
    wiring.close()


def test_descriptors_are_distinct_non_blocking_and_closed(memory: InstanceMemory) -> None:
    wiring = Wiring.make("t", memory)
    descriptors = {wiring.intents_fd, wiring.outcomes_fd, wiring.ticks_fd}
    assert len(descriptors) == 3
    for descriptor in descriptors:
        assert not os.get_inheritable(descriptor)
        with pytest.raises(BlockingIOError):
            os.eventfd_read(descriptor)
    wiring.close()
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_the_venue_is_where_its_counter_says(memory: InstanceMemory) -> None:
    wiring = Wiring.make("t", memory, venue_host="127.0.0.2")
    assert wiring.venue_url() is None
    memory.counters["venue"]["port"] = 4321
    assert wiring.venue_url() == "http://127.0.0.2:4321"
    assert wiring.venue_url("ws") == "ws://127.0.0.2:4321"
    wiring.close()


def test_the_supervisor_says_when_to_stop(memory: InstanceMemory) -> None:
    wiring = Wiring.make("t", memory)
    memory.control.command = RUN
    assert not wiring.stopping("brain")
    memory.control.drain("brain")
    assert wiring.stopping("brain")
    assert not wiring.stopping("feed")
    memory.control.command = DRAIN
    assert wiring.stopping("feed")
    wiring.close()


def test_no_secret_is_printed(memory: InstanceMemory) -> None:
    secrets = Credentials("key", "hmac-secret", b"private-pem", b"public-pem")
    wiring = Wiring.make("t", memory, secrets)
    for text in (repr(secrets), str(secrets), repr(wiring)):
        assert "hmac-secret" not in text
        assert "private-pem" not in text
    wiring.close()
