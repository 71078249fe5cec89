"""README.md of this folder, made from the registry: `python -m aegis.doctor.page` writes it.

A test compares the page with what this module makes, so the two cannot drift apart.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from aegis.config.doctor import CHECKS as ACCEPTABLE
from aegis.doctor.check import Check
from aegis.doctor.registry import CHECKS, room_of

__all__ = ["PAGE", "page_text"]

PAGE: Final = Path(__file__).with_name("README.md")

_HEAD: Final = """\
# The doctor

`aegis doctor [INSTANCE]` looks at the box, the configuration and the exchange before anything is
traded. It starts nothing and changes nothing. The worst comes first: what was read, what would be
good, why it matters, and what to do. What cannot be judged here (a virtual machine, no systemd, an
instance that does not run, a right that is missing) is `skipped` with the reason, never passed.

A whole run that passes leaves `doctor.json` in the instance's state directory: when, and of which
configuration, build and boot. With `mode = "live"`, `aegis run` starts only on a record that fits
and is at most 24 hours old; anything else is refused with exit code 4, the reason and the command
to run. A run that was READY and was killed or has failed is the exception: whoever starts it anew
(systemd, or you), on the same boot and build and with the values that were in force (those of an
accepted reload count), it goes on without a young record, because it may hold a position. `--quick`
leaves out what takes seconds and leaves no record. A run that does not pass, a quick one too, takes
the record of an earlier one away.

Run it as the user of the instance, who may read the keys: `sudo -u aegis aegis doctor btc`. Where
they are a credential of systemd, it has to come with the command:

    systemd-run --pty -p User=aegis \\
        -p LoadCredentialEncrypted=exchange.key:/etc/credstore.encrypted/exchange.key \\
        /opt/aegis/venv/bin/aegis doctor btc --config /etc/aegis/aegis.toml

Root sees more of the box; what it writes into a state directory belongs to the directory's owner.
No key is in any output. What is asked of the exchange is told to the rate ledger of the box, and in
a pause that the exchange asked for nothing is asked.

`[doctor] accepted = ["service_user"]` names checks that the operator knowingly accepts. They are
made and shown all the same, and every start and status says which they are. What money rests on
cannot be accepted. `restore_drill` and `fault_drill` are the days of the last rehearsals.

| file | what |
|---|---|
| check.py, registry.py, examine.py | what a check is, all of them, and a whole run |
| box.py, visit.py | the box below a root that a test can build, and what a check is given |
| exchange_ask.py, exchange_look.py, names.py | one look at the exchange, taken and written down |
| jitter.py | a core that is never let go of |
| record.py | what a passed run leaves, and what live asks of it |
| the others | checks by subject |

Severity: a `fail` stands in the way of a start, a `warn` and an `info` do not. `metal`: a virtual
machine is not asked. `slow`: left out by `--quick`.

| id | name | severity | reads | good | may be accepted | in | tests |
|---|---|---|---|---|---|---|---|
"""


def _row(check: Check) -> str:
    notes = [check.severity, *(["metal"] if check.metal_only else [])]
    notes += ["slow"] if check.slow else []
    accepted = "yes" if ACCEPTABLE[check.name] else "no"
    file = f"{room_of(check)}.py"
    tests = "test_exchange.py" if _is_of_exchange(check) else "test_boxes.py"
    reads = check.reads.replace("|", "\\|")
    return (
        f"| {check.number} | {check.name} | {', '.join(notes)} | {reads} | {check.good} "
        f"| {accepted} | {file} | {tests} |\n"
    )


def _is_of_exchange(check: Check) -> bool:
    return room_of(check) == "exchange" or check.name in ("clock_offset", "name_resolution")


def page_text() -> str:
    """The whole page, checks in the order of their numbers."""
    return _HEAD + "".join(map(_row, CHECKS))


if __name__ == "__main__":
    PAGE.write_text(page_text())
    sys.stderr.write(f"{PAGE} written\n")
