"""An instance for human eyes: the tables of `aegis status` and of a foreground run.

Pure but for rich: makes renderables out of an `InstanceView`, prints nothing. Everything a table
shows is also in the JSON form.
"""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aegis.config.environments import paper_words
from aegis.monitor.view import InstanceView, Problem, ProcessView, mode_words

__all__ = ["human_ns", "live_line", "live_table", "status_page"]

_STATE_STYLES = {"running": "bold green", "ready": "green", "starting": "yellow"}
_PERCENTILES = ("p50", "p99", "p999", "max")
_HOPS = ("socket_to_ring_ns", "hop_ns", "step_ns", "intent_hop_ns", "tick_to_order_ns")
_MIB = 1 << 20
_EVENTS_SHOWN = 8


def human_ns(nanoseconds: float) -> str:
    """A duration with three significant figures: 850 ns, 12.3 us, 1.20 ms, 3.40 s."""
    value = float(nanoseconds)
    for unit in ("ns", "us", "ms"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} s"


def status_page(view: InstanceView) -> RenderableType:
    """Everything of `aegis status` for one instance."""
    parts: list[RenderableType] = [_headline(view)]
    if view.problems:
        parts.append(_problem_table(view.problems))
    if view.state in ("absent", "dead"):
        return Group(*parts)
    parts += [_process_table(view), _market_table(view), _latency_table(view)]
    parts += [Text(f"mind: {text}", style="yellow") for text in view.degraded]
    parts += [
        Text(f"event: {event['text']}", style="dim") for event in view.events[-_EVENTS_SHOWN:]
    ]
    return Group(*parts)


def live_table(view: InstanceView) -> RenderableType:
    """The compact table of a foreground run on a terminal."""
    degraded = "; ".join(view.degraded)
    return Group(
        _headline(view),
        *([Text(f"degraded: {degraded}", style="yellow")] if degraded else []),
        _process_table(view),
        _market_table(view),
        _latency_table(view),
        *([_problem_table(view.problems)] if view.problems else []),
    )


def live_line(view: InstanceView) -> str:
    """The same in one line, for a pipe."""
    book = view.books[0] if view.books else None
    top = "no book" if book is None or book.bid is None else f"{book.bid:g}/{book.ask or 0:g}"
    path = view.latency.get("tick_to_order_ns", {})
    position = " ".join(f"{quantity:g} {symbol}" for symbol, quantity in view.position.items())
    first = view.problems[0].what if view.problems else ""
    return " | ".join(
        part
        for part in (
            f"{view.instance} {view.state} {mode_words(view.mode)}",
            top,
            _quotes(view),
            f"position {position or '0'}",
            f"{view.orders} orders",
            f"{view.open_orders} open",
            f"{view.fills} fills",
            f"net {view.realized_pnl - view.fees:.2f}",
            f"tick-to-order p50 {human_ns(path.get('p50', 0))} p99 {human_ns(path.get('p99', 0))}",
            f"ticks {view.rings['ticks'].published}" if "ticks" in view.rings else "",
            f"! {first}" if first else "",
        )
        if part
    )


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )


def _quotes(view: InstanceView) -> str:
    """The newest prices of each side, empty before the first; whether one of them may rest yet."""
    if not view.quotes:
        return ""
    bid, ask = (view.quotes.get(side) for side in ("bid", "ask"))
    quoted = "quoted" if view.open_orders else "last quoted"
    return f"{quoted} {'-' if bid is None else f'{bid:g}'}/{'-' if ask is None else f'{ask:g}'}"


def _headline(view: InstanceView) -> Text:
    text = Text()
    text.append(f"{view.instance} ", style="bold")
    health = "healthy" if view.healthy else view.state
    text.append(health, style="bold green" if view.healthy else "bold red")
    if view.state not in ("absent", "dead"):
        text.append(f"  up {view.uptime_s:.0f} s  config version {view.config_version}")
        if view.mode == "paper":
            text.append(f"  {paper_words(view.market_host)}", style="bold yellow")
        elif view.simulated:
            text.append("  SIMULATED: the embedded venue, no money", style="bold yellow")
        elif view.mode == "live":
            text.append("  LIVE: REAL MONEY", style="bold white on red")
        else:
            text.append(f"  {mode_words(view.mode)}: no real money", style="bold yellow")
    return text


