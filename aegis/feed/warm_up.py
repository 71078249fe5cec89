"""Compiling the feed's kernels before the first fork, with the types they will meet.

Called by the supervisor in the parent, so that all children share the machine code, and by tests
and benchmarks. It plays a tiny market through an intake over scratch memory; nothing of it is seen
by anybody.
"""

from __future__ import annotations

import tempfile

import numpy as np

from aegis.config.settings import Settings
from aegis.feed.intake import Intake
from aegis.shm.absence import Reason
from aegis.shm.candles import CANDLE, CandlePlan
from aegis.shm.instance import InstanceMemory

__all__ = ["warm_up"]

_SYMBOL = "WARMUSDT"
_TIMES = b'"E":1700000000000,"T":1700000000000,"s":"WARMUSDT"'
_SNAPSHOT = b'{"lastUpdateId":10,"bids":[["1.0","1"]],"asks":[["1.2","1"]]}'


def _frame(stream: bytes, event: bytes, rest: bytes) -> bytes:
    head = b'{"stream":"warmusdt@%s","data":{"e":"%s",' % (stream, event)
    return head + _TIMES + b"," + rest + b"}}"


def _depth(first: int, last: int, previous: int) -> bytes:
    rest = b'"U":%d,"u":%d,"pu":%d,"b":[["1.0","2"]],"a":[["1.2","2"]]'
    return _frame(b"depth@0ms", b"depthUpdate", rest % (first, last, previous))


def _warm_candles(intake: Intake) -> None:
    """What happens to candles between messages."""
    desk = intake.candles
    desk.take_void(0, 3)
    later = _frame(b"markPrice@1s", b"markPriceUpdate", b'"p":"1.1","i":"1.1","r":"-0.0001"')
    later = later.replace(b'"E":1700000000000', b'"E":1700000050000')
    intake.take(later, len(later), 2)
    asked = desk.broken()[0]
    row = np.zeros(1, CANDLE)
    row["open_ms"] = asked.to_ms
    for name in ("open", "high", "low", "close"):
        row[name] = 1.1
    assert desk.take(asked, row, 1) == 1, "an incomplete candle was put right"
    desk.forget(0)


def warm_up(settings: Settings | None = None) -> None:
    """Run every kernel of the feed once. The settings do not matter; leaves nothing behind."""
    quote = _frame(b"bookTicker", b"bookTicker", b'"u":11,"b":"1.0","B":"2","a":"1.2","A":"2"')
    trade = b'"t":1,"p":"1.0","q":"1","X":"MARKET","m":true'
    frames = [
        _depth(9, 11, 8),
        quote,
        _frame(b"trade", b"trade", trade),
        # Not the exchange's own spelling: the careful decoder's way into the kernels.
        _frame(b"trade", b"trade", trade.replace(b":1,", b": 2,", 1)),
        _depth(12, 12, 11),
        _depth(15, 15, 14),
    ]
    with tempfile.TemporaryDirectory(prefix="aegis-warm-up-") as directory:
        memory = InstanceMemory.create("warm-up", kept=CandlePlan((1, 60), 8), shm_dir=directory)
        intake = Intake(
            [_SYMBOL], memory.ticks, memory.books, memory.counters["feed"],
            candles=memory.candles, candle_update_ms=1,
        )  # fmt: skip
        intake.on_subscribed(0, 1)
        for request in intake.snapshots.due(1):
            intake.on_snapshot(request, _SNAPSHOT, 1)
        for frame in frames:
            intake.stage(frame, len(frame))
            intake.flush()
        _warm_candles(intake)
        intake.canary(1, 1)
        intake.on_disconnected([0], Reason.STOPPING, 1)
        assert intake.total("gaps") == 1, "the warm-up market did not take its whole course"
        assert intake.full_book(0).bids.shape[1] == 2
        del intake
        memory.close()
        memory.unlink()
