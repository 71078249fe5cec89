"""What is not a name is refused before any command looks at a path made of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("clean", "stop", "reload", "status")


def aegis(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aegis.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["", "../x", "a/../../b", "A", "x" * 5000, "\x1b[31mred"])
def test_what_is_no_name_is_wrong_usage(command: str, name: str) -> None:
    done = aegis(command, name)
    assert done.returncode == 2
    assert "no instance name" in done.stderr
    assert "\x1b[31m" not in done.stderr and len(done.stderr) < 2000


def test_clean_never_follows_a_path_out_of_the_shared_memory(
    tmp_path: Path, repository: Path
) -> None:
    memory, victim = tmp_path / "shm", tmp_path / "victim"
    (memory / "aegis-zz").mkdir(parents=True)
    victim.mkdir()
    (victim / "file").write_text("mine")
    text = (repository / "aegis.toml").read_text()
    profile = tmp_path / "aegis.toml"
    profile.write_text(text.replace('shm_dir = "/dev/shm"', f'shm_dir = "{memory}"'))
    done = aegis("clean", "zz/../../victim", "--config", str(profile))
    assert done.returncode == 2
    assert (victim / "file").read_text() == "mine"


def test_a_file_that_is_no_recording_is_refused_before_anything_starts(
    tmp_path: Path, repository: Path
) -> None:
    config = str(repository / "aegis.toml")
    bad = tmp_path / "notes.txt"
    bad.write_text("hello\n")
    for path, words in ((bad, "does not begin with a time"), (tmp_path, "is a directory")):
        done = aegis("run", "btc", "--config", config, "--mirror", str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr and "forked" not in done.stderr


def test_a_closed_standard_output_is_no_failure(repository: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    line = f"{sys.executable} -m aegis.cli check --config {repository / 'aegis.toml'} >&-"
    assert subprocess.run([shell, "-c", line], timeout=60, check=False).returncode == 0
