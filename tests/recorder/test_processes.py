"""Real recorder processes: killed in the middle, on a full disk, ended with their instance."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.recorder.reading import RecordingFile
from aegis.recorder.repair import examine, repair
from aegis.recorder.segments import segment_paths
from aegis.shm.instance import InstanceMemory
from tests.recorder.samples import numbered, random_bits
from tests.waiting import eventually

NAME = "rec-test"


def start(memory: InstanceMemory, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "aegis.cli", "record", NAME, "--dir", str(out)]
    command += ["--shm-dir", str(memory.directory.parent), "--json", *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


@pytest.fixture
def running(memory: InstanceMemory, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A recorder that has written its first records."""
    process = start(memory, tmp_path / "out", "--books", "0.05")
    try:
        _feed_until_written(memory, tmp_path / "out", process)
        yield process
    finally:
        process.kill()
        process.communicate()


def _feed_until_written(memory: InstanceMemory, out: Path, process: subprocess.Popen[str]) -> None:
    sent = iter(range(10**9))

    def written() -> bool:
        assert process.poll() is None, process.communicate()[1]
        memory.ticks.publish(numbered(100, next(sent) * 100))
        return any(path.stat().st_size > 1_000 for path in segment_paths(out, NAME))

    eventually(written, "the recorder's first frame", timeout_s=60.0, interval_s=0.05)


def test_killed_in_the_middle_it_leaves_a_good_part_that_is_named_and_repaired(
    running: subprocess.Popen[str], memory: InstanceMemory, tmp_path: Path
) -> None:
    memory.ticks.publish(numbered(10_000, 5_000_000))
    (path,) = segment_paths(tmp_path / "out", NAME)
    assert examine(path).state == "writing"
    running.send_signal(signal.SIGKILL)
    running.wait(timeout=10)
    found = examine(path)
    assert found.state == "damaged"
    assert "its writer was killed" in found.text
    assert str(found.records) in found.text
    records = RecordingFile(path).read_all()
    ids = records["d"].astype(np.int64)
    # Nothing but what was published, in order, with no hole that is not told.
    ordinary = ids[ids < 5_000_000]
    assert ordinary.tolist() == list(range(ordinary[0], ordinary[0] + ordinary.size))
    # A disk that stopped in the middle of a frame: what a crash of the machine can leave.
    with path.open("ab") as stream:
        stream.write(path.read_bytes()[-60:-11])
    assert "no frame begins here" in examine(path).text
    kept = repair(path).kept
    assert examine(path).state == "whole"
    assert RecordingFile(path).read_all().tobytes() == records.tobytes()
    assert examine(kept).bad_offset == found.bad_offset


def test_a_later_recorder_names_what_was_torn_and_goes_on(
    running: subprocess.Popen[str], memory: InstanceMemory, tmp_path: Path
) -> None:
    running.send_signal(signal.SIGKILL)
    running.wait(timeout=10)
    (torn,) = segment_paths(tmp_path / "out", NAME)
    second = start(memory, tmp_path / "out", "--for", "0.5")
    _, told = second.communicate(timeout=60)
    assert second.returncode == 0
    assert f"did not close {torn}" in told
    assert "aegis data verify --repair" in told


