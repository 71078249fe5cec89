"""Answers of the order line that are not meant for the order whose request number they carry."""

from __future__ import annotations

import json

from aegis.execution.client_id import ClientIds, first_request
from aegis.execution.words import REQUEST_NEXT
from aegis.shm.outcome import ACCEPTED, REJECTED
from tests.execution.harness import Desk
from tests.execution.test_core import failed, ok


def test_an_answer_that_names_another_order_is_not_for_this_one(desk: Desk) -> None:
    slot = desk.place()
    earlier = ClientIds("t", desk.core.ids.run - 60).text(1, 1)
    for client_id in (earlier, desk.core.ids.text(1, 2), desk.core.ids.text(2, 1)):
        told = json.loads(ok(1))
        told["result"]["clientOrderId"] = client_id
        assert desk.answer(json.dumps(told)) == -1
    assert desk.kinds() == []
    told["result"]["clientOrderId"] = desk.core.ids.text(1, 1)
    assert desk.answer(json.dumps(told)) == slot
    assert desk.kinds() == [ACCEPTED]


def test_no_run_has_the_request_numbers_of_the_runs_before_it(desk: Desk) -> None:
    """A line may be slow: an error says of itself only which request it answers."""
    earlier = desk.core.ids.run - 1
    desk.core.words[REQUEST_NEXT] = first_request(desk.core.ids.run)
    slot = desk.place()
    assert desk.answer(failed(first_request(earlier), 400, -5022)) == -1
    assert desk.kinds() == []
    assert desk.answer(failed(first_request(desk.core.ids.run), 400, -5022)) == slot
    assert desk.kinds() == [REJECTED]


def test_request_numbers_are_told_back_as_they_were() -> None:
    runs = [1, 2, 218_765_432, 218_765_433, 36**6 - 1]
    firsts = [first_request(run) for run in runs]
    assert len(set(firsts)) == len(runs)
    assert all(0 < first < 2**53 - 2**32 for first in firsts)
    assert firsts[3] - firsts[2] == 2**32
