"""`aegis`: the commands put together, and the guard around them.

The console script calls `main`. Whatever a command raises becomes one line and exit code 1: a
traceback is for developers, who set AEGIS_DEBUG=1.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from aegis import __version__
from aegis.cli.arm import arm
from aegis.cli.bench import app as bench_app
from aegis.cli.cancel_all import cancel_all
from aegis.cli.clean import clean
from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.data import app as data_app
from aegis.cli.doctor import doctor
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_INTERRUPTED, complain
from aegis.cli.flatten import flatten
from aegis.cli.halt import halt
from aegis.cli.journal import app as journal_app
from aegis.cli.record import record
from aegis.cli.reduce import reduce
from aegis.cli.reload import reload
from aegis.cli.run import run
from aegis.cli.simulate import simulate
from aegis.cli.status import status
from aegis.cli.stop import stop
from aegis.cli.strategy import app as strategy_app
from aegis.cli.universe import universe
from aegis.cli.venue import app as venue_app
from aegis.cli.warm import warm

__all__ = ["app", "main"]

# A pool of BLAS threads would be copied, dead, into every forked process. It is sized when NumPy is
# first imported, which no command does before `main` has set these.
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

app = typer.Typer(
    name="aegis",
    help="A trading appliance for one pinned Linux box, configured by one TOML file.\n\n"
    "Exit codes: 0 good, 1 unhealthy or failed, 2 usage or configuration, 3 not running, "
    "4 refused.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"aegis {__version__}")
        raise typer.Exit(EXIT_GOOD)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Options before the command."""


app.command("run")(run)
app.command("status")(status)
app.command("stop")(stop)
app.command("reload")(reload)
app.command("halt")(halt)
app.command("reduce")(reduce)
app.command("arm")(arm)
app.command("flatten")(flatten)
app.command("cancel-all")(cancel_all)
app.command("record")(record)
app.command("clean")(clean)
app.command("warm")(warm)
app.command("universe")(universe)
app.command("doctor")(doctor)
app.command("simulate")(simulate)


@app.command("check")
def check(
    instance: Annotated[str | None, typer.Argument(help="One instance; all without it.")] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Validate the configuration and show what this box can and cannot honour."""
    from aegis.cli.check import check_command

    raise typer.Exit(check_command(config_path(config), instance, as_json))


app.add_typer(bench_app, name="bench")
app.add_typer(data_app, name="data")
app.add_typer(strategy_app, name="strategy")
app.add_typer(journal_app, name="journal")
app.add_typer(venue_app, name="venue")


def main() -> NoReturn:
    """Run a command and exit with its code."""
    _open_what_is_closed()
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    code = EXIT_FAILED
    try:
        app(prog_name="aegis")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else EXIT_FAILED
        # Both typer and rich turn a closed pipe into exit code 1.
        if isinstance(end.__context__, BrokenPipeError):
            code = _reader_had_enough()
    except BrokenPipeError:
        code = _reader_had_enough()
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as error:
        if os.environ.get("AEGIS_DEBUG"):
            traceback.print_exc()
        complain(_last_words(error))
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Started with a standard stream closed: what is written there goes nowhere, nothing fails."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _reader_had_enough() -> int:
    """`aegis status | head` is no failure, and Python must not complain at its exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_GOOD


def _last_words(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message = " ".join(str(error).split())
    hint = "AEGIS_DEBUG=1 shows where"
    return f"failed: {type(error).__name__}: {message}{place}; {hint}"
