"""One page of pictures of a market: the curves behind the statistics, one colour per seed.

`aegis venue stats --plots DIR` calls `draw`. Matplotlib is an optional extra of the package and is
imported here only; without it `draw` raises OptionsError, and everything else works.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from aegis.venue.errors import OptionsError
from aegis.venue.stats.curves import Curves

PAGE_INCHES: Final = (15.0, 11.5)
DPI: Final = 130
INK: Final = "#222222"
PALE: Final = "#9a9a9a"
COLOURS: Final = ("#1b6ca8", "#e07a1f", "#2f9e64", "#b5338a", "#7a6bd1", "#c0392b", "#16808a")
BIN_NAMES: Final = ("< .1", ".1-.3", ".3-.7", ".7-.9", "> .9")

Panel = Callable[[Any, Sequence[Curves]], None]


def draw(symbol: str, seeds: Sequence[Curves], folder: Path) -> Path:
    """Write `folder`/`symbol`.png and return its path.

    Raises OptionsError without Matplotlib, or if the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionsError(
            "plots need Matplotlib, which is an extra: pip install 'aegis[plots]'"
        ) from error
    figure = Figure(figsize=PAGE_INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 4).flatten()
    for axis, panel in zip(axes, _PANELS, strict=True):
        _plain(axis)
        panel(axis, seeds)
    _legend(axes[0], seeds)
    figure.suptitle(
        f"{symbol}: synthetic market, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}",
        fontsize=14, color=INK, x=0.01, ha="left", weight="bold",
    )  # fmt: skip
    path = folder / f"{symbol.lower()}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except OSError as error:
        raise OptionsError(f"cannot write {path}: {error.strerror}") from error
    return path


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(PALE)
    axis.tick_params(colors=INK, labelsize=8, length=3)
    axis.grid(True, color="#e8e8e8", linewidth=0.6)
    axis.set_axisbelow(True)


def _name(axis: Any, title: str, across: str, up: str = "") -> None:
    axis.set_title(title, fontsize=10, color=INK, loc="left")
    axis.set_xlabel(across, fontsize=8, color=INK)
    axis.set_ylabel(up, fontsize=8, color=INK)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _legend(axis: Any, seeds: Sequence[Curves]) -> None:
    if len(seeds) > 1:
        axis.legend([f"seed {one.seed}" for one in seeds], fontsize=7, frameon=False, ncols=2)


def _price(axis: Any, seeds: Sequence[Curves]) -> None:
    for number, one in enumerate(seeds):
        axis.plot(*one.price, color=_colour(number), linewidth=0.9)
    _name(axis, "Price", "hours", "USDT")


def _returns(axis: Any, seeds: Sequence[Curves]) -> None:
    one = seeds[0]
    hours = np.arange(len(one.minute_bps)) / 60.0
    axis.vlines(hours, 0.0, one.minute_bps, color=_colour(0), linewidth=0.5)
    _name(axis, f"One-minute returns, seed {one.seed}", "hours", "bps")


def _tails(axis: Any, seeds: Sequence[Curves]) -> None:
    largest = 1.0
    for number, one in enumerate(seeds):
        axis.loglog(*one.tail, color=_colour(number), linewidth=1.1)
        largest = max([largest, *one.tail[0]])
    at = np.geomspace(0.3, 5.0, 50)
    gaussian = [math.erfc(size / math.sqrt(2.0)) for size in at]
    axis.loglog(at, gaussian, color=INK, linewidth=1.0, linestyle=":")
    cubic = np.geomspace(3.0, largest, 20)
    axis.loglog(cubic, 0.01 * (cubic / 3.0) ** -3, color=PALE, linewidth=1.0, linestyle="--")
    axis.set_ylim(bottom=5e-6)
    _name(axis, "Tail of 1 s returns (-- cubic)", "standard deviations", "share beyond")


def _size_memory(axis: Any, seeds: Sequence[Curves]) -> None:
    _memory(axis, [one.size_acf for one in seeds], 0.3, 0.3)
    _name(axis, "acf of |r|, 1 min (-- lag^-0.3)", "lag, minutes")


def _sign_memory(axis: Any, seeds: Sequence[Curves]) -> None:
    _memory(axis, [one.sign_acf for one in seeds], 0.25, 0.5)
    _name(axis, "acf of trade signs (-- lag^-0.5)", "lag, orders")


