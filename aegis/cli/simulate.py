"""`aegis simulate`: execution's real code in virtual time, against an exchange that fails."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Annotated

import typer

from aegis.cli.exit_codes import EXIT_FAILED, EXIT_USAGE, complain

__all__ = ["simulate"]

_SEEDS = re.compile(r"(\d{1,12})(?:\.\.(\d{1,12}))?")
_SMOKE = 60


def simulate(
    seeds: Annotated[str, typer.Option(help="One seed, or A..B with both among them.")] = "1..1000",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Tell everything that happens.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A few seeds, within seconds.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="At once.")] = None,
) -> None:
    """Try execution on seeded faults in virtual time; a failing seed says how to replay it."""
    found = _SEEDS.fullmatch(seeds)
    if found is None or int(found[1]) > int(found[2] or found[1]):
        complain(f"--seeds {seeds!r}: one number, or A..B with A at most B, is right")
        raise typer.Exit(EXIT_USAGE)
    first, last = int(found[1]), int(found[2] or found[1])
    if smoke:
        last = min(last, first + _SMOKE - 1)
    # Loading execution takes a second; a usage error should not.
    from aegis.simulator.campaign import Summary, replay, run_seeds

    begun_s = time.monotonic()
    if trace:
        summary = Summary()
        for seed in range(first, last + 1):
            print(f"seed {seed}", file=sys.stderr)
            summary.add(replay(seed, lambda line: print(line, file=sys.stderr)))
    else:
        summary = run_seeds(first, last, processes=processes, progress=_progress)
    took_s = time.monotonic() - begun_s
    if as_json:
        print(json.dumps({**summary.as_json(), "took_s": round(took_s, 1)}))
    else:
        _tell(summary.as_json(), took_s)
    if summary.failed:
        raise typer.Exit(EXIT_FAILED)


def _progress(summary: object) -> None:
    if sys.stderr.isatty():
        seeds, failed = getattr(summary, "seeds", 0), getattr(summary, "failed", 0)
        print(f"\rsimulate: {seeds} seeds, {failed} failed", end="", file=sys.stderr, flush=True)


def _tell(result: dict[str, object], took_s: float) -> None:
    """For people: figures, what was thrown at it, and what to do about a failure."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(
        f"{result['seeds']} seeds, {result['steps']} steps, {result['virtual_s']} s of virtual "
        f"time in {took_s:.1f} s: {result['violations']} violations"
    )
    for title in ("faults", "halted"):
        counts = result[title]
        assert isinstance(counts, dict)
        if counts:
            print(f"{title}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    failures = result["failures"]
    assert isinstance(failures, list)
    for failure in failures:
        print(f"seed {failure['seed']} {failure['oracle']}: {failure['text']}")
        print(f"  replay: {failure['replay']}")
