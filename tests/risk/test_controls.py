"""The table of controls is whole: each has its sentence, its sources, and a test that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis.risk.controls import CONTROLS, Control, ControlEntry, control_name


@pytest.mark.parametrize("entry", CONTROLS.values(), ids=lambda entry: entry.name)
def test_a_control_has_its_proof(entry: ControlEntry, repository: Path) -> None:
    file, function = entry.test.split("::")
    assert f"def {function}(" in (repository / file).read_text(), f"{entry.name}: {entry.test}"
    assert entry.sentence.endswith(".") and entry.sources


def test_numbers_are_distinct_and_named() -> None:
    assert len({control.value for control in Control}) == len(Control)
    assert control_name(9) == "PRICE_COLLAR"
    assert control_name(9999) == "CONTROL_9999"
