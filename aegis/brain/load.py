"""Make a brain ready: compile its duty cycle, pack its parameters. Cold path, plain Python.

The supervisor calls `compile_brain` before it forks, so that the children share the compiled
pages and the first tick meets machine code. `fit_parameters` is called at the start, at a reload
and when the exchange has changed an instrument's filters.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from aegis.brain.duty_cycle import load_duty_cycle, withdraw_all
from aegis.brain.layout import Desk, Wires, candle_plan, make_desk
from aegis.brain.plain_cycle import PlainCycle
from aegis.shm.books import DEPTH, book_words
from aegis.shm.counters import CAPACITY, STRIDE_WORDS
from aegis.shm.histogram import SLOT_WORDS
from aegis.shm.instruments import INSTRUMENT, TRADING, Instruments
from aegis.shm.intent import INTENT
from aegis.shm.outcome import OUTCOME
from aegis.shm.region import HEADER_BYTES
from aegis.shm.signal import SIGNAL
from aegis.shm.tick import TICK
from aegis.shm.wait import SPIN
from aegis.strategies.contract import POLICY_FIELDS, Strategy, StrategyParameters
from aegis.strategies.errors import BrokenStrategyError, UnusableInstrumentError
from aegis.strategies.registry import load_strategy

__all__ = ["compile_brain", "compiled_cycle", "compiler_words", "fit_parameters", "show_again"]


def compiled_cycle(strategy: Strategy) -> Any:
    """The strategy's duty cycle, compiled (or loaded from the cache) for the brain's types.

    It is run once over empty rings, so the first real call compiles nothing. A plain strategy's
    loop is Python, a new one for each call; the kernels that it calls are compiled all the same.
    Raises BrokenStrategyError, with file and line, for a step that Numba does not accept.
    """
    if strategy.plain is not None:
        _run_empty(strategy, PlainCycle(strategy))
        return PlainCycle(strategy)
    return _compiled(strategy)


@cache
def _compiled(strategy: Strategy) -> Any:
    cycle = load_duty_cycle(strategy)
    try:
        _run_empty(strategy, cycle)
    except NumbaError as error:
        raise BrokenStrategyError(
            f"strategy {strategy.name}: {compiler_words(str(error), strategy.source)}"
        ) from None
    return cycle


def _run_empty(strategy: Strategy, cycle: Any) -> None:
    """One call over empty rings."""
    params = np.zeros(1, strategy.parameters_dtype)
    states = np.zeros(1, strategy.state_dtype)
    desk, wires = make_desk(1, 1), _blank_wires()
    cycle(desk, wires, params, states, SPIN, 0)
    withdraw_all(desk, wires)


def compiler_words(text: str, source: Path) -> str:
    """What a person needs of Numba's many lines: the place in their file, and the first reason."""
    files = [path.name for path in sorted(source.rglob("*.py"))] if source.is_dir() else []
    files = files or [source.name]
    places = [
        (Path(file), line)
        for file, line in re.findall(r'File "([^"]+)", line (\d+)', text)
        if Path(file).name in files
    ]
    lines = [line.strip() for line in text.splitlines()]
    reasons = [
        line
        for line in lines
        if line and not line.startswith(("Failed in", "During:", "File ", "-", "<source", "^"))
    ]
    reason = reasons[0] if reasons else "Numba cannot compile it"
    place = f"{places[-1][0].name}:{places[-1][1]}: " if places else ""
    return f"{place}cannot be compiled: {reason}"


def compile_brain(reference: str) -> None:
    """Compile everything that a brain with this strategy runs. Raises StrategyError."""
    compiled_cycle(load_strategy(reference))


def fit_parameters(
    strategy: Strategy,
    model: StrategyParameters,
    desk: Desk,
    params: npt.NDArray[Any],
    states: npt.NDArray[Any],
    instruments: Instruments,
    *,
    tell_halted: bool = True,
) -> list[str]:
    """Pack the parameters for every lane and take over tick and step sizes.

    A lane whose instrument is not trading, or that the parameters do not fit, is closed (what
    rests there is cancelled) and named in the returned list. A row that the feed has not filled yet
    is a lane without an instrument: closed, and nobody's fault. Without `tell_halted` instruments
    that are not trading are closed without a word.
    """
    problems = []
    for index in range(desk.lanes.size):
        row = instruments.row(index).copy()
        if int(row["version"]) == 0:
            desk.lanes[index]["tradable"] = 0
            continue
        market = desk.markets[index]
        market["instrument_version"] = row["version"]
        if market["tick_size"] != row["tick_size"] or market["step_size"] != row["step_size"]:
            # What was remembered in ticks and lots means nothing on another grid.
            market["valid"] = 0
            market["tick_size"] = row["tick_size"]
            market["step_size"] = row["step_size"]
            states[index] = np.zeros(1, states.dtype)[0]
            show_again(desk, index)
        tradable = int(row["status"]) == TRADING
        try:
            params[index] = strategy.pack(model, row)
        except UnusableInstrumentError as error:
            if tradable or tell_halted:
                problems.append(str(error))
            tradable = False
        if int(row["status"]) != TRADING and tell_halted:
            symbol = bytes(row["symbol"]).decode()
            problems.append(f"{symbol}: not trading at the exchange (status {row['status']})")
        lane = desk.lanes[index]
        for name in POLICY_FIELDS:
            lane[name] = params[index][name]
        lane["tradable"] = int(tradable)
    desk.core[0]["stale_instruments"] = 0
    desk.core[0]["timer_ns"] = strategy.timer_ms * 1_000_000
    return problems


def show_again(desk: Desk, lanes: slice | int = slice(None)) -> None:
    """A strategy that begins anew is shown the history of candles before the next one closes."""
    desk.told_ns[lanes] = 0
    desk.lanes["history_due"][lanes] = 1
    desk.core[0]["history_due"] = 1
    desk.core[0]["history_look_ns"] = 0


def _blank_wires() -> Wires:
    """Wires to nowhere, of the same types as the real ones."""
    header_words = HEADER_BYTES // 8

    def header() -> npt.NDArray[np.uint64]:
        return np.zeros(header_words, np.uint64)

    return Wires(
        tick_header=header(),
        tick_records=np.zeros(2, TICK),
        outcome_header=header(),
        outcome_records=np.zeros(2, OUTCOME),
        intent_header=header(),
        intent_records=np.zeros(2, INTENT),
        signal_header=header(),
        signal_records=np.zeros(2, SIGNAL),
        instruments=np.zeros(1, INSTRUMENT),
        book_words=np.zeros(book_words(DEPTH), np.uint64),
        book_levels=np.zeros(book_words(DEPTH)),
        candle_words=np.zeros(64, np.int64),
        candle_values=np.zeros(64),
        candle_plan=candle_plan(2, ()),
        counters=np.zeros(CAPACITY * STRIDE_WORDS, np.int64),
        hop_counts=np.zeros(SLOT_WORDS, np.int64),
        step_counts=np.zeros(SLOT_WORDS, np.int64),
    )
