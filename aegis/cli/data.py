"""`aegis data ls|verify|merge|export|import`: recordings looked at, checked, joined and converted.

What each does is in `data_reports.py` and `data_conversions.py`; here is only what can be asked. No
command writes over a file, and what it writes has its name only when it is whole.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Recordings: list, verify, repair, merge, convert.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
Symbol = Annotated[
    str, typer.Option("--symbol", metavar="NAME", help="Where the file does not tell, or has more.")
]
OnlySymbol = Annotated[
    str, typer.Option("--symbol", metavar="NAME", help="Only this one; hftbacktest takes just one.")
]


class Target(StrEnum):
    """What a recording can become."""

    PARQUET = "parquet"
    HFTBACKTEST = "hftbacktest"
    CSV = "csv"


class Source(StrEnum):
    """What can become a recording."""

    RAW = "raw"
    PARQUET = "parquet"
    BINANCE_TRADES = "binance-trades"
    BINANCE_AGGTRADES = "binance-aggtrades"
    BINANCE_BOOKTICKER = "binance-bookticker"
    BINANCE_KLINES = "binance-klines"
    BINANCE_BOOKDEPTH = "binance-bookdepth"
    TARDIS_TRADES = "tardis-trades"
    TARDIS_QUOTES = "tardis-quotes"
    TARDIS_BOOK = "tardis-book"


class Depth(StrEnum):
    """What a book for hftbacktest is made from."""

    AUTO = "auto"
    LEVELS = "levels"
    QUOTES = "quotes"


@app.command("ls")
def list_recordings(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A directory, or one file.")] = Path(
        "recordings"
    ),
    as_json: Json = False,
) -> None:
    """List recordings: when, what, how much, and which of them are not whole."""
    from aegis.cli.data_reports import list_command

    raise typer.Exit(list_command(place, as_json))


@app.command()
def verify(
    place: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="One file, or all of them.")],
    mend: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Keep what is good and tell what is missing; the original is put aside, whole.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every frame; 1 if a file is damaged: which frame, at which byte, what is kept."""
    from aegis.cli.data_reports import verify_command

    raise typer.Exit(verify_command(place, mend, as_json))


@app.command()
def merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE... OUT", help="Recordings, then the result.")
    ],
    as_json: Json = False,
) -> None:
    """Join recordings by time of receipt: trades with books, hour after hour. All is kept."""
    from aegis.cli.data_conversions import merge_command
    from aegis.cli.exit_codes import EXIT_USAGE, complain

    if len(files) < 3:
        complain("name two or more recordings, and last the one to make of them")
        raise typer.Exit(EXIT_USAGE)
    raise typer.Exit(merge_command(files[:-1], files[-1], as_json))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to make.")],
    to: Annotated[Target, typer.Option("--to", help="Parquet keeps every bit.")],
    symbol: OnlySymbol = "",
    depth: Annotated[
        Depth, typer.Option(help="hftbacktest: the book's source; auto: changes, else quotes.")
    ] = Depth.AUTO,
    as_json: Json = False,
) -> None:
    """Turn a recording into another kind of file."""
    from aegis.cli.data_conversions import export_command

    raise typer.Exit(export_command(file, out, to.value, symbol, depth.value, as_json))


@app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE... OUT", help="Files in order, then the result.")
    ],
    source: Annotated[Source, typer.Option("--from", help="What the files are.")],
    symbol: Symbol = "",
    as_json: Json = False,
) -> None:
    """Turn other people's files into a recording; what is spoiled is named and left out."""
    from aegis.cli.data_conversions import import_command
    from aegis.cli.exit_codes import EXIT_USAGE, complain

    if len(files) < 2:
        complain("name one or more files, and last the recording to make of them")
        raise typer.Exit(EXIT_USAGE)
    raise typer.Exit(import_command(source.value, files[:-1], files[-1], symbol, as_json))
