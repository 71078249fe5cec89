"""A whole visit: find what runs, make every check, and say what stands in the way.

``aegis doctor`` calls ``visit_of`` and ``examine``. A check that raises is skipped with the reason
when the box would not let it look, and has failed in every other case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aegis.config import AegisConfig, Problem
from aegis.config.doctor import CHECKS as ACCEPTABLE
from aegis.doctor.box import Box
from aegis.doctor.check import ORDER, Check, Outcome, Status, Verdict
from aegis.doctor.exchange_ask import look_at_exchange
from aegis.doctor.registry import CHECKS
from aegis.doctor.visit import RunningProcess, Visit
from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.monitor.notes import Notes, read_notes
from aegis.shm.instance import directory_of

__all__ = ["counts", "examine", "is_passed", "judge_one", "visit_of", "worst_first"]

_RIGHTS: Final = "run it as the user of the instance, or as root"
_QUICK: Final = "takes seconds, left out by --quick"


def visit_of(
    config: AegisConfig,
    source: Path,
    instances: Sequence[str],
    *,
    quick: bool = False,
    warnings: Sequence[Problem] = (),
) -> Visit:
    """A visit to this machine."""
    every = {
        name: notes for name in config.instances if (notes := _running(config, name)) is not None
    }
    running = {name: every[name] for name in instances if name in every}
    processes, neighbours = (
        tuple(
            process
            for name, notes in every.items()
            if (name in running) is is_visited
            for process in _processes(config, name, notes)
        )
        for is_visited in (True, False)
    )
    return Visit(
        box=Box(),
        config=config,
        source=source,
        instances=tuple(instances),
        quick=quick,
        warnings=tuple(warnings),
        running=running,
        processes=processes,
        neighbours=neighbours,
        look_at_exchange=look_at_exchange,
    )


def _running(config: AegisConfig, name: str) -> Notes | None:
    notes = read_notes(directory_of(name, config.hardware.shm_dir))
    if notes is None:
        return None
    supervisor = ProcessIdentity(notes.pid, notes.start_time_ticks, notes.boot_id)
    return notes if is_alive(supervisor) else None


def _processes(config: AegisConfig, name: str, notes: Notes) -> list[RunningProcess]:
    cores = config.cores_of(name).by_process()
    found = [RunningProcess(name, "supervisor", notes.pid, None)]
    for process, child in notes.children.items():
        identity = ProcessIdentity(child.pid, child.start_time_ticks, notes.boot_id)
        if is_alive(identity):
            found.append(RunningProcess(name, process, child.pid, cores.get(process)))
    return found


def examine(
    visit: Visit,
    checks: Sequence[Check] = CHECKS,
    heard: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Make the checks in their order; `heard` is told of each as it ends."""
    outcomes: list[Outcome] = []
    for check in checks:
        outcomes.append(judge_one(check, visit))
        heard(outcomes[-1])
    return outcomes


def judge_one(check: Check, visit: Visit) -> Outcome:
    """One check, whatever becomes of it."""
    verdict = _judged(check, visit)
    status: Status = verdict.status or check.severity
    is_accepted = check.name in visit.config.doctor.accepted
    return Outcome(check, status, verdict.found, verdict.fix, is_accepted)


def _judged(check: Check, visit: Visit) -> Verdict:
    if check.slow and visit.quick:
        return Verdict("skipped", _QUICK)
    if check.metal_only and visit.box.is_virtual:
        return Verdict("skipped", "a virtual machine: the host decides, and does not tell")
    try:
        return check.judge(visit)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        place = f" ({error.filename})" if error.filename else ""
        # What money rests on has to be seen, and not to be hidden by a missing right.
        is_right = isinstance(error, PermissionError)
        is_hidden = is_right and ACCEPTABLE[check.name]
        fix = _RIGHTS if is_right else "mend what the box says"
        return Verdict("skipped" if is_hidden else "", reason + place, fix)
    except Exception as error:
        # One check that breaks must not hide the others: it is told as one that failed.
        return Verdict("", f"cannot be understood: {type(error).__name__}: {error}", "report it")


def worst_first(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Failures first; within a status in the order of the numbers; what is accepted after it."""
    return sorted(outcomes, key=lambda one: (ORDER.index(one.status), one.accepted))


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many of each status, and how many failures and warnings are accepted."""
    found: dict[str, int] = {
        status: sum(one.status == status for one in outcomes) for status in ORDER
    }
    found["accepted"] = sum(one.accepted and one.status in ("fail", "warn") for one in outcomes)
    return found


def is_passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether nothing stands in the way of a start."""
    return not any(one.stands_in_the_way for one in outcomes)