def test_it_ends_with_its_instance_and_sums_up(
    running: subprocess.Popen[str], memory: InstanceMemory, tmp_path: Path
) -> None:
    memory.unlink()
    answer, told = running.communicate(timeout=30)
    assert running.returncode == 0, told
    assert answer.count("\n") == 1
    found = json.loads(answer)
    assert found["ok"] is True
    assert found["ended"] == "the instance has stopped"
    (path,) = segment_paths(tmp_path / "out", NAME)
    assert examine(path).state == "whole"
    assert found["records"] == examine(path).records
    assert found["bytes_written"] == path.stat().st_size
    assert found["frames"] == examine(path).frames


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(
    running: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    running.send_signal(number)
    answer, told = running.communicate(timeout=30)
    assert running.returncode == 0, told
    assert json.loads(answer)["ended"] == number.name
    (path,) = segment_paths(tmp_path / "out", NAME)
    assert examine(path).state == "whole"


def test_without_an_instance_it_is_three_and_nothing_is_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aegis.cli", "record", "nobody", "--dir", str(tmp_path / "o")]
    command += ["--shm-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "nobody is not running" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "more", [("--max-bytes", "1M"), ("--max-bytes", "lots"), ("--for", "-1"), ("--books", "-1")]
)
def test_wrong_usage_is_two(memory: InstanceMemory, tmp_path: Path, more: tuple[str, str]) -> None:
    process = start(memory, tmp_path / "out", *more)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in told


def test_a_place_that_is_a_file_is_two(memory: InstanceMemory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    process = start(memory, tmp_path / "file")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert str(tmp_path / "file") in told


_ON_TMPFS = """
import sys
from pathlib import Path
import numpy as np
from aegis.recorder.recorder import Recorder
from aegis.recorder.reading import RecordingFile
from aegis.recorder.segments import LEAST_MAX_BYTES, Segments, segment_paths
from aegis.shm.instance import InstanceMemory
from tests.recorder.samples import random_bits

disk, shm = Path(sys.argv[1]), Path(sys.argv[2])
ballast = disk / "ballast"
ballast.write_bytes(bytes(1 << 20))
memory = InstanceMemory.attach("rec-test", shm_dir=shm, readonly=False)
said = []
recorder = Recorder(
    memory, Segments(disk / "out", "rec-test", LEAST_MAX_BYTES), books_every_s=0, flush_s=0.0,
    say=said.append,
)
for turn in range(8):
    memory.ticks.publish(random_bits(4_000, turn))
    recorder.turn(turn * 2.0)
assert recorder.tally.disk_failures > 0, "the disk was never full"
assert sum("No space left" in text for text in said) == 1, said
ballast.unlink()
recorder.turn(100.0)
recorder.finish()
assert recorder.tally.dropped == 0
for path in segment_paths(disk / "out", "rec-test"):
    file = RecordingFile(path)
    sys.stdout.buffer.write(file.read_all().tobytes())
    assert file.damage is None, file.damage
"""


_FULL_TO_THE_END = """
import json, sys
from pathlib import Path
from aegis.recorder.recorder import Recorder
from aegis.recorder.repair import examine
from aegis.recorder.segments import LEAST_MAX_BYTES, Segments, segment_paths
from aegis.shm.instance import InstanceMemory
from tests.recorder.samples import random_bits

disk, shm = Path(sys.argv[1]), Path(sys.argv[2])
memory = InstanceMemory.attach("rec-test", shm_dir=shm, readonly=False)
segments = Segments(disk / "out", "rec-test", LEAST_MAX_BYTES)
recorder = Recorder(memory, segments, books_every_s=0, flush_s=0.0, backlog_records=9_000)
for turn in range(12):
    memory.ticks.publish(random_bits(4_000, turn))
    recorder.turn(turn * 2.0)
    if recorder.trouble:
        try:
            with open(disk / "filling", "ab", buffering=0) as filling:
                while True:
                    filling.write(bytes(4096))
        except OSError:
            pass
recorder.finish()
found = [examine(path) for path in segment_paths(disk / "out", "rec-test")]
counts = [sum(file.records for file in found), sum(file.lost for file in found)]
states = sorted({file.state for file in found})
print(json.dumps([recorder.tally.records, recorder.tally.dropped, *counts, states]))
"""


def test_a_filesystem_full_to_the_end_leaves_a_file_that_says_what_is_missing(
    memory: InstanceMemory, tmp_path: Path, repository: Path
) -> None:
    told = on_a_small_disk(_FULL_TO_THE_END, "1m", memory, tmp_path, repository)
    written, dropped, records, lost, states = json.loads(told)
    assert (records, lost, states) == (written, dropped, ["whole"])
    assert written + dropped == 12 * 4_000
    assert 0 < written < 20_000, "a mebibyte holds no more of such records"


def test_a_full_filesystem_is_survived_and_nothing_is_torn(
    memory: InstanceMemory, tmp_path: Path, repository: Path
) -> None:
    told = on_a_small_disk(_ON_TMPFS, "2500k", memory, tmp_path, repository)
    expected: Any = np.concatenate([random_bits(4_000, turn) for turn in range(8)])
    assert told == expected.tobytes()


def on_a_small_disk(
    program: str, size: str, memory: InstanceMemory, tmp_path: Path, repository: Path
) -> bytes:
    """What a program says that is given a tmpfs of this size and the memory's directory."""
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("a filesystem of its own needs root and unshare(1)")
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this box permits no mount namespace")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size="$5" tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = [*unshare, "sh", "-c", script, "sh", str(disk), sys.executable, program]
    command += [str(memory.directory.parent), size]
    done = subprocess.run(
        command, capture_output=True, timeout=120, check=False, cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
