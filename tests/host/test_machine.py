"""Pinning, policies, locks and huge pages: what is granted is true, and a refusal says why."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from aegis.host import memory_lock
from aegis.host.affinity import NOT_PINNED, online_cores, pin_self, pinned_core
from aegis.host.grant import Grant
from aegis.host.hugepages import HugePages, huge_pages_grant, hugetlbfs_mounts, read_huge_pages
from aegis.host.memory_lock import lock_memory, memory_lock_grant
from aegis.host.proc import has_capability
from aegis.host.scheduler import scheduler_grant, scheduler_of, set_scheduler
from tests.host.child import in_child

CAP_SYS_NICE = 23


def test_a_pin_is_read_back() -> None:
    core = max(os.sched_getaffinity(0))

    def child() -> tuple[Grant, set[int], int]:
        return pin_self(core), os.sched_getaffinity(0), pinned_core()

    grant, mask, pinned = in_child(child)
    assert grant.honoured and grant.degradation == ""
    assert mask == {core} and pinned == core


@pytest.mark.parametrize("core", [900, -1, 1 << 40])
def test_a_core_that_is_not_there_is_refused_in_words(core: int) -> None:
    before = os.sched_getaffinity(0)
    grant = pin_self(core)
    assert not grant.honoured
    assert f"asked core {core}" in grant.degradation and "usable cores" in grant.degradation
    assert os.sched_getaffinity(0) == before


def test_a_cut_mask_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two cores")
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, mask: None)
    grant = pin_self(min(before))
    assert not grant.honoured and "cpuset" in grant.reason


def test_not_pinned_to_one_core_is_told() -> None:
    assert pinned_core() == NOT_PINNED or len(os.sched_getaffinity(0)) == 1
    assert pinned_core(2**22 - 1) == NOT_PINNED
    assert os.sched_getaffinity(0) <= online_cores()


def test_the_present_policy_is_granted_and_unchanged() -> None:
    assert set_scheduler("other", 0).honoured
    assert scheduler_of() == (os.SCHED_OTHER, 0)


def test_real_time_is_granted_or_refused_with_a_remedy() -> None:
    def child() -> tuple[Grant, tuple[int, int]]:
        return set_scheduler("fifo", 10), scheduler_of()

    grant, got = in_child(child)
    if grant.honoured:
        assert got == (os.SCHED_FIFO, 10) and grant.got == "fifo 10"
    else:
        assert got == (os.SCHED_OTHER, 0) and "LimitRTPRIO" in grant.degradation


def test_trying_a_policy_gives_the_old_one_back() -> None:
    grant = in_child(lambda: (scheduler_grant("rr", 5), scheduler_of()))
    assert grant[0].asked == "rr 5"
    assert grant[1] == (os.SCHED_OTHER, 0)


def test_a_forbidden_policy_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(pid: int, policy: int, parameter: os.sched_param) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    grant = set_scheduler("fifo", 10)
    assert (grant.honoured, grant.asked, grant.got) == (False, "fifo 10", "other")
    assert "Operation not permitted (errno 1)" in grant.degradation


def test_locking_memory_tells_the_truth() -> None:
    def child() -> tuple[Grant, int]:
        return lock_memory(), memory_lock.locked_bytes()

    grant, locked = in_child(child)
    assert grant.honoured is (grant.got == "all pages")
    assert (locked > 0) is (grant.got != "none")


def test_locking_is_not_asked_for() -> None:
    assert lock_memory(False).honoured and memory_lock_grant(False).honoured


def test_a_small_lock_limit_is_a_refusal_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = (64 << 10, 64 << 10)
    monkeypatch.setattr(memory_lock, "has_capability", lambda number: False)
    monkeypatch.setattr(resource, "getrlimit", lambda which: limit)
    grant = memory_lock_grant(True)
    assert (grant.honoured, grant.got) == (False, "none")
    assert "LimitMEMLOCK" in grant.degradation


def test_capabilities_are_read() -> None:
    assert has_capability(CAP_SYS_NICE) in (True, False)
    assert not has_capability(63)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    folder.mkdir()
    for name, value in (("nr_hugepages", 10), ("free_hugepages", 6), ("resv_hugepages", 2)):
        (folder / name).write_text(f"{value}\n")
    return folder


def mounts_file(folder: Path, *lines: str) -> Path:
    file = folder / "mounts"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_promised_pages_are_not_available(pool: Path) -> None:
    assert read_huge_pages(pool) == HugePages(total=10, free=6, reserved=2)
    assert HugePages(10, 6, 2).available == 4
    assert read_huge_pages(pool / "none") is None


def test_only_mounts_of_two_mebibyte_pages_count(tmp_path: Path) -> None:
    file = mounts_file(
        tmp_path,
        "tmpfs /dev/shm tmpfs rw 0 0",
        "none /big hugetlbfs rw,pagesize=1024M 0 0",
        r"none /with\040blank hugetlbfs rw,pagesize=2M 0 0",
        "none /plain hugetlbfs rw,relatime 0 0",
    )
    assert hugetlbfs_mounts(file) == [Path("/with blank"), Path("/plain")]
    assert hugetlbfs_mounts(tmp_path / "none") == []


def test_huge_pages_are_granted_only_with_pages_and_a_mount(pool: Path, tmp_path: Path) -> None:
    mounted = mounts_file(tmp_path, f"none {tmp_path} hugetlbfs rw,pagesize=2M 0 0")
    assert huge_pages_grant(4, pool, mounted).honoured
    too_many = huge_pages_grant(5, pool, mounted)
    assert not too_many.honoured and too_many.remedy == "sysctl vm.nr_hugepages=11"
    assert "no hugetlbfs mount" in huge_pages_grant(4, pool, tmp_path / "none").reason
    assert "no 2 MiB pages" in huge_pages_grant(4, tmp_path / "none", mounted).reason
    assert huge_pages_grant(0, tmp_path / "none", tmp_path / "none").honoured


def test_a_refusal_reads_as_one_line() -> None:
    grant = Grant("mlock", "all pages", "none", False, "no right", "ask for it")
    assert grant.degradation == "mlock: asked all pages, got none: no right; ask for it"
    assert set(grant.as_dict()) == {"what", "asked", "got", "honoured", "reason", "remedy"}
