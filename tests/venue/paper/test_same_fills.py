"""The same recorded market, told as texts and told by the feed's memory: the same fills of ours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.feed.intake import Intake
from aegis.feed.warm_up import warm_up
from aegis.shm.books import DEPTH, MAX_DEPTH
from aegis.shm.instance import InstanceMemory
from tests.feed.recording import RECORDING, is_snapshot
from tests.venue.desk import Desk
from tests.venue.paper.desk import BTC, PaperDesk, list_contracts

LINES = 30_000
# Where orders of ours come in: at the touch, a few ticks behind it, in its middle.
FIRST, EVERY, LIFE = 2_000, 900, 800


@pytest.fixture(params=[MAX_DEPTH, DEPTH], ids=["all levels", "as shipped"])
def deep(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InstanceMemory]:
    warm_up()
    made = InstanceMemory.create(
        "same-fills", instruments=1, shm_dir=tmp_path, book_depth=request.param
    )
    list_contracts(made, BTC)
    yield made
    made.close()
    made.unlink()


def trade(desk: Desk, number: int, tops: list[tuple[int, int]]) -> None:
    """What we do at a line: quotes on both sides, some taken back later, a taker now and then."""
    spec = desk.btc.spec
    if number < FIRST:
        return
    turn, place = divmod(number - FIRST, EVERY)
    if place == 0:
        top = desk.btc.top()
        tops.append((top.bid_ticks, top.ask_ticks))
        for side, ticks in (("BUY", top.bid_ticks), ("SELL", top.ask_ticks)):
            away = (turn % 4) * (-1 if side == "BUY" else 1)
            desk.order(
                side=side, quantity="0.050", price=spec.price_text(ticks + away),
                newClientOrderId=f"{side}{turn}",
            )  # fmt: skip
        if turn % 7 == 3:
            desk.order(side="SELL", type="MARKET", quantity="0.020")
    if place == LIFE and turn % 2:
        desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")


def fills_of(desk: Desk) -> list[tuple[int, int, bool]]:
    return [(one.price_ticks, one.qty_lots, one.maker) for one in desk.exchange.user_trades]


def test_the_binary_path_fills_as_the_texts_do(shared_data: Path, deep: InstanceMemory) -> None:
    path = shared_data / RECORDING
    texts = Desk(mirrors=(path,))
    (reel,) = texts.built.reels
    paper = PaperDesk(deep)
    intake = Intake(["BTCUSDT"], deep.ticks, deep.books, deep.counters["feed"])
    paper.begin()
    intake.on_subscribed(0, 1)
    tops: dict[str, list[tuple[int, int]]] = {"texts": [], "paper": []}
    lines = 0
    for line in itertools.islice(reel.recording.lines(), LINES):
        lines += 1
        now_ms = line.time_ns // 1_000_000
        texts.now_ms = paper.now_ms = now_ms
        reel.player.play(line, now_ms)
        texts.core.tape.clear()
        if is_snapshot(line.message):
            (request,) = intake.snapshots.due(line.number)
            assert intake.on_snapshot(request, line.message, line.number)
        else:
            intake.take(line.enveloped, len(line.enveloped), line.number)
        paper.feed_beat()
        paper.read()
        for name, desk in (("texts", texts), ("paper", paper)):
            trade(desk, line.number, tops[name])
        if len(texts.exchange.user_trades) != len(paper.exchange.user_trades):
            break
    assert tops["texts"] == tops["paper"]
    assert fills_of(texts) == fills_of(paper), f"apart at line {lines}"
    found = fills_of(paper)
    assert lines == LINES
    assert sum(maker for *_, maker in found) > 20, "hardly any order of ours was reached"
    assert not all(maker for *_, maker in found)
    assert [o.left_lots for o in texts.exchange.orders.open.values()] == [
        o.left_lots for o in paper.exchange.orders.open.values()
    ]
    paper.assert_balanced()
