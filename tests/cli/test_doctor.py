"""``aegis doctor``: exit codes, one object on one line, the worst first, and what is kept."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aegis.cli.main import main
from aegis.config import load_config
from aegis.config.doctor import CHECKS
from aegis.doctor import exchange_ask
from aegis.doctor.check import ORDER, Outcome, Verdict
from aegis.doctor.record import doctor_file, present_record, read_doctor
from aegis.doctor.registry import CHECKS as REGISTRY
from aegis.doctor.visit import Visit

KEYS = {
    "ok", "file", "instances", "mode", "hash", "build_id", "quick", "problems", "accepted",
    "records", "counts", "checks",
}  # fmt: skip
CHECK_KEYS = {"id", "name", "severity", "status", "accepted", "found", "good", "why", "fix"}
OF_THE_HOST = [check.name for check in REGISTRY if CHECKS[check.name]]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["aegis", "doctor", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def written(folder: Path, repository: Path, *more: str) -> Path:
    """The shipped file with lines at its end."""
    file = folder / "aegis.toml"
    file.write_text("\n".join([(repository / "aegis.toml").read_text(), *more]) + "\n")
    return file


def accepting(folder: Path, repository: Path) -> Path:
    """The shipped file, accepting whatever this machine's host may be."""
    listed = ", ".join(f'"{name}"' for name in OF_THE_HOST)
    # Beside other tests a disk may be slow: what counts here is that it was measured.
    file = written(folder, repository, f"[doctor]\naccepted = [{listed}]")
    text = file.read_text()
    assert "sync_ms = 100 " in text
    file.write_text(text.replace("sync_ms = 100 ", "sync_ms = 30000 "))
    return file


def _given(verdict: Verdict, visit: Visit) -> Verdict:
    assert visit.instances
    return verdict


