"""A Debian 12 with a real systemd as process 1, in namespaces of this machine, booted in a second.

`BaseImage` makes the root file system once and keeps it; `Container` boots a throw-away copy of it
and runs commands inside. The package is not installed but bound in, read-only, at /opt/aegis, so a
test sees the working tree as it is; a bare box has nothing there. Nothing inside reaches the
network, nor this machine's /dev/shm.

Used by the tests in this folder alone. Root and two Debian packages are needed: mmdebstrap and
systemd-container.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import eventually

SUITE = "bookworm"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-venv",
    "python3-apt",
    "ca-certificates",
    "procps",
)
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "setpriv", "mount", "umount")
# Debian 12 has this Python; the bound packages must have been built for it.
PYTHON = (3, 11)
PATH = "/opt/aegis/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTRY = (
    "#!/opt/aegis/venv/bin/python\nfrom aegis.cli.entry import main\n\nraise SystemExit(main())\n"
)


class ContainerError(RuntimeError):
    """The container could not be made or did not boot; the text holds what the tool said."""


def why_not_here() -> str | None:
    """The reason for which this machine cannot boot a container, or None."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install mmdebstrap systemd-container)"
    if sys.version_info[:2] != PYTHON:
        return f"the container has Python {PYTHON}, this environment {sys.version_info[:2]}"
    return None


def run(*command: str | Path, timeout_s: float = 60.0) -> str:
    """Run a command of this machine and return its output; ContainerError when it fails."""
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).strip()[-2000:]
        raise ContainerError(f"{command[0]} exited with {answer.returncode}: {said}")
    return answer.stdout


