"""Listen keys: one per account, the same while it lives, gone after 60 minutes."""

from __future__ import annotations

import pytest

from aegis.venue.errors import RejectError
from aegis.venue.gateway.listen_keys import VALID_MS, ListenKeys


def test_life_of_a_key() -> None:
    keys = ListenKeys()
    first = keys.open(1, 0)
    assert len(first) == 64
    assert keys.open(1, VALID_MS - 1) == first
    assert keys.account_of(first, 2 * VALID_MS - 2) == 1
    assert keys.account_of(first, 2 * VALID_MS - 1) is None
    assert keys.take_expired(2 * VALID_MS - 2) == []
    assert [key.key for key in keys.take_expired(2 * VALID_MS - 1)] == [first]
    second = keys.open(1, 3 * VALID_MS)
    assert second != first
    assert keys.extend(1, 3 * VALID_MS + 5) == second
    assert keys.close(1, 3 * VALID_MS + 6) == second
    for ask in (keys.extend, keys.close):
        with pytest.raises(RejectError) as caught:
            ask(1, 3 * VALID_MS + 7)
        assert caught.value.code == -1125


def test_accounts_have_different_keys() -> None:
    keys = ListenKeys()
    assert keys.open(1, 0) != keys.open(2, 0)
    assert keys.account_of("unknown", 0) is None
