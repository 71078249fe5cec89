"""Strategies of the user's own in the duty cycle: plain and compiled, good and bad ones."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegis.brain.layout import NONSENSICAL, RAISED, TOO_SLOW, TRUSTED
from aegis.cli.strategy import _skeleton
from aegis.shm.candles import CandlePlan, candle_write
from aegis.shm.intent import CANCEL, PLACE, RESYNC
from aegis.shm.tick import CANDLE, CLOSED, candle_code
from tests.brain.harness import START_NS, Harness, by_side, of_kind, quote, tick
from tests.waiting import eventually

BID = 600_000
SIZES = {"order_qty": 0.002, "max_inventory_qty": 0.004, "min_requote_ms": 100}
POLICY: dict[str, Any] = {"min_requote_ms": 100, "refresh_tolerance_ticks": 0.0}

# The same skeleton as the user's, its quote handler replaced.
BAD = """
from aegis.strategies.plain import PlainStrategy, Wish

class Bad(PlainStrategy):
    timer_ms = {timer_ms}

    def __init__(self, parameters):
        super().__init__(parameters)
        self.seen = 0
        self.times = []

    def on_quote(self, quote):
        self.seen += 1
        good = [Wish("buy", quote.bid - 10.0, 0.002), Wish("sell", quote.ask + 10.0, 0.002)]
        if self.seen < {good}:
            return good
        {then}

    def on_timer(self, symbol, ts_event_ns):
        self.times.append((symbol, ts_event_ns))
