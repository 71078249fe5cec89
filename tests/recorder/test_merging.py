"""Recordings joined: by time, nothing lost, nothing told twice, and the order of each file kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.recorder import converting, merging
from aegis.recorder.converting import Output
from aegis.recorder.errors import RecorderError
from aegis.recorder.header import Header, own_header
from aegis.recorder.layout import FIRST, LEVEL, PICTURE, VERSION
from aegis.recorder.merging import merge, merged_header
from aegis.recorder.reading import RecordingFile
from aegis.shm.tick import CANARY
from tests.recorder.samples import Records, numbered, recording, rows

HOUR_NS = 3_600_000_000_000


def joined(out: Path, *paths: Path) -> RecordingFile:
    """The recording that comes of these."""
    recordings = [RecordingFile(path) for path in paths]
    with Output(out, merged_header([one.header for one in recordings])) as output:
        merge(recordings, output, [lambda end: None] * len(paths))
    return RecordingFile(out)


def at(times: list[int], mark: int) -> Records:
    """Trades received at these times, numbered from `mark`."""
    records = numbered(len(times), mark)
    records["ts_recv_ns"] = times
    return records


TIMES = st.lists(st.integers(0, 30), min_size=1, max_size=60)


@settings(deadline=None, max_examples=60)
@given(st.lists(TIMES, min_size=1, max_size=4), st.booleans(), st.integers(1, 40))
def test_every_record_once_and_each_file_in_its_order(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[int]], in_order: bool, most: int,
) -> None:  # fmt: skip
    place = tmp_path_factory.mktemp("merge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converting, "_FRAME_RECORDS", 7)
        patch.setattr(merging, "_MOST_WAITING", most if not in_order else 1 << 20)
        parts = [
            at(sorted(times) if in_order else times, 1_000 * number)
            for number, times in enumerate(files)
        ]
        paths = [recording(place / f"{n}.rec", part) for n, part in enumerate(parts)]
        result = joined(place / "all.rec", *paths)
        found = result.read_all()
    assert result.damage is None
    assert found.size == sum(part.size for part in parts)
    for number, part in enumerate(parts):
        own = found[found["d"] // 1_000 == number]
        assert own.tobytes() == part.tobytes(), "nothing of a file is changed or moved in it"
    if in_order:
        everything = np.concatenate(parts)
        wanted = everything[np.argsort(everything["ts_recv_ns"], kind="stable")]
        assert found.tobytes() == wanted.tobytes(), "in a tie the file named first comes first"


def test_symbols_come_together_by_name_and_keep_what_is_known(tmp_path: Path) -> None:
    first, second = at([1, 5], 0), at([2, 3], 10)
    first["instrument"], second["instrument"] = [0, 1], [0, 1]
    live = recording(tmp_path / "a.rec", first, symbols=("BTCUSDT", "ETHUSDT"))
    with Output(tmp_path / "b.rec", own_header("test")) as output:
        assert [output.number(name) for name in ("SOLUSDT", "BTCUSDT")] == [0, 1]
        output.add(second)
    for order in ((live, tmp_path / "b.rec"), (tmp_path / "b.rec", live)):
        result = joined(tmp_path / f"{order[0].stem}.all.rec", *order)
        found = result.read_all()
        names = [result.symbol(int(number)) for number in found["instrument"]]
        assert names == ["BTCUSDT", "SOLUSDT", "BTCUSDT", "ETHUSDT"]
        ticks = {bytes(row["symbol"]): float(row["tick_size"]) for row in result.instruments}
        assert ticks == {b"BTCUSDT": 0.1, b"ETHUSDT": 0.1, b"SOLUSDT": 0.0}


def test_losses_stay_among_their_own_records(tmp_path: Path) -> None:
    holes = recording(tmp_path / "a.rec", at([1, 4], 0), at([6, 9], 2), at([9], 4))
    whole = recording(tmp_path / "b.rec", at([2, 3, 5, 8, 10], 1_000))
    result = joined(tmp_path / "all.rec", holes, whole)
    seen: list[object] = []
    for frame in result.frames():
        if frame.head.records:
            seen += np.frombuffer(result_records(frame.body), np.float64).tolist()
        elif frame.head.name == "LOSS":
            seen.append(tuple(result.losses[-1]))
    own = [one for one in seen if isinstance(one, tuple) or one < 1_000]  # type: ignore[operator]
    assert own == [0.0, 1.0, (5, 1, 1), 2.0, 3.0, (10, 2, 1), 4.0]
    assert [one for one in seen if not isinstance(one, tuple)] == [
        0.0, 1000.0, 1001.0, 1.0, 1002.0, 2.0, 1003.0, 3.0, 4.0, 1004.0,
    ]  # fmt: skip


def result_records(body: bytes) -> bytes:
    from aegis.recorder.frames import decode_records

    return np.ascontiguousarray(decode_records(body)["d"]).tobytes()


def test_clocks_of_two_boots_are_brought_together(tmp_path: Path) -> None:
    paths = []
    for number, offset_ns in enumerate((10 * HOUR_NS, 11 * HOUR_NS, 10 * HOUR_NS + 5_000)):
        paths.append(tmp_path / f"{number}.rec")
        header = Header(VERSION, "live", "btc", 0, offset_ns)
        with Output(paths[-1], header) as output:
            output.table(rows("BTCUSDT"))
            output.add(at([100 + number], number))
    result = joined(tmp_path / "all.rec", *paths)
    assert (result.header.wall_minus_recv_ns, result.header.instance) == (10 * HOUR_NS, "btc")
    found = result.read_all()
    assert found["d"].tolist() == [0, 2, 1]
    assert found["ts_recv_ns"].tolist() == [100, 102, 101 + HOUR_NS]


def test_a_picture_is_not_cut_by_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "_FRAME_RECORDS", 4)
    picture = at([7] * 10, 0)
    picture["kind"], picture["flags"] = LEVEL, PICTURE
    picture["flags"][0] |= FIRST
    other = at([5, 7, 8], 1_000)
    paths = [recording(tmp_path / "a.rec", picture), recording(tmp_path / "b.rec", other)]
    found = joined(tmp_path / "all.rec", *paths).read_all()
    assert found["d"].tolist() == [1000, *range(10), 1001, 1002]


def test_an_instrument_without_a_name_is_refused_unless_it_is_nobodys(tmp_path: Path) -> None:
    records = at([1, 2], 0)
    records["instrument"] = 3
    records["kind"] = CANARY
    nobodys = recording(tmp_path / "a.rec", records)
    assert joined(tmp_path / "c.rec", nobodys).read_all()["instrument"].tolist() == [0, 0]
    records["kind"][1] = LEVEL
    nameless = recording(tmp_path / "b.rec", records)
    with pytest.raises(RecorderError, match="instrument 3"):
        joined(tmp_path / "d.rec", nobodys, nameless)
    assert not (tmp_path / "d.rec").exists()
