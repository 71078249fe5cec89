"""`aegis data` as a person calls it: exit codes, one JSON object, the real recording through it."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.cli.main import main
from aegis.recorder.layout import AGGREGATE, FIRST, LEVEL, LOSS, PICTURE
from aegis.recorder.reading import RecordingFile
from aegis.shm.tick import QUOTE, TRADE
from tests.feed.recording import RECORDING, payloads
from tests.recorder.samples import numbered, random_bits, recording


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, Any, str]:
    """(exit code, the JSON object or None, what was said) of `aegis data ...`."""
    monkeypatch.setattr(sys, "argv", ["aegis", "data", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    lines = shown.out.splitlines()
    found = json.loads(lines[0]) if "--json" in arguments and len(lines) == 1 else None
    assert isinstance(end.value.code, int)
    return end.value.code, found, shown.err


Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


def test_the_real_recording_is_imported_message_by_message(
    monkeypatch: Patch, capsys: Capture, shared_data: Path, tmp_path: Path
) -> None:
    source, out = shared_data / RECORDING, tmp_path / "btc.rec"
    code, told, _ = call(monkeypatch, capsys, "import", "--from", "raw", source, out, "--json")
    assert code == 0
    assert told["ok"] is True
    records = RecordingFile(out).read_all()
    assert told["records"] == len(records)
    assert told["bytes"] == out.stat().st_size
    kinds = Counter(records["kind"].tolist())
    assert (kinds[TRADE], kinds[QUOTE]) == (21_313, 66_089)
    messages = [json.loads(payload) for payload in payloads(source)]
    data = [message["data"] for message in messages if "data" in message]
    trades = [found for found in data if found["e"] == "trade"]
    found = records[records["kind"] == TRADE]
    assert found["d"].tolist() == [trade["t"] for trade in trades]
    assert found["a"].tolist() == [float(trade["p"]) for trade in trades]
    assert found["b"].tolist() == [float(trade["q"]) for trade in trades]
    assert found["c"].tolist() == [-1.0 if trade["m"] else 1.0 for trade in trades]
    with gzip.open(source) as lines:
        stamps = [int(line.split(b" ", 1)[0]) for line in lines if b'"trade"' in line]
    assert found["ts_recv_ns"].tolist() == stamps
    levels = records[records["kind"] == LEVEL]
    changes = levels[levels["flags"] & PICTURE == 0]
    updates = [found for found in data if found["e"] == "depthUpdate"]
    expected = [
        (float(price), float(quantity), side, float(update["u"]))
        for update in updates
        for side, name in ((1.0, "b"), (-1.0, "a"))
        for price, quantity in update[name]
    ]
    assert list(zip(*(changes[n].tolist() for n in "abcd"), strict=True)) == expected
    assert int((changes["flags"] & FIRST).astype(bool).sum()) == len(updates)
    (snapshot,) = (message for message in messages if "lastUpdateId" in message)
    pictured = levels[levels["flags"] & PICTURE != 0]
    assert len(pictured) == len(snapshot["bids"]) + len(snapshot["asks"])
    assert set(pictured["d"].tolist()) == {float(snapshot["lastUpdateId"])}


def test_a_torn_or_spoiled_raw_file_is_named_and_its_good_part_kept(
    monkeypatch: Patch, capsys: Capture, shared_data: Path, tmp_path: Path
) -> None:
    whole = (shared_data / RECORDING).read_bytes()
    torn = tmp_path / "torn.gz"
    torn.write_bytes(whole[: len(whole) // 8])
    code, told, said = call(
        monkeypatch, capsys, "import", "--from", "raw", torn, tmp_path / "torn.rec", "--json"
    )
    assert code == 1
    assert told["ok"] is False
    assert "cut short" in told["files"][0]["cut"]
    assert str(torn) in said
    assert RecordingFile(tmp_path / "torn.rec").read_all().size == told["records"] > 10_000
    lines = gzip.decompress(whole).split(b"\n")[:60]
    lines[3] = b"1723161255030314667 {not json"
    spoiled = tmp_path / "spoiled.txt"
    spoiled.write_bytes(b"\n".join(lines) + b"\n")
    code, told, _ = call(
        monkeypatch, capsys, "import", "--from", "raw", spoiled, tmp_path / "s.rec", "--json"
    )
    assert (code, told["refused"]) == (1, 1)
    assert told["files"][0]["first"].startswith("line 4:")


def test_what_no_record_is_made_of_is_told_by_kind(
    monkeypatch: Patch, capsys: Capture, shared_data: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "mixed.txt", tmp_path / "mixed.rec"
    ticker = {"e": "24hrMiniTicker", "E": 1, "s": "BTCUSDT", "c": "1"}
    frame = json.dumps({"stream": "btcusdt@miniTicker", "data": ticker}).encode()
    good = list(payloads(shared_data / RECORDING))[1]
    source.write_bytes(
        b"".join(b"1723161255000000000 %s\n" % line for line in (good, frame, frame))
    )
    code, told, said = call(monkeypatch, capsys, "import", "--from", "raw", source, out, "--json")
    assert (code, told["left_out"]) == (0, 2)
    assert "no record is made of 2 24hrMiniTicker" in said


def raw_line(name: str, **fields: Any) -> bytes:
    message = {"e": name, "E": 7, "s": "BTCUSDT", "p": "61800.1", "q": "0.250", "T": 6, **fields}
    text = json.dumps({"stream": f"btcusdt@{name}", "data": message}, separators=(",", ":"))
    return b"1723161255000000000 %s\n" % text.encode()


def aggregate(number: int, first: int, last: int, **other: Any) -> bytes:
    return raw_line("aggTrade", **{"a": number, "f": first, "l": last, "m": True, **other})


def test_aggregated_trades_count_where_there_are_no_single_ones(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    source, out = tmp_path / "trades.txt", tmp_path / "trades.rec"
    single = [raw_line("trade", t=number, X="MARKET", m=False) for number in (12, 13)]
    source.write_bytes(
        b"".join([aggregate(5, 8, 9), aggregate(6, 10, 12, m=False), *single, aggregate(7, 13, 13)])
    )
    code, told, said = call(monkeypatch, capsys, "import", "--from", "raw", source, out, "--json")
    assert (code, told["records"], told["left_out"]) == (0, 3, 2)
    records = RecordingFile(out).read_all()
    assert records["flags"].tolist() == [AGGREGATE, AGGREGATE, 0]
    assert records["c"].tolist() == [-1.0, 1.0, 1.0]
    assert records["d"].tolist() == [5.0, 6.0, 13.0]
    assert records["e"].tolist() == [2.0, 3.0, 0.0]
    assert set(records["a"]) == {61800.1} and set(records["b"]) == {0.25}
    assert set(records["ts_event_ns"]) == {6_000_000}
    assert "1 aggTrade beside single trades" in said
    assert "1 trades that an aggTrade has told already" in said


@pytest.mark.parametrize(
    "change", [{"p": "0"}, {"q": "x"}, {"q": "-1"}, {"T": -1}, {"f": 10}, {"m": 1}, {"p": "inf"}]
)
def test_an_aggregated_trade_that_is_none_is_refused_with_its_line(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path, change: dict[str, Any]
) -> None:
    source, out = tmp_path / "trades.txt", tmp_path / "trades.rec"
    source.write_bytes(aggregate(5, 8, 9) + aggregate(6, 9, 9, **change))
    code, told, _ = call(monkeypatch, capsys, "import", "--from", "raw", source, out, "--json")
    assert (code, told["records"], told["refused"]) == (1, 1, 1)
    assert told["files"][0]["first"].startswith("line 2:")


def test_verify_names_the_frame_and_repairs(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    good = recording(tmp_path / "good.rec", numbered(10))
    bad = recording(tmp_path / "bad.rec", numbered(10), random_bits(500, 3))
    offset = [frame.offset for frame in RecordingFile(bad).frames()][4]
    content = bytearray(bad.read_bytes())
    content[offset + 100] ^= 255
    bad.write_bytes(content)
    code, told, said = call(monkeypatch, capsys, "verify", tmp_path, "--json")
    assert code == 1
    by_name = {Path(found["file"]).name: found for found in told["files"]}
    assert by_name["good.rec"]["state"] == "whole"
    assert (by_name["bad.rec"]["bad_frame"], by_name["bad.rec"]["bad_offset"]) == (4, offset)
    assert f"frame 4 at byte {offset}" in said
    assert "kept are 4 frames with 10 records" in said
    code, told, said = call(monkeypatch, capsys, "verify", bad, "--repair", "--json")
    assert code == 1
    (mended,) = told["files"]
    assert (mended["repaired"], mended["missing"], mended["missing_is_exact"]) == (True, 500, True)
    assert "repaired; 500 records are missing (spoiled places: 1), which the file tells" in said
    code, _, said = call(monkeypatch, capsys, "verify", tmp_path)
    assert code == 0
    assert "10 records, 505 are missing" in said
    assert call(monkeypatch, capsys, "verify", good)[0] == 0
    assert (tmp_path / "bad.rec.damaged").read_bytes() == content


def test_ls_tells_every_file(monkeypatch: Patch, capsys: Capture, tmp_path: Path) -> None:
    recording(tmp_path / "a.rec", numbered(10), numbered(5, 10))
    (tmp_path / "noise.rec").write_bytes(b"noise" * 100)
    code, told, _ = call(monkeypatch, capsys, "ls", tmp_path, "--json")
    assert code == 1
    first, second = told["files"]
    assert (first["records"], first["lost"], first["state"]) == (15, 5, "whole")
    assert second["state"] == "foreign"
    name = "an-instance-20261129T192806.785574Z-000001.rec"
    (tmp_path / "a.rec").rename(tmp_path / name)
    monkeypatch.setattr(sys, "argv", ["aegis", "data", "ls", str(tmp_path / name)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert name in capsys.readouterr().out, "in a pipe a name is not folded"


def test_csv_holds_every_record(monkeypatch: Patch, capsys: Capture, tmp_path: Path) -> None:
    records = numbered(20_000)
    path = recording(tmp_path / "a.rec", records)
    out = tmp_path / "a.csv"
    assert call(monkeypatch, capsys, "export", path, out, "--to", "csv")[0] == 0
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20_000
    assert {row["symbol"] for row in rows} == {"BTCUSDT"}
    assert {row["kind"] for row in rows} == {"trade"}
    for name in ("ts_event_ns", "ts_recv_ns"):
        assert [int(row[name]) for row in rows] == records[name].tolist()
    for name in "abcde":
        assert np.array([float(row[name]) for row in rows]).tolist() == records[name].tolist()


def of_two_symbols(path: Path) -> Path:
    """A recording in which each second record is of the second symbol, and rows have no name."""
    records = numbered(3_000)
    records["instrument"] = np.arange(3_000) % 2
    parts = records[:1_000], records[1_000:]
    return recording(path, *parts, symbols=("BTCUSDT", "ETHUSDT", "", ""))


def test_csv_of_one_symbol(monkeypatch: Patch, capsys: Capture, tmp_path: Path) -> None:
    path, out = of_two_symbols(tmp_path / "a.rec"), tmp_path / "eth.csv"
    code, told, _ = call(
        monkeypatch, capsys, "export", path, out, "--to", "csv", "--symbol", "ETHUSDT", "--json"
    )
    assert (code, told["rows"]) == (0, 1_500)
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["symbol"] for row in rows} == {"ETHUSDT"}
    assert [float(row["d"]) for row in rows] == list(range(1, 3_000, 2))


def test_parquet_of_one_symbol_keeps_its_number_and_the_losses_in_their_places(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    path = of_two_symbols(tmp_path / "a.rec")
    middle, back = tmp_path / "eth.parquet", tmp_path / "back.rec"
    more = ("--to", "parquet", "--symbol", "ETHUSDT")
    assert call(monkeypatch, capsys, "export", path, middle, *more)[0] == 0
    assert call(monkeypatch, capsys, "import", "--from", "parquet", middle, back)[0] == 0
    found = RecordingFile(back)
    records = found.read_all()
    assert records["d"].tolist() == list(range(1, 3_000, 2))
    assert set(records["instrument"].tolist()) == {1}
    assert found.symbol(1) == "ETHUSDT"
    places = [frame.head.position for frame in found.frames() if frame.head.kind == LOSS]
    assert (places, [loss.lost for loss in found.losses]) == ([500], [5])


@pytest.mark.parametrize("target", ["csv", "parquet"])
@pytest.mark.parametrize("symbol", ["XRPUSDT", "ethusdt"])
def test_a_symbol_that_is_not_in_the_file_is_an_error_that_names_those_there_are(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path, target: str, symbol: str
) -> None:
    path, out = of_two_symbols(tmp_path / "a.rec"), tmp_path / "out"
    more = ("--to", target, "--symbol", symbol)
    code, _, said = call(monkeypatch, capsys, "export", path, out, *more)
    assert code == 1
    assert f"has no {symbol}; its symbols: BTCUSDT, ETHUSDT\n" in said
    assert list(tmp_path.iterdir()) == [path]


TARDIS_TRADES = """exchange,symbol,timestamp,local_timestamp,id,side,price,amount
binance-futures,BTCUSDT,1700000000000100,1700000000000300,7,buy,100.2,0.5
binance-futures,BTCUSDT,1700000000000200,1700000000000900,8,sell,100.1,0.4
"""
TARDIS_BOOK = """exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
binance-futures,BTCUSDT,1700000000000000,1700000000000200,true,bid,100.1,2
binance-futures,BTCUSDT,1700000000000000,1700000000000200,true,ask,100.2,3
binance-futures,BTCUSDT,1700000000000100,1700000000000400,false,ask,100.2,2.5
"""


def test_trades_and_books_of_two_files_become_one_npz(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    made = []
    for kind, text in (("trades", TARDIS_TRADES), ("book", TARDIS_BOOK)):
        source, out = tmp_path / f"{kind}.csv", tmp_path / f"{kind}.rec"
        source.write_text(text)
        assert call(monkeypatch, capsys, "import", "--from", f"tardis-{kind}", source, out)[0] == 0
        made.append(out)
    out = tmp_path / "both.rec"
    code, told, _ = call(monkeypatch, capsys, "merge", *made, out, "--json")
    assert (code, told["records"], told["damage"]) == (0, 5, {})
    kinds = RecordingFile(out).read_all()["kind"].tolist()
    assert kinds == [LEVEL, LEVEL, TRADE, LEVEL, TRADE]
    npz = tmp_path / "both.npz"
    assert call(monkeypatch, capsys, "export", out, npz, "--to", "hftbacktest")[0] == 0
    events = np.load(npz)["data"]["ev"] & 0xFF
    assert {int(kind) for kind in events} == {1, 2, 3, 4}, "trades, changes and the picture"


def test_a_merge_tells_what_is_wrong_with_its_files(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    whole = recording(tmp_path / "whole.rec", numbered(20))
    torn = tmp_path / "torn.rec"
    torn.write_bytes(recording(tmp_path / "later.rec", numbered(20, 20)).read_bytes()[:-60])
    out = tmp_path / "out.rec"
    code, told, said = call(monkeypatch, capsys, "merge", whole, torn, out, "--json")
    assert (code, told["ok"], told["records"]) == (1, False, 40)
    assert "no END frame" in said or "torn" in said
    assert call(monkeypatch, capsys, "merge", whole, torn, out)[0] == 1, "nothing written over"
    code, _, said = call(monkeypatch, capsys, "merge", whole, whole, tmp_path / "twice.rec")
    assert (code, "named twice" in said) == (2, True)
    assert call(monkeypatch, capsys, "merge", whole, tmp_path / "one.rec")[0] == 2
    absent = tmp_path / "absent.rec"
    for files in ((absent, whole), (whole, absent)):
        code, _, said = call(monkeypatch, capsys, "merge", *files, tmp_path / "none.rec")
        assert (code, "absent.rec" in said) == (1, True)


def test_parquet_there_and_back_by_command(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path
) -> None:
    path = recording(tmp_path / "a.rec", random_bits(20_000, 1), random_bits(500, 2))
    middle, back = tmp_path / "a.parquet", tmp_path / "back.rec"
    assert call(monkeypatch, capsys, "export", path, middle, "--to", "parquet")[0] == 0
    assert call(monkeypatch, capsys, "import", "--from", "parquet", middle, back)[0] == 0
    assert RecordingFile(back).read_all().tobytes() == RecordingFile(path).read_all().tobytes()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify", "nowhere"), 2),
        (("verify", "."), 2),
        (("ls", "nowhere"), 2),
        (("export", "nowhere.rec", "x.csv", "--to", "csv"), 1),
        (("export", "nowhere.rec", "x.csv", "--to", "gold"), 2),
        (("export", "nowhere.rec", "x.csv"), 2),
        (("import", "--from", "raw", "nowhere.gz", "x.rec"), 2),
        (("import", "--from", "raw", "x.rec"), 2),
        (("import", "--from", "parquet", "a", "b", "x.rec"), 2),
        ((), 2),
    ],
)
def test_wrong_usage(
    monkeypatch: Patch, capsys: Capture, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, capsys, *arguments)[0] == code
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for the disk: the write fails with an error, not with a signal."""
    path = recording(tmp_path / "a.rec", random_bits(30_000, 1))
    for target, out in (("parquet", "a.parquet"), ("csv", "a.csv"), ("hftbacktest", "a.npz")):
        script = (
            "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
            "import numpy, aegis.recorder.parquet, aegis.recorder.csv_export;"
            "from aegis.recorder.hftbacktest import TICK, TRADE, events_of;"
            # Compiled before the limit, which would hit the cache of kernels too.
            "one = numpy.zeros(1, TICK); one['kind'] = TRADE; one['ts_event_ns'] = 1;"
            "events_of(one, 0);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
            "from aegis.cli.main import main; main()"
        )
        records = path if target != "hftbacktest" else recording(tmp_path / "b.rec", numbered(9999))
        done = subprocess.run(
            [sys.executable, "-c", script, "data", "export", str(records),
             str(tmp_path / out), "--to", target],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "cannot be written" in done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(left.name for left in tmp_path.iterdir()) == ["a.rec", "b.rec"]
