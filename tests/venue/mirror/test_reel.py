"""Looping: what a client of the streams follows goes on, pass after pass, as one valid book."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.mirror.recording import Line, Recording
from aegis.venue.mirror.reel import Cue, Reel, slices
from aegis.venue.tape import LEVEL, STEP, TRADE
from tests.venue.desk import Desk
from tests.venue.mirror.test_recording import SNAPSHOT, write
from tests.venue.mirror.test_recording import TRADE as TRADE_LINE

LINES = 1_500


@pytest.fixture(scope="module")
def tape(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lines of the real recording."""
    path = tmp_path_factory.mktemp("tape") / "tape.gz"
    with gzip.open(shared_data / "usdm" / "btcusdt_20240808.gz") as stream:
        path.write_bytes(gzip.compress(b"".join(itertools.islice(stream, LINES))))
    return path


class Watcher:
    """A client that joined once, at the first snapshot, and never again."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.reel: Reel = desk.built.reels[0]
        self.cues = 0
        self.sent: list[Line] = []
        self.newest: dict[str, int] = {}
        self.book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.last_id = 0
        self.joined = False
        self.shown: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}

    def take(self, cue: Cue) -> None:
        self.cues += 1
        if cue.chains is not None:
            lines = self.reel.rejoin(cue)
        else:
            lines = [cue.line] if cue.line.message else []
        for line in lines:
            now_ms = line.time_ns // 1_000_000
            self.rises("clock", line.time_ns)
            self.reel.player.play(line, now_ms)
            self.follow_tape()
            if not line.stream:
                snapshot = msgspec.json.decode(line.message)
                self.book = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
                self.last_id = snapshot["lastUpdateId"]
            else:
                self.sent.append(line)
                self.read(line.stream.partition("@")[2], msgspec.json.decode(line.message))

    def read(self, kind: str, data: dict[str, Any]) -> None:
        self.rises("E of " + kind, data["E"])
        if kind == "trade":
            self.rises("t", data["t"], by_one=True)
        elif kind == "bookTicker":
            self.rises("u of tickers", data["u"], by_one=True)
        elif self.last_id and data["u"] >= self.last_id:
            if self.joined:
                assert data["pu"] == self.last_id, "the chain is broken"
            self.joined = True
            self.last_id = data["u"]
            for side in ("b", "a"):
                for price, qty in data[side]:
                    self.book[side][price] = qty
            self.compare()

    def rises(self, name: str, value: int, by_one: bool = False) -> None:
        assert value >= self.newest.get(name, 0) + by_one, f"{name} falls to {value}"
        self.newest[name] = value

    def compare(self) -> None:
        """The client's book is the venue's, and nowhere crossed."""
        spec, book = self.desk.btc.spec, self.reel.player.book
        best = []
        for side, name in ((BUY, "b"), (SELL, "a")):
            levels = {
                spec.read_price(price): spec.read_qty(qty)
                for price, qty in self.book[name].items()
                if spec.read_qty(qty)
            }
            top = sorted(levels.items(), reverse=side == BUY)[:20]
            assert book.depth(side, 20) == top
            assert sorted(self.shown[side].items(), reverse=side == BUY)[:20] == top
            best.append(top[0][0])
        assert best[0] < best[1]
        assert book.last_update_id() == self.last_id

    def follow_tape(self) -> None:
        """What streams that were not recorded are made from: the same book, rising ids."""
        tape = self.desk.core.tape
        for kind, _, number, _, a, b, c, d, _, _ in tape.records[: len(tape)].tolist():
            assert number == 0
            if kind == TRADE:
                self.rises("trade id of the tape", a, by_one=True)
            elif kind == LEVEL:
                self.rises("update id of the tape", a)
                self.shown[b][c] = d
                if d == 0:
                    del self.shown[b][c]
            elif kind == STEP and a:
                assert a <= b
                self.rises("last id of a step", b)
        tape.clear()


def test_three_passes_are_one_long_recording(tape: Path) -> None:
    watcher = Watcher(Desk(mirrors=(tape,), loop=True))
    plan = watcher.reel.plan
    assert plan is not None
    for cue in itertools.islice(watcher.reel.cues(), LINES + 2 * plan.cues):
        watcher.take(cue)
    recorded = [line.enveloped for line in Recording(tape).lines() if line.stream]
    assert [line.enveloped for line in watcher.sent[: len(recorded)]] == recorded
    assert len(watcher.sent) > 2.9 * len(recorded)
    assert watcher.joined


def test_without_loop_a_recording_ends(tape: Path) -> None:
    (reel,) = Desk(mirrors=(tape,)).built.reels
    assert sum(1 for _ in reel.cues()) == LINES


@pytest.mark.parametrize("done", [1, LINES - 5, LINES, LINES + 1, LINES + 700, 2 * LINES + 100])
def test_a_restart_finds_its_place_in_any_pass(tape: Path, done: int) -> None:
    """Going straight to the pass and playing some cues of it leads to the same book and cues."""
    whole, fresh = (Watcher(Desk(mirrors=(tape,), loop=True)) for _ in range(2))
    cues = whole.reel.cues()
    for cue in itertools.islice(cues, done):
        whole.take(cue)
    first_pass, skip = fresh.reel.locate(done)
    again = fresh.reel.cues(first_pass)
    for cue in itertools.islice(again, skip):
        for line in fresh.reel.rejoin(cue) if cue.chains is not None else [cue.line]:
            if line.message:
                fresh.reel.player.play(line, line.time_ns // 1_000_000)
                fresh.desk.core.tape.clear()
    for side in (BUY, SELL):
        books = [one.reel.player.book.depth(side, 5_000) for one in (whole, fresh)]
        assert books[0] == books[1]
    for one, other in zip(itertools.islice(cues, 20), itertools.islice(again, 20), strict=True):
        assert one[1:] == other[1:]


def test_slices_keep_the_order_and_stand_the_snapshot_alone(tmp_path: Path) -> None:
    times = [0, 4, 5, 6, 7, 30]
    lines = [b"%d " % (1_000 + time) + (SNAPSHOT if time == 6 else TRADE_LINE) for time in times]
    (reel,) = Desk(mirrors=(write(tmp_path / "r", *lines),)).built.reels
    groups = [
        [cue.line.time_ns - 1_000 for cue in group] for group in slices(reel.cues(), 5, 1_000)
    ]
    assert groups == [[0, 4], [5], [6], [7], [30]]


def test_a_recording_without_a_snapshot_begins_with_an_empty_book(tmp_path: Path) -> None:
    event = (
        b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":%d,"T":%d,"s":"BTCUSDT",'
        b'"U":%d,"u":%d,"pu":%d,"b":[["%d.00","1.000"]],"a":[["60010.00","1.000"]]}}'
    )
    lines = [
        b"%d000000 " % (1_000 + at)
        + event % (at, at, 10 * at, 10 * at + 9, 10 * at - 1, 60_000 - at)
        for at in range(1, 5)
    ]
    (reel,) = Desk(mirrors=(write(tmp_path / "r", *lines),), loop=True).built.reels
    chain = 0
    for cue in itertools.islice(reel.cues(), 4 + 3 * 5):
        for line in reel.rejoin(cue) if cue.chains is not None else [cue.line]:
            data = msgspec.json.decode(line.message)
            assert chain in (0, data["pu"])
            chain = data["u"]
            reel.player.play(line, line.time_ns // 1_000_000)
        if cue.chains is not None:
            assert reel.player.book.depth(BUY, 9) == []
    assert len(reel.player.book.depth(BUY, 9)) == 4
