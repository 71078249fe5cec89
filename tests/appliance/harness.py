"""A real appliance in its own process group, for tests: start it, hurt it, look at it, end it.

`Appliance` runs the `aegis` command (or the same command over stand-in processes) with a generated
configuration and a name of its own, so that tests may run side by side. Whatever a test leaves
behind, `close` removes: every process by its recorded identity, and the shared memory.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.monitor.notes import Notes, read_notes
from aegis.monitor.problems import judge
from aegis.monitor.reading import read_instance
from aegis.monitor.view import InstanceView
from aegis.shm.instance import remove_directory
from tests.conftest import REPOSITORY
from tests.waiting import eventually

CHILDREN = ("venue", "feed", "brain", "execution")
REAL = ("-m", "aegis.cli")
STAND_INS = ("-m", "tests.appliance.fakes.appliance")
# Generous: the tests share two cores with each other and with whoever else builds here.
START_S = 90.0
REACT_S = 30.0


def configuration(repository: Path, name: str, changes: Mapping[str, str] | None = None) -> str:
    """The shipped file with [instances.btc] under another name and with keys set anew.

    `changes` maps a key (the first one of that name in the file) to its TOML value.
    """
    text = (repository / "aegis.toml").read_text().replace("[instances.btc", f"[instances.{name}")
    for key, value in (changes or {}).items():
        text, count = re.subn(rf"(?m)^({key}\s*=\s*)[^#\n]*", rf"\g<1>{value} ", text, count=1)
        assert count == 1, f"the shipped file has no key {key}"
    return text


class Appliance:
    """One instance under test."""

    def __init__(
        self,
        folder: Path,
        *,
        program: tuple[str, ...] = STAND_INS,
        changes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"t{secrets.token_hex(5)}"
        self.program = program
        self.shm_dir = Path((changes or {}).get("shm_dir", '"/dev/shm"').strip('"'))
        self.directory = self.shm_dir / f"aegis-{self.name}"
        self.config = folder / f"{self.name}.toml"
        self.config.write_text(configuration(REPOSITORY, self.name, changes))
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[ProcessIdentity] = set()

    # ------------------------------------------------------------------ running it

    def command(self, *arguments: str) -> list[str]:
        """The command line of one `aegis` call with this configuration."""
        return [sys.executable, *self.program, *arguments, "--config", str(self.config)]

    def start(self, *arguments: str) -> Appliance:
        """`aegis run`, its output in files."""
        with open(self.output, "ab") as output, open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                self.command("run", self.name, *arguments),
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        return self

    def call(self, *arguments: str, timeout_s: float = REACT_S) -> subprocess.CompletedProcess[str]:
        """Another `aegis` command, to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def output(self) -> Path:
        return self.folder / f"{self.name}.out"

    @property
    def errors(self) -> Path:
        return self.folder / f"{self.name}.err"

    @property
    def said(self) -> str:
        """Everything on standard error so far."""
        return self.errors.read_text(errors="replace")

    def finish(self, timeout_s: float = REACT_S) -> int:
        """Wait for the end; the exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end within {timeout_s} s\n{self.said}") from None

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.finish()

    def summary(self) -> dict[str, Any]:
        """The one object on standard output of `--json`."""
        lines = self.output.read_text().splitlines()
        assert len(lines) == 1, lines
        found: dict[str, Any] = json.loads(lines[0])
        return found

    # ------------------------------------------------------------------ looking at it

    def notes(self) -> Notes | None:
        """The supervisor's notes; every process named there is remembered for `close`."""
        notes = read_notes(self.directory)
        if notes is not None:
            self._seen.add(ProcessIdentity(notes.pid, notes.start_time_ticks, notes.boot_id))
            for child in notes.children.values():
                if child.pid:
                    identity = ProcessIdentity(child.pid, child.start_time_ticks, notes.boot_id)
                    self._seen.add(identity)
        return notes

    def view(self) -> InstanceView:
        """What `aegis status` would judge."""
        self.notes()
        return judge(read_instance(self.name, self.shm_dir))

    def pid(self, process: str) -> int:
        """A process's present pid, 0 while it does not run."""
        notes = self.notes()
        if notes is None:
            return 0
        return notes.pid if process == "supervisor" else notes.children[process].pid

    def survivors(self) -> list[ProcessIdentity]:
        """Processes of this instance that still exist."""
        return [identity for identity in self._seen if is_alive(identity)]

    def until(self, what: str, condition: Any, timeout_s: float = REACT_S) -> Any:
        """Wait for a condition; on failure show what the appliance said."""
        try:
            return eventually(condition, what, timeout_s, interval_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said}") from None

    def until_ready(self) -> Appliance:
        """Wait for READY, or fail at once when it ends before."""
        assert self.process is not None

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"ended too soon\n{self.said}"
            view = self.view()
            return view.ready and view.healthy

        self.until("READY", ready, START_S)
        return self

    def until_restarted(self, process: str, former_pid: int) -> None:
        """Wait until another process has taken the place and all is healthy again."""

        def restarted() -> bool:
            pid = self.pid(process)
            return pid not in (0, former_pid) and self.view().healthy

        self.until(f"{process} to be restarted", restarted)

    def gone(self) -> None:
        """Assert that nothing is left: no process, no shared memory."""
        self.until("all processes to end", lambda: not self.survivors())
        assert not self.directory.exists()

    # ------------------------------------------------------------------ ending it

    def close(self) -> None:
        """Remove whatever is left, however the test ended."""
        self.notes()
        for identity in self.survivors():
            if identity.pid != os.getpid():
                try:
                    os.kill(identity.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        remove_directory(self.directory)
