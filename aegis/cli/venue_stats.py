"""`aegis venue stats`: what the embedded exchange's markets look like, against acceptance bands.

Called by ``aegis.cli.venue``. It runs markets of its own, as fast as they go: no port is opened,
and no running venue is touched. Progress goes to stderr, the result to stdout.

``--json`` prints one object with the keys ``survey`` (symbol, days, seeds, holds; ``bands`` with
key, text, low, high, values by seed, holds; ``facts``; ``flow`` with its speed) and, if asked for,
``economics`` (money in 1e-8) and ``plot``, the file that was written.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain, print_object
from aegis.config import ConfigError, load_config
from aegis.venue.errors import OptionsError
from aegis.venue.stats.bands import BANDS, FACTS, Band
from aegis.venue.stats.plots import draw
from aegis.venue.stats.report import Survey, Trading, survey, trade

HOUR_S: Final = 3_600
E8: Final = 1e8


@dataclass(frozen=True, slots=True)
class StatsRequest:
    """What was asked for on the command line."""

    config: Path
    symbol: str | None  # the first that the venue lists
    seeds: int
    days: float
    as_json: bool
    plots: Path | None
    economics_hours: float  # 0: none


def stats_command(asked: StatsRequest) -> int:
    """Measure and print; returns 0, 1 if something lies outside its band, 2 if asked wrongly."""
    try:
        config = load_config(asked.config).venue
        symbol = asked.symbol or next(iter(config.symbols))
        seeds = [config.seed + number for number in range(asked.seeds)]
        say = _quiet if asked.as_json else _say
        found = survey(config, symbol, seeds, asked.days, say, draws=asked.plots is not None)
        traded = None
        if asked.economics_hours > 0.0:
            traded = trade(config, symbol, seeds, round(asked.economics_hours * HOUR_S), say)
        plot = None if asked.plots is None else draw(symbol, found.curves, asked.plots)
    except (ConfigError, OptionsError) as error:
        complain(str(error))
        return EXIT_USAGE
    if asked.as_json:
        print_object(_as_object(found, traded, plot))
    else:
        _print_for_people(found, traded, plot)
    good = found.holds and (traded is None or (traded.quoter_loses and traded.taker_pays_costs))
    return EXIT_GOOD if good else EXIT_FAILED


def _as_object(found: Survey, traded: Trading | None, plot: Path | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"survey": found.as_object()}
    if traded is not None:
        answer["economics"] = traded.as_object()
    if plot is not None:
        answer["plot"] = str(plot)
    return answer


def _say(text: str) -> None:
    print(f"stats: {text}", file=sys.stderr, flush=True)


def _quiet(text: str) -> None:
    return


def _print_for_people(found: Survey, traded: Trading | None, plot: Path | None) -> None:
    console = Console()
    console.print(_bands_table(found))
    console.print(
        f"{found.steps:,} events of the flow, {found.records:,} records, "
        f"{found.records_per_s / 1e6:.1f} M records a second; simulated, no real market"
    )
    if traded is not None:
        console.print(_quoters_table(traded))
        console.print(_verdict("the naive quoter loses before fees", traded.quoter_loses))
        console.print(_takers_table(traded))
        console.print(_verdict("the random taker pays its costs", traded.taker_pays_costs))
    if plot is not None:
        console.print(f"pictures: {plot}")


def _bands_table(found: Survey) -> Table:
    table = Table(title=f"{found.symbol}, {found.days:g} days a seed", title_justify="left")
    table.add_column("statistic")
    table.add_column("band")
    for seed in found.seeds:
        table.add_column(f"seed {seed}", justify="right")
    table.add_column("verdict")
    for band in BANDS:
        cells = [_value(row[band.key], band) for row in found.values]
        table.add_row(band.text, band.interval(), *cells, _in_words(found.verdict(band)))
    table.add_section()
    for fact in FACTS:
        table.add_row(fact.text, "", *[_value(row[fact.key]) for row in found.values], "")
    return table


def _value(value: float, band: Band | None = None) -> Text:
    if math.isnan(value):
        return Text("n/a", "dim")
    text = f"{value:.3f}" if abs(value) < 100.0 else f"{value:.0f}"
    return Text(text, "" if band is None or band.holds(value) else "bold red")


def _in_words(verdict: bool | None) -> Text:
    if verdict is None:
        return Text("too short", "dim")
    return Text("inside", "green") if verdict else Text("OUTSIDE", "bold red")


def _verdict(text: str, holds: bool) -> Text:
    return Text.assemble(f"{text}: ", ("yes", "green") if holds else ("NO", "bold red"))


def _quoters_table(traded: Trading) -> Table:
    title = f"A naive symmetric quoter, {traded.seconds} s, quoting again each second"
    table = Table(title=title, title_justify="left")
    columns = ("seed", "place", "fills", "before fees", "fees", "after fees", "5 s later, ticks")
    for name in columns:
        table.add_column(name, justify="right")
    for one in traded.quoters:
        table.add_row(
            str(one.seed),
            f"mid {one.offset_ticks:+d}" if one.offset_ticks else "touch",
            str(one.fills),
            *_money(one.before_fees_e8, one.fees_e8, one.after_fees_e8),
            f"{one.markout_ticks:.1f}",
        )
    return table


def _takers_table(traded: Trading) -> Table:
    title = f"A random taker, {traded.seconds} s: result = drift - distance - fees + funding"
    table = Table(title=title, title_justify="left")
    columns = (
        "seed", "fills", "result", "drift", "in errors", "distance", "(spread)", "fees", "funding",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right")
    for one in traded.takers:
        table.add_row(
            str(one.seed),
            str(one.fills),
            *_money(one.result_e8, one.drift_e8),
            f"{one.score:+.2f}",
            *_money(one.costs_e8, one.half_spread_e8, one.fees_e8, one.funding_e8),
        )
    return table


def _money(*amounts_e8: int) -> Sequence[str]:
    return [f"{amount / E8:,.2f}" for amount in amounts_e8]
