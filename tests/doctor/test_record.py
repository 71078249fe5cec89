"""The record of a passed doctor: written whole and private, believed only when all of it fits."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aegis.config import AegisConfig, load_config
from aegis.doctor.record import (
    MAX_AGE_S,
    DoctorRecord,
    admitted_file,
    doctor_file,
    present_record,
    read_doctor,
    refusal_of,
    write_doctor,
)
from tests.config.sample import EIGHT_CORES, edited

NOW_S = 1_763_700_000.0
LIVE = (
    "[instances.btc]\n",
    '[venue]\nmode = "live"\narmed = true\ncredentials = "k.key"\n\n[instances.btc]\n',
)


def load(folder: Path, *changes: tuple[str, str]) -> AegisConfig:
    file = folder / "aegis.toml"
    file.write_text(edited(*changes))
    return load_config(file, EIGHT_CORES)


@pytest.fixture
def live(tmp_path: Path) -> AegisConfig:
    return load(tmp_path, LIVE)


def test_it_is_private_whole_and_read_back(live: AegisConfig, tmp_path: Path) -> None:
    file = tmp_path / "state" / "doctor.json"
    record = present_record(live, "btc", NOW_S)
    write_doctor(file, record)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_doctor(file) == record
    write_doctor(file, replace(record, unix_s=5))
    again = read_doctor(file)
    assert again is not None and again.unix_s == 5
    assert [path.name for path in file.parent.iterdir()] == ["doctor.json"]


def test_it_is_owned_by_the_owner_of_the_folder(live: AegisConfig, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12_345, 12_346)
    write_doctor(folder / "doctor.json", present_record(live, "btc", NOW_S))
    state = (folder / "doctor.json").stat()
    assert (state.st_uid, state.st_gid) == (12_345, 12_346)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"version": 1}', b'{"version": 2, "instance": "btc"}',
        b'{"version": 1, "accepted": 3}', b"[" * 9_000, b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_no_record(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "doctor.json"
    file.write_bytes(content)
    file.chmod(0o600)
    assert read_doctor(file) is None


def test_what_others_may_write_is_no_record(live: AegisConfig, tmp_path: Path) -> None:
    file = tmp_path / "doctor.json"
    write_doctor(file, present_record(live, "btc", NOW_S))
    file.chmod(0o622)
    assert read_doctor(file) is None
    file.chmod(0o600)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    assert read_doctor(link) is None and read_doctor(file) is not None


def test_times_of_another_kind_are_no_record(live: AegisConfig, tmp_path: Path) -> None:
    file = tmp_path / "doctor.json"
    write_doctor(file, present_record(live, "btc", NOW_S))
    found = json.loads(file.read_text())
    for odd in ("soon", True, None, 1e400):
        file.write_text(json.dumps(found | {"unix_s": odd}))
        assert read_doctor(file) is None


def refused(live: AegisConfig, record: DoctorRecord | None) -> str:
    return refusal_of(live, "btc", NOW_S, lambda file: record)


def test_live_starts_on_a_record_that_fits(live: AegisConfig) -> None:
    record = present_record(live, "btc", NOW_S)
    assert refused(live, record) == ""
    assert refused(live, replace(record, unix_s=int(NOW_S) - MAX_AGE_S)) == ""


def test_live_starts_on_no_other(live: AegisConfig) -> None:
    record = present_record(live, "btc", NOW_S)
    for other, piece in (
        (None, "there is no record"),
        (replace(record, unix_s=int(NOW_S) - MAX_AGE_S - 1), "24 h old"),
        (replace(record, unix_s=int(NOW_S) + 3_600), "from the future"),
        (replace(record, instance="eth"), "of eth"),
        (replace(record, config_hash="a" * 64), "configuration is another"),
        (replace(record, build_id="a" * 16), "build is another"),
        (replace(record, boot_id="another"), "started anew"),
        (replace(record, boot_id=""), "started anew"),
    ):
        text = refused(live, other)
        assert piece in text and text.endswith("run: aegis doctor btc")
        assert 'mode = "live"' in text


def test_the_record_is_looked_for_where_the_instance_keeps_its_state(live: AegisConfig) -> None:
    assert "there is no record" in refusal_of(live, "btc", NOW_S)
    write_doctor(doctor_file("btc"), present_record(live, "btc", NOW_S))
    assert doctor_file("btc").parent == Path(os.environ["XDG_STATE_HOME"]) / "aegis" / "btc"
    assert refusal_of(live, "btc", NOW_S) == ""


def test_what_is_accepted_later_was_not_accepted_then(live: AegisConfig, tmp_path: Path) -> None:
    record = present_record(live, "btc", NOW_S)
    accepting = load(tmp_path, LIVE, ("[venue]", '[doctor]\naccepted = ["swap"]\n\n[venue]'))
    assert "configuration is another" in refused(accepting, record)


@pytest.mark.parametrize("mode", ["embedded", "paper", "testnet"])
def test_other_modes_need_none(tmp_path: Path, mode: str) -> None:
    keys = 'credentials = "k.key"\n' if mode == "testnet" else ""
    table = (LIVE[0], f'[venue]\nmode = "{mode}"\n{keys}\n[instances.btc]\n')
    assert refused(load(tmp_path, table), None) == ""


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({}, True),
        ({"unix_s": 5}, True),
        ({"config_hash": "another"}, False),
        ({"build_id": "another"}, False),
        ({"boot_id": "another"}, False),
        ({"instance": "eth"}, False),
    ],
)
def test_a_killed_live_run_goes_on_without_a_young_record(
    live: AegisConfig, changes: dict[str, Any], goes_on: bool
) -> None:
    record = present_record(live, "btc", NOW_S)
    write_doctor(doctor_file("btc"), replace(record, unix_s=int(NOW_S) - MAX_AGE_S - 60))
    assert "h old" in refusal_of(live, "btc", NOW_S)
    write_doctor(admitted_file("btc"), replace(record, **changes))
    assert (refusal_of(live, "btc", NOW_S) == "") is goes_on


def test_what_others_may_write_lets_nobody_go_on(live: AegisConfig) -> None:
    write_doctor(admitted_file("btc"), present_record(live, "btc", NOW_S))
    assert refusal_of(live, "btc", NOW_S) == ""
    admitted_file("btc").chmod(0o622)
    assert "there is no record" in refusal_of(live, "btc", NOW_S)
