"""The export for hftbacktest: its rules of order, and hftbacktest itself reading the result."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.cli.data_conversions import import_command
from aegis.recorder import hftbacktest as exports
from aegis.recorder.errors import RecorderError
from aegis.recorder.hftbacktest import events_of, export_hftbacktest
from aegis.recorder.layout import FIRST, INVALID, LEVEL, OFF_BOOK, PICTURE
from aegis.recorder.reading import RecordingFile
from aegis.shm.tick import TICK
from tests.recorder.samples import numbered, quotes, recording

REPOSITORY = Path(__file__).resolve().parents[2]
INTERPRETER = REPOSITORY / ".venv" / "readers" / "bin" / "python"
REPLAY = Path(__file__).parent / "readers" / "replay.py"
RECORDING = "usdm/btcusdt_20240808.gz"


def kinds_of(events: Any) -> list[tuple[str, float, float]]:
    """(kind and side, price, quantity) of each event, in words."""
    names = {1: "depth", 2: "trade", 3: "clear", 4: "snapshot"}
    sides = {1 << 29: "+", 1 << 28: "-", 0: "?"}
    return [
        (f"{names[int(ev) & 0xFF]}{sides[int(ev) & (3 << 28)]}", float(px), float(qty))
        for ev, px, qty in zip(events["ev"], events["px"], events["qty"], strict=True)
    ]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=40))
def test_each_clock_sees_its_own_order_and_every_event_once(times: list[tuple[int, int]]) -> None:
    records = numbered(len(times))
    for place, (event_ns, recv_ns) in enumerate(times):
        records["ts_event_ns"][place], records["ts_recv_ns"][place] = event_ns, recv_ns
    events, _, shifted_ns = events_of(records, 0)
    assert shifted_ns == max([0, *(event - recv for event, recv in times)])
    for flag, column in ((exports.EXCHANGE, "exch_ts"), (exports.LOCAL, "local_ts")):
        seen = events[events["ev"] & flag != 0]
        assert (np.diff(seen[column]) >= 0).all()
        found = sorted(zip(seen["exch_ts"], seen["local_ts"] - shifted_ns, strict=True))
        assert found == sorted(times)
    assert (events["local_ts"] >= events["exch_ts"]).all()
    both = exports.EXCHANGE | exports.LOCAL
    if times == sorted(times) and [t[1] for t in times] == sorted(t[1] for t in times):
        assert events.size == len(times)
        assert (events["ev"] & both == both).all()


def test_off_book_trades_are_left_out_and_sides_are_those_of_the_taker() -> None:
    records = numbered(3)
    records["flags"][1] = OFF_BOOK
    events, _, _ = events_of(records, 0)
    assert [kind for kind, _, _ in kinds_of(events)] == ["trade+", "trade+"]
    records["flags"] = 0
    assert [kind for kind, _, _ in kinds_of(events_of(records, 0)[0])] == [
        "trade+", "trade-", "trade+",
    ]  # fmt: skip


def test_quotes_make_a_book_of_one_level_a_side() -> None:
    records = quotes([(99.0, 101.0), (99.0, 100.0), (102.0, 103.0)], [10, 20, 30], [11, 21, 31])
    events, depth, _ = events_of(records, 0)
    assert depth == "quotes"
    assert kinds_of(events) == [
        ("depth+", 99.0, 1.0), ("depth-", 101.0, 1.0),
        ("depth-", 101.0, 0.0), ("depth+", 99.0, 1.0), ("depth-", 100.0, 1.0),
        ("depth+", 99.0, 0.0), ("depth-", 100.0, 0.0), ("depth+", 102.0, 1.0),
        ("depth-", 103.0, 1.0),
    ]  # fmt: skip


def levels(flags: list[int], rows: list[tuple[float, float, float]]) -> Any:
    records = np.zeros(len(rows), TICK)
    records["kind"], records["flags"] = LEVEL, flags
    records["ts_event_ns"], records["ts_recv_ns"] = 10, 20
    records["a"], records["b"], records["c"] = np.array(rows).T
    return records


def test_a_picture_clears_as_far_as_it_reaches_then_sets_best_first() -> None:
    rows = [(98.0, 1.0, 1.0), (101.0, 2.0, -1.0), (99.0, 3.0, 1.0), (100.5, 4.0, -1.0)]
    records = levels([PICTURE | FIRST, PICTURE, PICTURE, PICTURE], rows)
    later = levels([FIRST], [(99.0, 0.0, 1.0)])
    events, depth, _ = events_of(np.concatenate([records, later]), 0)
    assert depth == "levels"
    assert kinds_of(events) == [
        ("clear+", 98.0, 0.0), ("snapshot+", 99.0, 3.0), ("snapshot+", 98.0, 1.0),
        ("clear-", 101.0, 0.0), ("snapshot-", 100.5, 4.0), ("snapshot-", 101.0, 2.0),
        ("depth+", 99.0, 0.0),
    ]  # fmt: skip


def test_a_picture_of_a_book_out_of_force_is_left_out() -> None:
    rows = [(99.0, 3.0, 1.0), (100.5, 4.0, -1.0)]
    good = levels([PICTURE | FIRST, PICTURE], rows)
    crossed = [(120.0, 1.0, 1.0), (90.0, 1.0, -1.0)]
    bad = levels([PICTURE | FIRST | INVALID, PICTURE | INVALID], crossed)
    assert kinds_of(events_of(np.concatenate([good, bad]), 0)[0]) == kinds_of(events_of(good, 0)[0])
    assert events_of(bad, 0)[0].size == 0


def test_receipt_times_become_times_of_day() -> None:
    events, _, shifted_ns = events_of(numbered(1), 1_700_000_000_000_000_000)
    assert int(events["local_ts"][0]) == 1_700_000_000_000_001_000
    assert shifted_ns == 0


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "", "")
    two = recording(tmp_path / "two.rec", numbered(5), symbols=symbols)

    def export(name: str, symbol: str) -> None:
        export_hftbacktest(RecordingFile(two), tmp_path / name, symbol, "auto", lambda end: None)

    for name, symbol, text in (
        ("a.npz", "", "name one with --symbol; its symbols: BTCUSDT, ETHUSDT$"),
        ("a.npz", "XRPUSDT", "has no XRPUSDT; its symbols: BTCUSDT, ETHUSDT$"),
        ("a.npy", "BTCUSDT", "named .npz"),
        ("a.npz", "ETHUSDT", "no trade and no depth of ETHUSDT"),
    ):
        with pytest.raises(RecorderError, match=text):
            export(name, symbol)
    export("a.npz", "BTCUSDT")
    with pytest.raises(RecorderError, match="already exists"):
        export("a.npz", "BTCUSDT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "two.rec"]


def test_the_only_symbol_needs_no_name(tmp_path: Path) -> None:
    """A live table has rows that are not filled, before and behind."""
    records = numbered(5)
    records["instrument"] = 1
    path = recording(tmp_path / "one.rec", records, symbols=("", "BTCUSDT", "", ""))
    done = export_hftbacktest(RecordingFile(path), tmp_path / "a.npz", "", "auto", lambda end: None)
    assert (done.symbol, done.trades, done.tick_size) == ("BTCUSDT", 5, 0.1)


def replayed(path: Path) -> Any:
    if not INTERPRETER.is_file():
        pytest.skip("hftbacktest is not installed: make setup-readers")
    done = subprocess.run(
        [INTERPRETER, REPLAY, path, "0.1", "0.001"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@functools.lru_cache(maxsize=1)
def imported(source: Path, folder: Path) -> Path:
    out = folder / "btc.rec"
    assert import_command("raw", [source], out, "", as_json=False) == 0
    return out


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported(shared_data / RECORDING, tmp_path_factory.mktemp("real"))


def naive_tops(records: Any, times_ns: list[int]) -> list[tuple[int, int]]:
    """Best bid and ask in ticks of 0.1 at each time, from dicts; pictures replace everything."""
    books: dict[float, dict[int, float]] = {1.0: {}, -1.0: {}}
    found, place = [], 0
    received = records["ts_recv_ns"]
    rows = list(zip(*(records[name].tolist() for name in ("a", "b", "c", "flags")), strict=True))
    for time_ns in times_ns:
        while place < len(rows) and received[place] <= time_ns:
            price, quantity, side, flags = rows[place]
            if flags & PICTURE and flags & FIRST:
                books = {1.0: {}, -1.0: {}}
            books[side][round(price * 10)] = quantity
            place += 1
        bids = [ticks for ticks, quantity in books[1.0].items() if quantity > 0]
        asks = [ticks for ticks, quantity in books[-1.0].items() if quantity > 0]
        found.append((max(bids), min(asks)))
    return found


def test_hftbacktest_replays_the_recording_and_sees_what_was_recorded(
    real: Path, tmp_path: Path
) -> None:
    out = tmp_path / "btc.npz"
    told = export_hftbacktest(RecordingFile(real), out, "", "levels", lambda end: None)
    seen = replayed(out)
    records = RecordingFile(real).read_all()
    trades = records[records["kind"] == 1]
    assert told.trades == len(trades) == 21_313
    assert seen["events"] == told.events
    samples = seen["samples"]
    assert sum(sample[3] for sample in samples) == 21_313
    assert sum(sample[4] for sample in samples) == pytest.approx(trades["b"].sum(), rel=1e-12)
    # After the picture has come: before it, a level of unknown age may still stand in the way.
    picture = records["ts_recv_ns"][records["flags"] & PICTURE != 0]
    picture = int(picture[records["kind"][records["flags"] & PICTURE != 0] == LEVEL][0])
    later = [s for s in samples[:-1] if s[0] - told.shifted_ns > picture + 10**9]
    times = [int(sample[0]) - told.shifted_ns for sample in later]
    tops = naive_tops(records[records["kind"] == LEVEL], times)
    agree = [
        (int(sample[1]), int(sample[2])) == top for sample, top in zip(later, tops, strict=True)
    ]
    assert len(agree) > 300
    assert sum(agree) >= len(agree) - 2, "a second's edge may fall between two events"


def test_hftbacktest_replays_a_book_of_quotes(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "quotes.npz"
    told = export_hftbacktest(RecordingFile(real), out, "BTCUSDT", "quotes", lambda end: None)
    samples = replayed(out)["samples"][:-1]
    records = RecordingFile(real).read_all()
    found = records[records["kind"] == 2]
    places = np.searchsorted(
        found["ts_recv_ns"], [s[0] - told.shifted_ns for s in samples], side="right"
    )
    agree = [
        (int(s[1]), int(s[2])) == (round(found["a"][p - 1] * 10), round(found["c"][p - 1] * 10))
        for s, p in zip(samples, places, strict=True)
        if p
    ]
    assert len(agree) > 300
    assert sum(agree) >= len(agree) - 2
