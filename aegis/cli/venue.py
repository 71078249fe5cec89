"""`aegis venue`: the embedded exchange on its own, for other clients and for experiments.

Without a command it serves; `aegis venue stats` measures its markets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis.cli.config_path import ConfigOption, config_path

__all__ = ["app"]

app = typer.Typer(help="The embedded exchange on its own: serve it, or measure its markets.")


@app.callback(invoke_without_command=True)
def venue(
    context: typer.Context,
    config: ConfigOption = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0: any free one; else from the file.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen, else from the file.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in, without encryption.")
    ] = False,
    accounts: Annotated[
        int | None, typer.Option(min=1, max=1_000, help="How many, each with its own key.")
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="YEAR", help="2024 or 2026, else from the file.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the order flow, else from the file.")
    ] = None,
    symbols: Annotated[
        int | None, typer.Option(min=1, max=500, help="How many contracts are listed.")
    ] = None,
    mirror: Annotated[
        list[Path] | None,
        typer.Option("--mirror", metavar="FILE", help="Replay this recording; one per symbol."),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000.0, help="Faster than recorded.")] = 1.0,
    faults: Annotated[
        Path | None, typer.Option("--faults", metavar="FILE", help="A schedule of faults.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="API keys, instead of new ones.")
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin the recordings again when they end.")
    ] = False,
) -> None:
    """Serve the exchange's protocol until Ctrl-C, to this machine unless told otherwise."""
    if context.invoked_subcommand is not None:
        return
    from aegis.venue.alone import Asked, main

    asked = Asked(
        config_path(config), port, host, allow_remote, accounts, tuple(mirror or ()), speed,
        faults, keys, loop, symbols, dialect, seed,
    )  # fmt: skip
    raise typer.Exit(main(asked))


@app.command()
def stats(
    config: ConfigOption = None,
    symbol: Annotated[
        str | None, typer.Option(metavar="NAME", help="Else the first that the venue lists.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="How many, from the configured one on.")
    ] = 5,
    days: Annotated[
        float, typer.Option(min=0.01, max=100.0, help="Simulated, for each seed.")
    ] = 1.0,
    economics_hours: Annotated[
        float,
        typer.Option("--economics", metavar="HOURS", min=0.0, max=240.0, help="Let clients trade."),
    ] = 0.0,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="DIR", help="Draw it; needs aegis[plots].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Measure the markets against acceptance bands; 1 if something lies outside of its own."""
    from aegis.cli.venue_stats import StatsRequest, stats_command

    asked = StatsRequest(config_path(config), symbol, seeds, days, as_json, plots, economics_hours)
    raise typer.Exit(stats_command(asked))


@app.command()
def digest(
    config: ConfigOption = None,
    events: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="How many, at least.")
    ] = 1_000_000,
    seed: Annotated[int | None, typer.Option(min=0, help="Else the file's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Hash the first events of the market: the same seed gives the same hash, on any day."""
    from aegis.cli.exit_codes import EXIT_USAGE, complain, print_object
    from aegis.config import ConfigError, load_config
    from aegis.venue.stats.fingerprint import fingerprint

    try:
        table = load_config(config_path(config)).venue
    except ConfigError as error:
        complain(str(error))
        raise typer.Exit(EXIT_USAGE) from error
    table = table if seed is None else table.model_copy(update={"seed": seed})
    found = fingerprint(table, events)
    if as_json:
        print_object({"seed": table.seed, "symbols": len(table.symbols), **found._asdict()})
    else:
        print(
            f"{found.digest}  {found.events:,} events, {found.market_s:g} s of {len(table.symbols)}"
            f" symbols, seed {table.seed}"
        )
