"""The table of a campaign: rounds, deaths, faults and outcomes, in plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.execution.rounds.awaits import await_points
from tests.execution.rounds.plan import FAULTS
from tests.execution.rounds.round import Record

_COLUMNS = ("acts", "struck", "rounds", "equal", "halted", "broken")


def table(records: Sequence[Record], seconds: float) -> str:
    """Everything that a reader of the campaign wants to know."""
    broken = [record for record in records if record.violation]
    lines = [
        f"{len(records)} rounds in {seconds:.0f} s, {len(broken)} broken; "
        f"{sum(r.orders for r in records):,} orders, {sum(r.fills for r in records):,} fills; "
        f"slowest clearing after a death "
        f"{max((r.slowest_clear_s for r in records), default=0.0):.2f} s, "
        f"slowest recovery {max((r.slowest_recovery_s for r in records), default=0.0):.2f} s",
        _coverage(records),
        _unvisited(records),
        "",
        *_rows("what happened to execution", _sum(r.deaths for r in records)),
        "",
        f"{'fault armed':<34}" + "".join(f"{name:>8}" for name in _COLUMNS),
        *(_fault_row(records, name) for name in FAULTS if _armed(records, name)),
        "",
        *_rows("outcome of an act", Counter(o for r in records for o in r.outcomes)),
    ]
    for record in broken:
        lines += ["", f"{record.violation}", f"  {record.plan.command}"]
    return "\n".join(lines)


def _sum(counters: object) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:  # type: ignore[attr-defined]
        total.update(counter)
    return total


def _coverage(records: Sequence[Record]) -> str:
    passed = set().union(*(r.passed for r in records))
    killed = set().union(*(r.killed_at for r in records))
    names = {str(point) for point in await_points()}
    return (
        f"await points: {len(names)} in the source, {len(passed & names)} passed, died at "
        f"{len(killed & names)}; died at {len(killed - names)} steps of an order"
    )


def _unvisited(records: Sequence[Record]) -> str:
    """What was passed and never died at."""
    passed = set().union(*(r.passed for r in records))
    killed = set().union(*(r.killed_at for r in records))
    return f"passed and not died at: {' '.join(sorted(passed - killed)) or 'none'}"


def _rows(title: str, counts: Counter[str]) -> list[str]:
    rows = [f"  {count:>6}  {name}" for name, count in counts.most_common()]
    return [f"{title} ({sum(counts.values())})", *rows]


def _armed(records: Sequence[Record], name: str) -> bool:
    return any(name in act.faults for record in records for act in record.plan.acts)


def _fault_row(records: Sequence[Record], name: str) -> str:
    acts = sum(name in act.faults for record in records for act in record.plan.acts)
    ours = [r for r in records if any(name in act.faults for act in r.plan.acts)]
    struck = sum(record.struck[name] for record in records)
    halted = sum(any("HALTED" in o for o in r.outcomes) for r in ours)
    broken = sum(bool(r.violation) for r in ours)
    equal = len(ours) - halted - broken
    counts = (acts, struck, len(ours), equal, halted, broken)
    return f"{name:<34}" + "".join(f"{count:>8}" for count in counts)
