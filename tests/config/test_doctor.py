"""``[doctor]``: which checks may be accepted, and what is told of a name that is none."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from aegis.config import config_hash, restart_needed
from aegis.config.doctor import CHECKS, accepted_words
from aegis.host.capabilities import plain_words
from tests.config.sample import SAMPLE, only, read_text

MONEY = (
    "configuration", "clock_offset", "exchange_certificate", "exchange_symbols",
    "exchange_account", "exchange_orders", "exchange_streams", "exchange_limits",
    "exchange_countdown", "key_leak", "key_permissions", "journal_disk",
)  # fmt: skip


def accepting(*names: str) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"{SAMPLE}\n[doctor]\naccepted = [{listed}]\n"


def test_every_check_of_the_box_may_be_accepted(tmp_path: Path) -> None:
    names = [name for name, acceptable in CHECKS.items() if acceptable]
    config = read_text(accepting(*names), tmp_path).config
    assert config is not None and config.doctor.accepted == names


@pytest.mark.parametrize("name", MONEY)
def test_what_money_rests_on_cannot_be_accepted(tmp_path: Path, name: str) -> None:
    problem = only(read_text(accepting("swap", name), tmp_path).problems)
    assert problem.key == "doctor.accepted[1]" and "cannot be accepted" in problem.message


def test_nothing_else_is_held_back() -> None:
    assert {name for name, acceptable in CHECKS.items() if not acceptable} == set(MONEY)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("servise_user", "did you mean service_user?"),
        ("clok_source", "did you mean clock_source?"),
        ("quite_another", "aegis doctor names every check"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(tmp_path: Path, name: str, hint: str) -> None:
    problem = only(read_text(accepting(name), tmp_path).problems)
    assert problem.line is not None and "is no check" in problem.message
    assert problem.hint == hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('accepted = ["swap", "swap"]', "check swap stands more than once"),
        ('accepted = "swap"', "must be a list"),
        ("accepted = [1]", "must be a string"),
        ('acepted = ["swap"]', "unknown key"),
        ('fault_drill = "yesterday"', "must be a valid date"),
    ],
)
def test_the_table_is_as_strict_as_the_others(tmp_path: Path, line: str, message: str) -> None:
    problem = only(read_text(f"{SAMPLE}\n[doctor]\n{line}\n", tmp_path).problems)
    assert message in problem.message


def test_drills_are_days(tmp_path: Path) -> None:
    config = read_text(f"{SAMPLE}\n[doctor]\nrestore_drill = 2026-11-01\n", tmp_path).config
    assert config is not None
    assert config.doctor.restore_drill == datetime.date(2026, 11, 1)
    assert len(config_hash(config)) == 64


def test_what_is_accepted_is_said_wherever_the_set_up_is(tmp_path: Path) -> None:
    plain = read_text(SAMPLE, tmp_path).config
    config = read_text(accepting("swap", "service_user"), tmp_path).config
    assert plain is not None and config is not None
    words = accepted_words(config.doctor)
    assert "swap, service_user" in words and words in plain_words(config, "btc")
    assert accepted_words(plain.doctor) == ""
    assert not any("accepted" in word for word in plain_words(plain, "btc"))


def test_it_changes_the_hash_and_asks_for_no_restart(tmp_path: Path) -> None:
    plain = read_text(SAMPLE, tmp_path).config
    config = read_text(accepting("swap"), tmp_path).config
    assert plain is not None and config is not None
    assert config_hash(plain) != config_hash(config)
    assert restart_needed(plain, config) == []