class BaseImage:
    """The pristine root file system, made by mmdebstrap and kept below `cache`."""

    def __init__(self, cache: Path) -> None:
        recipe = repr((SUITE, PACKAGES, ENTRY, 1))
        self._cache = cache
        self.root = cache / f"base-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def make(self) -> Path:
        """Return the root folder, making it (about half a minute) where it is absent."""
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._cache.stat().st_uid != os.geteuid():
            raise ContainerError(f"{self._cache} belongs to somebody else; remove it")
        with (self._cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.root.is_dir():
                self._make_locked()
        return self.root

    def _make_locked(self) -> None:
        for outdated in self._cache.iterdir():
            if outdated.is_dir():
                shutil.rmtree(outdated)
        fresh = self._cache / "making"
        run(
            *("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
            *(SUITE, fresh),
            timeout_s=600,
        )
        run("chroot", fresh, "useradd", "--system", "--home-dir=/var/lib/aegis", "aegis")
        run("chroot", fresh, "python3", "-m", "venv", "--without-pip", "/opt/aegis/venv")
        venv = fresh / "opt" / "aegis" / "venv"
        paths = "/opt/aegis/source\n/opt/aegis/packages\n"
        (venv / "lib" / "python3.11" / "site-packages" / "bound.pth").write_text(paths)
        (venv / "bin" / "aegis").write_text(ENTRY)
        (venv / "bin" / "aegis").chmod(0o755)
        for bound in ("source/aegis", "packages"):
            (fresh / "opt" / "aegis" / bound).mkdir(parents=True)
        # The rename makes it complete at once: an interrupted making never looks finished.
        fresh.rename(self.root)


class Container:
    """One boot of a copy of the base image. `boot` before use, `stop` after, whatever happened."""

    def __init__(self, base: Path, place: Path, source: Path | None, name: str) -> None:
        """`source` is the tree whose package is bound in; None makes a bare box."""
        self._base = base
        self._place = place
        self._source = source
        self._name = name
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init_pid = 0
        self.root = place / "root"

    def boot(self) -> None:
        """Mount the copy and boot it; returns when systemd has finished starting up."""
        self._place.mkdir(parents=True)
        # Changes go to memory: an upper layer on disk could not lie on another overlay, as in CI.
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "aegis-container", self._place)
        for folder in ("root", "upper", "work"):
            (self._place / folder).mkdir()
        layers = f"lowerdir={self._base},upperdir={self._place}/upper,workdir={self._place}/work"
        run("mount", "-t", "overlay", "-o", layers, "overlay", self.root)
        if self._source is None:
            shutil.rmtree(self.root / "opt" / "aegis")
        self._nspawn = subprocess.Popen(
            [
                # Killed test runs must not leave a booted system behind.
                *("setpriv", "--pdeathsig", "TERM"),
                *("systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}"),
                *(f"--machine={self._name}", "--register=no", "--keep-unit"),
                *("--private-network", "--resolv-conf=off", "--link-journal=no", "--console=pipe"),
                "--capability=CAP_SYS_NICE,CAP_IPC_LOCK",
                *self._bindings(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._init_pid = eventually(self._find_init, "process 1 of the container", timeout_s=30)
        eventually(self._is_up, "systemd to finish starting up", timeout_s=60, interval_s=0.1)
        # nspawn lays a boot id of its own over the kernel's. A sandboxed unit mounts /proc anew and
        # sees the kernel's; on a real box both are the same, and so they must be here.
        self.check("umount", "/proc/sys/kernel/random/boot_id")

    def _bindings(self) -> list[str]:
        if self._source is None:
            return []
        packages = Path(sys.prefix) / "lib" / "python3.11" / "site-packages"
        return [
            f"--bind-ro={self._source / 'aegis'}:/opt/aegis/source/aegis",
            f"--bind-ro={packages}:/opt/aegis/packages",
        ]

    def enter(self) -> list[str]:
        """The command prefix that runs the rest inside, as root, with a clean environment."""
        join = ["nsenter", "--target", str(self._init_pid), "--all"]
        return [*join, "env", "-i", "--chdir=/", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root"]

    def _find_init(self) -> int:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise ContainerError(f"systemd-nspawn exited with {self._nspawn.returncode}")
        pid = self._nspawn.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # nspawn's child is at first nspawn itself; it becomes systemd once the namespaces stand.
        named = (c for c in children if Path(f"/proc/{c}/comm").read_text() == "systemd\n")
        return int(next(named, "0"))

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running").stdout.strip()
        return state in {"running", "degraded"}

    def run(
        self, *command: str, timeout_s: float = 60.0, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root or as `user`; the caller judges its exit code."""
        become: tuple[str, ...] = ()
        if user is not None:
            become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
            become += ("env", f"HOME=/var/lib/{user}")
        return subprocess.run(
            [*self.enter(), *become, *command],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def check(self, *command: str, timeout_s: float = 60.0) -> str:
        """Run a command inside that must succeed; returns its output."""
        answer = self.run(*command, timeout_s=timeout_s)
        if answer.returncode != 0:
            raise AssertionError(
                f"{' '.join(command)} exited with {answer.returncode}:\n{answer.stdout}"
                f"{answer.stderr}\njournal:\n{self.journal()}"
            )
        return answer.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, replacing it in one step; `path` is absolute, as seen inside."""
        target = Path(f"/proc/{self._init_pid}/root{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
        fresh.rename(target)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit, as `systemctl show` prints it."""
        return self.check("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def journal(self, lines: int = 60) -> str:
        return self.run("journalctl", "--no-pager", f"--lines={lines}", "--output=cat").stdout

    def stop(self) -> None:
        """Shut down, then unmount. Safe to call after a boot that failed half-way."""
        if self._nspawn is not None and self._nspawn.poll() is None:
            self._nspawn.send_signal(signal.SIGTERM)
            try:
                self._nspawn.wait(timeout=40)
            except subprocess.TimeoutExpired:
                if self._init_pid:
                    os.kill(self._init_pid, signal.SIGKILL)
                self._nspawn.kill()
                self._nspawn.wait(timeout=20)
        for mounted in (self.root, self._place):
            if mounted.is_mount():
                run("umount", "--lazy", mounted)
        if self._place.is_dir():
            self._place.rmdir()