def _memory(axis: Any, lines: Sequence[tuple[Any, Any]], level: float, power: float) -> None:
    for number, (lags, values) in enumerate(lines):
        good = values > 0.0
        axis.loglog(
            lags[good], values[good], color=_colour(number), linewidth=1.0, marker=".", markersize=4
        )
    lags = lines[0][0]
    axis.loglog(lags, level * lags**-power, color=PALE, linewidth=1.0, linestyle="--")


def _bustle(axis: Any, seeds: Sequence[Curves]) -> None:
    one = seeds[0]
    hours = np.arange(len(one.trades_per_minute)) / 60.0
    axis.fill_between(hours, one.trades_per_minute, color=_colour(0), linewidth=0.0, alpha=0.85)
    axis.set_ylim(bottom=0.0)
    _name(axis, f"Takers' orders a minute, seed {one.seed}", "hours")


def _spreads(axis: Any, seeds: Sequence[Curves]) -> None:
    width = 0.8 / len(seeds)
    for number, one in enumerate(seeds):
        at = one.spreads[0] + (number - (len(seeds) - 1) / 2.0) * width
        axis.bar(at, one.spreads[1], width, color=_colour(number))
    axis.set_yscale("log")
    axis.set_ylim(1e-5, 1.5)
    _name(axis, "Spread", "ticks", "share of time")


def _imbalance(axis: Any, seeds: Sequence[Curves]) -> None:
    for number, one in enumerate(seeds):
        at = np.arange(len(one.moves))
        axis.plot(at, one.moves, color=_colour(number), marker="o", markersize=4, linewidth=1.0)
    axis.axhline(0.0, color=PALE, linewidth=0.8)
    axis.set_xticks(range(len(BIN_NAMES)), BIN_NAMES)
    _name(axis, "Next move of the middle, by imbalance", "bids' share of the top", "mean sign")


def _impact(axis: Any, seeds: Sequence[Curves]) -> None:
    for number, one in enumerate(seeds):
        sizes, moves, errors = one.impact
        good = moves > errors
        axis.errorbar(
            sizes[good], moves[good], errors[good],
            color=_colour(number), marker="o", markersize=3, linewidth=1.0,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    _name(axis, "Impact of an order after 100 ms", "lots", "ticks")


def _intensity(axis: Any, seeds: Sequence[Curves]) -> None:
    for number, one in enumerate(seeds):
        depths = np.arange(1, len(one.depth))
        axis.semilogy(depths, one.depth[1:], color=_colour(number), linewidth=1.2)
    axis.tick_params(which="minor", labelleft=False)
    axis.set_ylim(0.05, 5.0)
    _name(axis, "Trades deeper than d (100 ms windows)", "ticks from the middle", "per second")


def _moved(axis: Any, seeds: Sequence[Curves]) -> None:
    for number, one in enumerate(seeds):
        spread = float(one.minute_bps.std()) if len(one.minute_bps) else 0.0
        if spread > 0.0:
            values, edges = np.histogram(one.minute_bps / spread, 61, (-6.0, 6.0), density=True)
            axis.semilogy(
                0.5 * (edges[1:] + edges[:-1]), np.maximum(values, 1e-5),
                color=_colour(number), linewidth=0.9, drawstyle="steps-mid",
            )  # fmt: skip
    at = np.linspace(-4.2, 4.2, 80)
    axis.semilogy(at, np.exp(-0.5 * at**2) / math.sqrt(2 * math.pi), color=INK, ls=":", lw=1.0)
    axis.set_ylim(5e-4, 2.0)
    _name(axis, "One-minute returns (.. Gaussian)", "standard deviations", "density")


def _volatility(axis: Any, seeds: Sequence[Curves]) -> None:
    window = 30
    for number, one in enumerate(seeds):
        if len(one.minute_bps) >= window:
            squares = np.convolve(one.minute_bps**2, np.ones(window) / window, mode="valid")
            hours = (np.arange(len(squares)) + window) / 60.0
            axis.plot(hours, np.sqrt(squares), color=_colour(number), linewidth=0.9)
    axis.set_ylim(bottom=0.0)
    _name(axis, "Volatility, half an hour's", "hours", "bps a minute")


_PANELS: Final[tuple[Panel, ...]] = (
    _price, _returns, _volatility, _bustle,
    _moved, _tails, _size_memory, _sign_memory,
    _spreads, _imbalance, _impact, _intensity,
)  # fmt: skip
