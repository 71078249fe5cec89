"""`aegis data export`, `import` and `merge`: recordings into other files, back, and together.

Called by `data.py`. Exit 0 when all of the input is in the result, 1 when some of it was damaged
(the result then holds the good part, and what was wrong is said) or it could not be converted, 2
for usage.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from aegis.cli.data_progress import Bar
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain, print_object
from aegis.recorder.converting import Output
from aegis.recorder.errors import RecorderError
from aegis.recorder.header import own_header
from aegis.recorder.input_files import InputReport
from aegis.recorder.layout import RECORD_BYTES

__all__ = ["export_command", "import_command", "merge_command"]


def export_command(
    file: Path, out: Path, target: str, symbol: str, depth: str, as_json: bool
) -> int:
    """Convert one recording; what is damaged in it is told, its good part exported."""
    from aegis.recorder.reading import RecordingFile

    started_s = time.monotonic()
    more: dict[str, Any] = {}
    try:
        recording = RecordingFile(file)
        with Bar("exporting", recording.file_bytes) as bar:
            if target == "parquet":
                from aegis.recorder.parquet import export_parquet

                rows = export_parquet(recording, out, bar.file(), symbol)
            elif target == "csv":
                from aegis.recorder.csv_export import export_csv

                rows = export_csv(recording, out, bar.file(), symbol)
            else:
                from aegis.recorder.hftbacktest import export_hftbacktest

                done = export_hftbacktest(recording, out, symbol, depth, bar.file())
                rows = done.events
                more = {
                    "symbol": done.symbol, "depth": done.depth, "trades": done.trades,
                    "shifted_ns": done.shifted_ns, "tick_size": done.tick_size,
                    "step_size": done.step_size,
                }  # fmt: skip
                if done.shifted_ns:
                    complain(
                        f"local times set forward by {done.shifted_ns} ns: by their clock some "
                        "came before the exchange had sent them"
                    )
    except RecorderError as error:
        return _refused(error, out, as_json)
    if recording.damage is not None:
        complain(f"{file}: {recording.damage}")
    lost = sum(loss.lost for loss in recording.losses)
    if lost:
        complain(f"{file}: {lost} records are missing in it, as it says itself")
    seconds = time.monotonic() - started_s
    size = out.stat().st_size
    complain(f"{out}: {rows:,} rows, {size:,} bytes, {seconds:.1f} s")
    if as_json:
        damage = str(recording.damage) if recording.damage is not None else None
        summary = {
            "ok": damage is None, "file": str(file), "out": str(out), "to": target, "rows": rows,
            "bytes": size, "seconds": round(seconds, 3), "damage": damage, "lost": lost, **more,
        }  # fmt: skip
        print_object(summary)
    return EXIT_GOOD if recording.damage is None else EXIT_FAILED


def import_command(source: str, files: list[Path], out: Path, symbol: str, as_json: bool) -> int:
    """Convert files into one recording; bad lines and torn ends are told and left out."""
    for path in files:
        if not path.is_file():
            complain(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}")
            return EXIT_USAGE
    if source == "parquet" and len(files) > 1:
        complain("one Parquet file makes one recording; name one")
        return EXIT_USAGE
    started_s = time.monotonic()
    reports = [InputReport(path) for path in files]
    try:
        output = _import(source, files, out, symbol, reports)
    except RecorderError as error:
        for text in (text for report in reports for text in report.sentences()):
            complain(text)
        return _refused(error, out, as_json)
    for text in (text for report in reports for text in report.sentences()):
        complain(text)
    whole = all(report.is_whole for report in reports)
    seconds = time.monotonic() - started_s
    ratio = round(output.records * RECORD_BYTES / output.bytes_written, 2)
    complain(
        f"{out}: {output.records:,} records, {output.bytes_written:,} bytes ({ratio:g} to 1), "
        f"{seconds:.1f} s"
    )
    if as_json:
        print_object(
            {
                "ok": whole, "from": source, "out": str(out), "records": output.records,
                "bytes": output.bytes_written, "ratio": ratio, "seconds": round(seconds, 3),
                "refused": sum(report.refused for report in reports),
                "left_out": sum(report.left_out.total() for report in reports),
                "files": [
                    {"file": str(report.path), "whole": report.is_whole, "refused": report.refused,
                     "first": report.first, "cut": report.cut}
                    for report in reports
                ],
            }
        )  # fmt: skip
    return EXIT_GOOD if whole else EXIT_FAILED


def merge_command(files: list[Path], out: Path, as_json: bool) -> int:
    """Make one recording of several; what is damaged in one is told, its good part taken."""
    from aegis.recorder.merging import merge, merged_header, shift_ns
    from aegis.recorder.reading import RecordingFile

    started_s = time.monotonic()
    for place, path in enumerate(files):
        others = [other for other in files[:place] if other.exists()]
        if path.exists() and any(path.samefile(other) for other in others):
            complain(f"{path}: is named twice; its records would be, too")
            return EXIT_USAGE
    try:
        recordings = [RecordingFile(path) for path in files]
        headers = [recording.header for recording in recordings]
        total = sum(recording.file_bytes for recording in recordings)
        with Output(out, merged_header(headers)) as output, Bar("merging", total) as bar:
            merge(recordings, output, [bar.file() for _ in files])
    except RecorderError as error:
        return _refused(error, out, as_json)
    damages = {str(one.path): str(one.damage) for one in recordings if one.damage is not None}
    for name, text in damages.items():
        complain(f"{name}: {text}")
    for path, header in zip(files, headers, strict=True):
        moved_ns = shift_ns(headers[0], header)
        if moved_ns:
            complain(f"{path}: receipt times set to the clock of {files[0]}, by {moved_ns} ns")
        if header.received != headers[0].received:
            complain(f"{path}: only one of it and {files[0]} knows when its records were received")
    seconds = time.monotonic() - started_s
    complain(f"{out}: {output.records:,} records, {output.bytes_written:,} bytes, {seconds:.1f} s")
    if as_json:
        print_object(
            {
                "ok": not damages, "files": [str(path) for path in files], "out": str(out),
                "records": output.records, "bytes": output.bytes_written, "lost": output.lost,
                "seconds": round(seconds, 3), "damage": damages,
            }
        )  # fmt: skip
    return EXIT_FAILED if damages else EXIT_GOOD


def _import(
    source: str, files: list[Path], out: Path, symbol: str, reports: list[InputReport]
) -> Output:
    if source == "parquet":
        from aegis.recorder.parquet import import_parquet, read_parquet_header

        with Output(out, read_parquet_header(files[0])) as output, Bar("importing", 0) as bar:
            import_parquet(files[0], output, bar.advance)
        return output
    received = not source.startswith("binance-")
    note = "" if received else "receipt times are the exchange's"
    total = sum(path.stat().st_size for path in files)
    header = own_header(source, received=received, note=note)
    with Output(out, header) as output, Bar("importing", total) as bar:
        for path, report in zip(files, reports, strict=True):
            if source == "raw":
                from aegis.cli.data_raw import import_raw

                import_raw(path, symbol, output, report, bar.advance)
            elif source.startswith("binance-"):
                from aegis.recorder import binance

                binance.import_file(source, path, symbol, output, report, bar.advance)
            else:
                from aegis.recorder import tardis

                tardis.import_file(source, path, output, report, bar.advance)
        if output.records == 0:
            raise RecorderError(f"{files[0]}: nothing in it could be read; {out} was not made")
    return output


def _refused(error: RecorderError, out: Path, as_json: bool) -> int:
    complain(str(error))
    if as_json:
        print_object({"ok": False, "out": str(out), "text": str(error)})
    return EXIT_FAILED
