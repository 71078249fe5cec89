"""`aegis bench feed`: how much market data one core takes in, and how fast, without losing any.

The embedded exchange with 320 symbols sits on one core and is made busier round by round; the whole
feed (sockets, decoding, full-depth books, the ring) has the other. A round counts as whole when
every message that the exchange has sent is in the feed's count, trade ids in the ring have neither
hole nor repetition, and no book was lost on the way. Then the usual Python way listens to the same
streams, in the same run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aegis.bench.child import ChildError, fork, pinned
from aegis.bench.exchange import serve_exchange, stream_paths
from aegis.bench.feed_stand import SYMBOLS, FeedRound, market, run_feed
from aegis.bench.pair import Cores, cores

__all__ = ["RATES", "measure_feed"]

# Asked for; what an exchange of 320 symbols gives at its own pace is measured first.
RATES: Final = (10_000, 50_000, 100_000)
HIGHER: Final = (200_000, 300_000, 400_000, 500_000, 600_000)
PLAIN_RATES: Final = (10_000, 50_000, 100_000, 150_000, 200_000, 300_000)
# The round at this rate is the long one.
LOAD_PER_S: Final = 100_000
CONNECTIONS: Final = 4
STREAMS: Final = ("bookTicker", "trade", "depth@0ms")

# What is asked beyond the pace: a busier exchange gives a little less than in proportion.
_MORE: Final = 1.12

Say = Callable[[str], None]


def _tell(say: Say, found: FeedRound) -> None:
    verdict = "whole" if found.is_whole else f"NOT WHOLE {found.faults}"
    say(
        f"{found.messages_per_s:,} messages/s of {found.asked_per_s:,} asked for, "
        f"{100 * found.core_used:.0f} % of a core, sent {found.sent:,}, taken {found.received:,}: "
        f"{verdict}; to the ring p50 {found.message_to_ring_us['p50']:g} us, "
        f"p99 {found.message_to_ring_us['p99']:g} us"
    )


def _usual_per_s(smoke: bool, where: Cores, folder: Path, say: Say) -> float:
    """Messages a second at the exchange's usual pace; busier ones are multiples of it."""
    first = run_feed(1.0, 0, 1.0 if smoke else 4.0, where, folder)
    say(f"{first.messages_per_s:,} messages/s from {SYMBOLS} symbols at the usual pace")
    return max(first.messages_per_s, 1)


def _rounds(
    usual_per_s: float, smoke: bool, where: Cores, folder: Path, say: Say
) -> list[FeedRound]:
    """From what is usual upwards, until a round is not whole or the exchange gives no more."""
    found = list[FeedRound]()
    for wanted in (RATES[0], RATES[2], HIGHER[2]) if smoke else (*RATES, *HIGHER):
        seconds = 2.0 if smoke else 60.0 if wanted == LOAD_PER_S else 10.0
        ready_s = 60.0 if wanted <= LOAD_PER_S else 12.0
        try:
            found.append(
                run_feed(_MORE * wanted / usual_per_s, wanted, seconds, where, folder, ready_s)
            )
        except ChildError as error:
            # Beyond what is promised it is a finding and no failure: here the search ends.
            if wanted <= LOAD_PER_S:
                raise
            say(str(error))
            break
        _tell(say, found[-1])
        enough = found[-1].messages_per_s < 0.75 * wanted
        if wanted > LOAD_PER_S and (enough or not found[-1].is_whole):
            break
    return found


def _plain(times: float, seconds: float, where: Cores) -> dict[str, Any]:
    """The baseline at one pace of the exchange, in a process on the feed's core."""
    from aegis.bench.feed_baseline import listen_plainly

    exchange = fork(lambda tell: serve_exchange(market(times), tell), where.child)
    try:
        with pinned(where.parent):
            return listen_plainly(
                exchange.port, stream_paths(SYMBOLS, STREAMS, CONNECTIONS), seconds
            )
    finally:
        exchange.stop()


def _ceiling(usual_per_s: float, smoke: bool, where: Cores, say: Say) -> dict[str, Any]:
    """The most messages a second that the baseline takes in, and its delays at each pace.

    Faster and faster until its core is busy all the time or it takes no more than it did before.
    """
    rounds = list[dict[str, Any]]()
    for wanted in PLAIN_RATES[3:4] if smoke else PLAIN_RATES:
        if rounds and rounds[-1]["core_used"] > 0.98:
            break
        found = _plain(wanted / usual_per_s, 3.0 if smoke else 8.0, where)
        rounds.append({"asked_per_s": wanted, **found})
        say(
            f"websockets and json: {found['messages_per_s']:,} messages/s of {wanted:,} asked for, "
            f"{100 * found['core_used']:.0f} % of a core"
        )
    best = max(rounds, key=lambda one: one["messages_per_s"])
    return {"messages_per_s": best["messages_per_s"], "rounds": rounds}


def measure_feed(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Keys: messages_per_s_zero_loss, symbols, message_to_ring_us, baseline, and details.

    message_to_ring_us is of the fastest whole round up to 100,000 messages/s: from the read of the
    message's bytes from the socket to the moment at which its record is in the ring. Raises
    ChildError.
    """
    from aegis.feed.warm_up import warm_up
    from aegis.venue.warm_up import warm_up as warm_up_exchange

    say = progress or (lambda text: None)
    where = cores()
    warm_up()
    warm_up_exchange()
    with pinned(where.child), tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        usual_per_s = _usual_per_s(smoke, where, Path(folder), say)
        rounds = _rounds(usual_per_s, smoke, where, Path(folder), say)
        whole = [one for one in rounds if one.is_whole]
        if not whole:
            raise ChildError("no round was without loss")
        best = max(whole, key=lambda one: one.messages_per_s)
        loaded = [one for one in whole if one.asked_per_s <= LOAD_PER_S] or whole
        shown = max(loaded, key=lambda one: one.messages_per_s)
        baseline = _ceiling(usual_per_s, smoke, where, say)
    return {
        "messages_per_s_zero_loss": best.messages_per_s,
        "symbols": SYMBOLS,
        "message_to_ring_us": shown.message_to_ring_us,
        "message_to_ring_at_per_s": shown.messages_per_s,
        "core_used": shown.core_used,
        "rounds": [{**asdict(one), "whole": one.is_whole} for one in rounds],
        "baseline": baseline,
        "times_faster": round(best.messages_per_s / max(baseline["messages_per_s"], 1), 1),
        "cores": {"feed": where.parent, "exchange": where.child},
        "shared_core": where.shared,
    }