def _problem_table(problems: list[Problem]) -> Table:
    table = _table("problems")
    for column in ("what", "why", "do"):
        table.add_column(column, overflow="fold")
    for problem in problems:
        style = "red" if problem.severity == "fault" else "yellow"
        table.add_row(Text(problem.what, style=style), Text(problem.why), Text(problem.do))
    return table


def _process_table(view: InstanceView) -> Table:
    table = _table("processes")
    columns = ("process", "pid", "state", "cycle age", "core", "scheduler", "memory", "restarts")
    for column in columns:
        table.add_column(column, no_wrap=True)
    table.add_column("degraded", overflow="fold")
    for name, process in sorted(view.processes.items(), key=lambda item: item[0] != "supervisor"):
        state = process.state if process.alive else "gone"
        if process.process_state == "T":
            state = "stopped"
        age_ms = process.heartbeat_age_ms
        table.add_row(
            name,
            str(process.pid),
            Text(state, style=_STATE_STYLES.get(state, "red")),
            "-" if age_ms is None else human_ns(age_ms * 1e6),
            _cores(process),
            process.scheduler + (", locked" if process.mlocked else ""),
            f"{process.rss_bytes / _MIB:.0f} MiB",
            str(process.restarts),
            ", ".join(process.degraded),
        )
    return table


def _cores(process: ProcessView) -> str:
    if process.core_asked < 0:
        return "-"
    if process.core_asked == process.core_got:
        return str(process.core_got)
    got = "any" if process.core_got < 0 else str(process.core_got)
    return f"asked {process.core_asked}, got {got}"


def _market_table(view: InstanceView) -> Table:
    table = Table.grid(padding=(0, 2))
    for book in view.books[:8]:
        age = "-" if book.age_ms is None else human_ns(book.age_ms * 1e6)
        top = "-" if book.bid is None or book.ask is None else f"{book.bid:g} / {book.ask:g}"
        validity = Text("valid", style="green") if book.valid else Text("NOT VALID", style="red")
        table.add_row(book.symbol or str(book.instrument), top, validity, f"age {age}")
    if len(view.books) > 8:
        valid = sum(book.valid for book in view.books)
        table.add_row(f"{len(view.books)} books", f"{valid} valid", "", "")
    feed = view.counters.get("feed", {})
    done, total = feed.get("history_done", 0), feed.get("history_total", 0)
    if done < total:
        table.add_row("candles", f"history {done}/{total}", "", "")
    position = ", ".join(f"{quantity:g} {symbol}" for symbol, quantity in view.position.items())
    table.add_row("position", position or "0", _quotes(view), "")
    orders = (f"{view.orders} orders", f"{view.open_orders} open", f"{view.fills} fills")
    table.add_row("orders", *orders)
    net = view.realized_pnl - view.fees
    gate = view.gate.get("state", "") + (
        f" ({view.gate['reason']})" if view.gate.get("reason") else ""
    )
    table.add_row(
        "money", f"net {net:.2f}", f"realised {view.realized_pnl:.2f}", f"fees {view.fees:.2f}"
    )
    table.add_row("gate", gate, f"unknown {view.unknown_orders}", "")
    for name, ring in view.rings.items():
        table.add_row(name, f"{ring.published} published", f"lag {ring.lag}", "")
    return table


def _latency_table(view: InstanceView) -> RenderableType:
    if not any(found["count"] for found in view.latency.values()):
        return Text("latency: nothing measured yet", style="dim")
    table = _table("latency")
    for column in ("from, to", *_PERCENTILES, "count"):
        table.add_column(column, no_wrap=True)
    for name in (*_HOPS, *(other for other in view.latency if other not in _HOPS)):
        found = view.latency.get(name)
        if found and found["count"]:
            cells = [human_ns(found[column]) for column in _PERCENTILES]
            table.add_row(name.removesuffix("_ns"), *cells, str(found["count"]))
    return table
