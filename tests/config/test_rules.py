"""The rules across tables and against the box: cores, sharing, spinning, priorities, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis.config.cores import BoxCores
from aegis.config.models import VenueConfig
from tests.config.sample import EIGHT_CORES, LIMITS, SAMPLE, edited, only, read_text

APART = "cores = { feed = 0, brain = 1, execution = 2, venue = 3 }"
SHARED = "cores = { feed = 0, brain = 1, execution = 0, venue = 0 }"
ETH = f"""
[instances.eth]
symbols = ["ETHUSDT"]
strategy = "some_strategy"
CORES
[instances.eth.limits]
{LIMITS}
"""


def hardware(*lines: str) -> str:
    return "\n".join(lines) + "\n\n[instances.btc]\n"


def with_hardware(*lines: str, cores: str = APART) -> str:
    return edited((SHARED, cores), ("[instances.btc]\n", hardware(*lines)))


def test_an_absent_core_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    problem = only(read_text(edited(("brain = 1", "brain = 4")), tmp_path).problems)
    assert (problem.key, problem.value) == ("hardware.cores.brain", 4)
    assert "not online" in problem.message and "online: 0-1" in problem.hint


def test_a_core_outside_the_cpuset_is_told_apart_from_an_absent_one(tmp_path: Path) -> None:
    box = BoxCores(online=frozenset({0, 1, 2}), usable=frozenset({0, 2}))
    problem = only(read_text(SAMPLE, tmp_path, box).problems)
    assert problem.key == "hardware.cores.brain"
    assert "cpuset" in problem.message and "usable: 0,2" in problem.hint


def test_an_instances_own_cores_are_checked_too(tmp_path: Path) -> None:
    own = SHARED.replace("venue = 0", "venue = 6")
    problem = only(read_text(SAMPLE + ETH.replace("CORES", own), tmp_path).problems)
    assert problem.key == "instances.eth.cores.venue"


def test_overlap_within_an_instance_is_refused_without_sharing(tmp_path: Path) -> None:
    text = with_hardware(
        "share_cores = false", cores=APART.replace("execution = 2", "execution = 1")
    )
    problem = only(read_text(text, tmp_path, EIGHT_CORES).problems)
    assert problem.key == "hardware.cores.execution"
    assert "core 1 is given to btc.brain, btc.execution" in problem.message


def test_overlap_across_instances_is_refused_without_sharing(tmp_path: Path) -> None:
    text = with_hardware("share_cores = false")
    own = "cores = { feed = 4, brain = 5, execution = 6, venue = 3 }"
    problem = only(read_text(text + ETH.replace("CORES", own), tmp_path, EIGHT_CORES).problems)
    assert problem.key == "instances.eth.cores.venue"
    assert "core 3 is given to btc.venue, eth.venue" in problem.message


def test_two_instances_on_the_boxs_cores_overlap_in_each(tmp_path: Path) -> None:
    text = with_hardware("share_cores = false") + ETH.replace("CORES", "")
    problems = read_text(text, tmp_path, EIGHT_CORES).problems
    assert [problem.value for problem in problems] == [0, 1, 2, 3]


def test_cores_apart_pass(tmp_path: Path) -> None:
    text = with_hardware("share_cores = false", 'wait = "spin"')
    own = "cores = { feed = 4, brain = 5, execution = 6, venue = 7 }"
    result = read_text(text + ETH.replace("CORES", own), tmp_path, EIGHT_CORES)
    assert result.config is not None
    assert result.config.cores_of("eth").by_process() == {
        "feed": 4, "brain": 5, "execution": 6, "venue": 7,
    }  # fmt: skip


def test_spinning_on_a_shared_core_is_refused_even_where_sharing_is_allowed(tmp_path: Path) -> None:
    text = with_hardware("share_cores = true", 'wait = "spin"', cores=SHARED)
    problem = only(read_text(text, tmp_path).problems)
    assert problem.key == "hardware.wait"
    assert "btc.feed, btc.execution, btc.venue share core 0" in problem.message


@pytest.mark.parametrize(
    ("scheduler", "priority", "allowed"),
    [("other", 1, "0"), ("fifo", 0, "1 to 99"), ("rr", 0, "1 to 99")],
)
def test_priorities_must_fit_the_scheduler(
    tmp_path: Path, scheduler: str, priority: int, allowed: str
) -> None:
    text = with_hardware(f'scheduler = "{scheduler}"', f"priority = {priority}")
    problem = only(read_text(text, tmp_path, EIGHT_CORES).problems)
    assert problem.key == "hardware.priority" and problem.hint == f"allowed: {allowed}"


def test_a_forced_collection_comes_after_an_idle_one(tmp_path: Path) -> None:
    text = with_hardware("gc_interval_ms = 5000", "gc_force_ms = 4000")
    assert only(read_text(text, tmp_path, EIGHT_CORES).problems).key == "hardware.gc_force_ms"


def test_isolated_cores_must_exist(tmp_path: Path) -> None:
    text = with_hardware("isolcpus = [1, 9]")
    problem = only(read_text(text, tmp_path, EIGHT_CORES).problems)
    assert (problem.key, problem.value) == ("hardware.isolcpus[1]", 9)


def test_isolated_cores_other_than_the_hot_ones_are_a_warning(tmp_path: Path) -> None:
    result = read_text(with_hardware("isolcpus = [1, 2, 3]"), tmp_path, EIGHT_CORES)
    assert result.config is not None
    assert "0-2" in only(result.warnings).message
    assert not read_text(with_hardware("isolcpus = [0, 1, 2]"), tmp_path, EIGHT_CORES).warnings


def test_real_time_spinning_and_sharing_are_warnings(tmp_path: Path) -> None:
    realtime = ('scheduler = "fifo"', "priority = 50")
    spinning = read_text(with_hardware(*realtime, 'wait = "spin"'), tmp_path, EIGHT_CORES)
    assert "starves the kernel threads" in only(spinning.warnings).message
    shared = read_text(with_hardware(*realtime, cores=SHARED), tmp_path)
    assert "share a core" in only(shared.warnings).message
    assert not read_text(with_hardware(*realtime), tmp_path, EIGHT_CORES).warnings


def test_a_strategy_that_wants_more_than_its_limits_is_warned(tmp_path: Path) -> None:
    result = read_text(edited(("order_qty = 0.002", "order_qty = 0.02")), tmp_path)
    warning = only(result.warnings)
    assert result.config is not None
    assert warning.key == "instances.btc.parameters.order_qty"
    assert "limits.max_order_qty = 0.01" in warning.message


def test_more_levels_than_orders_may_be_open_are_warned(tmp_path: Path) -> None:
    assert read_text(edited(("levels = 2", "order_levels = 5")), tmp_path).warnings == []
    warning = only(read_text(edited(("levels = 2", "order_levels = 6")), tmp_path).warnings)
    assert warning.key == "instances.btc.parameters.order_levels"
    assert "makes 12 orders, above limits.max_open_orders = 10" in warning.message


def test_a_notional_above_that_of_an_order_is_warned(tmp_path: Path) -> None:
    text = edited(("levels = 2", "max_notional_quote = 2500.0"))
    warning = only(read_text(text, tmp_path).warnings)
    assert warning.key == "instances.btc.parameters.max_notional_quote"
    assert "limits.max_order_notional = 2000" in warning.message


def test_an_order_limit_above_the_position_limit_is_warned(tmp_path: Path) -> None:
    result = read_text(edited(("max_position_qty = 0.05", "max_position_qty = 0.005")), tmp_path)
    assert [warning.key for warning in result.warnings] == ["instances.btc.limits.max_order_qty"]


def leverage(text: str, *changes: tuple[str, str]) -> str:
    line = 'strategy = "some_strategy"'
    return edited((line, f"{line}\nleverage = {text}"), *changes)


def test_leverage_is_expected_of_our_symbols_only(tmp_path: Path) -> None:
    result = read_text(leverage("{ BTCUSDT = 20 }"), tmp_path)
    assert result.config is not None and not result.warnings
    assert result.config.instances["btc"].leverage == {"BTCUSDT": 20}
    (problem,) = read_text(leverage("{ ETHUSDT = 20 }"), tmp_path).problems
    assert problem.key.startswith("instances.btc.leverage")
    assert "has ETHUSDT, which is not among its symbols" in str(problem)
    for strange in ("0", "126", "20.0", '"20"'):
        (problem,) = read_text(leverage(f"{{ BTCUSDT = {strange} }}"), tmp_path).problems
        assert problem.key == "instances.btc.leverage.BTCUSDT"


def test_less_margin_reckoned_than_the_leverage_takes_is_warned(tmp_path: Path) -> None:
    warning = only(read_text(leverage("{ BTCUSDT = 10 }"), tmp_path).warnings)
    assert warning.key == "instances.btc.leverage.BTCUSDT"
    assert "margin_rate is 0.05" in warning.message and "margin_rate = 0.1" in str(warning)
    assert not read_text(leverage("{ BTCUSDT = 25 }"), tmp_path).warnings


def test_a_symbol_that_the_venue_does_not_list_is_told_with_some_that_are(tmp_path: Path) -> None:
    result = read_text(edited(('["BTCUSDT"]', '["BTCUSD"]')), tmp_path)
    (problem,) = result.problems
    assert "not listed by the embedded venue" in str(problem)
    assert "did you mean BTCUSDT?" in str(problem)
    assert "ETHUSDT" in str(problem) and "and 12 more" in str(problem)
    assert "1000BONKUSDT" not in str(problem)


def test_a_venue_may_list_more_symbols_and_change_the_known_ones(tmp_path: Path) -> None:
    venue = (
        "[venue.symbols.MYUSDT]\nprice = 150.0\ntick = 0.01\nstep = 0.01\nmin_qty = 0.01\n"
        "[venue.symbols.BTCUSDT]\nprice = 57000.0\n[instances.btc]\n"
    )
    text = edited(("[instances.btc]\n", venue), ('["BTCUSDT"]', '["BTCUSDT", "MYUSDT"]'))
    config = read_text(text, tmp_path).config
    assert config is not None
    symbols = config.venue.symbols
    assert set(symbols) == {*VenueConfig().symbols, "MYUSDT"}
    assert (symbols["BTCUSDT"].price, symbols["BTCUSDT"].tick) == (57_000.0, 0.1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("price = 1.0", "between min_price and max_price"),
        ("min_qty = 0.0001", "step <= min_qty"),
        ("tick = 0.001", "more decimals"),
        ("step = 0.00005", "more decimals"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(
    tmp_path: Path, line: str, message: str
) -> None:
    venue = f"[venue.symbols.BTCUSDT]\n{line}\n[instances.btc]\n"
    problem = only(read_text(edited(("[instances.btc]\n", venue)), tmp_path).problems)
    assert problem.key == "venue.symbols.BTCUSDT" and message in problem.message
