"""A small valid ``aegis.toml`` for the tests of this room, and a box to read it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aegis.config import LoadResult, Problem, read_config
from aegis.config.cores import BoxCores

TWO_CORES = BoxCores(online=frozenset({0, 1}), usable=frozenset({0, 1}))
EIGHT_CORES = BoxCores(online=frozenset(range(8)), usable=frozenset(range(8)))

LIMITS = """
max_order_qty = 0.01
max_order_notional = 2000.0
max_position_qty = 0.05
max_gross_notional = 10000.0
max_leverage = 2.0
min_margin_buffer = 0.5
min_equity = 5000.0
max_daily_loss = 200.0
max_drawdown = 300.0
price_collar_bps = 50.0
price_collar_window_bps = 200.0
max_mark_deviation_bps = 50.0
max_open_orders = 10
max_orders_per_s = 20
max_cancels_per_s = 40
max_same_side_fills = 20
max_stale_ms = 2000
"""
# What shapes a limit has a default.
SHAPES = """
price_collar_window_s = 60.0
same_side_fills_window_s = 60.0
duplicate_window_ms = 50.0
margin_rate = 0.05
pilot_hours = 4.0
pilot_share = 0.1
"""

SAMPLE = f"""\
[hardware]
cores = {{ feed = 0, brain = 1, execution = 0, venue = 0 }}

[instances.btc]
symbols = ["BTCUSDT"]
strategy = "some_strategy"
parameters = {{ order_qty = 0.002, mode = "glft", skew = true, levels = 2 }}
[instances.btc.limits]
{LIMITS}
"""


def read_text(
    text: str | bytes, folder: Path, box: BoxCores = TWO_CORES, **more: Any
) -> LoadResult:
    """Write a text to a file and read it as a configuration."""
    file = folder / "aegis.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(file, box, **more)


def edited(*changes: tuple[str, str], text: str = SAMPLE) -> str:
    """The sample with pieces replaced; each piece must be there."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in the sample"
        text = text.replace(old, new, 1)
    return text


def only(problems: list[Problem]) -> Problem:
    """The one problem there is."""
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]