"""


@pytest.fixture
def own(tmp_path: Path, make_harness: Callable[..., Harness]) -> Callable[..., Harness]:
    """A brain whose plain strategy does `then` from its quote number `good` on."""

    def make(then: str, *, good: int = 2, timer_ms: int = 0, **options: Any) -> Harness:
        file = tmp_path / "bad_one.py"
        file.write_text(BAD.format(then=then, good=good, timer_ms=timer_ms))
        return make_harness(strategy=str(file), base=POLICY, **options)

    return make


def skeleton(folder: Path, name: str, *, plain: bool) -> str:
    text = _skeleton(name, plain=plain)[f"{name}.py"]
    (folder / f"{name}.py").write_text(text)
    return str(folder / f"{name}.py")


def drive(harness: Harness) -> list[tuple[Any, ...]]:
    """Quotes, fills and a position at its limit; what was decided."""
    harness.accept(harness.feed(quote(BID, 0)))
    harness.accept(harness.feed(quote(BID + 40, 1_000), quote(BID + 41, 1_200)))
    placed = harness.feed(quote(BID + 80, 2_000)) + harness.feed(quote(BID + 80, 3_000))
    harness.accept(placed)
    harness.fill(by_side(of_kind(harness.intents, PLACE), 1)[-1], position=4)
    harness.accept(harness.feed(quote(BID + 80, 4_000)))
    harness.feed(quote(BID + 80, 5_000))
    return [
        (int(i["kind"]), int(i["side"]), int(i["price_ticks"]), int(i["qty_lots"]))
        for i in harness.intents
    ]


def test_both_skeletons_decide_the_same(
    tmp_path: Path, make_harness: Callable[..., Harness]
) -> None:
    """One strategy, once compiled and once plain: the same quoter must give the same intents."""
    compiled = make_harness(strategy=skeleton(tmp_path, "one", plain=False), base=SIZES)
    plain = make_harness(strategy=skeleton(tmp_path, "two", plain=True), base=SIZES)
    decided = drive(compiled)
    assert decided == drive(plain)
    assert {kind for kind, *_ in decided} >= {PLACE, CANCEL, RESYNC}
    assert compiled.core["intents_hash"] == plain.core["intents_hash"]
    assert plain.core["strategy_errors"] == 0
    # Held 4 lots, the limit: nothing more is bought.
    assert decided[-1][1] == -1


def test_a_plain_loop_leaves_no_garbage(own: Callable[..., Harness]) -> None:
    harness = own("return good", good=1)
    for item in range(100):
        harness.feed(quote(BID + item % 3, item))
    gc.collect()
    before = len(gc.get_objects())
    ticks = [quote(BID + item % 3, 200 + item) for item in range(2_000)]
    for at in range(0, 2_000, 50):
        harness.feed(*ticks[at : at + 50])
    gc.collect()
    assert len(gc.get_objects()) - before < 100 + len(harness.intents) * 4


def test_what_raises_is_latched_and_its_orders_are_cancelled(own: Callable[..., Harness]) -> None:
    harness = own("raise RuntimeError('no idea')", good=3)
    harness.accept(harness.feed(quote(BID, 0)))
    harness.accept(harness.feed(quote(BID, 500)))
    sent = harness.feed(quote(BID, 1_000), quote(BID, 1_100))
    assert harness.core["strategy_latch"] == RAISED
    assert len(of_kind(sent, CANCEL)) == 2, "both orders are withdrawn"
    assert of_kind(sent, RESYNC), "execution is asked to cancel what else there is"
    assert str(harness.strategy.plain.fault) == "no idea"
    harness.sync()
    later = harness.feed(*(quote(BID + 9 * n, 2_000 + 500 * n) for n in range(5)))
    assert not of_kind(later, PLACE)
    assert harness.core["ticks_lost"] == 0


def test_what_is_no_list_is_latched_and_told(own: Callable[..., Harness]) -> None:
    harness = own("return good[0]")
    harness.accept(harness.feed(quote(BID, 0)))
    harness.feed(quote(BID, 1_000))
    assert harness.core["strategy_latch"] == RAISED
    assert str(harness.strategy.plain.fault).startswith("on_quote returned a Wish; a list of Wish")


@pytest.mark.parametrize(
    "then",
    [
        "return [Wish('buy', float('nan'), 0.002)]",
        "return [Wish('buy', 60000.0, float('inf'))]",
        "return [Wish('buy', 60000.0, -1.0)]",
        "return [Wish('buy', 60000.0, 0.002, level=99)]",
        "return [Wish('hold', 60000.0, 0.002)]",
        "return [Wish('buy', 60000.0, 0.002, confidence=float('nan'))]",
        "return [Wish('buy', 10**400, 0.002)]",
        "return ['buy']",
        "return good * 5_000",
    ],
)
def test_nonsense_is_refused_counted_and_latched(own: Callable[..., Harness], then: str) -> None:
    harness = own(then)
    harness.accept(harness.feed(quote(BID, 0)))
    sent = harness.feed(quote(BID, 1_000))
    assert not of_kind(sent, PLACE)
    assert harness.core["strategy_errors"] == 1
    assert harness.core["strategy_latch"] == TRUSTED
    harness.feed(*(quote(BID, 1_100 + item) for item in range(30)))
    assert harness.core["strategy_latch"] == NONSENSICAL
    assert harness.core["strategy_errors"] == 20, "it is not asked again"


def test_a_little_nonsense_now_and_then_does_not_latch(own: Callable[..., Harness]) -> None:
    harness = own("return good if self.seen % 2 else [None]")
    harness.feed(*(quote(BID, 10_000 * item) for item in range(60)))
    assert harness.core["strategy_errors"] == 30
    assert harness.core["strategy_latch"] == TRUSTED


@pytest.mark.parametrize("then", ["while True: pass", "import time; time.sleep(60)"])
def test_what_hangs_is_interrupted(own: Callable[..., Harness], then: str) -> None:
    harness = own(then)
    harness.cycle.patience_s = 0.2
    harness.accept(harness.feed(quote(BID, 0)))
    began_s = time.perf_counter()
    harness.feed(quote(BID, 1_000))
    assert time.perf_counter() - began_s < 5.0
    assert harness.core["strategy_latch"] == TOO_SLOW


def test_a_timer_comes_by_the_events_clock(own: Callable[..., Harness]) -> None:
    harness = own("return None", timer_ms=1_000, instruments=2)
    # Several multiples at once are one timer; a silent market has none.
    harness.feed(*(quote(BID, at) for at in (0, 400, 1_100, 1_200, 5_300, 6_000)))
    assert harness.strategy.plain.strategy.times == [
        (f"TEST{lane}USDT", START_NS + at * 1_000_000)
        for at in (1_000, 5_000, 6_000)
        for lane in (0, 1)
    ]


def test_a_plain_strategy_is_told_what_a_candle_is(
    tmp_path: Path, make_harness: Callable[..., Harness]
) -> None:
    file = tmp_path / "watcher.py"
    file.write_text(
        "from aegis.strategies.plain import PlainStrategy\n\n"
        "class Watcher(PlainStrategy):\n"
        "    seen = []\n\n"
        "    def on_candle(self, candle):\n"
        "        self.seen.append(candle)\n"
    )
    harness = make_harness(strategy=str(file), base=POLICY, kept=CandlePlan((60,), 8))
    harness.memory.candles.tell_known(0, 0, known=True)
    flags = CLOSED | candle_code(60)
    minute_ms = START_NS // 60_000_000_000 * 60_000
    for number in range(3):
        kept, open_ms = harness.memory.candles, minute_ms + number * 60_000
        candle_write(
            kept.words, kept.values, 0, kept.history, 60_000, open_ms,
            10.0, 12.0, 9.0, 11.0, 5.0, 3, flags, open_ms,
        )  # fmt: skip
        candle = tick(CANDLE, flags=flags, a=10.0, b=12.0, c=9.0, d=11.0, e=5.0)
        candle["ts_event_ns"] = open_ms * 1_000_000
        harness.feed(candle)

        def is_shown(candles: int = number + 1) -> bool:
            # What the history has is shown between two batches, after a look now and then.
            harness.turn()
            return len(harness.strategy.plain.strategy.seen) >= candles

        eventually(is_shown, f"candle {number}")
        for _ in range(3):  # and that there is nothing more in it is found at the next look
            harness.turn()
    assert harness.strategy.plain.fault is None
    seen = harness.strategy.plain.strategy.seen
    assert [(one.ts_event_ns // 1_000_000 - minute_ms) // 60_000 for one in seen] == [0, 1, 2]
    assert [one.history for one in seen] == [True, False, False]
    assert {one.interval_s for one in seen} == {60}
    assert (seen[2].high, seen[2].low, seen[2].volume) == (12.0, 9.0, 5.0)
