"""The campaign: rounds one after another on one embedded exchange, and a table of what became.

    python -m tests.execution.rounds --rounds 500 --seed 1
    python -m tests.execution.rounds --seed 1 --only 17        one of them again

Ends with 1 when a promise was broken. It must be a process of its own: it forks.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from aegis.config.models import FlowConfig
from aegis.execution.process import warm_up
from tests.execution.rounds.exchange import Exchange
from tests.execution.rounds.plan import plan_round
from tests.execution.rounds.round import Record, Round, ViolationError, make_settings
from tests.execution.rounds.table import table

# An account serves one round; an exchange with too many of them would be slow.
ROUNDS_AN_EXCHANGE = 50
FLOW = FlowConfig(trades_per_s=60.0, book_updates_per_s=20.0)


def play(seed: int, number: int, exchange: Exchange, keep: Path | None, is_told: bool) -> Record:
    """One round, to its end. What went wrong is told at once, with the command that replays it."""
    plan = plan_round(seed, number)
    began_s = time.monotonic()
    one = Round(plan, exchange)
    record = one.record
    try:
        one.run()
    except (ViolationError, AssertionError) as error:
        record.violation = str(error)
        print(f"\nround {number}: {error}\n  {plan.command}", file=sys.stderr)
        for act in plan.acts:
            print(f"  {act}", file=sys.stderr)
        print(f"  {record.outcomes}\n{one.said}", file=sys.stderr, flush=True)
    finally:
        one.close(keep / str(number) if keep is not None and record.violation else None)
    record.seconds = time.monotonic() - began_s
    if is_told:
        print(f"{number:>5} {record.seconds:5.1f} s {record.orders:>4} orders {record.outcomes}")
        for act in plan.acts:
            print(f"      {act}", flush=True)
    return record


def leave(number: int, frame: object) -> None:
    """Told to end: clean up once, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.execution.rounds")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=Path, help="folder for the journals of broken rounds")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so many, if told")
    parser.add_argument("--tell", action="store_true", help="a line for each round")
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.rounds)
    if asked.only is not None:
        numbers = range(asked.only, asked.only + 1)
    signal.signal(signal.SIGTERM, leave)
    warm_up(make_settings(Path("/tmp"), plan_round(asked.seed, 0)))
    records: list[Record] = []
    exchange: Exchange | None = None
    began_s = time.monotonic()
    try:
        for place, number in enumerate(numbers):
            if place % ROUNDS_AN_EXCHANGE == 0:
                if exchange is not None:
                    exchange.close()
                exchange = Exchange.open(ROUNDS_AN_EXCHANGE, asked.seed, FLOW)
            assert exchange is not None
            records.append(play(asked.seed, number, exchange, asked.keep, asked.tell))
            if 0 < asked.seconds < time.monotonic() - began_s:
                break
    finally:
        if exchange is not None:
            exchange.close()
    print(table(records, time.monotonic() - began_s))
    return int(any(record.violation for record in records))


if __name__ == "__main__":
    sys.exit(main())
