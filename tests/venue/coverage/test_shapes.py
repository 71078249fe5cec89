"""The comparison of shapes finds what it is for, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venue.coverage.shapes import differences


@pytest.mark.parametrize(
    ("wanted", "ours"),
    [
        ({"a": "1.0", "b": 1}, {"b": 2, "a": "2"}),
        ({"a": None}, {"a": "x"}),
        ({"a": 1.5}, {"a": 1}),
        ({"a": "text"}, {"a": "5"}),
        ([], [{"a": 1}]),
        ([["1.0", "2.0"]], [["1.0", "2.0"], ["3", "4"]]),
        ([{"id": 1}, {"code": -1, "msg": "x"}], [{"code": -2, "msg": "y"}, {"id": 5}]),
        ({"BTCUSDT": [{"a": 1}]}, {"ETHUSDT": [{"a": 2}], "SOLUSDT": [{"a": 3}]}),
        (["GTC", "IOC"], ["GTC"]),
        ([{"a": ["x"]}], [{"a": ["y"]}, {"a": []}]),
        ([{"a": 1, "b": 2}], [{"a": 1}, {"a": 1, "b": 3}]),
    ],
)
def test_the_same_shape(wanted: Any, ours: Any) -> None:
    assert differences(wanted, ours) == []


@pytest.mark.parametrize(
    ("wanted", "ours", "found"),
    [
        ({"a": 1}, {}, ["MISSING $.a"]),
        ({}, {"a": 1}, ["EXTRA $.a"]),
        ({"a": "1"}, {"a": 1}, ["TYPE $.a number text is int here"]),
        ({"a": 1}, {"a": 1.5}, ["TYPE $.a int is float here"]),
        ({"a": 1}, {"a": True}, ["TYPE $.a int is bool here"]),
        ({"a": "1.0"}, {"a": ""}, ["TYPE $.a number text is text here"]),
        ({"a": "x"}, {"a": None}, ["TYPE $.a text is null here"]),
        ([{"a": 1}], [], ["EMPTY $"]),
        ([{"a": ["x"]}], [{"a": []}], ["EMPTY $[].a"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": "x"}]}, ["TYPE $.a[].b int is text here"]),
        ([{"a": 1, "b": 2}], [{"a": 1}, {"a": 2}], ["MISSING $[].b"]),
        ([{"a": 1}], [{"a": 1}, {"a": 1, "c": 1}], ["EXTRA $[].c"]),
        ([[1, "2"]], [[1]], ["TYPE $[] 2 columns are 1 here"]),
        ([[1, "2"]], [[1, 2]], ["TYPE $[][1] number text is int here"]),
        ([{"id": 1}, {"code": -1}], [{"id": 1}], ["MISSING $[].code", "EXTRA $[].id"]),
    ],
)
def test_what_is_different(wanted: Any, ours: Any, found: list[str]) -> None:
    assert [str(one) for one in differences(wanted, ours)] == found
