"""`aegis bench ring|hop|path|feed|brain|venue|execution|gate|quant|smc|maker`: the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegis.cli.config_path import ConfigOption, config_path

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure this box, with the baseline in the same run.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="A small size that ends within seconds.")]

_PERCENTILES = ("p50", "p99", "p999", "max")


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _finish(
    result: dict[str, Any], as_json: bool, table: Callable[[dict[str, Any]], Table]
) -> None:
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console

    Console().print(table(result))
    if result.get("shared_core"):
        _say("both processes shared one core: these figures measure the scheduler")


def _microseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1000:,.2f}"


@app.command()
def ring(as_json: Json = False, smoke: Smoke = False) -> None:
    """Records a second and round trips between two pinned processes."""
    from aegis.bench.ring import measure_ring

    _finish(measure_ring(smoke=smoke, progress=_say), as_json, _ring_table)


@app.command()
def hop(
    as_json: Json = False,
    smoke: Smoke = False,
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Records a second.")] = 1_000,
) -> None:
    """One record from publish to the waiting reader, by wait strategy."""
    from aegis.bench.hop import measure_hop

    _finish(measure_hop(smoke=smoke, rate_per_s=rate, progress=_say), as_json, _hop_table)


@app.command()
def path(as_json: Json = False, smoke: Smoke = False) -> None:
    """Tick to order: from the socket read to the order bytes handed to the socket."""
    from aegis.bench.child import ChildError
    from aegis.bench.path import PathError, measure_path

    try:
        result = measure_path(smoke=smoke, progress=_say)
    except (PathError, ChildError) as error:
        _say(str(error))
        raise typer.Exit(1) from error
    _finish(result, as_json, _path_table)


@app.command()
def feed(as_json: Json = False, smoke: Smoke = False) -> None:
    """Market data: messages a second that one core takes in without losing any."""
    from aegis.bench.child import ChildError
    from aegis.bench.feed import measure_feed

    try:
        result = measure_feed(smoke=smoke, progress=_say)
    except (ChildError, OSError) as error:
        _say(str(error))
        raise typer.Exit(1) from error
    _finish(result, as_json, _feed_table)


@app.command()
def brain(as_json: Json = False, smoke: Smoke = False) -> None:
    """300 symbols through the real feed into the brain: its lag, and from event to intent."""
    from aegis.bench.brain import measure_brain
    from aegis.bench.child import ChildError

    try:
        result = measure_brain(smoke=smoke, progress=_say)
    except (ChildError, OSError) as error:
        _say(str(error))
        raise typer.Exit(1) from error
    _finish(result, as_json, _brain_table)


@app.command()
def quant(as_json: Json = False, smoke: Smoke = False) -> None:
    """Indicators, nanoseconds per point, beside TA-Lib and pandas where they are installed."""
    from aegis.bench.quant import measure_quant

    _finish(measure_quant(smoke=smoke, progress=_say), as_json, _quant_table)


@app.command()
def gate(as_json: Json = False, smoke: Smoke = False) -> None:
    """The risk gate: nanoseconds an order through every control."""
    from aegis.bench.gate import measure_gate

    _finish(measure_gate(smoke=smoke, progress=_say), as_json, _gate_table)


@app.command()
def smc(as_json: Json = False, smoke: Smoke = False) -> None:
    """Smart Money Concepts, nanoseconds per candle, beside the batch library where installed."""
    from aegis.bench.smc import measure_smc

    _finish(measure_smc(smoke=smoke, progress=_say), as_json, _smc_table)


@app.command()
def venue(as_json: Json = False, smoke: Smoke = False) -> None:
    """The embedded exchange: messages and orders a second on one core, time to acknowledgement."""
    from aegis.bench.child import ChildError
    from aegis.bench.venue import measure_venue
    from aegis.bench.venue_orders import OrderError

    try:
        result = measure_venue(smoke=smoke, progress=_say)
    except (ChildError, OrderError, OSError) as error:
        _say(str(error))
        raise typer.Exit(1) from error
    _finish(result, as_json, _venue_table)


@app.command()
def execution(as_json: Json = False, smoke: Smoke = False) -> None:
    """Intent to socket by WebSocket and REST, the risk gate, the table at ten million orders."""
    from aegis.bench.execution import ExecutionBenchError, measure_execution

    try:
        result = measure_execution(smoke=smoke, progress=_say)
    except (ExecutionBenchError, OSError) as error:
        _say(str(error))
        raise typer.Exit(1) from error
    _finish(result, as_json, _execution_table)


def _execution_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    title = (
        f"intent published to bytes on the socket, µs, {result['rate_per_s']} orders/s; "
        f'wait = "{result["wait"]}"'
    )
    table = Table(title=title, title_justify="left")
    for column in ("transport", "p50", "p99", "baseline p50", "p99", "times p50", "p99"):
        table.add_column(column, justify="left" if column == "transport" else "right")
    for name, ours in result["intent_to_socket_us"].items():
        theirs = result["baseline"]["intent_to_socket_us"][name]
        times = result["times_faster"][name]
        figures = (ours["p50"], ours["p99"], theirs["p50"], theirs["p99"])
        table.add_row(
            name, *(f"{figure:,.1f}" for figure in figures), f"{times['p50']}", f"{times['p99']}"
        )
    parked = "; ".join(
        f"{name} p50 {ours['p50']:,g}, p99 {ours['p99']:,g} µs"
        for name, ours in result["parked_us"].items()
    )
    costs = ", ".join(f"{ns:g} ns at {int(n):,}" for n, ns in result["order_table_ns"].items())
    grown = result["order_table"]["grown_bytes"]
    table.caption = (
        f'with wait = "park": {parked}; '
        f"order table: {costs}; the process grew by {grown:,} bytes; "
        f"risk gate p50 {result['gate_ns']['p50']:,} ns an order; "
        f"a strategy that runs away is halted after {result['runaway']['halted_ms']:g} ms, nothing "
        f"rests after {result['runaway']['all_cancelled_ms']:g} ms"
    )
    return table


def _venue_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="the embedded exchange on one core", title_justify="left")
    for column in ("what", "aegis", "baseline", "times"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in result["times_faster"].items():
        key = f"{name}_per_s" if name == "market_messages" else "matching_orders_per_s"
        ours, theirs = result[key], result["baseline"][key]
        table.add_row(key.replace("_", " "), f"{ours:,}", f"{theirs:,}", f"{times:g}")
    acks, streams = result["place_ack_us"], result["streams"]
    table.caption = (
        f"{streams['symbols']} symbols, {streams['sent']:,} messages sent and "
        f"{streams['received']:,} received; place to acknowledgement p50 {acks['p50']:g} µs, "
        f"p99 {acks['p99']:g} µs while {result['load_messages_per_s']:,} messages/s flow"
    )
    return table


def _feed_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"market data of {result['symbols']} symbols, one core for the feed; "
        "socket read to ring, µs",
        title_justify="left",
    )
    for column in ("who", "messages/s", "of a core", "whole", *_PERCENTILES[:3]):
        table.add_column(column, justify="left" if column == "who" else "right")
    lanes = [("aegis", one, "yes" if one["whole"] else "no") for one in result["rounds"]]
    lanes += [("websockets, json", one, "-") for one in result["baseline"]["rounds"]]
    for name, one, whole in lanes:
        times = one["message_to_ring_us"]
        table.add_row(
            name, f"{one['messages_per_s']:,}", f"{100 * one['core_used']:.0f} %", whole,
            *(f"{times[p]:,}" for p in _PERCENTILES[:3]),
        )  # fmt: skip
    table.caption = (
        f"highest rate without loss {result['messages_per_s_zero_loss']:,}/s, "
        f"{result['times_faster']:g} times the most that websockets and json take in"
    )
    return table


def _brain_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    rounds = [one for one in result.values() if isinstance(one, dict) and "strategy" in one]
    table = Table(
        title=f"{rounds[0]['symbols']} symbols; event to intent, µs; lag in records of a ring of "
        f"{result['ring_capacity']:,}",
        title_justify="left",
    )
    columns = ("strategy", "ticks/s", *_PERCENTILES[:3], "lag p99", "most", "lost", "brain's core")
    for column in columns:
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for one in rounds:
        times, lag = one["event_to_intent_us"], one["lag_records"]
        cells = [f"{times[name]:,}" for name in _PERCENTILES[:3]]
        cells += [f"{lag['p99']:,}", f"{lag['max']:,}", str(one["lost"] + one["skipped"])]
        share = f"{100 * one['core_used']['brain']:.0f} %"
        table.add_row(one["strategy"], f"{one['ticks_per_s']:,}", *cells, share)
    table.caption = "; ".join(
        f"{one['strategy']}: {one['collections_in_cycle']} collections and {one['blocks_grown']} "
        f"blocks grown in {one['cycles']:,} duty cycles"
        for one in rounds
    )
    return table


def _gate_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"ns per order, {result['orders']:,} orders", title_justify="left")
    table.add_column("gate")
    for name in _PERCENTILES:
        table.add_column(name, justify="right")
    for title, times in (
        ("one instrument", result["gate_ns"]),
        ("512 instruments", result["gate_512_instruments_ns"]),
        ("plain Python", result["baseline"]["gate_ns"]),
    ):
        table.add_row(title, *(f"{times[name]:,}" for name in _PERCENTILES))
    table.caption = f"{result['times_faster']:g} times faster than plain Python"
    return table


def _quant_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"ns per point, {result['points']:,} points", title_justify="left")
    for column in ("indicator", "ours", "TA-Lib", "times", "pandas", "times"):
        table.add_column(column, justify="left" if column == "indicator" else "right")
    for name, times in result.items():
        if isinstance(times, dict):
            ours = times["ns_per_point"]
            row = [name, f"{ours:.2f}"]
            for library in ("talib_ns_per_point", "pandas_ns_per_point"):
                theirs = times[library]
                row += ["-", "-"] if theirs is None else [f"{theirs:.2f}", f"{theirs / ours:.2f}"]
            table.add_row(*row)
    return table


def _smc_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"{result['candles']:,} candles", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("one symbol, ns per candle", f"{result['ns_per_candle']:g}")
    table.add_row(f"{result['symbols']} symbols, ns each", f"{result['ns_per_candle_many']:g}")
    table.add_row("engine, ms for all", f"{result['engine_ms']:g}")
    if result["batch_library_ms"] is not None:
        table.add_row("batch library, ms for all", f"{result['batch_library_ms']:g}")
        table.add_row("times faster", f"{result['batch_library_ratio']:g}")
    table.caption = f"{result['events']:,} events, checksum {result['checksum']}"
    return table


def _ring_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="64-byte records: millions a second, singly and by 16; round trips, µs")
    for heading in ("lane", "M/s", "M/s x16", *_PERCENTILES):
        table.add_column(heading, justify="left" if heading == "lane" else "right")
    lanes = {"aegis": result, **result["baselines"]}
    for name, lane in lanes.items():
        table.add_row(
            name.removeprefix("multiprocessing."),
            f"{lane['records_per_s'] / 1e6:,.2f}",
            f"{lane['records_per_s_batched'] / 1e6:,.2f}",
            *(_microseconds(lane["rtt_ns"][p]) for p in _PERCENTILES),
        )
    lapped = result["lapped"]
    table.caption = (
        f"contents verified: {result['verified']}; lapped reader: {lapped['read']:,} read + "
        f"{lapped['lost']:,} lost of {lapped['published']:,}, {lapped['torn']} torn"
    )
    return table


def _hop_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"one hop at {result['rate_per_s']:,} records a second, µs")
    table.add_column("waiting by")
    for name in _PERCENTILES:
        table.add_column(name, justify="right")
    rows = dict(result["hop_ns"])
    rows |= {name: lane["hop_ns"] for name, lane in result["baselines"].items()}
    for name, times in rows.items():
        table.add_row(name, *(_microseconds(times[p]) for p in _PERCENTILES))
    return table


def _path_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="tick to order, µs: socket read to order bytes handed to the socket")
    table.add_column("path")
    for name in _PERCENTILES:
        table.add_column(name, justify="right")
    table.add_column("orders", justify="right")
    rows = {
        f"aegis, {result['rate_per_s']:,}/s": result["tick_to_order_ns"],
        f"baseline, {result['rate_per_s']:,}/s": result["baseline"]["tick_to_order_ns"],
        f"aegis, burst {result['burst']['rate_per_s']:,}/s": result["burst"]["tick_to_order_ns"],
        "baseline, burst": result["burst"]["baseline"]["tick_to_order_ns"],
    }
    for name, times in rows.items():
        table.add_row(name, *(_microseconds(times[p]) for p in _PERCENTILES), f"{times['count']:,}")
    table.caption = "; ".join(
        f"{name} p50 {_microseconds(stage['p50'])}" for name, stage in result["stages"].items()
    )
    return table


@app.command()
def maker(
    hours: Annotated[float, typer.Option(min=0.01, max=240.0, help="Of event time, a run.")] = 24.0,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Runs of each quoter.")] = 20,
    symbol: Annotated[str, typer.Option(metavar="NAME")] = "BTCUSDT",
    maker_fee_bps: Annotated[
        float, typer.Option(min=-10.0, max=100.0, help="What both pay, of the notional.")
    ] = 0.0,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="A picture (plots extra).")
    ] = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> None:
    """GLFT with live calibration beside symmetric quoting, on the embedded exchange's flow."""
    from importlib.util import find_spec

    from aegis.bench.market_making import compare, draw, summary
    from aegis.config import load_config

    if plot is not None and find_spec("matplotlib") is None:
        # Now, not when the runs are over.
        _say("--plot needs matplotlib: pip install 'aegis[plots]'")
        raise typer.Exit(1)

    _say(
        "seed | glft: fills, profit, deviation, certain, ratio, most held | symmetric: the same | "
        "glft is better by"
    )
    venue = load_config(config_path(config)).venue
    venue = venue.model_copy(update={"maker_fee_bps": maker_fee_bps})
    rows = compare(venue, symbol, list(range(1, seeds + 1)), round(hours * 3_600), _say)
    if plot is not None:
        draw(rows, plot)
    found = summary(rows)
    if as_json:
        print(json.dumps(found))
        return
    print(
        f"maker fee {maker_fee_bps:g} bp: "
        f"GLFT was better on {found['glft_better_certain']} of {seeds} seeds by profit less the "
        f"price of risk, on {found['glft_better_ratio']} by the ratio; beyond the inventory "
        f"limit: {found['beyond_limit']} runs"
    )
