"""The list of checks is whole: numbers, names, texts, the page, and the names in the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aegis.config.doctor import CHECKS as NAMES
from aegis.doctor.check import ORDER, Check, Outcome
from aegis.doctor.examine import counts, is_passed, worst_first
from aegis.doctor.page import PAGE, page_text
from aegis.doctor.registry import CHECKS, ROOMS
from tests.doctor import test_boxes, test_exchange

NUMBERS = [str(number) if number > 9 else f"0{number}" for number in range(1, 55)]


def test_every_number_is_there_once() -> None:
    found = [check.number for check in CHECKS]
    assert len(found) == len(set(found))
    assert list(dict.fromkeys(number.split(".")[0] for number in found)) == NUMBERS


def test_the_file_knows_the_same_names() -> None:
    assert {check.name for check in CHECKS} == set(NAMES)
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_says_what_it_is(check: Check) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", check.name)
    assert check.judge.__name__ == check.name
    assert check.reads and check.good and check.why


def test_every_check_is_tested_where_the_page_says() -> None:
    of_boxes = {name for name, *_ in test_boxes.BAD} | {"core_jitter", "journal_disk"}
    of_exchange = {name for name, *_ in test_exchange.BAD} | {"exchange_latency"}
    for line in page_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if re.match(r"\| \d\d", line):
            told = of_boxes if "test_boxes" in cells[-1] else of_exchange
            assert cells[1] in told, line


def test_the_page_is_what_the_registry_says(repository: Path) -> None:
    assert PAGE.read_text() == page_text(), "write it anew: python -m aegis.doctor.page"
    assert repository / "aegis" / "doctor" / "README.md" == PAGE


def test_every_room_is_in_the_registry() -> None:
    folder = PAGE.parent
    holding = {p.stem for p in folder.glob("*.py") if "\nCHECKS: Final = (" in p.read_text()}
    assert holding == {room.__name__.rsplit(".", 1)[-1] for room in ROOMS}


def outcomes() -> list[Outcome]:
    """One of each status, and a failure that is accepted."""
    made = [Outcome(CHECKS[0], status, "found", "fix") for status in reversed(ORDER)]
    return [*made, Outcome(CHECKS[1], "fail", "found", "fix", accepted=True)]


def test_the_worst_comes_first() -> None:
    shown = [(one.status, one.accepted) for one in worst_first(outcomes())]
    assert shown[:3] == [("fail", False), ("fail", True), ("warn", False)]
    assert shown[-1] == ("pass", False)


def test_a_failure_stands_in_the_way_unless_it_is_accepted() -> None:
    assert not is_passed(outcomes())
    good = [one for one in outcomes() if one.accepted or one.status != "fail"]
    assert is_passed(good)
    assert counts(good) == {
        "fail": 1, "warn": 1, "info": 1, "skipped": 1, "pass": 1, "accepted": 1,
    }  # fmt: skip
