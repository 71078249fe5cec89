"""Parquet keeps every bit: records, tables, losses and their places, there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aegis.recorder.converting import Output
from aegis.recorder.errors import ForeignError, RecorderError
from aegis.recorder.parquet import export_parquet, import_parquet, read_parquet_header
from aegis.recorder.reading import RecordingFile
from aegis.shm.tick import TICK
from tests.recorder.samples import Records, random_bits, recording, rows

# Words that break lossy ways: NaNs with payloads, both zeros, infinities, the ends of the integers.
EXTREMES = (
    0, 1, 2**64 - 1, 2**63 - 1, 2**63, 0x7FF0000000000000, 0xFFF0000000000000,
    0x7FF8000000000000, 0x7FF8000000000001, 0x7FF0000000000001, 0xFFFFFFFFFFFFFFFF,
    0x8000000000000000, 0x0000000000000001, 0x7FEFFFFFFFFFFFFF, 0x3FF0000000000000,
)  # fmt: skip
WORDS = st.sampled_from(EXTREMES) | st.integers(0, 2**64 - 1)
PARTS = st.lists(
    arrays.arrays(np.uint64, st.integers(1, 40).map(lambda n: 8 * n), elements=WORDS), max_size=4
)


def there_and_back(folder: Path, path: Path) -> Path:
    middle, back = folder / "middle.parquet", folder / "back.rec"
    export_parquet(RecordingFile(path), middle, lambda end: None)
    with Output(back, read_parquet_header(middle)) as output:
        import_parquet(middle, output, lambda rows: None)
    return back


def content(path: Path) -> list[tuple[int, int, bytes]]:
    """(kind, place, body) of every frame; bodies are compared raw."""
    found = RecordingFile(path)
    frames = [(f.head.kind, f.head.position, f.body) for f in found.frames()]
    assert found.damage is None
    return frames


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PARTS)
def test_any_recording_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, parts: list[np.ndarray]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    records: list[Records] = [part.view(TICK) for part in parts]
    path = recording(folder / "first.rec", *records, symbols=("BTCUSDT", "ÄTHER"))
    assert content(there_and_back(folder, path)) == content(path)


def test_many_frames_and_a_table_that_changes_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "long.rec"
    with Output(path, RecordingFile(recording(tmp_path / "x.rec")).header) as output:
        output.table(rows("BTCUSDT"))
        output.add(random_bits(40_000, 1))
        output.table(rows("BTCUSDT", "ETHUSDT"))
        output.loss(2**62, 3, 2)
        output.add(random_bits(70_001, 2))
    back = there_and_back(tmp_path, path)
    assert content(back) == content(path)
    assert RecordingFile(back).header == RecordingFile(path).header


def test_others_can_read_the_parquet(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", random_bits(100, 5))
    export_parquet(RecordingFile(path), tmp_path / "a.parquet", lambda end: None)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.names == list(TICK.names or ())
    assert (
        table.column("ts_recv_ns").to_numpy().tolist() == random_bits(100, 5)["ts_recv_ns"].tolist()
    )


def test_the_good_part_of_a_torn_recording_is_exported(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", random_bits(100, 5), random_bits(100, 6))
    path.write_bytes(path.read_bytes()[:-200])
    found = RecordingFile(path)
    export_parquet(found, tmp_path / "a.parquet", lambda end: None)
    assert found.damage is not None
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 100


def test_a_parquet_of_somebody_else_or_a_torn_one_is_named(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"a": [1]}), foreign)
    with pytest.raises(ForeignError, match=r"foreign\.parquet"):
        read_parquet_header(foreign)
    path = recording(tmp_path / "a.rec", random_bits(100, 5))
    whole = tmp_path / "a.parquet"
    export_parquet(RecordingFile(path), whole, lambda end: None)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(RecorderError, match=r"torn\.parquet"):
        read_parquet_header(torn)


def test_nothing_is_written_over_and_no_part_is_left(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", random_bits(10, 5))
    (tmp_path / "there.parquet").write_text("mine")
    with pytest.raises(RecorderError, match="already exists"):
        export_parquet(RecordingFile(path), tmp_path / "there.parquet", lambda end: None)
    assert (tmp_path / "there.parquet").read_text() == "mine"
    with pytest.raises(RecorderError, match="no such directory"):
        export_parquet(RecordingFile(path), tmp_path / "none" / "a.parquet", lambda end: None)
    with (
        pytest.raises(ZeroDivisionError),
        Output(tmp_path / "b.rec", RecordingFile(path).header) as out,
    ):
        out.add(random_bits(10, 6))
        raise ZeroDivisionError
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.rec", "there.parquet"]
