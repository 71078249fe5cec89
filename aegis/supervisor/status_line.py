"""The state of an instance in one line and in one number, for systemd and for the counters.

Read from shared memory only. The line goes into `systemctl status` (STATUS=), the number into the
supervisor's counter `health`.
"""

from __future__ import annotations

from aegis.monitor.view import mode_words
from aegis.supervisor.instance import Instance
from aegis.supervisor.watch import CHILDREN, Watch

__all__ = ["HEALTH_CANARY", "HEALTH_GOOD", "HEALTH_UNREADY", "health_number", "status_line"]

# `health`: 0 good; 1 to 4 a process in the order of CHILDREN; then the chain, then the exchange.
HEALTH_GOOD = 0
HEALTH_CANARY = len(CHILDREN) + 1
HEALTH_UNREADY = HEALTH_CANARY + 1

_E8 = 1e8


def health_number(watch: Watch) -> int:
    """The first broken predicate as a number, 0 when all hold."""
    if watch.failing:
        first = watch.failing[0]
        for number, process in enumerate(CHILDREN, 1):
            if first.startswith(process):
                return number
        return HEALTH_CANARY
    return HEALTH_UNREADY if watch.unready else HEALTH_GOOD


def status_line(instance: Instance, now_ns: int) -> str:
    """State, position, orders, money and the age of the market data, in that order."""
    watch = instance.watch
    broken = [*watch.failing, *watch.unready]
    state = "trading" if not broken else "degraded: " + "; ".join(broken)
    reload = instance.notes.last_reload
    if not reload.ok:
        state += f" | reload {reload.text}"
    counters = instance.memory.counters
    execution, feed = counters["execution"], counters["feed"]
    last_ns = feed["last_message_ns"]
    age = f"{(now_ns - last_ns) // 1_000_000} ms" if last_ns else "none yet"
    simulated = f"{mode_words(instance.notes.mode)}, "
    profit = (execution["realized_pnl_e8"] - execution["fees_e8"]) / _E8
    return (
        f"{state} | {simulated}position {execution['position_lots']} lots, "
        f"{execution['open_orders']} open, {execution['orders_unknown']} unknown, "
        f"{execution['fills']} fills, net {profit:.2f}, feed age {age}"
    )
