"""Keys: none where somebody could read it, no dump that would hold one, no foreign look at memory.

The keys are read as execution reads them, compared with what lies open, and forgotten. A finding
names the place, never a part of a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tomli

from aegis.config.environments import environment_of
from aegis.config.errors import looks_like_a_secret
from aegis.config.journal_dir import journal_dir_to_read
from aegis.doctor.check import Check, Verdict, failed, passed, skipped, warned
from aegis.doctor.visit import Visit
from aegis.execution.credentials import DIRECTORY_VARIABLE, load_keys, path_of
from aegis.execution.errors import ExecutionError
from aegis.shm.instance import directory_of

__all__ = ["CHECKS"]

_PIECE: Final = 24
_MOST_BYTES: Final = 64 << 20
_LOG_LINES: Final = "20000"
_PEM: Final = b"PRIVATE KEY-----"
_NAMED: Final = re.compile(r"^\w*(BINANCE|AEGIS|EXCHANGE|API)\w*(KEY|SECRET|TOKEN)\w*$")
_MOST_NAMED: Final = 4


def core_dumps(visit: Visit) -> Verdict:
    dumpable = visit.box.sysctl("fs.suid_dumpable")
    pattern = visit.box.text("/proc/sys/kernel/core_pattern") or ""
    open_ones = [
        str(process)
        for process in visit.processes
        if _core_limit(visit, process.pid) not in ("0", None)
    ]
    text = f"fs.suid_dumpable {dumpable}, core_pattern {pattern[:40] or 'not told'}"
    if open_ones:
        return failed(f"{text}; a core limit above 0: {', '.join(open_ones)}", "LimitCORE=0")
    if dumpable is None:
        return skipped("the kernel tells no fs.suid_dumpable")
    if dumpable != 0:
        return failed(text, "sysctl -w fs.suid_dumpable=0")
    if any(_core_limit(visit, process.pid) is None for process in visit.processes):
        return skipped(f"{text}; /proc does not show the limits of what runs")
    return passed(text)


def _core_limit(visit: Visit, pid: int) -> str | None:
    found = re.search(r"Max core file size\s+(\S+)", visit.box.text(f"/proc/{pid}/limits") or "")
    return found[1] if found else None


def ptrace_scope(visit: Visit) -> Verdict:
    value = visit.box.sysctl("kernel.yama.ptrace_scope")
    if value is None:
        return warned("the kernel has no Yama", "a kernel with CONFIG_SECURITY_YAMA")
    if value < 1:
        return failed(f"kernel.yama.ptrace_scope {value}", "sysctl -w kernel.yama.ptrace_scope=1")
    return passed(f"kernel.yama.ptrace_scope {value}")


def key_leak(visit: Visit) -> Verdict:
    pieces, own_file = _pieces(visit)
    leaks: list[str] = []
    count = hidden = 0
    for place, content in _readable(visit, own_file):
        if content is None:
            hidden += 1
            continue
        count += 1
        if any(piece in content for piece in pieces) or _looks_leaked(place, content):
            leaks.append(place)
    what = "the key and its secret" if pieces else "whatever looks like a key"
    if leaks:
        shown = ", ".join(leaks[:_MOST_NAMED])
        fix = "have the exchange issue another key; keys belong into LoadCredentialEncrypted="
        return failed(f"found in {shown}", fix)
    if not count:
        return skipped("nothing could be read")
    text = f"{what}: in none of {count} places (file, processes, logs, state)"
    return passed(f"{text}; {hidden} may not be read" if hidden else text)


def _pieces(visit: Visit) -> tuple[list[bytes], Path | None]:
    """The beginnings of the key, the secret and each line of a PEM; where they are kept."""
    environment = environment_of(visit.config.venue)
    if environment is None or visit.config.venue.credentials is None:
        return [], None
    directory = visit.box.environment.get(DIRECTORY_VARIABLE)
    try:
        load_keys(visit.config.venue, environment, directory)
        file = path_of(visit.config.venue.credentials, directory)
        table = tomli.loads(file.read_text())
    except (ExecutionError, OSError, ValueError):
        return [], None
    texts = [line for value in table.values() for line in str(value).splitlines()]
    long = [text.strip().encode() for text in texts if "-----" not in text]
    return [text[:_PIECE] for text in long if len(text) >= _PIECE], file


def _readable(visit: Visit, own_file: Path | None) -> Iterator[tuple[str, bytes | None]]:
    """Everything that somebody may read; None for what we may not."""
    for pid in visit.box.pids():
        for name in ("cmdline", "environ"):
            yield f"/proc/{pid}/{name}", _bytes(visit.box.path(f"/proc/{pid}/{name}"))
    yield str(visit.source), _bytes(visit.source)
    folders = [journal_dir_to_read(visit.config.journal.dir, name) for name in visit.instances]
    folders += [folder.parent for folder in folders if folder.name == "journal"]
    folders += [directory_of(name, visit.config.hardware.shm_dir) for name in visit.instances]
    for folder in dict.fromkeys(folders):
        place = visit.box.path(folder)
        for file in sorted(place.glob("*")) if place.is_dir() else ():
            if file.is_file() and file != own_file:
                yield str(file), _bytes(file)
    if visit.box.has_systemd:
        for name in visit.instances:
            words = ["journalctl", "-u", f"aegis@{name}", "-b", "-o", "cat", "-n", _LOG_LINES]
            answer = visit.box.command([*words, "--no-pager"])
            is_told = answer is not None and answer.code == 0
            told = answer.output.encode() if answer is not None and is_told else None
            yield f"the log of aegis@{name}", told


def _bytes(file: Path) -> bytes | None:
    """The first megabytes of a file; None where we may not, nothing of one that has gone."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES)
    except PermissionError:
        return None
    except OSError:
        return b""


def _looks_leaked(place: str, content: bytes) -> bool:
    """A key of another account: a PEM, or a variable that is named and looks like one."""
    if not place.endswith(("environ", "cmdline", ".toml")):
        return False
    if _PEM in content:
        return True
    if not place.endswith("environ"):
        return False
    for pair in content.decode("utf-8", "replace").split("\0"):
        name, _, value = pair.partition("=")
        if _NAMED.match(name) and looks_like_a_secret(value):
            return True
    return False


CHECKS: Final = (
    Check(
        "22", "core_dumps", "warn", "fs.suid_dumpable, core_pattern, RLIMIT_CORE of what runs",
        "0", "a dump holds the key", core_dumps,
    ),
    Check(
        "39", "key_leak", "fail",
        "aegis.toml, environ and cmdline of every process, logs, state and shared memory",
        "no part of the key", "a key that can be read is no secret", key_leak,
    ),
    Check(
        "44", "ptrace_scope", "warn", "kernel.yama.ptrace_scope", "at least 1",
        "another program of the user reads the key in memory", ptrace_scope,
    ),
)  # fmt: skip
