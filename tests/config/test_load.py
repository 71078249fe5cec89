"""Reading a file: what is accepted, and how each mistake is told: line, key and cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from aegis.config import ConfigError, load_config
from aegis.config.load import MAX_FILE_BYTES
from tests.config.sample import LIMITS, SAMPLE, TWO_CORES, edited, only, read_text


def test_the_shipped_file_runs_on_two_cores(repository: Path) -> None:
    config = load_config(repository / "aegis.toml", TWO_CORES)
    assert list(config.instances) == ["btc", "eth"]
    assert config.instances["btc"].symbols == ["BTCUSDT"]
    assert config.instances["eth"].strategy == "avellaneda_stoikov"
    assert config.instances["btc"].parameters["mode"] == "glft"
    assert config.cores_of("eth").venue == 1


def test_the_sample_is_good_and_keeps_the_types_of_toml(tmp_path: Path) -> None:
    result = read_text(SAMPLE, tmp_path)
    assert result.config is not None and not result.problems and not result.warnings
    parameters = result.config.instances["btc"].parameters
    assert parameters == {"order_qty": 0.002, "mode": "glft", "skew": True, "levels": 2}
    assert type(parameters["skew"]) is bool and type(parameters["levels"]) is int


# (what is replaced, by what, the key told, a part of the message, a part of the hint)
MISTAKES = [
    ("feed = 0", "feed = -1", "hardware.cores.feed", "greater than or equal to 0", ">= 0"),
    ("feed = 0", "feed = true", "hardware.cores.feed", "an integer", ""),
    ("feed = 0", 'feed = "0"', "hardware.cores.feed", "an integer", "without quotes"),
    ("feed = 0,", "", "hardware.cores.feed", "missing", "for example feed = 0"),
    ("[instances.btc]", "hugepage = 1\n[instances.btc]", "hardware.hugepage", "unknown key",
     "did you mean hugepages?"),
    ("[instances.btc]", "hugepages = -1\n[instances.btc]", "hardware.hugepages", "greater", ">= 0"),
    ("[instances.btc]", 'wait = "prak"\n[instances.btc]', "hardware.wait", "must be 'spin'",
     'did you mean "park"?'),
    ("[instances.btc]", 'shm_dir = "shm"\n[instances.btc]', "hardware.shm_dir", "a full path", ""),
    ("[instances.btc]", "[venu]\n[instances.btc]", "venu", "unknown key", "did you mean venue?"),
    ("[instances.btc]", '[venue]\nmode = "demo"\n[instances.btc]', "venue.mode", "'embedded'", ""),
    ("[instances.btc]", '[venue]\nhost = "0.0.0.0"\n[instances.btc]', "venue.host", "loopback", ""),
    ("[instances.btc]", "[venue.flow]\ntrades_per_s = 0\n[instances.btc]",
     "venue.flow.trades_per_s", "greater than 0", "> 0"),
    ("[instances.btc]", "[supervisor]\nrestart_budget = 2.5\n[instances.btc]",
     "supervisor.restart_budget", "an integer", ">= 0"),
    ('["BTCUSDT"]', '["btcusdt"]', "instances.btc.symbols[0]", "upper-case", ""),
    ('["BTCUSDT"]', '["BTCUSDT", "BTCUSDT"]', "instances.btc.symbols", "more than once", ""),
    ('["BTCUSDT"]', "[]", "instances.btc.symbols", "must not be empty", ""),
    ('["BTCUSDT"]', '"BTCUSDT"', "instances.btc.symbols", "must be a list", ""),
    ('["BTCUSDT"]', '["BTCUSD"]', "instances.btc.symbols[0]", "not listed",
     "did you mean BTCUSDT?"),
    ("order_qty = 0.002", "order_qty = nan", "instances.btc.parameters.order_qty", "finite", ""),
    ("order_qty = 0.002", "order_qty = -inf", "instances.btc.parameters.order_qty", "finite", ""),
    ("order_qty = 0.002", "order_qty = 1e999", "instances.btc.parameters.order_qty", "finite", ""),
    ("order_qty = 0.002", "order_qty = { a = 1 }", "instances.btc.parameters.order_qty",
     "not a table", ""),
    ("order_qty = 0.002", "order_qty = 2024-08-08", "instances.btc.parameters.order_qty",
     "not a table, list or date", ""),
    ("order_qty = 0.002", "order_qty = 9223372036854775808",
     "instances.btc.parameters.order_qty", "64 bits", ""),
    ("order_qty = 0.002", '"Order Qty" = 1', 'instances.btc.parameters."Order Qty"', "lower-case",
     ""),
    ("max_order_qty = 0.01", "max_order_qty = nan", "instances.btc.limits.max_order_qty", "finite",
     "> 0"),
    ("max_order_qty = 0.01", "max_order_qty = 0", "instances.btc.limits.max_order_qty", "greater",
     "> 0 and <= 1_000_000_000"),
    ("max_order_qty = 0.01", "", "instances.btc.limits.max_order_qty", "missing",
     "for example max_order_qty = 0.01"),
    ("max_open_orders = 10", "max_open_orders = 10.5", "instances.btc.limits.max_open_orders",
     "an integer", "> 0"),
    ("max_daily_loss = 200.0", 'max_daily_loss = "200"', "instances.btc.limits.max_daily_loss",
     "a number", "without quotes"),
    ('strategy = "some_strategy"', "", "instances.btc.strategy", "missing", "avellaneda_stoikov"),
    ('strategy = "some_strategy"', 'strategy = "A-B"', "instances.btc.strategy", "lower-case", ""),
    ('strategy = "some_strategy"', 'strategy = "s"\nmax_stale_ms = 5',
     "instances.btc.max_stale_ms", "unknown key", "instances.X.limits.max_stale_ms"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "message", "hint"), MISTAKES)
def test_one_mistake_is_one_problem(
    tmp_path: Path, old: str, new: str, key: str, message: str, hint: str
) -> None:
    result = read_text(edited((old, new)), tmp_path)
    problem = only(result.problems)
    assert result.config is None
    assert problem.key == key
    assert message in problem.message
    assert hint in problem.hint
    assert problem.file == str(tmp_path / "aegis.toml")
    assert problem.line is not None
    assert f"aegis.toml:{problem.line}: {key}" in str(problem)


def test_the_line_is_the_line_of_the_key(tmp_path: Path) -> None:
    text = edited(("max_open_orders = 10", "max_open_orders = 0"))
    problem = only(read_text(text, tmp_path).problems)
    assert problem.line is not None
    assert text.splitlines()[problem.line - 1] == "max_open_orders = 0"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = edited(
        ("brain = 1", "brain = 9"),
        ("[instances.btc]\n", "hugepages = -1\n[instances.btc]\n"),
        ("order_qty = 0.002", "order_qty = nan"),
        ("max_stale_ms = 2000", ""),
        ('strategy = "some_strategy"', 'strategies = "some_strategy"'),
    )
    with pytest.raises(ConfigError) as caught:
        read_text(text, tmp_path)
        load_config(tmp_path / "aegis.toml", TWO_CORES)
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {
        "hardware.cores.brain",
        "hardware.hugepages",
        "instances.btc.parameters.order_qty",
        "instances.btc.limits.max_stale_ms",
        "instances.btc.strategy",
        "instances.btc.strategies",
    }
    told = str(caught.value)
    assert told.startswith("6 problems in ") and all(key in told for key in keys)
    lines = [problem.line or 0 for problem in caught.value.problems]
    assert lines == sorted(lines)


def test_a_mistake_beside_a_core_does_not_hide_the_absent_core(tmp_path: Path) -> None:
    text = edited(("brain = 1, execution = 0", "brain = 9, execution = 0, venu = 0"))
    problems = read_text(text, tmp_path).problems
    assert {problem.key for problem in problems} == {
        "hardware.cores.venu",
        "hardware.cores.brain",
    }


def test_an_instance_without_limits_lists_every_limit(tmp_path: Path) -> None:
    text = SAMPLE.split("[instances.btc.limits]")[0]
    problems = read_text(text, tmp_path).problems
    wanted = [line.split(" =")[0] for line in LIMITS.split("\n") if line]
    assert [problem.key for problem in problems] == [f"instances.btc.limits.{n}" for n in wanted]
    assert all("for example" in problem.hint for problem in problems)


def test_an_empty_instance_table_names_what_it_lacks(tmp_path: Path) -> None:
    problems = read_text(SAMPLE + "\n[instances.eth]\n", tmp_path).problems
    keys = {problem.key for problem in problems}
    assert {"instances.eth.symbols", "instances.eth.strategy"} < keys
    assert len(keys) == 19


@pytest.mark.parametrize("text", ["", "[hardware]\n", "[instances]\n", "instances = 3\n"])
def test_a_file_without_instances_says_so(tmp_path: Path, text: str) -> None:
    keys = {problem.key for problem in read_text(text, tmp_path).problems}
    assert {"instances", "hardware.cores"} <= keys


@pytest.mark.parametrize("name", ["Btc", "1btc", "b.c", "ü", "a" * 25, ""])
def test_instance_names_are_restricted(tmp_path: Path, name: str) -> None:
    text = SAMPLE.replace("instances.btc", f'instances."{name}"')
    problem = only(read_text(text, tmp_path).problems)
    assert "an instance is named by" in problem.message
    assert problem.line == 4


@pytest.mark.parametrize("name", ["b", "btc-perp_2", "a" * 24])
def test_good_instance_names_pass(tmp_path: Path, name: str) -> None:
    assert read_text(SAMPLE.replace("instances.btc", f"instances.{name}"), tmp_path).config


def test_syntax_errors_carry_line_and_column(tmp_path: Path) -> None:
    problem = only(read_text("[hardware]\nwait = \n", tmp_path).problems)
    assert problem.line == 2
    assert "TOML syntax" in problem.message and "column 8" in problem.message


def test_a_file_cut_in_half_is_a_syntax_error_at_its_end(tmp_path: Path) -> None:
    problem = only(read_text('[hardware]\n\nwait = "pa', tmp_path).problems)
    assert problem.line == 3 and "TOML syntax" in problem.message


@pytest.mark.parametrize("text", ["a = " + "9" * 10_000, "a = " + "[" * 100_000, "a" * 100_000])
def test_hostile_toml_is_refused_not_thrown(tmp_path: Path, text: str) -> None:
    assert "TOML syntax" in only(read_text(text, tmp_path).problems).message


def test_what_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    problem = only(read_text(b"[hardware]\n# caf\xe9\n", tmp_path).problems)
    assert problem.line == 2 and "0xe9" in problem.message and "UTF-8" in problem.hint


def test_missing_files_directories_and_pipes_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cases = {tmp_path / "none.toml": "no such file", tmp_path: "is a directory", pipe: "regular"}
    for path, message in cases.items():
        with pytest.raises(ConfigError) as caught:
            load_config(path, TWO_CORES)
        problem = only(caught.value.problems)
        assert message in problem.message and problem.file == str(path)


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    assert "larger than" in only(read_text("#" * (MAX_FILE_BYTES + 1), tmp_path).problems).message
    assert read_text(SAMPLE + "#" * (MAX_FILE_BYTES - len(SAMPLE)), tmp_path).config is not None


def test_a_secret_in_the_file_is_never_repeated(tmp_path: Path) -> None:
    text = edited(('strategy = "some_strategy"', 'strategy = "s"\napi_secret = "hunter2"'))
    problem = only(read_text(text, tmp_path).problems)
    assert "hunter2" not in str(problem) and "hunter2" not in str(problem.as_dict())
    assert "never belong" in problem.hint


def test_the_strategys_own_model_checks_the_parameters(tmp_path: Path) -> None:
    class Parameters(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
        order_qty: float
        mode: str
        skew: bool
        level: int

    problems = read_text(SAMPLE, tmp_path, parameters_model_of=lambda name: Parameters).problems
    told = {problem.key: f"{problem.message} {problem.hint}" for problem in problems}
    assert told.keys() == {
        "instances.btc.parameters.level",
        "instances.btc.parameters.levels",
    }
    assert "did you mean level?" in told["instances.btc.parameters.levels"]


def test_a_strategy_that_cannot_be_loaded_is_a_problem_of_its_key(tmp_path: Path) -> None:
    def broken(name: str) -> type[BaseModel]:
        raise SyntaxError(f"{name} is broken")

    problem = only(read_text(SAMPLE, tmp_path, parameters_model_of=broken).problems)
    assert problem.key == "instances.btc.strategy"
    assert problem.message == "some_strategy is broken"
