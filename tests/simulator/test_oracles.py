"""An oracle judges by the trial's time, on whatever line a request leaves."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from aegis.shm.intent import POST_ONLY
from aegis.simulator.premises import Premises
from aegis.simulator.trial import Trial


@pytest.fixture
def premises() -> Iterator[Premises]:
    with Premises() as made:
        yield made


def test_an_order_over_rest_is_late_when_it_leaves_late(premises: Premises) -> None:
    trial = Trial(1, premises)
    ticks = trial.exchange.bid
    wish = trial.brain.place(trial.timeline.now_ns, 1, ticks, 5, POST_ONLY)
    trial.storage.placed.add((wish.epoch, wish.ref))
    order = {
        "newClientOrderId": f"at-abc{0:06d}{wish.epoch:03d}-{wish.ref}",
        "side": "BUY",
        "quantity": "0.005",
        "price": f"{ticks / 10:.1f}",
    }
    trial.timeline.now_ns = wish.valid_until_ns + 1
    trial.oracles.on_http("POST", "fapi/v1/order", urlencode(order))
    found = trial.oracles.found
    assert found is not None and found.oracle == "I4"
    assert "after it had expired" in found.text


def test_an_amend_into_our_own_order_is_found(premises: Premises) -> None:
    trial = Trial(1, premises)
    exchange, ask = trial.exchange, trial.exchange.ask
    names = [f"at-abc{0:06d}{0:03d}-{ref}" for ref in (1, 2)]
    exchange.place(names[0], -1, ask + 3, 5, "GTX")
    exchange.place(names[1], 1, ask - 30, 5, "GTC")
    assert trial.oracles.found is None
    exchange.amend(names[1], 1, ask + 2, 5)
    assert trial.oracles.found is None, "it takes somebody else's"
    exchange.fill(exchange.by_client[names[1]], exchange.by_client[names[1]].left, ask, maker=True)
    exchange.place(names[1], 1, ask - 30, 5, "GTC")
    trial.oracles.found = None
    exchange.amend(names[1], 1, ask + 3, 5)
    found = trial.oracles.found
    assert found is not None and found.oracle == "I4" and "was amended into" in found.text