def scripted(monkeypatch: pytest.MonkeyPatch, **verdicts: Verdict) -> None:
    """Have examine make these checks only, each with a verdict of the test's own."""
    made = [
        replace(check, judge=partial(_given, verdicts[check.name]), slow=False)
        for check in REGISTRY
        if check.name in verdicts
    ]
    from aegis.doctor import examine

    real = examine.examine

    def examine_these(visit: Visit, **more: Any) -> list[Outcome]:
        return real(visit, made, **more)

    monkeypatch.setattr(examine, "examine", examine_these)


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_whole_command_on_this_machine(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is scripted: every check is made, and a passed run is kept."""
    file = accepting(tmp_path, repository)
    assert call(monkeypatch, "btc", "--json", "--config", str(file)) == 0
    found = answer(capsys)
    assert set(found) == KEYS and found["ok"] is True and found["mode"] == "embedded"
    assert [set(check) for check in found["checks"]] == [CHECK_KEYS] * len(REGISTRY)
    assert {check["id"] for check in found["checks"]} == {check.number for check in REGISTRY}
    places = [ORDER.index(check["status"]) for check in found["checks"]]
    assert places == sorted(places)
    for status in ORDER:
        count = sum(check["status"] == status for check in found["checks"])
        assert found["counts"][status] == count
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["cores_online"]["status"] == "pass"
    assert by_name["stolen_time"]["status"] in ("pass", "warn", "fail")
    assert "fsync p99" in by_name["journal_disk"]["found"]
    assert "embedded" in by_name["clock_offset"]["found"]
    assert all(check["found"] for check in found["checks"])
    record = doctor_file("btc")
    assert found["records"] == [str(record)]
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    kept, config = read_doctor(record), load_config(file)
    assert kept is not None and kept == present_record(config, "btc", kept.unix_s)
    assert kept.config_hash == found["hash"]


def test_a_quick_run_leaves_out_the_slow_and_keeps_nothing(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = accepting(tmp_path, repository)
    assert call(monkeypatch, "--quick", "--json", "--config", str(file)) == 0
    found = answer(capsys)
    assert found["instances"] == ["btc", "eth"] and found["records"] == [] and found["quick"]
    left_out = {c["name"] for c in found["checks"] if "--quick" in c["found"]}
    assert left_out == {check.name for check in REGISTRY if check.slow}
    assert not doctor_file("btc").exists()


def test_people_read_what_to_do_with_the_worst_first(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = written(tmp_path, repository, '[doctor]\naccepted = ["swap"]')
    scripted(
        monkeypatch,
        cores_online=Verdict("pass", "online 0-1"),
        stolen_time=Verdict("", "9 % stolen [bold]", "another host"),
        swap=Verdict("", "2 swap areas", "swapoff"),
        drills=Verdict("skipped", "nobody knows"),
    )
    assert call(monkeypatch, "btc", "--config", str(file)) == 1
    lines = capsys.readouterr().out.splitlines()
    names = [name for line in lines for name in re.findall(r"^ *[\d.]+ (\w+)", line)]
    assert names == ["stolen_time", "swap", "drills", "cores_online"]
    text = " ".join(" ".join(lines).split())
    assert "9 % stolen [bold]" in text and "Do: another host" in text
    assert "good: below 0.1 %" in text and "warn, accepted" in text
    assert lines[-1] == "FAILED: 1 fail, 1 warn, 0 info, 1 skipped, 1 pass, 1 accepted"
    assert not doctor_file("btc").exists()


def test_an_accepted_failure_passes_and_is_shown_as_one(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = written(tmp_path, repository, '[doctor]\naccepted = ["service_user"]')
    scripted(monkeypatch, service_user=Verdict("", "root", "User=aegis"))
    assert call(monkeypatch, "btc", "--json", "--config", str(file)) == 0
    found = answer(capsys)
    (check,) = found["checks"]
    assert (check["status"], check["accepted"]) == ("fail", True)
    assert found["accepted"] == ["service_user"] and found["counts"]["accepted"] == 1
    kept = read_doctor(doctor_file("btc"))
    assert kept is not None and kept.accepted == ("service_user",)


@pytest.mark.parametrize("quick", [(), ("--quick",)])
def test_a_run_that_fails_takes_an_earlier_record_away(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick: tuple[str, ...],
) -> None:
    """The latest word counts: live would start on what is known to be wrong by now."""
    file = str(written(tmp_path, repository))
    with monkeypatch.context() as good:
        scripted(good, clock_offset=Verdict("pass", "+1 ms"))
        assert call(good, "--config", file) == 0
    kept = [doctor_file(name) for name in ("btc", "eth")]
    assert all(read_doctor(record) is not None for record in kept)
    scripted(monkeypatch, clock_offset=Verdict("", "+9000 ms", "chronyc makestep"))
    assert call(monkeypatch, "btc", *quick, "--config", file) == 1
    assert f"taken away: {kept[0]}" in capsys.readouterr().err
    assert [record.exists() for record in kept] == [False, True]


def test_a_record_that_cannot_be_kept_is_no_pass(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted(monkeypatch, cores_online=Verdict("pass", "online 0-1"))
    place = Path(os.environ["XDG_STATE_HOME"]) / "aegis"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file where the folder should be")
    file = written(tmp_path, repository)
    assert call(monkeypatch, "btc", "--config", str(file)) == 1
    assert "could not be kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "more", "piece"),
    [
        (("bts",), "", "did you mean btc?"),
        ((), '[doctor]\naccepted = ["servise_user"]', "did you mean service_user?"),
        ((), '[doctor]\naccepted = ["clock_offset"]', "cannot be accepted"),
        (("../btc",), "", "is no instance name"),
    ],
)
def test_a_bad_configuration_is_two(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    more: str,
    piece: str,
) -> None:
    file = written(tmp_path, repository, more)
    assert call(monkeypatch, *arguments, "--config", str(file)) == 2
    assert piece in " ".join(capsys.readouterr().err.split())


def test_a_bad_configuration_is_an_object_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--json", "--config", str(tmp_path / "none.toml")) == 2
    found = answer(capsys)
    assert found["ok"] is False and found["problems"][0]["message"] == "no such file"


def test_the_embedded_exchange_is_not_asked(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(exchange_ask, "_ask", nobody)
    config = load_config(written(tmp_path, repository))
    visit = Visit(None, config, tmp_path, ("btc",))  # type: ignore[arg-type]
    assert "embedded" in exchange_ask.look_at_exchange(visit).absent
