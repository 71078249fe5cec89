"""Identity, resources, names and the death signal, on real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.host.prctl import die_with_parent, forbid_core_dumps, set_process_name
from aegis.host.proc import stat_fields
from aegis.host.process_identity import (
    ProcessIdentity,
    identity_of,
    is_alive,
    own_identity,
    read_boot_id,
)
from aegis.host.resources import read_resources
from tests.host.child import in_child

DEADLINE_S = 5.0


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A child that only sleeps; killed and reaped afterwards unless the test did."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def wait_for_state(pid: int, states: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        fields = stat_fields(pid)
        if fields is not None and fields[0] in states:
            return
        os.sched_yield()
    pytest.fail(f"process {pid} did not get into state {states}: {stat_fields(pid)}")


def test_own_identity_is_alive_and_stable() -> None:
    identity = own_identity()
    assert identity.pid == os.getpid() and identity.start_time_ticks > 0
    assert identity.boot_id == read_boot_id() != ""
    assert identity == own_identity() and is_alive(identity)


def test_another_start_time_pid_or_boot_is_another_process() -> None:
    pid, ticks, boot = os.getpid(), own_identity().start_time_ticks, read_boot_id()
    assert not is_alive(ProcessIdentity(pid, ticks + 1, boot))
    assert not is_alive(ProcessIdentity(pid, ticks, "00000000-0000-0000-0000-000000000000"))
    assert not is_alive(ProcessIdentity(0, ticks, boot))
    assert not is_alive(ProcessIdentity(-1, ticks, boot))
    assert is_alive(ProcessIdentity(pid, ticks, ""))


def test_a_stopped_process_is_alive_and_a_zombie_is_not(sleeper: int) -> None:
    identity = identity_of(sleeper)
    assert identity is not None and is_alive(identity)
    os.kill(sleeper, signal.SIGSTOP)
    wait_for_state(sleeper, "T")
    assert is_alive(identity)
    os.kill(sleeper, signal.SIGKILL)
    wait_for_state(sleeper, "Z")
    assert not is_alive(identity) and identity_of(sleeper) is None
    os.waitpid(sleeper, 0)
    assert not is_alive(identity)


def test_a_name_with_brackets_does_not_confuse_the_fields() -> None:
    def child() -> bool:
        set_process_name("a) S (b c")
        fields = stat_fields()
        return fields is not None and fields[0] in "RS" and int(fields[1]) == os.getppid()

    assert in_child(child)


def test_names_are_cut_to_what_the_kernel_keeps() -> None:
    def child() -> tuple[bool, str, str]:
        grant = set_process_name("aegis-btc-execution")
        return grant.honoured, grant.got, Path("/proc/self/comm").read_text().strip()

    assert in_child(child) == (True, "aegis-btc-execu", "aegis-btc-execu")


def test_core_dumps_can_be_forbidden() -> None:
    assert in_child(forbid_core_dumps).honoured


def test_a_child_dies_with_its_parent() -> None:
    def parent() -> int:
        reader, writer = os.pipe()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            honoured = die_with_parent(me).honoured
            os.write(writer, b"1" if honoured else b"0")
            signal.pause()
            os._exit(0)
        assert os.read(reader, 1) == b"1"
        return pid

    orphan = in_child(parent)
    deadline = time.monotonic() + DEADLINE_S
    while identity_of(orphan) is not None:
        if time.monotonic() > deadline:
            os.kill(orphan, signal.SIGKILL)
            pytest.fail("the child outlived its parent")
        os.sched_yield()


def test_a_parent_that_is_dead_already_is_noticed() -> None:
    grant = in_child(lambda: die_with_parent(1 << 22))
    assert not grant.honoured and "dead already" in grant.degradation


def test_resources_of_a_process(sleeper: int) -> None:
    mine, its = read_resources(os.getpid()), read_resources(sleeper)
    assert mine is not None and its is not None
    assert 1 << 20 < mine.rss_bytes <= mine.peak_rss_bytes
    assert mine.threads >= 1 and mine.descriptors >= 3 and mine.cpu_s > 0
    assert its.swapped_bytes == 0 and its.major_faults >= 0
    assert set(mine.as_dict()) >= {"rss_bytes", "cpu_s", "state"}


def test_descriptors_are_counted() -> None:
    before = read_resources(os.getpid())
    pipe = os.pipe()
    after = read_resources(os.getpid())
    for descriptor in pipe:
        os.close(descriptor)
    assert before is not None and after is not None
    assert after.descriptors == before.descriptors + 2


def test_resources_of_a_process_that_is_gone() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert read_resources(pid) is None
