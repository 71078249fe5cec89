"""The report on a box: every item asked for is answered, and what the set-up is not is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aegis.config import AegisConfig, load_config
from aegis.host import capabilities
from aegis.host.capabilities import assess, describe_box, plain_words
from aegis.host.grant import Grant
from tests.config.sample import EIGHT_CORES, TWO_CORES


@pytest.fixture
def shipped(repository: Path) -> AegisConfig:
    return load_config(repository / "aegis.toml", TWO_CORES)


def changed(config: AegisConfig, **hardware: object) -> AegisConfig:
    return config.model_copy(update={"hardware": config.hardware.model_copy(update=hardware)})


def item(grants: list[Grant], what: str) -> Grant:
    return next(grant for grant in grants if grant.what == what)


def test_every_item_is_answered(shipped: AegisConfig) -> None:
    whats = [grant.what for grant in assess(shipped)]
    assert whats == [
        "cores of btc", "cores of eth", "isolcpus", "hugepages", "scheduler", "mlock", "wait",
        "shm_dir",
    ]  # fmt: skip
    assert assess(shipped, "eth")[0].what == "cores of eth"
    assert all(grant.honoured or grant.degradation for grant in assess(shipped))


def test_absent_cores_and_isolation_are_refused_with_a_remedy(
    shipped: AegisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "box_cores", lambda: EIGHT_CORES)
    monkeypatch.setattr(capabilities, "isolated_cores", lambda: frozenset({2}))
    cores = shipped.hardware.cores.model_copy(update={"brain": 9})
    grants = assess(changed(shipped, cores=cores, isolcpus=[2, 3]))
    assert item(grants, "cores of btc").got == "feed 0, execution 0, venue 1"
    assert item(grants, "cores of btc").remedy == "usable: 0-7"
    assert item(grants, "isolcpus").got == "2"
    assert "isolcpus=managed_irq,domain,2-3" in item(grants, "isolcpus").remedy


def test_more_huge_pages_than_there_are_is_a_degradation(shipped: AegisConfig) -> None:
    grant = item(assess(changed(shipped, hugepages=60_000)), "hugepages")
    assert not grant.honoured and grant.got == "4 KiB pages"


def test_spinning_in_real_time_without_a_throttle_is_told(
    shipped: AegisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "real_time_runtime_us", lambda: -1)
    monkeypatch.setattr(
        capabilities, "scheduler_grant", lambda name, priority: Grant("scheduler", "", "", True)
    )
    grants = assess(changed(shipped, scheduler="fifo", priority=10, wait="spin"))
    assert not item(grants, "real-time throttle").honoured
    grants = assess(changed(shipped, scheduler="fifo", priority=10, wait="park"))
    assert item(grants, "real-time throttle").honoured


@pytest.mark.parametrize(
    ("release", "machine", "honoured"),
    [
        ("6.1.0-18-amd64", "x86_64", True),
        ("5.16.0", "aarch64", True),
        ("5.15.9", "x86_64", False),
        ("6.1.0", "riscv64", False),
        ("odd", "x86_64", False),
    ],
)
def test_parking_needs_a_kernel_that_can(
    shipped: AegisConfig,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    machine: str,
    honoured: bool,
) -> None:
    monkeypatch.setattr(capabilities.platform, "release", lambda: release)
    monkeypatch.setattr(capabilities.platform, "machine", lambda: machine)
    assert item(assess(shipped), "wait").honoured is honoured
    assert item(assess(changed(shipped, wait="backoff")), "wait").honoured


def test_the_place_of_the_shared_memory_must_be_there_writable_and_in_memory(
    shipped: AegisConfig, tmp_path: Path
) -> None:
    missing = item(assess(changed(shipped, shm_dir=str(tmp_path / "none"))), "shm_dir")
    assert not missing.honoured and missing.reason == "No such file or directory"
    hidden = item(assess(changed(shipped, shm_dir="/proc")), "shm_dir")
    assert not hidden.honoured
    assert item(assess(shipped), "shm_dir").honoured


def test_too_little_room_is_told(shipped: AegisConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "SHARED_MEMORY_NEEDED_BYTES", 1 << 50)
    grant = item(assess(shipped), "shm_dir")
    assert not grant.honoured and "MiB are wanted" in grant.reason


def test_what_the_set_up_is_not_is_said(
    shipped: AegisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = " | ".join(plain_words(shipped))
    for part in ("simulated", "share core 0", "not isolated", "no huge pages", "waits by park"):
        assert part in said
    monkeypatch.setattr(capabilities, "isolated_cores", lambda: frozenset({0, 1}))
    assert "not isolated" not in " | ".join(plain_words(shipped))
    assert "tick still runs on core 0" in " | ".join(plain_words(shipped))


def test_the_box_describes_itself() -> None:
    box = describe_box()
    assert box["online_cores"] and box["kernel"]


def test_importing_the_room_stays_light() -> None:
    names = "affinity capabilities gc_scope prctl process_identity resources"
    code = f"import sys\nfor name in {names.split()}: __import__('aegis.host.' + name)\n"
    code += "print(*{'numba', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
