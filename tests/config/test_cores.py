"""The kernel's core lists, and what this box permits."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.config.cores import box_cores, format_core_list, parse_core_list, permitted_cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [("", set()), ("\n", set()), ("0\n", {0}), ("0-2,7", {0, 1, 2, 7}), (" 3 , 5-5 ", {3, 5})],
)
def test_lists_are_read(text: str, cores: set[int]) -> None:
    assert parse_core_list(text) == cores


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-1", "0-99999", "1,,2", "1;2", "²"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of cores"):
        parse_core_list(text)


@given(st.frozensets(st.integers(0, 300)))
def test_lists_survive_writing_and_reading(cores: frozenset[int]) -> None:
    text = format_core_list(cores)
    assert parse_core_list("" if text == "none" else text) == cores


def test_asking_what_is_permitted_leaves_the_mask_alone() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        # A pinned process must still see the cores that it may be moved to.
        assert permitted_cores() >= before
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def test_the_box_has_the_cores_that_we_run_on() -> None:
    box = box_cores()
    assert os.sched_getaffinity(0) <= box.usable <= box.online
