"""The sum of a run, as the one object of `aegis run --json` and as lines for people.

Keys (stable): ok, instance, reason, seconds, simulated, mode, market_host (of market data; empty:
the embedded exchange), ready, ticks, trades, quotes, lost, duplicates, gaps, top_checks,
top_mismatches, signals, intents, intents_hash (16 hex digits), places, cancels, orders (placements
sent), orders_accepted, orders_rejected, orders_denied, orders_unknown, cancels_sent, fills,
open_orders (asked of the venue at the end; null when it did not answer), position (base units,
first symbol), realized_pnl, fees, gc_collections_in_cycle, restarts, mirror_lines, mirror_total,
conductor_timeouts, degraded (sentences), unclean (sentences), latency (by histogram: p50, p99,
p999, max, count in ns), processes (by name: restarts, rss_bytes, rss_slope_bytes_per_s,
gc_collections, gc_collections_in_cycle, gc_pause_max_ns, max_cycle_ms, last_end).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aegis.config.environments import paper_words
from aegis.host.clock import monotonic_ns
from aegis.host.resources import read_resources
from aegis.monitor.render import human_ns
from aegis.monitor.view import InstanceView, mode_words
from aegis.supervisor.instance import Instance

__all__ = ["MemoryTrend", "summary_lines", "summary_of"]

_WORD = (1 << 64) - 1
_MIB = 1 << 20
# Caches fill and pages are touched for the first time at the start; a leak shows after that.
_WARM_UP_NS = 30_000_000_000


@dataclass(slots=True)
class _Line:
    """A straight line through points, by running sums: x in seconds, y in bytes."""

    count: int = 0
    sum_x: float = 0.0
    sum_y: float = 0.0
    sum_xx: float = 0.0
    sum_xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.count += 1
        self.sum_x += x
        self.sum_y += y
        self.sum_xx += x * x
        self.sum_xy += x * y

    @property
    def slope(self) -> float | None:
        spread = self.count * self.sum_xx - self.sum_x * self.sum_x
        if self.count < 3 or spread <= 0:
            return None
        return (self.count * self.sum_xy - self.sum_x * self.sum_y) / spread


@dataclass(slots=True)
class MemoryTrend:
    """Resident memory of every process over the run: the last size and the slope after warm-up."""

    rss_bytes: dict[str, int] = field(default_factory=dict)
    _lines: dict[tuple[str, int], _Line] = field(default_factory=dict)

    def look(self, instance: Instance, now_ns: int) -> None:
        """Take one sample of every process."""
        pids = {name: child.pid for name, child in instance.children.items() if child.running}
        pids["supervisor"] = instance.notes.pid
        for name, pid in pids.items():
            resources = read_resources(pid)
            if resources is None:
                continue
            self.rss_bytes[name] = resources.rss_bytes
            if instance.ready_ns is not None and now_ns - instance.ready_ns > _WARM_UP_NS:
                line = self._lines.setdefault((name, pid), _Line())
                line.add((now_ns - instance.ready_ns) / 1e9, resources.rss_bytes)

    def slope_bytes_per_s(self, name: str, pid: int) -> float | None:
        """Growth of a process since its warm-up; None where it was watched too briefly."""
        line = self._lines.get((name, pid))
        slope = line.slope if line is not None else None
        return None if slope is None else round(slope, 1)


def summary_of(instance: Instance, view: InstanceView, trend: MemoryTrend) -> dict[str, Any]:
    """The object. `ok` is set by the caller, who knows the exit code."""
    feed, brain = view.counters["feed"], view.counters["brain"]
    execution, venue = view.counters["execution"], view.counters["venue"]
    ended_ns = instance.ended_ns or monotonic_ns()
    ready_ns = instance.ready_ns
    return {
        "ok": instance.exit_code == 0,
        "instance": instance.name,
        "reason": instance.reason,
        "seconds": round((ended_ns - ready_ns) / 1e9, 3) if ready_ns is not None else 0.0,
        "simulated": view.simulated,
        "mode": view.mode,
        "market_host": view.market_host,
        "ready": ready_ns is not None,
        "ticks": view.rings["ticks"].published,
        "trades": feed["trades"],
        "quotes": feed["quotes"],
        "lost": brain["ticks_lost"],
        "duplicates": feed["duplicates"],
        "gaps": feed["gaps"],
        "top_checks": feed["top_checks"],
        "top_mismatches": feed["top_mismatches"],
        "signals": brain["signals"],
        "intents": brain["intents"],
        "intents_hash": f"{brain['intents_hash'] & _WORD:016x}",
        "places": brain["places"],
        "cancels": brain["cancels"],
        "orders": execution["orders_sent"],
        **{
            name: execution[name]
            for name in (
                "orders_accepted",
                "orders_rejected",
                "orders_denied",
                "orders_unknown",
                "cancels_sent",
                "fills",
            )
        },
        "open_orders": instance.open_orders,
        "position": next(iter(view.position.values()), 0.0),
        "realized_pnl": view.realized_pnl,
        "fees": view.fees,
        "gc_collections_in_cycle": sum(
            process.gc_collections_in_cycle for process in view.processes.values()
        ),
        "restarts": view.restarts,
        "mirror_lines": venue["mirror_lines"],
        "mirror_total": venue["mirror_total"],
        "conductor_timeouts": venue["conductor_timeouts"],
        "degraded": [*view.degraded, *_degraded_processes(view)],
        "unclean": list(instance.unclean),
        "latency": view.latency,
        "processes": _processes(view, trend),
    }


def _degraded_processes(view: InstanceView) -> list[str]:
    return [
        f"{name}: {text}" for name, process in view.processes.items() for text in process.degraded
    ]


def _processes(view: InstanceView, trend: MemoryTrend) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "restarts": process.restarts,
            "rss_bytes": trend.rss_bytes.get(name, 0),
            "rss_slope_bytes_per_s": trend.slope_bytes_per_s(name, process.pid),
            "gc_collections": process.gc_collections,
            "gc_collections_in_cycle": process.gc_collections_in_cycle,
            "gc_pause_max_ns": process.gc_pause_max_ns,
            "max_cycle_ms": process.max_cycle_ms,
            "last_end": process.last_end,
        }
        for name, process in view.processes.items()
    }


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The same for people: a few lines."""
    path = summary["latency"].get("tick_to_order_ns", {})
    path_text = ", ".join(f"{name} {human_ns(path.get(name, 0))}" for name in ("p50", "p99"))
    open_orders = "unknown" if summary["open_orders"] is None else summary["open_orders"]
    net = summary["realized_pnl"] - summary["fees"]
    memory = ", ".join(
        f"{name} {process['rss_bytes'] / _MIB:.0f}" + _slope_text(process)
        for name, process in summary["processes"].items()
    )
    simulated = f"{mode_words(summary['mode'])} " if summary["simulated"] else ""
    lines = [
        f"{summary['instance']}: {summary['reason']} ({summary['seconds']:.1f} s of trading)",
        f"  {simulated}orders {summary['orders']}, fills {summary['fills']}, position "
        f"{summary['position']:g}, net {net:.2f} (fees {summary['fees']:.2f})",
        f"  open orders at the venue, asked at the end: {open_orders}",
        f"  ticks {summary['ticks']} (lost {summary['lost']}), signals "
        f"{summary['signals']}, intents {summary['intents']} "
        f"(hash {summary['intents_hash']})",
        f"  tick-to-order {path_text}; collections in a duty cycle "
        f"{summary['gc_collections_in_cycle']}; restarts {summary['restarts']}",
        f"  memory in MiB: {memory}",
    ]
    if summary["mode"] == "paper":
        lines.insert(1, f"  {paper_words(summary['market_host'])}")
    return [*lines, *(f"  not clean: {text}" for text in summary["unclean"])]


def _slope_text(process: dict[str, Any]) -> str:
    slope = process["rss_slope_bytes_per_s"]
    return "" if slope is None else f" ({slope / 1024:+.2f} KiB/s)"
