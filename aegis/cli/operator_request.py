"""What the operator's commands share: which instances are meant, the question, and the answer.

`aegis halt|reduce|arm|flatten|cancel-all` speak to execution itself, by the socket in the
instance's directory (`aegis.shm.operator`). Where no appliance runs, a command does what can still
be done: the latch's record on the disk is changed, and the exchange is asked directly by a client
of its own (`cancel_all`). Exit codes: 0 done and confirmed, 1 not confirmed, 3 not running, 4
refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from aegis.cli.config_path import shm_dir_of
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_NOT_RUNNING,
    EXIT_REFUSED,
    EXIT_USAGE,
    complain,
    print_object,
)
from aegis.cli.instance_name import instance_name

__all__ = [
    "AllOption",
    "InstanceArgument",
    "JsonOption",
    "TimeoutOption",
    "command_instances",
    "latch_on_disk",
]

InstanceArgument = Annotated[
    str | None, typer.Argument(callback=instance_name, help="An instance; or --all.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Every instance that runs on this box.")]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long to wait."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]

_AGAIN_S = 0.2
# Execution may be between two lives; a dead one is not waited for longer.
_CONNECT_S = 5.0
# Severest first: what `--all` ends with.
_SEVERITY = (EXIT_FAILED, EXIT_REFUSED, EXIT_NOT_RUNNING, EXIT_GOOD)

Answer = dict[str, Any]
# Gets the instance and whether its appliance runs (and only execution does not answer).
WhenDead = Callable[[str, bool], Answer]


def command_instances(
    command: str,
    instance: str | None,
    every: bool,
    config: Path | None,
    timeout_s: float,
    as_json: bool,
    when_dead: WhenDead,
    *,
    independent: bool = False,
) -> None:
    """Carry a command out on one instance or all, tell it, and exit with its code.

    `when_dead` gives the answer for an instance whose appliance does not run or does not answer;
    with `independent` it is not even asked.
    """
    from aegis.monitor.reading import instances_in

    if every == (instance is not None):
        complain(f"{command}: name an instance, or give --all")
        raise typer.Exit(EXIT_USAGE)
    shm_dir = shm_dir_of(config)
    names = [instance] if instance is not None else instances_in(shm_dir)
    answers = []
    for name in names:
        known = {"instance": name, "command": command}
        if independent:
            answer = known | when_dead(name, False)
        else:
            answer = known | _one(command, name, shm_dir, timeout_s, when_dead)
        complain(f"{name}: {answer['text']}")
        answers.append(answer)
    if not answers:
        complain(f"no instance runs (nothing in {shm_dir})")
    if as_json and instance is not None:
        print_object(answers[0])
    elif as_json:
        print_object({"ok": all(a["ok"] for a in answers), "instances": answers})
    codes = [_exit_code(answer) for answer in answers] or [EXIT_NOT_RUNNING]
    raise typer.Exit(min(codes, key=_SEVERITY.index))


def _one(command: str, name: str, shm_dir: str, timeout_s: float, when_dead: WhenDead) -> Answer:
    from aegis.cli.running import find_running

    running = find_running(name, shm_dir)
    if running is None:
        return {"is_running": False} | when_dead(name, False)
    answer = _ask(running.directory, command, timeout_s)
    if answer is None:
        complain(f"{name}: execution does not answer")
        # It may have the command, and carry it out later than we have waited.
        text = f"execution does not answer: aegis status {name} tells whether it is armed"
        answer = {"ok": False, "text": text}
        if command != "arm":
            answer = when_dead(name, True)
    return {"is_running": True} | answer


def _ask(directory: Path, command: str, timeout_s: float) -> Answer | None:
    """Execution's answer; None when there is none within the time."""
    from aegis.shm.operator import ask_operator_desk

    pause = threading.Event()
    begun_s = time.monotonic()
    while True:
        left_s = timeout_s - (time.monotonic() - begun_s)
        try:
            return ask_operator_desk(directory, command, max(left_s, 0.1))
        except (FileNotFoundError, ConnectionError):
            if left_s <= 0 or time.monotonic() - begun_s > _CONNECT_S:
                return None
        except (OSError, ValueError):
            return None
        pause.wait(_AGAIN_S)


def _exit_code(answer: Answer) -> int:
    if answer["ok"]:
        return EXIT_GOOD
    if answer.get("refused"):
        return EXIT_REFUSED
    return EXIT_FAILED if answer.get("is_running") or answer.get("is_known") else EXIT_NOT_RUNNING


def latch_on_disk(
    instance: str, config: Path | None, state: str, *, is_running: bool = False
) -> Answer:
    """Change the record of an instance that does not answer: `state` is that of its next start."""
    from aegis.cli.config_path import config_path
    from aegis.config import read_config
    from aegis.risk.controls import Control, control_name
    from aegis.risk.latch import LatchState
    from aegis.risk.latch_record import read_record, record_file_by_hand, write_record

    file = record_file_by_hand(instance)
    wanted = LatchState[state]
    path = config_path(config)
    found = read_config(path).config
    if found is None and (wanted is LatchState.ACTIVE or not file.parent.is_dir()):
        return {
            "ok": False,
            "text": f"not running, and {path} cannot be used: aegis check says why",
        }
    # A file that is broken, while it is edited say, must not keep anybody from a halt.
    if found is not None and instance not in found.instances:
        return {"ok": False, "text": "not running, and not in the configuration"}
    record = read_record(file)
    known = {"is_known": True, "state": record.state.name}
    whose = "not answering" if is_running else "not running"
    # What we cannot read may be whole for the instance's own user: it is replaced, never weaker.
    is_read = record.control != Control.LATCH_RECORD
    if wanted is not LatchState.ACTIVE:
        wanted = max(wanted, LatchState.ACTIVE if is_read else record.state)
    if wanted is not LatchState.ACTIVE and record.state >= wanted and is_read:
        return known | {"ok": True, "text": f"{whose}; its next start is {record.state.name}"}
    control = 0 if wanted is LatchState.ACTIVE else int(Control.OPERATOR)
    try:
        write_record(file, record.changed_by_hand(wanted, control, time.time_ns() // 1_000_000))
    except OSError as error:
        return known | {"ok": False, "text": f"{file}: cannot be written: {error.strerror}"}
    was = f"; it was {record.state.name} because of {control_name(record.control)}"
    text = f"{whose}; its next start will be {wanted.name}{was if record.control else ''}"
    return {"is_known": True, "ok": True, "state": wanted.name, "text": text}
