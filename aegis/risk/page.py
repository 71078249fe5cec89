"""README.md of this folder, made from the table of controls: `python -m aegis.risk.page` writes it.

A test compares the page with what this module makes, so the two cannot drift apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aegis.risk.controls import CONTROLS, ControlEntry

__all__ = ["PAGE", "page_text"]

PAGE = Path(__file__).with_name("README.md")

_HEAD = """\
# The risk gate

The last thing before the bytes of an order: execution's batch kernel asks `judge` (gate.py) about
every PLACE, with the book, the mark and our own best order as read at that moment. The answer is
PASS or the number of the first control that refuses; the brain hears of it as a DENIED outcome.
An AMEND is asked about likewise (`judge_amend`), as the order that it leads to: with its whole new
quantity and price, and with what may fill of it beyond what may already. Until the exchange has
said which terms hold, the larger quantity counts, and both prices are our own.
Cancels never come here. An order that can only reduce a position skips every control marked "new
risk" below, whatever the latch says: a way out is always open. That an order reduces is the word of
our own books; until they are reconciled at a start, while the private stream is down or positions
differ, and while the exchange's countdown may have run out, it is believed only of an order that
the exchange holds to it (reduce-only).

What is unknown refuses: a limit that is missing, a row that nobody filled, a NaN, a mark that never
came, a wallet that could not be read.

The latch goes ACTIVE -> REDUCING -> HALTED and never back by itself; in both of the latter only
cancels and reducing orders pass, and what rests is cancelled. State, control and wall time are
written to `latch.json` in the instance's state directory, so neither a restart of execution nor one
of the appliance forgets them. `aegis arm` is the only way back.

| file | what |
|---|---|
| control_numbers.py, controls.py | numbers, and the table that this page is made from |
| checks.py | one jitted function per control: numbers in, yes or no out |
| gate.py, new_risk.py | the checks in their order, composed into one kernel |
| guards.py, references.py | what the gate remembers: our prices, orders, executions, references |
| message_times.py | when our messages left |
| trips.py | what moves the latch by itself |
| gate_state.py, limits.py | the gate's words and rows, and the limits that fill them |
| latch.py, latch_record.py | the latch in memory and on the disk |

Sources: RTS 6 is Regulation (EU) 2017/589, 15c3-5 is 17 CFR 240.15c3-5, FIA is the FIA's "Best
Practices for Automated Trading Risk Controls and System Safeguards" (July 2024).

| no. | control | what holds | binds | sources | function | test |
|---|---|---|---|---|---|---|
"""


def _row(entry: ControlEntry) -> str:
    binds = "new risk" if entry.reducing_passes else "every order"
    test = entry.test.removeprefix("tests/").replace("::", " `") + "`"
    function = f"`{entry.function}`" if entry.function else "execution"
    sources = "; ".join(entry.sources)
    return (
        f"| {int(entry.control)} | {entry.name} | {entry.sentence} | {binds} | {sources} "
        f"| {function} | {test} |\n"
    )


def page_text() -> str:
    """The whole page, controls in the order of the table."""
    return _HEAD + "".join(map(_row, CONTROLS.values()))


if __name__ == "__main__":
    PAGE.write_text(page_text())
    sys.stderr.write(f"{PAGE} written\n")
