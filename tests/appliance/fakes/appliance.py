"""`python -m tests.appliance.fakes.appliance ARGS`: the `aegis` command with stand-in processes."""

from __future__ import annotations

import importlib
import os

MODULES = {
    process: f"tests.appliance.fakes.{process}"
    for process in ("venue", "feed", "brain", "execution")
}

if __name__ == "__main__":
    # As `main` would do it, which is too late once the line below has loaded NumPy.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    importlib.import_module("aegis.supervisor.warmup").ENTRY_MODULES = MODULES
    importlib.import_module("aegis.cli.main").main()
