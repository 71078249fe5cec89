"""The strategy beside this file, tried out: run with `python -m pytest`."""

from pathlib import Path

from aegis.brain.trial import Trial

FILE = Path(__file__).with_name("STRATEGY_FILE")
PARAMETERS = {"order_qty": 0.002, "max_inventory_qty": 0.004}


def test_it_quotes_around_the_mid() -> None:
    trial = Trial(FILE, PARAMETERS)
    wishes = trial.quote(bid=60_000.0, ask=60_000.1)
    assert wishes is not None and len(wishes) == 2
    buy, sell = wishes
    assert (buy.side, sell.side) == ("buy", "sell")
    assert buy.price < 60_000.0 < 60_000.1 < sell.price
    assert buy.qty == sell.qty == 0.002


def test_it_never_wishes_beyond_its_limit() -> None:
    trial = Trial(FILE, PARAMETERS)
    trial.fill("buy", price=60_000.0, qty=0.004)
    wishes = trial.quote(bid=60_000.0, ask=60_000.1)
    assert wishes is not None
    assert [wish.side for wish in wishes] == ["sell"]


def test_it_withstands_ten_thousand_events() -> None:
    report = Trial(FILE, PARAMETERS).run(events=10_000, seed=7)
    assert report.errors == []
    assert report.wishes > 0
    assert report.same_again
