"""What is wrong with an instance's market data: the rules of `problems` about feed and books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aegis.monitor.view import LIVE_STATES, BookLook, InstanceView, Problem, seconds

__all__ = ["market_data", "silence_imposed", "universe"]

SILENT_FEED_MS = 10_000.0
# So many invalid books are named one by one; under this share of all it is no fault of the whole.
FEW_BOOKS = 3
FEW_SHARE = 0.05
FEW_REASONS = 3
# The feed's code for its own list of symbols, in the counter universe_source.
_FALLBACK = 3


def silence_imposed(view: InstanceView) -> Iterator[Problem]:
    """The exchange has banned this address (418), or wants a pause (429): nothing is asked."""
    if view.state not in LIVE_STATES or view.silence_s <= 0.0:
        return
    left = f"until {view.silence_until}, {view.silence_s:.0f} s from now"
    if view.banned:
        yield Problem(
            f"the exchange has banned this address {left}",
            "it answered 418; nothing can be asked: no list, no snapshot, no new connection",
            "do not restart: the feed goes on by itself when it ends, and each question inside it "
            "makes it longer; stop what else asks from this address",
        )
    else:
        yield Problem(
            f"the exchange wants no questions from this address {left}",
            "it answered 429; books that need a snapshot and connections that are lost wait",
            "do not restart: the feed goes on by itself; stop what else asks from this address",
            "warning",
        )


def market_data(view: InstanceView) -> Iterator[Problem]:
    """Books that must not be traded on, silence, comparisons that failed."""
    if view.state != "running":
        return
    feed = view.counters.get("feed", {})
    yield from _invalid_books(view, feed)
    ages = [book.age_ms for book in view.books if book.age_ms is not None]
    over = view.counters.get("venue", {}).get("mirror_done", 0)
    if ages and min(ages) > SILENT_FEED_MS and not over:
        yield Problem(
            "market data is silent",
            f"the newest book is {seconds(min(ages))} old",
            "check the venue process; the gate denies new risk meanwhile",
        )
    mismatches = feed.get("top_mismatches", 0)
    if mismatches:
        yield Problem(
            f"{mismatches} book tops differed from bookTicker at equal update ids",
            f"of {feed.get('top_checks', 0)} compared; each such book was put out of force and "
            "fetched anew",
            "if the number grows, stop trading (aegis stop) and report a recording (aegis record)",
            "warning",
        )
    yield from _silent_streams(view, feed)


def _silent_streams(view: InstanceView, feed: dict[str, int]) -> Iterator[Problem]:
    """Trades or mark prices that have stopped while the books go on."""
    what_follows = {
        "trades": "candles and what reads trades stand still; each is marked incomplete",
        "marks": "the gate has no second opinion on prices and refuses what needs one",
    }
    for name, follows in what_follows.items():
        silent = feed.get(f"{name}_silent", 0)
        if silent:
            streams = "trades" if name == "trades" else "mark prices"
            yield Problem(
                f"the {streams} of {silent} of {len(view.books)} symbols have stopped",
                f"their books go on; {follows}",
                "the feed has asked for them again and goes on doing so; its log names them",
                "warning" if 2 * silent < len(view.books) else "fault",
            )


def _invalid_books(view: InstanceView, feed: dict[str, int]) -> Iterator[Problem]:
    """Each by its name while they are few; halted symbols have none, and need none."""
    invalid = [book for book in view.books if book.trading and not book.valid]
    names = [book.symbol or str(book.instrument) for book in invalid]
    severity = "warning" if len(names) < FEW_SHARE * len(view.books) else "fault"
    counts = (
        f"gaps {feed.get('gaps', 0)}, resyncs {feed.get('resyncs', 0)}, connections "
        f"{feed.get('connected', 0)}; nothing is quoted from it"
    )
    do = "the feed resynchronises by itself; if it stays, check the venue and the network"
    if len(names) <= FEW_BOOKS:
        for name, book in zip(names, invalid, strict=True):
            why = f"{_why_invalid(book)}; {counts}"
            yield Problem(f"the book of {name} is not valid", why, do, severity)
        return
    shown = f"{', '.join(names[:FEW_BOOKS])} and {len(names) - FEW_BOOKS} more"
    what = f"{len(names)} of {len(view.books)} books are not valid: {shown}"
    reasons = Counter(book.why for book in invalid if book.why).most_common(FEW_REASONS)
    why = "; ".join([*(f"{count} because {reason}" for reason, count in reasons), counts])
    yield Problem(what, why, f"{do}; aegis universe {view.instance} names them all", severity)


def _why_invalid(book: BookLook) -> str:
    since = "ever since the start" if book.absent_s is None else f"for {book.absent_s:.0f} s now"
    return f"{since}, because {book.why}" if book.why else f"{since}, no reason was told"


def universe(view: InstanceView) -> Iterator[Problem]:
    """What is followed is not what the exchange lists, or was not to be had."""
    feed = view.counters.get("feed", {})
    if view.state not in ("running", "starting"):
        return
    if feed.get("universe_source") == _FALLBACK:
        yield Problem(
            f"the exchange's list of symbols is not to be had: {feed.get('universe_listed')} "
            "well-known pairs are followed instead",
            f"{feed.get('discovery_failures', 0)} attempts failed; nothing can be traded without "
            "tick and step sizes",
            "the feed asks again every few seconds; check [feed] rest_url, the proxy and the net",
        )
    if feed.get("universe_overflow"):
        yield Problem(
            f"{feed['universe_overflow']} listed symbols are not followed",
            f"all {feed.get('universe_listed')} rows of shared memory are taken",
            f"raise max_symbols in [instances.{view.instance}] and start anew",
            "warning",
        )
    if feed.get("rate_limited"):
        yield Problem(
            f"the exchange told the feed {feed['rate_limited']} times to ask less",
            f"request weight {feed.get('weight_used')} of {feed.get('weight_limit')} this minute: "
            "others on this address ask too",
            "raise weight_reserve in [feed], or stop what else asks from this address",
            "warning",
        )
    if feed.get("handovers_failed"):
        yield Problem(
            f"{feed['handovers_failed']} planned replacements of a connection failed",
            f"{feed.get('handovers', 0)} succeeded; without one the exchange cuts the connection "
            "after 24 h and its books are invalid for a moment",
            "if it goes on: raise overlap_s in [feed], or check the network",
            "warning",
        )
