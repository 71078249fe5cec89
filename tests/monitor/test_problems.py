"""Every rule of the status page: silent when all is well, and precise when it is not."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from aegis.monitor.latch_advice import ADVICE, OTHERWISE
from aegis.monitor.problems import RULES, find_problems, judge
from aegis.monitor.view import BookLook, InstanceView, ProcessView, RingView
from aegis.risk.control_numbers import Control

CHILDREN = ("venue", "feed", "brain", "execution")


def healthy() -> InstanceView:
    def process() -> ProcessView:
        return ProcessView(
            pid=7, alive=True, process_state="S", state="ready", generation=1, heartbeat_age_ms=5.0
        )

    return InstanceView(
        "btc",
        state="running",
        ready=True,
        directory="/dev/shm/aegis-btc",
        processes={name: process() for name in ("supervisor", *CHILDREN)},
        rings={"ticks": RingView(16_384, 100, 100, 0)},
        books=[BookLook(0, "BTCUSDT", True, 1, 100.0, 100.1, 4.0)],
        gate={"state": "active", "reason": ""},
        canary={"sent": 5, "back": 5, "age_ms": 90.0},
        counters={
            "feed": {"connected": 1, "top_checks": 9},
            "brain": {},
            "execution": {"ready": 1, "private_connected": 1, "order_connected": 1},
            "venue": {},
        },
    )


def _dead_supervisor(view: InstanceView) -> None:
    view.state = "dead"
    view.leftovers = ["ticks.ring"]


def _dead_at_an_exchange(view: InstanceView) -> None:
    _dead_supervisor(view)
    view.mode = "live"


def _absent(view: InstanceView) -> None:
    view.state = "absent"


def _unreadable(view: InstanceView) -> None:
    view.unreadable = "LayoutMismatch: layout version is 2, this build needs 1"


def _starting(view: InstanceView) -> None:
    view.state, view.ready = "starting", False
    view.processes["brain"].state = "starting"


def _stopping(view: InstanceView) -> None:
    view.state = "stopping"


def _set(process: str, **fields: object) -> Callable[[InstanceView], None]:
    def change(view: InstanceView) -> None:
        for name, value in fields.items():
            setattr(view.processes[process], name, value)

    return change


def _count(process: str, **values: int) -> Callable[[InstanceView], None]:
    def change(view: InstanceView) -> None:
        view.counters[process].update(values)

    return change


def _book(**fields: object) -> Callable[[InstanceView], None]:
    def change(view: InstanceView) -> None:
        for name, value in fields.items():
            setattr(view.books[0], name, value)

    return change


def _stuck_canary(view: InstanceView) -> None:
    view.canary["age_ms"] = 4_000.0


def _halted(view: InstanceView) -> None:
    view.gate = {"state": "halted", "reason": "DAILY_LOSS"}


def _unknown_orders(view: InstanceView) -> None:
    view.unknown_orders = 2


def _far_behind(view: InstanceView) -> None:
    view.rings["ticks"].lag = 10_000


def _reload(view: InstanceView) -> None:
    view.last_reload = {"ok": False, "text": "refused: order_qty = nan"}


def _silenced(*, banned: bool) -> Callable[[InstanceView], None]:
    def change(view: InstanceView) -> None:
        view.silence_s, view.silence_until, view.banned = 93.4, "2026-01-02 03:04:05 UTC", banned

    return change


def _many_books(invalid: int, total: int) -> Callable[[InstanceView], None]:
    def change(view: InstanceView) -> None:
        view.books = [
            BookLook(row, f"C{row}", row >= invalid, 1, 1.0, 1.1, 4.0) for row in range(total)
        ]

    return change


CASES: list[tuple[Callable[[InstanceView], None], str, str, str]] = [
    (_absent, "btc is not running", "aegis run btc", "fault"),
    (_dead_supervisor, "died without cleaning up", "aegis clean btc", "fault"),
    (_dead_at_an_exchange, "nobody watches what it has", "aegis cancel-all btc", "fault"),
    (_unreadable, "cannot be read", "with the build that runs it", "fault"),
    (_starting, "btc is starting", "wait", "fault"),
    (_stopping, "btc is stopping", "wait", "fault"),
    (_set("supervisor", process_state="T"), "supervisor (pid 7) stands", "kill -CONT 7", "fault"),
    (_set("supervisor", heartbeat_age_ms=9e3), "supervisor (pid 7) stands", "aegis run", "fault"),
    (_set("feed", alive=False), "feed does not run", "restarts it", "fault"),
    (_set("brain", process_state="T"), "brain (pid 7) is stopped", "stall_timeout_ms", "fault"),
    (_set("brain", heartbeat_age_ms=9e3), "brain (pid 7) makes no progress", "kills", "fault"),
    (_set("execution", state="degraded"), "execution is degraded", "events", "fault"),
    (_set("venue", state="starting"), "venue is starting", "look again", "fault"),
    (_stuck_canary, "canary is stuck at 5", "restarts the process", "fault"),
    (
        _silenced(banned=True),
        "banned this address until 2026-01-02 03:04:05 UTC, 93 s",
        "do not restart",
        "fault",
    ),
    (
        _silenced(banned=False),
        "wants no questions from this address until",
        "by itself",
        "warning",
    ),
    (_book(valid=False), "book of BTCUSDT is not valid", "resynchronises", "fault"),
    (_book(age_ms=20_000.0), "market data is silent", "venue", "fault"),
    (_many_books(3, 4), "book of C2 is not valid", "resynchronises", "fault"),
    (_many_books(2, 300), "book of C1 is not valid", "resynchronises", "warning"),
    (_many_books(9, 300), "9 of 300 books", "aegis universe btc", "warning"),
    (_many_books(20, 300), "C0, C1, C2 and 17 more", "aegis universe btc", "fault"),
    (_count("feed", universe_source=3, universe_listed=20), "20 well-known", "proxy", "fault"),
    (_count("feed", universe_overflow=7), "7 listed symbols", "max_symbols", "warning"),
    (_count("feed", rate_limited=2), "told the feed 2 times", "weight_reserve", "warning"),
    (_count("feed", handovers_failed=2), "2 planned replacements", "overlap_s", "warning"),
    (_count("feed", top_mismatches=3), "3 book tops differed", "stop trading", "warning"),
    (_count("feed", trades_silent=1), "the trades of 1 of", "asked for them again", "fault"),
    (_count("feed", marks_silent=1), "the mark prices of 1 of", "asked for them again", "fault"),
    (_count("execution", ready=0), "execution is not ready", "retries", "fault"),
    (_count("execution", private_connected=0), "down: user data stream", "reconnects", "fault"),
    (_unknown_orders, "2 order commands have an unknown outcome", "client order id", "fault"),
    (_halted, "the gate is HALTED", "aegis arm btc", "fault"),
    (_count("brain", ticks_lost=4), "the brain lost 4 ticks", "own core", "warning"),
    (_count("venue", ticks_lost=5), "the venue missed 5 ticks", "own core", "warning"),
    (
        _count("brain", ticks_skipped=9_000, catch_ups=1),
        "passed over 9000 records",
        "conflate_ms",
        "warning",
    ),
    (_count("brain", strategy_latch=1), "is latched: nothing is quoted", "reload btc", "fault"),
    (_count("brain", strategy_errors=3), "3 results of the strategy", "latch it", "warning"),
    (_count("brain", intents_refused_full=4), "4 intents found the lane", "own core", "warning"),
    (_far_behind, "10000 ticks behind", "own core", "warning"),
    (_set("feed", gc_collections_in_cycle=2), "feed: 2 garbage", "report", "warning"),
    (_reload, "last reload failed", "aegis reload btc", "warning"),
    (_set("brain", restarts=2), "brain was restarted 2 times", "budget", "warning"),
]


def test_a_healthy_instance_has_no_problem() -> None:
    view = judge(healthy())
    assert view.problems == []
    assert view.healthy


@pytest.mark.parametrize(("hurt", "what", "do", "severity"), CASES)
def test_each_fault_is_named_with_what_to_do(
    hurt: Callable[[InstanceView], None], what: str, do: str, severity: str
) -> None:
    view = healthy()
    hurt(view)
    found = find_problems(view)
    hits = [problem for problem in found if what in problem.what]
    assert len(hits) == 1, found
    assert do in hits[0].do
    assert hits[0].why
    assert hits[0].severity == severity
    assert judge(view).healthy == (severity == "warning")


def test_every_rule_is_proved_to_bite() -> None:
    """A rule that no case triggers is a rule that nobody knows to work."""
    silent = set(RULES)
    for hurt, *_ in CASES:
        view = healthy()
        hurt(view)
        silent -= {rule for rule in RULES if list(rule(deepcopy(view)))}
    assert silent == set()


def test_faults_stand_before_warnings() -> None:
    view = healthy()
    _reload(view)
    _halted(view)
    assert [problem.severity for problem in find_problems(view)] == ["fault", "warning"]


def test_a_recording_that_has_ended_is_silent_by_right() -> None:
    view = healthy()
    _book(age_ms=60_000.0)(view)
    _count("venue", mirror_done=1)(view)
    assert find_problems(view) == []


def test_a_halted_symbol_needs_no_book() -> None:
    view = healthy()
    _book(valid=False, trading=False)(view)
    assert find_problems(view) == []


def test_a_process_that_was_never_forked_is_not_missed() -> None:
    view = healthy()
    _set("brain", generation=0, alive=False)(view)
    assert find_problems(view) == []


def test_a_book_out_of_force_says_why_and_since_when() -> None:
    view = healthy()
    view.books[0].valid = False
    (problem,) = find_problems(view)
    assert problem.why.startswith("ever since the start, no reason was told; gaps 0")
    view.books[0].why, view.books[0].absent_s = "its connection was lost", 12.3
    (problem,) = find_problems(view)
    assert problem.why.startswith("for 12 s now, because its connection was lost; gaps 0")


def test_many_books_out_of_force_say_how_many_for_each_reason() -> None:
    view = healthy()
    _many_books(9, 300)(view)
    for book in view.books[:9]:
        book.why = "its connection was lost" if book.instrument < 7 else "a side had no levels"
    (problem,) = find_problems(view)
    lost, empty, *_ = problem.why.split("; ")
    assert (lost, empty) == (
        "7 because its connection was lost",
        "2 because a side had no levels",
    )


@pytest.mark.parametrize("state", ["starting", "running"])
def test_an_execution_that_is_not_ready_is_quoted(state: str) -> None:
    """The reason is a sentence of its own, which no counter holds."""
    view = healthy()
    view.state = state
    view.counters["execution"]["ready"] = 0
    view.said["execution"] = "not ready, and tried again: GET v1/time: no answer"
    (problem,) = find_problems(view)
    assert problem.why.endswith(
        "; execution's last word: not ready, and tried again: GET v1/time: no answer"
    )
    view.counters["execution"]["ready"] = 1
    assert not any("last word" in problem.why for problem in find_problems(view))


def test_every_reason_of_the_latch_has_its_own_words() -> None:
    """No order meets them: whoever reads them has nothing else to go by."""
    latching = [control for control in Control if control >= Control.NONSENSE_BURST]
    limits = [Control.DAILY_LOSS, Control.DRAWDOWN, Control.EQUITY_FLOOR, Control.MAX_MSG_RATE]
    assert len(latching) >= 14
    assert {control.name for control in [*latching, *limits]} <= ADVICE.keys()
    assert ADVICE.keys() <= {control.name for control in Control}
    view = healthy()
    for name in [*ADVICE, "PILOT", ""]:
        view.gate = {"state": "halted", "reason": name}
        (problem,) = find_problems(view)
        seen, then = ADVICE.get(name, OTHERWISE)
        assert seen in problem.why and then.format(name="btc") in problem.do
        assert problem.do.endswith("aegis arm btc") and "{" not in problem.do
