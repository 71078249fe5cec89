"""Which symbols a drain has to cancel on, where nobody has listed them."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.shm.wiring import Credentials
from aegis.supervisor.venue_account import VenueAccount


@pytest.mark.parametrize(
    ("answer", "symbols"),
    [
        ([{"symbol": "B"}, {"symbol": "A"}, {"symbol": "B"}], ["A", "B"]),
        ([], []),
        (None, []),
        ({"code": -1}, []),
    ],
)
def test_the_symbols_with_orders(
    monkeypatch: pytest.MonkeyPatch, answer: Any, symbols: list[str]
) -> None:
    account = VenueAccount("http://127.0.0.1:1", Credentials("key", "secret", b"", b""))
    monkeypatch.setattr(account, "_call", lambda *asked: answer)
    assert account.symbols_with_orders() == symbols
