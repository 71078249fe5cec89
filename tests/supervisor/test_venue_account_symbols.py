"""Which symbols a drain has to cancel on, where nobody has listed them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aegis.shm.wiring import Credentials
from aegis.supervisor import venue_account
from aegis.supervisor.drain import symbols_to_cancel
from aegis.supervisor.venue_account import VenueAccount


@pytest.mark.parametrize(
    ("answer", "symbols"),
    [
        ([{"symbol": "B"}, {"symbol": "A"}, {"symbol": "B"}], ["A", "B"]),
        ([], []),
        (None, None),
        ({"code": -1}, None),
    ],
)
def test_the_symbols_with_orders(
    monkeypatch: pytest.MonkeyPatch, answer: Any, symbols: list[str] | None
) -> None:
    account = VenueAccount("http://127.0.0.1:1", Credentials("key", "secret", b"", b""))
    monkeypatch.setattr(account, "_call", lambda *asked: answer)
    assert account.symbols_with_orders() == symbols


def instance(symbols: list[str], found: list[str]) -> Any:
    """As much of an instance as the choice of symbols looks at; empty texts are empty rows."""
    table = SimpleNamespace(rows=SimpleNamespace(size=len(found)), symbol=found.__getitem__)
    return SimpleNamespace(
        settings=SimpleNamespace(instance=SimpleNamespace(symbols=symbols)),
        memory=SimpleNamespace(instruments=table),
    )


@pytest.mark.parametrize(
    ("listed", "answer", "chosen"),
    [
        (["ETHUSDT"], None, ["ETHUSDT"]),
        ([], [{"symbol": "B"}], ["B"]),
        ([], [], []),
        ([], None, ["AUSDT", "BUSDT"]),
    ],
)
def test_a_venue_that_names_none_is_asked_for_all_that_were_found(
    monkeypatch: pytest.MonkeyPatch, listed: list[str], answer: Any, chosen: list[str]
) -> None:
    account = VenueAccount("http://127.0.0.1:1", Credentials("key", "secret", b"", b""))
    monkeypatch.setattr(account, "_call", lambda *asked: answer)
    assert list(symbols_to_cancel(instance(listed, ["AUSDT", "BUSDT", ""]), account)) == chosen


def test_a_silent_venue_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    account = VenueAccount("http://127.0.0.1:1", Credentials("key", "secret", b"", b""))
    times, asked = iter(range(0, 1_000, 2)), []
    monkeypatch.setattr(venue_account.time, "monotonic", lambda: float(next(times)))
    monkeypatch.setattr(account, "_call", lambda *call: asked.append(call))
    assert not account.cancel_all(f"S{number}" for number in range(300))
    assert 1 <= len(asked) <= 6
