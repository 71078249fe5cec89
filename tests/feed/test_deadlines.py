"""Which silence is a failure and which is a quiet market."""

from __future__ import annotations

from dataclasses import replace

from aegis.feed.deadlines import Deadlines, MarkWatch, Sighting, StreamWatch

S = 1_000_000_000
LIMITS = Deadlines(first_message_s=15.0, silence_s=10.0, frozen_s=5.0, grace_s=1.0)
QUIET = Sighting(depth_ns=0, quote_ns=0, trade_ns=0, tops_differ=False)


def watch() -> StreamWatch:
    return StreamWatch(("BTCUSDT",), LIMITS, 100 * S)


def first_complaint(
    looker: StreamWatch, shown: dict[int, Sighting], until_s: int
) -> tuple[float, str] | None:
    """Look five times a second; `shown` tells what is seen from which second on."""
    seen = QUIET
    for tick in range(100 * 5, until_s * 5):
        seen = shown.get(tick // 5, seen) if tick % 5 == 0 else seen
        now_ns = tick * S // 5
        found = looker.complaint([seen], now_ns) or looker.troubles([seen], now_ns).get(0)
        if found is not None:
            return tick / 5, found
    return None


def test_nothing_at_all_after_the_subscription_is_a_failure_after_its_deadline() -> None:
    found = first_complaint(watch(), {}, 200)
    assert found is not None
    assert 115.0 < found[0] <= 115.4
    assert "nothing came" in found[1]


def test_a_stream_that_speaks_is_left_alone() -> None:
    shown = {
        second: Sighting(second * S, second * S, second * S, False) for second in range(101, 300)
    }
    assert first_complaint(watch(), shown, 300) is None


def test_silence_of_all_streams_is_a_failure() -> None:
    found = first_complaint(watch(), {101: Sighting(101 * S, 101 * S, 101 * S, False)}, 200)
    assert found is not None
    assert 111.0 < found[0] <= 111.4
    assert "all streams silent" in found[1]


def test_depth_that_stays_silent_while_quotes_run_is_frozen() -> None:
    shown = {
        second: Sighting(min(second, 110) * S, second * S, 0, False) for second in range(101, 300)
    }
    found = first_complaint(watch(), shown, 300)
    assert found is not None
    assert 116.0 < found[0] <= 118.0
    assert "BTCUSDT: depth frozen" in found[1]


def test_depth_that_never_came_is_frozen_too() -> None:
    shown = {second: Sighting(0, second * S, 0, False) for second in range(101, 300)}
    found = first_complaint(watch(), shown, 300)
    assert found is not None
    assert "BTCUSDT: depth frozen" in found[1]


def test_quotes_that_stay_silent_are_frozen_only_if_the_top_moved_away() -> None:
    shown = {
        second: Sighting(second * S, min(second, 110) * S, 0, False) for second in range(101, 300)
    }
    assert first_complaint(watch(), shown, 300) is None
    moved = {second: replace(seen, tops_differ=second > 112) for second, seen in shown.items()}
    found = first_complaint(watch(), moved, 300)
    assert found is not None
    assert 117.0 < found[0] <= 119.0
    assert "bookTicker frozen" in found[1]


def test_a_top_that_differs_for_a_moment_only_is_normal() -> None:
    shown = {
        second: Sighting(second * S, second * S, 0, second % 2 == 0) for second in range(101, 300)
    }
    assert first_complaint(watch(), shown, 300) is None


def test_a_quiet_quote_before_a_late_depth_event_is_no_freeze() -> None:
    """Nothing happens for eight seconds, then a quote comes a moment before its depth event."""
    shown = {
        101: Sighting(101 * S, 101 * S, 0, False),
        109: Sighting(101 * S, 109 * S, 0, False),
        110: Sighting(110 * S, 109 * S, 0, False),
    }
    assert first_complaint(watch(), shown, 115) is None


def test_a_connection_without_books_is_not_judged_by_silence() -> None:
    assert StreamWatch((), LIMITS, 0).complaint([], 10**15) is None


def test_a_recording_may_stand_still() -> None:
    limits = Deadlines.for_mirror()
    seen = Sighting(101 * S, 101 * S, 101 * S, False)
    assert StreamWatch(("BTCUSDT",), limits, 100 * S).complaint([seen], 1000 * S) is None


def test_streams_that_never_spoke_are_asked_for_again_ever_more_patiently() -> None:
    limits = Deadlines(quiet_s=10.0)
    watch = StreamWatch(("A", "B"), limits, 0)
    silent, speaks = Sighting(0, 0, 0, False), Sighting(1, 1, 0, False)
    asked = [
        second for second in range(0, 100) if watch.quiet([silent, speaks], second * 1_000_000_000)
    ]
    assert asked == [10, 30, 70]
    only_quotes = Sighting(0, 1, 0, False)
    assert StreamWatch(("A",), limits, 0).quiet([only_quotes], 11_000_000_000) == [0]


def test_a_book_whose_streams_do_not_come_back_is_asked_for_ever_again() -> None:
    limits = replace(LIMITS, quiet_s=5.0)
    looker = StreamWatch(("BTCUSDT",), limits, 100 * S)
    looker.renew("BTCUSDT", 110 * S)
    dead = Sighting(109 * S, 109 * S, 0, False)
    asked = [second for second in range(110, 140) for _ in looker.quiet([dead], second * S)]
    assert asked == [115, 125]
    back = replace(dead, depth_ns=141 * S, quote_ns=141 * S)
    assert looker.quiet([back], 160 * S) == []
    assert looker.quiet([replace(dead, in_force=True)], 160 * S) == []


def test_trades_that_go_on_prove_that_the_book_should() -> None:
    shown = {
        second: Sighting(min(second, 110) * S, min(second, 110) * S, second * S, False)
        for second in range(101, 300)
    }
    found = first_complaint(watch(), shown, 300)
    assert found is not None
    assert 116.0 < found[0] <= 118.0
    assert "frozen while trades run" in found[1]


def test_events_that_come_late_and_stay_late_are_told() -> None:
    shown = {
        second: Sighting(second * S, second * S, 0, False, late_ns=3 * S * (second >= 110))
        for second in range(101, 300)
    }
    shown[105] = replace(shown[105], late_ns=9 * S)
    found = first_complaint(watch(), shown, 300)
    assert found is not None
    assert 111.0 < found[0] <= 111.6
    assert "3.0 s late" in found[1]


def test_a_symbol_that_falls_silent_against_its_habit_is_told_and_a_quiet_one_is_not() -> None:
    busy = {
        second: Sighting(min(second, 140) * S, 0, 0, False, messages=20 * min(second, 140))
        for second in range(101, 300)
    }
    looker = StreamWatch(("BTCUSDT",), replace(LIMITS, silence_s=1000.0), 100 * S)
    found = first_complaint(looker, busy, 300)
    assert found is not None
    assert 145.0 < found[0] <= 145.6
    assert "silent for 5" in found[1]
    # One message in ten seconds, in bursts of three: pauses of half a minute are its habit.
    quiet = {
        second: Sighting((second - second % 30) * S, 0, 0, False, messages=second // 30 * 3)
        for second in range(101, 900)
    }
    looker = StreamWatch(("BTCUSDT",), replace(LIMITS, silence_s=1000.0), 100 * S)
    assert first_complaint(looker, quiet, 900) is None


def test_a_second_silence_of_a_symbol_is_told_as_soon_as_the_first() -> None:
    """The silence that made us ask again is no habit of the stream."""
    looker = StreamWatch(("BTCUSDT",), replace(LIMITS, silence_s=1000.0), 100 * S)
    told: list[float] = []
    for tick in range(101 * 5, 260 * 5):
        second = tick // 5
        spoke = 140 if 140 <= second < 160 else min(second, 200)
        seen = Sighting(spoke * S, 0, 0, False, messages=20 * spoke)
        if looker.troubles([seen], tick * S // 5):
            told.append(tick / 5)
            looker.renew("BTCUSDT", tick * S // 5)
    assert 145.0 < told[0] <= 145.6
    # What lies between are the later looks at the first silence, at a book that is out of force.
    assert 205.0 < next(one for one in told if one > 160) <= 205.6


def test_trades_that_stop_while_the_book_goes_on_are_asked_for_again_ever_more_patiently() -> None:
    looker = watch()
    asked = []
    for tick in range(100 * 5, 200 * 5):
        now_ns = tick * S // 5
        traded = min(now_ns, 140 * S)
        seen = Sighting(now_ns, now_ns, traded, False, messages=tick, trades=traded * 10 // S)
        if looker.silent_trades([seen], now_ns):
            asked.append(tick / 5)
            looker.spare(0, now_ns)
    assert len(asked) == 3
    assert 145.0 < asked[0] <= 145.6
    assert 155.0 < asked[1] <= 156.0
    assert 175.0 < asked[2] <= 177.0


def test_a_stream_that_falls_silent_right_after_it_was_asked_for_is_known_by_its_old_habit() -> (
    None
):
    looker = watch()
    for tick in range(100 * 5, 130 * 5):
        now_ns = tick * S // 5
        seen = Sighting(now_ns, now_ns, now_ns, False, messages=20 * tick, trades=2 * tick)
        assert not looker.silent_trades([seen], now_ns)
    looker.renew("BTCUSDT", 130 * S)
    asked = []
    for tick in range(130 * 5 + 1, 140 * 5):
        now_ns = tick * S // 5
        traded = min(now_ns, 130 * S + S // 5)
        seen = Sighting(now_ns, now_ns, traded, False, messages=20 * tick, trades=2 * 651)
        if not asked and looker.silent_trades([seen], now_ns):
            asked.append(tick / 5)
    assert len(asked) == 1
    assert 135.2 < asked[0] <= 135.8


def test_a_new_connection_knows_the_habits_of_the_one_that_was_lost() -> None:
    lost = watch()
    for tick in range(100 * 5, 130 * 5):
        seen = Sighting(tick * S // 5, tick * S // 5, tick * S // 5, False, 20 * tick, 2 * tick)
        assert not lost.silent_trades([seen], tick * S // 5)
    looker = StreamWatch(("ETHUSDT", "BTCUSDT"), LIMITS, 140 * S, None, lost)
    asked = []
    for tick in range(140 * 5 + 1, 160 * 5):
        now_ns = tick * S // 5
        once = Sighting(now_ns, now_ns, 140 * S + S // 5, False, messages=tick, trades=1)
        if not asked and (places := looker.silent_trades([once, once], now_ns)):
            asked.append((tick / 5, places))
    # Nothing is known of the other one yet.
    assert len(asked) == 1 and asked[0][1] == [1]
    assert 145.2 < asked[0][0] <= 145.8


def test_trades_that_were_lost_in_a_silence_show_that_it_was_none_of_their_pauses() -> None:
    """Dead from 140 to 150 s and again from 170 s on: told as soon both times."""
    looker, asked = watch(), []
    for tick in range(100 * 5, 200 * 5):
        now_ns = tick * S // 5
        traded = 140 * S if 140 * S <= now_ns < 150 * S else min(now_ns, 170 * S)
        seen = Sighting(now_ns, now_ns, traded, False, messages=tick, trades=traded * 10 // S)
        if looker.silent_trades([seen], now_ns):
            asked.append(tick / 5)
            looker.spare(0, now_ns)
    assert 145.0 < asked[0] <= 145.6
    assert 175.0 < asked[1] <= 175.6


def test_a_pause_of_trades_that_was_taken_for_their_end_is_not_taken_so_again() -> None:
    """Nothing is traded from 140 to 150 s, and again: the numbers go on where they were."""
    looker, asked = watch(), []
    for tick in range(100 * 5, 200 * 5):
        now_ns = tick * S // 5
        paused_s = min(max(now_ns - 140 * S, 0), 10 * S) + min(max(now_ns - 170 * S, 0), 10 * S)
        still = 140 * S <= now_ns < 150 * S or 170 * S <= now_ns < 180 * S
        traded = (now_ns - now_ns % (30 * S) + 20 * S) if still else now_ns
        seen = Sighting(
            now_ns, now_ns, traded, False, messages=tick, trades=(now_ns - paused_s) * 10 // S
        )
        if looker.silent_trades([seen], now_ns):
            asked.append(tick / 5)
            looker.spare(0, now_ns)
    assert len(asked) == 1
    assert 145.0 < asked[0] <= 145.6


def test_mark_prices_are_due_every_second_and_asked_for_ever_more_patiently() -> None:
    looker = MarkWatch(("A", "B"), Deadlines(frozen_s=5.0), 100 * S)
    asked = [
        (second, place)
        for second in range(100, 140)
        for place in looker.silent([second * S, min(second, 110) * S], second * S)
    ]
    assert asked == [(116, 1), (127, 1)]


def test_the_promise_of_freshness_covers_every_way_to_fall_silent() -> None:
    limits = Deadlines()
    assert limits.stale_s > limits.frozen_s + limits.grace_s
    assert limits.stale_s > limits.ping_s + limits.pong_s
    assert limits.stale_s <= 5.0


def test_a_change_of_members_gives_a_dead_stream_no_other_deadline() -> None:
    looker, found = watch(), []
    for tick in range(100 * 5, 130 * 5):
        now_ns = tick * S // 5
        if tick % 10 == 0:
            looker = StreamWatch(("ETHUSDT", "BTCUSDT"), LIMITS, now_ns, looker)
        frozen = Sighting(min(now_ns, 110 * S), now_ns, 0, False)
        fine = Sighting(now_ns, now_ns, 0, False)
        seen = {"ETHUSDT": fine, "BTCUSDT": frozen}
        if looker.troubles([seen[symbol] for symbol in looker.symbols], now_ns):
            found.append(tick / 5)
    assert 116.0 < found[0] <= 117.0
    looker.renew("BTCUSDT", 130 * S)
    assert looker.troubles([fine, frozen], 130 * S) == {}


def test_what_is_silent_at_this_moment_is_counted_until_it_speaks() -> None:
    looker, counts = watch(), {}
    for tick in range(100 * 5, 160 * 5):
        now_ns = tick * S // 5
        traded = 140 * S if 140 * S <= now_ns < 150 * S else now_ns
        seen = Sighting(now_ns, now_ns, traded, False, messages=tick, trades=traded * 10 // S)
        if looker.silent_trades([seen], now_ns):
            looker.spare(0, now_ns)
        counts[tick / 5] = looker.silent_now
    assert (counts[144.0], counts[146.0], counts[149.8], counts[151.0]) == (0, 1, 1, 0)
    marks = MarkWatch(("A", "B"), Deadlines(frozen_s=5.0), 100 * S)
    for second in range(100, 120):
        marks.silent([second * S, min(second, 110) * S], second * S)
    assert marks.silent_now == 1
    marks.silent([120 * S, 120 * S], 120 * S)
    assert marks.silent_now == 0


def test_a_silence_that_nobody_acted_on_is_no_habit_either() -> None:
    """A book that is out of force is not doubted; the silence goes by and is not learned."""
    looker = StreamWatch(("BTCUSDT",), replace(LIMITS, silence_s=1000.0), 100 * S)
    told = []
    for tick in range(101 * 5, 260 * 5):
        second = tick // 5
        spoke = 140 if 140 <= second < 160 else min(second, 200)
        seen = Sighting(spoke * S, 0, 0, False, messages=20 * spoke)
        if looker.troubles([seen], tick * S // 5):
            told.append(tick / 5)
    assert 205.0 < next(one for one in told if one > 165) <= 205.6


def silent_after_a_pause(paused: set[int], count: int, looks: bool = True) -> float:
    """When the first of `count` symbols is told to be silent from 150 s on.

    Those in `paused` say nothing from 130 to 134 s, and nobody looks then unless `looks`.
    """
    symbols = tuple(f"S{place}USDT" for place in range(count))
    looker = StreamWatch(symbols, replace(LIMITS, silence_s=1000.0), 100 * S)
    for tick in range(101 * 5, 300 * 5):
        now_ns = tick * S // 5
        is_pause = 130 * S <= now_ns < 134 * S
        if is_pause and not looks:
            continue
        sightings = []
        for place in range(count):
            spoke_ns = 130 * S if is_pause and place in paused else now_ns
            spoke_ns = min(spoke_ns, 150 * S) if place == 0 else spoke_ns
            seen = Sighting(spoke_ns, 0, 0, False, messages=20 * spoke_ns // S)
            sightings.append(seen)
        if looker.troubles(sightings, now_ns).get(0):
            return tick / 5
    raise AssertionError("its silence was never told")


def test_a_pause_that_all_symbols_share_is_the_habit_of_none() -> None:
    assert 155.0 < silent_after_a_pause(set(range(6)), 6) <= 155.6


def test_a_pause_of_one_symbol_is_its_habit() -> None:
    assert 162.0 < silent_after_a_pause({0}, 6) <= 163.0
    assert 162.0 < silent_after_a_pause({0}, 1) <= 163.0


def test_a_time_in_which_we_did_not_look_is_nobody_s_habit() -> None:
    assert 155.0 < silent_after_a_pause({0}, 1, looks=False) <= 155.6
