"""Client order ids: deterministic, readable back, ours told from everybody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.execution.client_id import (
    MAX_EPOCH,
    MAX_REF,
    ClientIds,
    run_after,
    strategy_tag,
)

EXCHANGE_RULE = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
STARTED_S = 1_763_700_000
RUN = 185_863_200
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,23}", fullmatch=True)


@given(NAMES, st.integers(0, MAX_EPOCH), st.integers(1, MAX_REF))
def test_an_id_keeps_the_exchanges_rule_and_reads_back(name: str, epoch: int, ref: int) -> None:
    ids = ClientIds(name, RUN, "avellaneda_stoikov")
    text = ids.text(epoch, ref)
    assert EXCHANGE_RULE.fullmatch(text)
    name_read = ids.parse(text)
    assert name_read == (ids.run, epoch, ref, strategy_tag("avellaneda_stoikov"))
    assert name_read is not None and ids.text_of(name_read) == text
    assert ids.is_own(text) and text == ids.text(epoch, ref)


def test_distinct_orders_have_distinct_ids() -> None:
    first, later = ClientIds("btc", RUN), ClientIds("btc", RUN + 1)
    names = {
        ids.text(epoch, ref)
        for ids in (first, later)
        for epoch in (0, 1, 35, 36, MAX_EPOCH)
        for ref in (1, 2, 36, 37, 36**10, MAX_REF)
    }
    assert len(names) == 2 * 5 * 6


def test_an_earlier_run_is_ours_and_tells_its_run() -> None:
    old, new = ClientIds("btc", RUN), ClientIds("btc", RUN + 60)
    found = new.parse(old.text(3, 8))
    assert found is not None and found.run == old.run != new.run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web_abc123",
        "autoclose-123",
        "adl_autoclose",
        "aeth-00032noyo001-1",
        "abtc-2-00032noyo001-1",
        "abtc-00032noyo001-",
        "abtc-00032noyo001-123456789012",
        "abtc-32noyo001-1",
        "abtc-00032NOYO001-1",
        "xabtc-00032noyo001-1",
        "abtc-00032noyo001-1 ",
    ],
)
def test_what_is_not_ours(text: str) -> None:
    assert not ClientIds("btc", RUN).is_own(text)


def test_names_that_are_prefixes_of_each_other_are_kept_apart() -> None:
    short, long = ClientIds("btc", RUN), ClientIds("btc-2", RUN)
    assert not short.is_own(long.text(1, 1)) and not long.is_own(short.text(1, 1))
    one = ClientIds("a-very-long-instance-1", RUN)
    two = ClientIds("a-very-long-instance-2", RUN)
    assert not one.is_own(two.text(1, 1))


def test_runs_grow_whatever_the_clock_does() -> None:
    first = run_after(0, STARTED_S)
    assert run_after(first, STARTED_S) == first + 1, "two starts within a second"
    assert run_after(first, STARTED_S - 86_400) == first + 1, "the clock was set back"
    assert run_after(0, STARTED_S + 1) > first, "the journal was lost"
    assert run_after(0, 0) == 1, "no clock at all"
    with pytest.raises(ValueError, match="does not fit"):
        ClientIds("btc", run_after(36**6, STARTED_S))
