"""The console of a live run, which also keeps on the disk that the run was admitted.

Called from the supervisor's loop. What it writes lets a killed run go on (see
``aegis.doctor.record``): once when the run is READY, again after each accepted reload.
"""

from __future__ import annotations

import time

from aegis.cli.run_audience import RunAudience
from aegis.config import AegisConfig
from aegis.doctor.record import admitted_file, present_record, write_doctor
from aegis.supervisor.instance import Instance

__all__ = ["AdmittedAudience"]


class AdmittedAudience(RunAudience):
    """The same console; a disk that takes no record is told and stops nothing."""

    def __init__(self, instance: str, *, as_json: bool) -> None:
        super().__init__(instance, as_json=as_json)
        self._file = admitted_file(instance)
        self._kept: AegisConfig | None = None

    def turn(self, instance: Instance) -> None:
        """Show the state when it is time to; keep the values in force when they are others."""
        super().turn(instance)
        if instance.ready_ns is None or instance.config is self._kept:
            return
        self._kept = instance.config
        try:
            write_doctor(self._file, present_record(instance.config, instance.name, time.time()))
        except OSError as error:
            self.say(f"{self._file}: {error.strerror}; a killed run will need a young doctor")

    def forget(self) -> None:
        """The run has ended in good order: the next one needs its own doctor."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            self.say(f"{self._file}: {error.strerror}; the next run may start without a doctor")
