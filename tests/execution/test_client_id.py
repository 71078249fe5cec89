"""Client order ids: deterministic, readable back, ours told from everybody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.execution.client_id import MAX_EPOCH, MAX_REF, ClientIds

EXCHANGE_RULE = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
STARTED_S = 1_763_700_000
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,23}", fullmatch=True)


@given(NAMES, st.integers(0, MAX_EPOCH), st.integers(1, MAX_REF))
def test_an_id_keeps_the_exchanges_rule_and_reads_back(name: str, epoch: int, ref: int) -> None:
    ids = ClientIds(name, STARTED_S)
    text = ids.text(epoch, ref)
    assert EXCHANGE_RULE.fullmatch(text)
    assert ids.parse(text) == (ids.run, epoch, ref)
    assert ids.is_own(text) and text == ids.text(epoch, ref)


def test_distinct_orders_have_distinct_ids() -> None:
    first, later = ClientIds("btc", STARTED_S), ClientIds("btc", STARTED_S + 1)
    names = {
        ids.text(epoch, ref)
        for ids in (first, later)
        for epoch in (0, 1, 35, 36, MAX_EPOCH)
        for ref in (1, 2, 36, 37, 36**10, MAX_REF)
    }
    assert len(names) == 2 * 5 * 6


def test_an_earlier_run_is_ours_and_tells_its_run() -> None:
    old, new = ClientIds("btc", STARTED_S), ClientIds("btc", STARTED_S + 60)
    found = new.parse(old.text(3, 8))
    assert found is not None and found.run == old.run != new.run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web_abc123",
        "autoclose-123",
        "adl_autoclose",
        "aeth-32noyo001-1",
        "abtc-2-32noyo001-1",
        "abtc-32noyo001-",
        "abtc-32noyo001-123456789012",
        "abtc-32noyo01-1",
        "abtc-32NOYO001-1",
        "xabtc-32noyo001-1",
        "abtc-32noyo001-1 ",
    ],
)
def test_what_is_not_ours(text: str) -> None:
    assert not ClientIds("btc", STARTED_S).is_own(text)


def test_names_that_are_prefixes_of_each_other_are_kept_apart() -> None:
    short, long = ClientIds("btc", STARTED_S), ClientIds("btc-2", STARTED_S)
    assert not short.is_own(long.text(1, 1)) and not long.is_own(short.text(1, 1))
    one = ClientIds("a-very-long-instance-1", STARTED_S)
    two = ClientIds("a-very-long-instance-2", STARTED_S)
    assert not one.is_own(two.text(1, 1))


def test_a_clock_that_is_off_by_decades_is_refused() -> None:
    with pytest.raises(ValueError, match="the clock says"):
        ClientIds("btc", 0)
