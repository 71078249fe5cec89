"""MAX_MSG_RATE counts what leaves: an order that had to wait is counted when it does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.risk.controls import Control
from aegis.risk.gate_state import LEFT_COUNT, LEFT_WINDOW_NS, RATE_HEAD
from aegis.risk.message_times import (
    held_order_may_leave,
    note_held_order_left,
    note_order_left,
)
from tests.risk.bench import LIMITS, NOW_NS, GateBench

_MS = 1_000_000
_RATE = int(LIMITS["max_orders_per_s"])


class HeldBench(GateBench):
    """The bench with a dispatcher that may hold back what has passed."""

    def send(self) -> int:
        """Judge one order, and let it leave at once if it passes; the control's number."""
        control = self.judge()
        if control == Control.PASS:
            note_order_left(self.gate.words, self.gate.rates, self.now_ns)
        return control

    def may_leave(self) -> bool:
        """Whether one that has waited may leave now."""
        return bool(held_order_may_leave(self.gate.words, self.gate.rates, self.now_ns))

    def leave(self, passed_ns: int) -> None:
        """One that passed at `passed_ns` leaves now."""
        note_held_order_left(self.gate.words, self.gate.rates, passed_ns, self.now_ns)


def test_what_waited_for_long_and_what_is_decided_now_share_one_second() -> None:
    bench = HeldBench()
    for _ in range(_RATE):
        assert bench.judge() == Control.PASS
    bench.now_ns += 1_200 * _MS
    for _ in range(3):
        assert bench.may_leave()
        bench.leave(NOW_NS)
    assert [bench.send() for _ in range(3)] == [Control.PASS, Control.PASS, Control.MAX_MSG_RATE]
    assert not bench.may_leave(), "five have left: the others wait on"
    bench.now_ns += 1_000 * _MS
    assert bench.may_leave()


def test_a_short_wait_costs_no_room() -> None:
    """Its time moves: it is not counted twice."""
    bench = HeldBench()
    for _ in range(_RATE):
        assert bench.judge() == Control.PASS
    bench.now_ns += 300 * _MS
    for _ in range(_RATE):
        assert bench.may_leave()
        bench.leave(NOW_NS)
    assert not bench.may_leave()
    bench.now_ns = NOW_NS + 1_299 * _MS
    assert bench.judge() == Control.MAX_MSG_RATE
    bench.now_ns = NOW_NS + 1_300 * _MS
    assert bench.judge() == Control.PASS


def test_a_changed_rate_binds_what_waits() -> None:
    bench = HeldBench()
    assert bench.send() == Control.PASS
    assert bench.may_leave()
    bench.gate.set_limits(LIMITS | {"max_orders_per_s": 2.0})
    assert not bench.may_leave(), "as if two had just left"
    bench.now_ns += 1_000 * _MS
    assert bench.may_leave()


def test_without_a_rate_nothing_leaves() -> None:
    bench = HeldBench()
    bench.gate.words[LEFT_COUNT] = 0
    assert not bench.may_leave()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 700), st.sampled_from(["send", "hold", "release", "release", "reduce"])
        ),
        max_size=60,
    )
)
def test_never_more_than_the_rate_leave_within_a_window(steps: list[tuple[int, str]]) -> None:
    bench = HeldBench(max_open_orders=1_000, max_position_qty=1e6)
    waiting: list[int] = []
    left: list[int] = []
    for pause_ms, what in steps:
        bench.now_ns += pause_ms * _MS
        if what == "release":
            if waiting and bench.may_leave():
                bench.leave(waiting.pop(0))
                left.append(bench.now_ns)
            continue
        bench.hold(position_lots=-150 if what == "reduce" else 0)
        if what == "hold":
            if bench.judge() == Control.PASS:
                waiting.append(bench.now_ns)
        elif bench.send() == Control.PASS and what == "send":
            left.append(bench.now_ns)
    window_ns = int(bench.gate.words[LEFT_WINDOW_NS])
    for at, end_ns in enumerate(left):
        recent = [ns for ns in left[: at + 1] if end_ns - ns < window_ns]
        assert len(recent) <= _RATE
    times = bench.gate.rates[:_RATE].tolist()
    head = int(bench.gate.words[RATE_HEAD])
    assert times[head:] + times[:head] == sorted(times), "oldest first"
