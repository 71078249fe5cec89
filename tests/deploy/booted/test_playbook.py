"""The playbook makes a bare Debian 12 a trading box: run twice, edited between, and upgraded.

Ansible reaches the container through nsenter in place of ssh. The box has no network, so the locked
packages come from a folder of this machine; pip fills it from the package registry, hashes checked.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.booted.container import Container

pytestmark = [pytest.mark.booted, pytest.mark.long]

CONFIG = "/etc/aegis/aegis.toml"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def call(*command: str | Path, timeout_s: float = 600.0, **environment: str) -> str:
    answer = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **environment},
    )
    assert answer.returncode == 0, f"{answer.stdout[-4000:]}\n{answer.stderr[-2000:]}"
    return answer.stdout


@dataclass
class Provisioner:
    """Runs the playbook against one container."""

    repository: Path
    work: Path
    ssh: Path

    def play(self, *arguments: str, **variables: object) -> dict[str, int]:
        """Run it; returns the counts of Ansible's recap: ok, changed, unreachable, failed, …"""
        connection = {
            "ansible_ssh_executable": str(self.ssh),
            "ansible_ssh_transfer_method": "piped",
            "ansible_ssh_args": "",
            "aegis_wheelhouse": str(self.work / "wheelhouse"),
            "aegis_start": False,
        }
        printed = call(
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", "root@box,", "-e", json.dumps({**connection, **variables}), *arguments),
            self.repository / "ansible" / "site.yml",
            ANSIBLE_HOME=str(self.work / "ansible"),
            ANSIBLE_CONFIG=str(self.repository / "ansible" / "ansible.cfg"),
            HOME=str(self.work),
            LC_ALL="C.UTF-8",
        )
        recap = printed[printed.rindex("PLAY RECAP") :]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", recap)}


def build_wheel(repository: Path, work: Path, folder: str, change: str = "") -> Path:
    """The wheel of the tree, as `make provision` builds it, from a copy; `change` is a new line."""
    copy = work / folder
    shutil.copytree(repository / "aegis", copy / "aegis")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, copy)
    if change:
        (copy / "aegis" / "upgrade_mark.py").write_text(f'"""{change}"""\n')
    build = ("wheel", "--no-deps", "--no-build-isolation", "-w", copy / "dist", copy)
    call(*PIP, *build, SOURCE_DATE_EPOCH="315532800")
    return next((copy / "dist").glob("aegis-*.whl"))


needs_two_cores = pytest.mark.skipif(
    Path("/sys/devices/system/cpu/online").read_text() != "0-1\n",
    reason="expects the command line of a box with the cores 0 and 1",
)


@pytest.fixture(scope="module")
def box(bare_container: Container) -> Container:
    # Everything that the role asks of apt is there; there is no mirror to reach.
    bare_container.write("/etc/apt/sources.list", "")
    return bare_container


