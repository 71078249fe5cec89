"""Before an instance may trade at a real exchange: its keys are there, and they are the right ones.

`aegis check` tells it, `aegis run` refuses without it, and for LIVE asks the person at a terminal
once more. This is the check that live trading has to pass: a good configuration with `armed = true`
and every limit, credentials that only their owner can read, and the fingerprint of that key at that
address. Nothing is sent anywhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aegis.config import AegisConfig, Problem
from aegis.config.environments import Environment, environment_of
from aegis.config.errors import ABSENT

__all__ = ["access_problem", "is_confirmed", "mode_sentence"]


_GOOD = "good"
_MOST_BYTES = 4096


def access_problem(config: AegisConfig, source: Path) -> Problem | None:
    """Why the exchange of this file cannot be traded at, None when it can (or is embedded).

    A child of its own looks: what becomes the supervisor, and through it every other process, must
    never have had a key in its memory.
    """
    environment = environment_of(config.venue)
    if environment is None:
        return None
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.write(writer, _look(config, environment).encode()[:_MOST_BYTES])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        text = told.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    if text == _GOOD:
        return None
    return Problem(str(source), "venue", ABSENT, text or "the credentials could not be looked at")


def _look(config: AegisConfig, environment: Environment) -> str:
    """In the child: _GOOD, or what is wrong."""
    from aegis.execution.credentials import DIRECTORY_VARIABLE, load_keys
    from aegis.execution.endpoints import Endpoints
    from aegis.execution.errors import UnusableSetupError

    try:
        # For its ca_file; the addresses were judged with the file.
        Endpoints(lambda: None, lambda: None, lambda: None, ca_file=config.venue.ca_file)
        load_keys(config.venue, environment, os.environ.get(DIRECTORY_VARIABLE))
    except UnusableSetupError as error:
        return str(error)
    return _GOOD


def mode_sentence(config: AegisConfig) -> str:
    """Where orders go, for a person; empty where they go to our own exchange."""
    environment = environment_of(config.venue)
    if environment is None:
        return ""
    money = "REAL MONEY" if config.venue.mode == "live" else "no real money"
    return f"{config.venue.mode.upper()}: orders go to {environment.host}, {money}"


def is_confirmed(config: AegisConfig, instance: str) -> bool:
    """Whether the person at the terminal means it; without one (systemd) the file has said so."""
    if config.venue.mode != "live" or not sys.stdin.isatty():
        return True
    sys.stderr.write(f"aegis: {mode_sentence(config)}\nLIVE: type {instance} to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == instance
