"""Fault files: what is wrong in one is told by file, line, key and value, and all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aegis.venue.errors import OptionsError
from aegis.venue.faults.menu import KINDS, MENU, keys_of
from aegis.venue.faults.schema import Fault, load_schedule, read_faults

# A value for every key that some kind needs.
NEEDED: dict[str, Any] = {
    "delay_ms": 50, "shift_ms": -5, "factor": 1.5, "code": -2019, "leverage": 7, "qty": 0.5,
    "status": "SETTLING", "bps": 120.0,
}  # fmt: skip


def minimal(kind: str) -> dict[str, Any]:
    table = {"kind": kind, **{key: NEEDED[key] for key in MENU[kind].needs}}
    return {**table, "tick": 0.5} if kind == "filter_change" else table


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written_with_its_needs_alone_and_says_so(kind: str) -> None:
    faults, findings = read_faults([minimal(kind)], ("fault",))
    assert findings == []
    (fault,) = faults
    assert fault.kind == kind
    assert fault.most == (None if MENU[kind].lasts else 1)
    for key in MENU[kind].needs:
        assert getattr(fault, key) == NEEDED[key]
        table = minimal(kind)
        del table[key]
        _, (missing,) = read_faults([table], ("fault",))
        assert (missing.location, missing.message) == (("fault", 0, key), "is missing")


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_takes_a_key_that_it_has_no_use_for(kind: str) -> None:
    known = set(keys_of(kind))
    assert known <= set(Fault.__dataclass_fields__)
    for key in ("stream", "endpoint", "symbol", "delay_ms", "every_ms"):
        if key not in known:
            _, findings = read_faults([{**minimal(kind), key: 1}], ("fault",))
            assert [finding.message for finding in findings] == ["unknown key"]


def test_a_schedule_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'seed = 11\n[[fault]]\nkind = "drop"\nstream = "btc*"\nprobability = 0.5\n'
        '[[fault]]\nkind = "refused"\ncode = -4400\nfor_ms = 1000\n'
    )
    schedule = load_schedule(path)
    assert schedule.seed == 11
    first, second = schedule.faults
    assert (first.stream, first.probability, first.most) == ("btc*", 0.5, None)
    assert (second.code, second.for_ms, second.most) == (-4400, 1000, None)


PROBLEMS = """
seed = -1
[[fault]]
kind = "drop"
endpoint = "x"
[[fault]]
kind = "dorp"
[[fault]]
stream = "x"
[[fault]]
kind = "delay"
delay_ms = "50"
[[fault]]
kind = "refused"
code = -77
[[fault]]
kind = "filter_change"
[[fault]]
kind = "drop"
probability = nan
"""


def test_every_problem_of_a_file_is_told_with_its_line_key_and_value(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(PROBLEMS.replace("seed = -1\n", ""))
    with pytest.raises(OptionsError) as caught:
        load_schedule(path)
    told = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert [line.removeprefix(f"{path}:").split(" (")[0] for line in told] == [
        '4: fault[0].endpoint = "x": unknown key',
        '6: fault[1].kind = "dorp": is no kind of fault',
        "7: fault[2].kind: is missing",
        '11: fault[3].delay_ms = "50": must be an integer',
        "14: fault[4].code = -77: is no code that this venue answers with",
        "15: fault[5]: changes nothing",
        "19: fault[6].probability = nan: must be a finite number",
    ]
    assert "did you mean drop?" in told[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = -1\n", ":1: seed = -1: must be greater than or equal to 0"),
        ("fault = 3\n", ":1: fault = 3: must be a list"),
        ("[fault]\n", ":1: fault = a table with nothing in it: must be a list"),
        ("[[fault]\n", ":1: TOML syntax"),
        ("colour = 1\n", ":1: colour = 1: unknown key (known here: seed, fault)"),
    ],
)
def test_a_file_that_is_no_schedule(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(OptionsError, match=r"faults\.toml") as caught:
        load_schedule(path)
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="no such file"):
        load_schedule(tmp_path / "none.toml")