@pytest.fixture(scope="module")
def provisioner(
    box: Container, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Provisioner:
    work = tmp_path_factory.mktemp("playbook")
    ssh = work / "ssh-stand-in"
    inside = shlex.join(box.enter())
    ssh.write_text(f'#!/bin/sh\nfor last; do :; done\nexec {inside} sh -c "$last"\n')
    ssh.chmod(0o755)
    for lock in ("requirements-build.lock", "requirements.lock"):
        download = ("download", "--require-hashes", "--no-deps", "--no-build-isolation")
        call(*PIP, *download, "-d", work / "wheelhouse", "-r", repository / lock)
    return Provisioner(repository, work, ssh)


@pytest.fixture(scope="module")
def first_run(provisioner: Provisioner) -> dict[str, object]:
    wheel = build_wheel(provisioner.repository, provisioner.work, "first")
    provisioner.play("--check", aegis_wheel=str(wheel))
    return {"wheel": str(wheel), "recap": provisioner.play(aegis_wheel=str(wheel))}


def test_a_bare_box_becomes_a_trading_box(box: Container, first_run: dict[str, object]) -> None:
    assert box.check("readlink", "/opt/aegis/venv").startswith("/opt/aegis/releases/")
    box.check("aegis", "check", "--config", CONFIG)
    assert box.check("stat", "-c", "%U:%G %a", CONFIG) == "root:aegis 640\n"
    assert box.check("systemctl", "is-enabled", "aegis@btc") == "enabled\n"
    assert box.check("systemd-analyze", "verify", "--man=no", "aegis@btc.service") == ""
    assert "vm.nr_hugepages = 0" in box.check("cat", "/etc/sysctl.d/60-aegis.conf")


def test_a_second_run_changes_nothing(
    provisioner: Provisioner, first_run: dict[str, object]
) -> None:
    recap = provisioner.play(aegis_wheel=first_run["wheel"])
    assert (recap["changed"], recap["failed"]) == (0, 0)


def test_an_edited_configuration_stays_in_force(
    box: Container, provisioner: Provisioner, first_run: dict[str, object]
) -> None:
    shipped = box.check("cat", CONFIG)
    edited = shipped.replace("seed = 42", "seed = 7")
    assert edited != shipped
    box.write(CONFIG, edited, mode=0o640)
    provisioner.play(aegis_wheel=first_run["wheel"])
    assert box.check("cat", CONFIG) == edited
    assert box.check("cat", f"{CONFIG}.new") == shipped
    provisioner.play(aegis_wheel=first_run["wheel"], aegis_overwrite_config=True)
    assert box.check("cat", CONFIG) == shipped


@needs_two_cores
def test_the_profile_reaches_grub(
    box: Container, provisioner: Provisioner, first_run: dict[str, object]
) -> None:
    """A stand-in for update-grub does what the real one does first: it sources the additions."""
    box.write(
        "/usr/sbin/update-grub",
        "#!/bin/sh\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n. /etc/default/grub.d/60-aegis.cfg\n"
        'echo "$GRUB_CMDLINE_LINUX_DEFAULT" >/run/grub-command-line\n',
        mode=0o755,
    )
    shipped = (provisioner.repository / "aegis.toml").read_text(encoding="utf-8")
    isolated = provisioner.work / "isolated.toml"
    isolated.write_text(
        shipped.replace("isolcpus = []", "isolcpus = [1]").replace("hugepages = 0", "hugepages = 8")
    )
    provisioner.play(aegis_wheel=first_run["wheel"], aegis_config_file=str(isolated))
    expected = "isolcpus=managed_irq,domain,1 nohz_full=1 rcu_nocbs=1 irqaffinity=0"
    assert box.check("cat", "/run/grub-command-line") == f"quiet {expected}\n"
    assert "vm.nr_hugepages = 8\n" in box.check("cat", "/etc/sysctl.d/60-aegis.conf")
    provisioner.play(aegis_wheel=first_run["wheel"])
    assert box.check("cat", "/run/grub-command-line") == "quiet\n"


def test_an_upgrade_is_a_new_release_and_a_link(
    box: Container, provisioner: Provisioner, first_run: dict[str, object]
) -> None:
    before = box.check("readlink", "/opt/aegis/venv")
    wheel = build_wheel(provisioner.repository, provisioner.work, "second", change="newer")
    provisioner.play(aegis_wheel=str(wheel))
    assert box.check("readlink", "/opt/aegis/venv") != before
    box.check("/opt/aegis/venv/bin/python", "-c", "import aegis.upgrade_mark")
    assert box.run("test", "-d", before.strip()).returncode == 0


def test_the_provisioned_instance_trades(
    box: Container, provisioner: Provisioner, first_run: dict[str, object]
) -> None:
    """aegis_start waits for READY, so the playbook fails when the appliance does not come up."""
    provisioner.play(aegis_wheel=first_run["wheel"], aegis_start=True)
    assert box.show("aegis@btc", "ActiveState") == "active"
    box.check("systemctl", "stop", "aegis@btc")
    assert box.check("ls", "/dev/shm") == ""
