"""The last layer behind execution at a testnet or live exchange: cancel everything in its place.

Called by the drain where execution did not end by saying that nothing of ours rests. The supervisor
never holds a key: a short-lived process of its own reads the credentials, cancels what rests on the
instance's symbols and asks until nothing does (`execution.standalone_cancel`). It is bounded in
time, it is killed when it overstays, and what it could not confirm is never taken for done. A
protective stop stays: nobody else looks after the position now.
"""

from __future__ import annotations

import os

from aegis.supervisor.budget import RestartBudget
from aegis.supervisor.child import LINE_BYTES, Birth
from aegis.supervisor.children import Child
from aegis.supervisor.instance import Instance

__all__ = ["cancel_in_its_place"]

_PROCESS = "cancel-all"
_TIMEOUT_S = 10.0
_TURN_MS = 20
_PATIENCE_NS = 12_000_000_000
# Whoever asks for a stop twice is in a hurry, and still wants nothing to rest.
_HASTENED_NS = 3_000_000_000
_EXTENSION_US = 15_000_000


def cancel_in_its_place(instance: Instance) -> tuple[bool, str]:
    """(whether the exchange says that nothing rests, what came of it); blocks for some seconds."""
    child = Child(_PROCESS, RestartBudget(0, 1))
    settings = instance.settings
    report_to = -1

    def birth(descriptor: int) -> Birth:
        nonlocal report_to
        report_to = descriptor
        instance.inbox.give_back()
        return Birth(
            instance=instance.name,
            process=_PROCESS,
            parent_pid=instance.notes.pid,
            report_to=descriptor,
            keep=(),
            memory_directories=instance.memory_directories,
        )

    def body() -> int:
        from aegis.execution.standalone_cancel import cancel_everything
        from aegis.host.prctl import forbid_core_dumps

        forbid_core_dumps()
        answer = cancel_everything(settings, _TIMEOUT_S, keeps_stops=True)
        os.write(report_to, str(answer["text"]).encode()[:LINE_BYTES])
        return 0 if answer["ok"] else 1

    began_ns = instance.heartbeat()
    instance.notifier.extend_timeout(_EXTENSION_US)
    try:
        child.fork(birth, body)
    except OSError as error:
        return False, f"it cannot be forked: {error.strerror}"
    while (end := child.reap()) is None:
        waited_ns = instance.pause(_TURN_MS) - began_ns
        if waited_ns > _patience_ns(instance) and not child.verdict:
            child.kill("it did not finish in time")
    return end.startswith("exit code 0"), end.removeprefix("exit code 0: ")


def _patience_ns(instance: Instance) -> int:
    if instance.inbox.stop_count > 2:
        return 0
    return _HASTENED_NS if instance.inbox.stop_count > 1 else _PATIENCE_NS
