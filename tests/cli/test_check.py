"""``aegis check``: exit codes, one object on one line, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aegis.cli.check import check_command

SHIPPED_KEYS = {"ok", "file", "instance", "hash", "problems", "warnings", "effective", "host"}


def run_json(
    capsys: pytest.CaptureFixture[str], file: Path, instance: str | None = None
) -> tuple[int, dict[str, Any]]:
    code = check_command(file, instance, True)
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    answer = json.loads(out)
    assert set(answer) == SHIPPED_KEYS
    return code, answer


def changed_copy(repository: Path, folder: Path, old: str, new: str) -> Path:
    text = (repository / "aegis.toml").read_text()
    assert old in text
    file = folder / "aegis.toml"
    file.write_text(text.replace(old, new, 1))
    return file


def test_the_shipped_file_is_good(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run_json(capsys, repository / "aegis.toml")
    assert code == 0 and answer["ok"] is True and answer["problems"] == []
    assert set(answer["effective"]["instances"]) == {"btc", "eth"}
    assert answer["effective"]["venue"]["symbols"]["BTCUSDT"]["tick"] == 0.1
    assert len(answer["hash"]) == 64
    for item in answer["host"]["items"]:
        assert set(item) == {"what", "asked", "got", "honoured", "reason", "remedy"}
    assert any("simulated" in note for note in answer["host"]["notes"])


def test_one_instance_is_shown_alone(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run_json(capsys, repository / "aegis.toml", "eth")
    assert code == 0 and set(answer["effective"]["instances"]) == {"eth"}
    assert answer["effective"]["instances"]["eth"]["cores"]["venue"] == 1


def test_an_unknown_instance_is_a_configuration_error(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = run_json(capsys, repository / "aegis.toml", "bts")
    assert code == 2 and answer["ok"] is False and answer["effective"] == {}
    assert "did you mean btc?" in answer["problems"][0]["hint"]


def test_a_bad_file_is_told_key_by_key(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = changed_copy(repository, tmp_path, "max_order_qty = 0.01", "max_order_qty = nan")
    code, answer = run_json(capsys, file)
    assert code == 2 and answer["ok"] is False and answer["host"]["items"] == []
    (problem,) = answer["problems"]
    assert problem["key"] == "instances.btc.limits.max_order_qty"
    assert problem["value"] == "nan" and problem["file"] == str(file) and problem["line"] > 1


def test_parameters_are_checked_by_their_strategy(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = changed_copy(repository, tmp_path, "order_levels = 1", "order_level = 1")
    code, answer = run_json(capsys, file)
    (problem,) = answer["problems"]
    assert code == 2 and problem["key"] == "instances.btc.parameters.order_level"
    assert "did you mean order_levels?" in problem["hint"]


def test_an_unknown_strategy_is_told_with_the_nearest(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = changed_copy(repository, tmp_path, "avellaneda_stoikov", "avelaneda_stoikov")
    code, answer = run_json(capsys, file)
    (problem,) = answer["problems"]
    assert code == 2 and problem["key"] == "instances.btc.strategy"
    assert "avellaneda_stoikov" in problem["message"]


def test_people_get_values_on_output_and_findings_on_error(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_command(repository / "aegis.toml", None, False) == 0
    good = capsys.readouterr()
    assert "instances.btc.limits.max_order_qty" in good.out and "0.01" in good.out
    assert "this box" in good.out and "note: fills are simulated" in good.out
    file = changed_copy(repository, tmp_path, 'wait = "park"', 'wait = "[bold]"')
    assert check_command(file, None, False) == 2
    bad = capsys.readouterr()
    assert bad.out == ""
    assert 'hardware.wait = "[bold]"' in bad.err and "refused, 1 problem" in bad.err


def test_a_warning_is_told_and_is_no_error(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = changed_copy(repository, tmp_path, "order_qty = 0.002 ", "order_qty = 0.015 ")
    assert check_command(file, "btc", False) == 0
    assert "warning: " in capsys.readouterr().err


def test_a_missing_file_is_exit_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run_json(capsys, tmp_path / "none.toml")
    assert code == 2 and answer["problems"][0]["message"] == "no such file"


@pytest.mark.parametrize(
    ("place", "found"), [("missing", "no such directory"), ("file", "is not a directory")]
)
def test_a_place_for_the_regions_that_is_none_is_refused(
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: str,
    found: str,
) -> None:
    (tmp_path / "file").touch()
    wanted = str(tmp_path / place)
    file = changed_copy(repository, tmp_path, '"/dev/shm"', f'"{wanted}"')
    code, answer = run_json(capsys, file)
    assert code == 2 and answer["effective"] == {}
    (problem,) = answer["problems"]
    assert (problem["key"], problem["message"]) == ("hardware.shm_dir", found)
    assert problem["line"] is None and "tmpfs" in problem["hint"]
