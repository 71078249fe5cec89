"""The table of controls is whole: each has its sentence, sources, function and a test."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from aegis.config import LimitsConfig
from aegis.risk.controls import CONTROLS, Control, ControlEntry, control_name
from aegis.risk.gate_state import GATE_LIMITS
from aegis.risk.limits import ROW_LIMITS
from aegis.risk.page import PAGE, page_text


@pytest.mark.parametrize("entry", CONTROLS.values(), ids=lambda entry: entry.name)
def test_a_control_has_its_proof(entry: ControlEntry, repository: Path) -> None:
    file, function = entry.test.split("::")
    tree = ast.parse((repository / file).read_text())
    tests = {
        node.name: ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function in tests, f"{entry.name}: {entry.test} does not exist"
    assert "assert " in tests[function] or "raises(" in tests[function], "a test that can fail"
    assert "skip" not in tests[function], "a test that runs"
    assert entry.sentence.endswith(".") and entry.sources


@pytest.mark.parametrize("entry", CONTROLS.values(), ids=lambda entry: entry.name)
def test_a_control_has_its_function(entry: ControlEntry) -> None:
    if entry.function:
        module, name = entry.function.split(".")
        kernel = getattr(importlib.import_module(f"aegis.risk.{module}"), name)
        assert hasattr(kernel, "py_func"), f"{entry.function} is no kernel"


def test_every_limit_of_the_file_reaches_the_gate() -> None:
    assert set(LimitsConfig.model_fields) == {*GATE_LIMITS, *ROW_LIMITS, "pilot_hours"}


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page_text(), "write it anew: python -m aegis.risk.page"


def test_numbers_are_distinct_and_named() -> None:
    assert len({control.value for control in Control}) == len(Control)
    assert control_name(9) == "PRICE_COLLAR"
    assert control_name(9999) == "CONTROL_9999"
