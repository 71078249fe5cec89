"""`symbols = "all"`, the [feed] table, and what does not go together with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from aegis.config.models import MAX_ROWS
from aegis.strategies.registry import load_parameters_model, names
from tests.config.sample import SAMPLE, read_text

ALL = SAMPLE.replace('["BTCUSDT"]', '"all"')


def test_all_reserves_rows(tmp_path: Path) -> None:
    result = read_text(ALL, tmp_path)
    assert result.config is not None, result.problems
    instance = result.config.instances["btc"]
    assert (instance.takes_all, instance.rows, instance.symbols) == (True, 512, [])
    assert result.config.model_dump(mode="json")["instances"]["btc"]["symbols"] == "all"
    named = read_text(SAMPLE, tmp_path).config
    assert named is not None
    assert (named.instances["btc"].takes_all, named.instances["btc"].rows) == (False, 1)


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        ('"ALL"', 'must be a list of symbols, or "all"'),
        ('"BTCUSDT"', 'must be a list of symbols, or "all"'),
        ("[]", "must not be empty"),
        ("7", "must be a list"),
    ],
)
def test_other_words_are_refused(tmp_path: Path, symbols: str, message: str) -> None:
    result = read_text(SAMPLE.replace('["BTCUSDT"]', symbols), tmp_path)
    assert [problem.key for problem in result.problems] == ["instances.btc.symbols"]
    assert message in result.problems[0].message


def test_rows_are_bounded(tmp_path: Path) -> None:
    text = ALL.replace('symbols = "all"', f'symbols = "all"\nmax_symbols = {MAX_ROWS + 1}')
    (problem,) = read_text(text, tmp_path).problems
    assert problem.key == "instances.btc.max_symbols"


def test_too_few_rows_for_the_venue_are_told(tmp_path: Path) -> None:
    text = ALL.replace('symbols = "all"', 'symbols = "all"\nmax_symbols = 19')
    result = read_text(text, tmp_path)
    assert result.config is not None
    (warning,) = result.warnings
    assert warning.key == "instances.btc.max_symbols"
    assert "less than the 20 symbols" in warning.message


def test_a_strategy_may_refuse_all_and_says_why(tmp_path: Path) -> None:
    def model_of(name: str) -> type[BaseModel]:
        return load_parameters_model("avellaneda_stoikov")

    text = ALL.replace(
        'order_qty = 0.002, mode = "glft", skew = true, levels = 2',
        'order_qty = 0.002, max_inventory_qty = 0.02, mode = "glft"',
    )
    (problem,) = read_text(text, tmp_path, parameters_model_of=model_of).problems
    assert (problem.key, problem.value) == ("instances.btc.symbols", "all")
    assert "order_qty and max_inventory_qty are amounts of one coin" in problem.message
    assert 'strategy = "observe"' in problem.hint
    assert read_text(text.replace('"all"', '["BTCUSDT"]'), tmp_path).config is not None


def test_whoever_only_listens_takes_all(tmp_path: Path) -> None:
    assert "observe" in names()
    text = ALL.replace("parameters = {", "#").replace("some_strategy", "observe")
    result = read_text(text, tmp_path, parameters_model_of=load_parameters_model)
    assert result.problems == []


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('rest_url = "http://fapi.binance.com"', "feed.rest_url"),
        ('rest_url = "https://fapi.binance.com/fapi"', "feed.rest_url"),
        ('stream_url = "ws://fstream.binance.com"', "feed.stream_url"),
        ('proxy = "socks5://localhost:1"', "feed.proxy"),
        ('proxy = "http://localhost"', "feed.proxy"),
        ('ca_file = "ca.pem"', "feed.ca_file"),
        ("symbols_per_connection = 301", "feed.symbols_per_connection"),
        ("lifetime_s = 86400.0", "feed.lifetime_s"),
        ("weight_reserve = 1.0", "feed.weight_reserve"),
        ("verify = false", "feed.verify"),
    ],
)
def test_the_feed_table_is_strict(tmp_path: Path, line: str, key: str) -> None:
    (problem,) = read_text(f"{SAMPLE}\n[feed]\n{line}\n", tmp_path).problems
    assert problem.key == key


def test_addresses_that_are_not_used_are_told(tmp_path: Path) -> None:
    table = {"rest_url": "https://fapi.binance.com", "stream_url": "wss://fstream.binance.com"}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    result = read_text(f"{SAMPLE}\n[feed]\n{lines}\n", tmp_path)
    assert result.config is not None
    assert [warning.key for warning in result.warnings] == ["feed.rest_url", "feed.stream_url"]
    assert "is not used" in result.warnings[0].message
