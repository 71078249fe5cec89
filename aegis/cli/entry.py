"""The first file of the `aegis` command: what must hold before anything else is imported.

Imports take a tenth of a second, and a Ctrl-C in that time would end in Python's own traceback.
Until the commands are there to handle it, the signal ends the process as it ends any other program.
"""

import signal
from typing import NoReturn

_HEARS_CTRL_C = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _HEARS_CTRL_C:  # a job in the background of a shell is told to ignore it, and stays so
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from aegis.cli.main import main as run_command  # noqa: E402  # the signal comes first


def main() -> NoReturn:
    """Run the command; exits with its code."""
    if _HEARS_CTRL_C:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()
