"""A file that is replaced as a whole: private, its owner's, and untouched when the disk refuses."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.host.whole_file import replace_file


def test_it_is_private_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "state" / "a.json"
    for text in (b"first", b"second"):
        replace_file(file, text)
        assert file.read_bytes() == text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]


def test_a_link_beside_it_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    file = tmp_path / "a.json"
    file.with_name(f"a.json.{os.getpid()}").symlink_to(victim)
    replace_file(file, b"new")
    assert (victim.read_text(), file.read_bytes()) == ("mine", b"new")
    assert not file.is_symlink()


def test_what_root_writes_is_the_folders_owners(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12_345, 12_346)
    replace_file(folder / "a.json", b"x")
    state = (folder / "a.json").stat()
    assert (state.st_uid, state.st_gid) == (12_345, 12_346)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Room for a few pages, and no more."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_what_was_there(small_disk: Path) -> None:
    file = small_disk / "a.json"
    replace_file(file, b"old")
    with pytest.raises(OSError, match="space"):
        replace_file(file, b"x" * 65_536)
    assert file.read_bytes() == b"old"
    assert [path.name for path in small_disk.iterdir()] == ["a.json"]
