"""`aegis universe [INSTANCE]`: what the exchange lists, and whose books of it are in force.

A running instance tells from its shared memory which symbols have rows and books in force, and
where its exchange is; that one is asked for its list. Without an instance the exchange of
`[venue]` or `[feed]` is asked alone. Exit 0 when every symbol that should have a valid book has
one, 1 when not or when that cannot be known (an instance that follows nothing yet, or that takes
all while the exchange cannot be asked), 2 for a configuration that cannot be used, 3 when there is
nobody to ask.

Keys of the JSON form: `instance` (null without one), `exchange` (its address, null if it was not
asked), `listed` and `trading` (USDT-margined perpetuals), `followed`, `valid`, `invalid`
(symbols without a book in force), `missing` (traded there, no row here), `covered`, `history` (of
candles, one a symbol and interval: `done` of `total` are fetched; null without an instance), and
`symbols`, a list with `symbol`, `status`, `tick`, `step`, `min_notional`, `row` and `book`
("valid", "invalid", or null where none is kept).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aegis.cli.config_path import ConfigOption, config_path, shm_dir_of
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_NOT_RUNNING,
    EXIT_USAGE,
    complain,
    print_object,
)
from aegis.cli.instance_name import instance_name

if TYPE_CHECKING:
    from aegis.config import AegisConfig
    from aegis.feed.endpoints import Endpoints
    from aegis.feed.exchange_info import Listing

__all__ = ["universe"]

_DEADLINE_S = 20.0
_PIPE_COLUMNS = 140


@dataclass(slots=True)
class Line:
    """One symbol; sizes in quote and base units, None where nobody knows them."""

    symbol: str
    status: str
    tick: float | None
    step: float | None
    min_notional: float | None
    row: int | None = None
    book: str | None = None


def universe(
    instance: Annotated[
        str | None,
        typer.Argument(callback=instance_name, help="One instance; else the one that runs."),
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """List the symbols, their tick, step and smallest notional, and whose books are in force."""
    from aegis.config import read_config

    result = read_config(config_path(config))
    shm_dir = shm_dir_of(config)
    name = _chosen(instance, shm_dir)
    lines, port, takes_all, history = _followed(name, shm_dir) if name else ([], 0, False, None)
    if name is not None and lines is None:
        complain(f"{name} does not run")
        raise typer.Exit(EXIT_NOT_RUNNING)
    endpoints = _endpoints(result.config, port)
    if endpoints is None and name is None:
        if result.config is None:
            for problem in result.problems:
                complain(str(problem))
            raise typer.Exit(EXIT_USAGE)
        complain(
            "no instance runs, and the exchange has no address: start one (aegis run), or give "
            "[venue] a port"
        )
        raise typer.Exit(EXIT_NOT_RUNNING)
    ledger = _ledger_path(result.config, name, shm_dir)
    listing = _ask(endpoints, ledger) if endpoints is not None else None
    if listing is None and name is None:
        raise typer.Exit(EXIT_NOT_RUNNING)
    asked = endpoints.rest() if endpoints is not None and listing is not None else None
    found = _answer(name, asked, lines or [], listing, takes_all) | {"history": history}
    if as_json:
        print_object(found)
    else:
        _show(found)
    raise typer.Exit(EXIT_GOOD if found["covered"] else EXIT_FAILED)


def _chosen(instance: str | None, shm_dir: str) -> str | None:
    """The instance asked for, or the only one that runs."""
    from aegis.monitor.reading import instances_in

    if instance is not None or not Path(shm_dir).is_dir():
        return instance
    running = instances_in(shm_dir)
    if len(running) > 1:
        complain(f"several instances run ({', '.join(running)}): looking at {running[0]}")
    return running[0] if running else None


def _followed(
    name: str, shm_dir: str
) -> tuple[list[Line] | None, int, bool, dict[str, int] | None]:
    """(rows of the instance, its exchange's port, whether it takes all symbols, its histories)."""
    from aegis.feed.universe import FILE
    from aegis.host.clock import monotonic_ns
    from aegis.monitor.problems import STALL_MS
    from aegis.shm.errors import ShmError
    from aegis.shm.instance import InstanceMemory

    try:
        memory = InstanceMemory.attach(name, shm_dir=shm_dir)
    except ShmError as error:
        complain(str(error))
        return None, 0, False, None
    try:
        turned_ns = memory.counters["feed"]["loop_ts_ns"]
        still_ms = (monotonic_ns() - turned_ns) / 1e6
        alive = still_ms < STALL_MS
        if not turned_ns:
            complain("the feed has not begun yet: no book can be trusted")
        elif not alive:
            complain(f"the feed stands still for {still_ms / 1e3:.1f} s: no book can be trusted")
        rows = range(len(memory.instruments.listed))
        lines = [_line_of_row(memory, row, alive) for row in rows]
        port = memory.counters["venue"]["port"]
        feed = memory.counters["feed"]
        history = {"done": feed["history_done"], "total": feed["history_total"]}
        return lines, port, feed["universe_source"] > FILE, history
    finally:
        memory.close()


def _line_of_row(memory: Any, row: int, is_alive: bool) -> Line:
    from aegis.shm.instruments import TRADING, UNCONFIRMED

    fields = memory.instruments.row(row)
    status = int(fields["status"])
    book = "valid" if is_alive and memory.books.is_valid(row) else "invalid"
    return Line(
        symbol=memory.instruments.symbol(row),
        status=_status_name(status),
        tick=float(fields["tick_size"]) or None,
        step=float(fields["step_size"]) or None,
        min_notional=float(fields["min_notional"]) if status != UNCONFIRMED else None,
        row=row,
        book=book if status in (TRADING, UNCONFIRMED) else None,
    )


def _status_name(code: int) -> str:
    from aegis.feed.exchange_info import STATUS_CODES
    from aegis.shm.instruments import NOT_LISTED, UNCONFIRMED

    names = {number: name for name, number in STATUS_CODES.items()}
    names |= {NOT_LISTED: "NOT_LISTED", UNCONFIRMED: "UNCONFIRMED"}
    return names.get(code, f"OTHER ({code})")


def _endpoints(config: AegisConfig | None, port: int) -> Endpoints | None:
    """How the exchange is asked; None when it has no address."""
    from aegis.feed.endpoints import Endpoints
    from aegis.feed.errors import FeedError

    host = config.venue.host if config is not None else "127.0.0.1"
    known = port or (config.venue.port if config is not None else 0)
    if config is not None and str(config.venue.mode) != "embedded":
        try:
            return Endpoints.named(config.feed, config.venue)
        except FeedError as error:
            complain(str(error))
            return None
    if not known:
        return None
    return Endpoints(lambda: f"http://{host}:{known}", lambda: None)


def _ledger_path(config: AegisConfig | None, name: str | None, shm_dir: str) -> Path | None:
    """Where what may be asked of the exchange is written down; None when nobody shares it."""
    from aegis.config.environments import market_of
    from aegis.shm.instance import directory_of
    from aegis.shm.rate_ledger import ledger_path

    environment = market_of(config.venue, config.feed) if config is not None else None
    if environment is not None:
        return ledger_path(directory_of(name or "any", shm_dir), environment.host)
    return ledger_path(directory_of(name, shm_dir), None) if name is not None else None


def _ask(endpoints: Endpoints, ledger_file: Path | None) -> Listing | None:
    """The exchange's list; None after complaining.

    A question inside a ban makes the ban longer, for the whole box: the ledger is asked first.
    """
    from aegis.feed.errors import FeedError
    from aegis.feed.exchange_info import read_listing
    from aegis.feed.gate import AddressGate
    from aegis.feed.rest import MarketRest
    from aegis.shm.errors import ShmError
    from aegis.shm.rate_ledger import WEIGHT, RateLedger

    gate = AddressGate()
    try:
        if ledger_file is not None and ledger_file.parent.is_dir():
            gate.ledger = RateLedger.open(ledger_file, 0)
    except ShmError as error:
        complain(f"{error}: whether the exchange wants silence is not known, so it is not asked")
        return None

    def observe(used: int) -> None:
        gate.ledger.tell(WEIGHT, used, time.time_ns() // 1_000_000)

    async def get() -> bytes:
        async with MarketRest(_DEADLINE_S, endpoints.tls, endpoints.proxy, observe, gate) as rest:
            return await rest.get(f"{endpoints.rest()}/fapi/v1/exchangeInfo")

    try:
        return read_listing(asyncio.run(get()))
    except FeedError as error:
        complain(f"the exchange's list cannot be had: {error}")
        return None
    finally:
        gate.ledger.close()


def _answer(
    name: str | None,
    asked: str | None,
    lines: list[Line],
    listing: Listing | None,
    takes_all: bool,
) -> dict[str, Any]:
    known = {line.symbol for line in lines}
    perpetuals = listing.perpetuals if listing is not None else []
    trading = [
        symbol for symbol in perpetuals if listing is not None and listing.is_trading(symbol)
    ]
    missing = [symbol for symbol in trading if symbol not in known] if takes_all else []
    others = [_line_of_listing(listing, n) for n in perpetuals if listing and n not in known]
    invalid = [line.symbol for line in lines if line.book == "invalid"]
    # Nothing is no coverage, and what the exchange lists has to be known before it is covered.
    has_all = listing is not None and not listing.unreadable
    is_known = name is None or (bool(lines) and (has_all or not takes_all))
    if listing is not None and listing.unreadable:
        first = next(iter(listing.unreadable.values()))
        complain(
            f"{len(listing.unreadable)} entries of its list cannot be read; the first: {first}"
        )
    if not is_known:
        complain("whether all that should be followed is followed cannot be told now")
    return {
        "instance": name,
        "exchange": asked,
        "listed": len(perpetuals),
        "trading": len(trading),
        "followed": len(lines),
        "valid": sum(line.book == "valid" for line in lines),
        "invalid": invalid,
        "missing": missing,
        "covered": is_known and not invalid and not missing,
        "symbols": [asdict(line) for line in [*lines, *others]],
    }


def _line_of_listing(listing: Listing, symbol: str) -> Line:
    from aegis.feed.errors import WireError

    status = listing.symbols[symbol].status
    try:
        fields = listing.fields(symbol)
    except WireError:
        return Line(symbol, status, None, None, None)
    sizes = (fields["tick_size"], fields["step_size"], fields["min_notional"])
    return Line(symbol, status, *sizes)


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # A pipe has no width; the table should not be folded for it.
        console = Console(highlight=False, markup=False, width=_PIPE_COLUMNS)
    table = Table()
    for column in ("row", "symbol", "status", "tick", "step", "min notional", "book"):
        table.add_column(column)
    for line in found["symbols"]:
        sizes = [_number(line[key]) for key in ("tick", "step", "min_notional")]
        row = "" if line["row"] is None else str(line["row"])
        table.add_row(row, line["symbol"], line["status"], *sizes, line["book"] or "-")
    console.print(table)
    where = found["exchange"] or "the exchange was not asked"
    console.print(f"{where}: {found['listed']} listed, {found['trading']} trading")
    if found["instance"] is not None:
        console.print(
            f"{found['instance']}: {found['followed']} followed, {found['valid']} books valid, "
            f"{len(found['invalid'])} not, {len(found['missing'])} symbols missing"
        )
        if found["history"]["total"]:
            console.print("candles: history {done}/{total}".format(**found["history"]))
    for key, words in (("invalid", "no valid book"), ("missing", "not followed")):
        if found[key]:
            console.print(f"{words}: {', '.join(found[key])}")


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.10g}"
