"""Answers of the order line that are not meant for the order whose request number they carry."""

from __future__ import annotations

import json

from aegis.execution.client_id import ClientIds
from aegis.shm.outcome import ACCEPTED
from tests.execution.harness import Desk
from tests.execution.test_core import ok


def test_an_answer_that_names_another_order_is_not_for_this_one(desk: Desk) -> None:
    """The numbers of requests begin anew with each run, and a line may be slow."""
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
