"""The hardware profile becomes the right kernel command line, and the playbook parses.

The filters are loaded from the role by path: they are Ansible's plugins and no part of the package.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

REPOSITORY = Path(__file__).resolve().parents[2]
ansible_errors = pytest.importorskip("ansible.errors", reason="ansible-core is not installed")


def load_filters() -> ModuleType:
    path = REPOSITORY / "ansible/roles/aegis/filter_plugins/profile.py"
    spec = importlib.util.spec_from_file_location("aegis_profile_filters", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


filters = load_filters()


def profile(text: str) -> dict[str, object]:
    parsed: dict[str, object] = filters.from_toml(text)
    return parsed


@pytest.mark.parametrize(
    ("isolcpus", "online", "arguments"),
    [
        ("[]", "0-1\n", ""),
        (
            "[2, 3]",
            "0-3\n",
            "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1",
        ),
        (
            "[1]",
            "0-1",
            "isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0",
        ),
        (
            "[7, 2, 3, 5]",
            "0-3,5,7-8",
            "isolcpus=managed_irq,domain,2-3,5,7 nohz_full=2-3,5,7 rcu_nocbs=2-3,5,7"
            " irqaffinity=0-1,8",
        ),
    ],
)
def test_isolated_cores_on_the_command_line(isolcpus: str, online: str, arguments: str) -> None:
    parsed = profile(f"[hardware]\nisolcpus = {isolcpus}\n")
    assert " ".join(filters.kernel_arguments(parsed, online)) == arguments


@pytest.mark.parametrize(
    ("isolcpus", "said"),
    [
        ("[0, 1]", "no core would be left"),
        ("[1, 4]", "not 4"),
        ('["1"]', "a list of cores"),
        ("1", "a list of cores"),
        ("[true]", "a list of cores"),
    ],
)
def test_a_profile_that_does_not_fit_the_box(isolcpus: str, said: str) -> None:
    parsed = profile(f"[hardware]\nisolcpus = {isolcpus}\n")
    with pytest.raises(ansible_errors.AnsibleFilterError, match=said) as caught:
        filters.kernel_arguments(parsed, "0-1\n")
    assert "hardware.isolcpus" in str(caught.value)


def test_a_profile_that_says_nothing_asks_nothing() -> None:
    assert filters.kernel_arguments({}, "0\n") == []
    assert filters.huge_pages({}, ["btc"]) == 0


def test_every_instance_gets_its_huge_pages() -> None:
    parsed = profile("[hardware]\nhugepages = 16\n")
    assert filters.huge_pages(parsed, ["btc", "eth"]) == 32
    with pytest.raises(ansible_errors.AnsibleFilterError, match=r"hardware\.hugepages"):
        filters.huge_pages(profile("[hardware]\nhugepages = -1\n"), ["btc"])


def test_broken_toml_names_its_line() -> None:
    with pytest.raises(ansible_errors.AnsibleFilterError, match="line 2"):
        filters.from_toml("[hardware]\nisolcpus = [1 2]\n")


@given(st.sets(st.integers(0, 200), min_size=1))
def test_the_core_list_notation_reads_back(cores: set[int]) -> None:
    assert filters.parse_cores(filters.format_cores(sorted(cores))) == sorted(cores)


def test_the_shipped_profile_fits_two_cores() -> None:
    shipped = profile((REPOSITORY / "aegis.toml").read_text(encoding="utf-8"))
    assert filters.kernel_arguments(shipped, "0-1\n") == []


def test_the_playbook_parses(tmp_path: Path) -> None:
    playbook = Path(sys.executable).with_name("ansible-playbook")
    answer = subprocess.run(
        [playbook, "-i", "box,", "--syntax-check", REPOSITORY / "ansible" / "site.yml"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible" / "ansible.cfg"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
