"""`aegis venue stats`: one object on one line, a table for people, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aegis.cli.main import app
from aegis.venue.stats.bands import BANDS, FACTS

SMALL = ["venue", "stats", "--seeds", "2", "--days", "0.01"]


@pytest.fixture
def config(repository: Path) -> list[str]:
    return ["--config", str(repository / "aegis.toml")]


def test_json_has_every_statistic_of_every_seed(config: list[str]) -> None:
    result = CliRunner().invoke(app, [*SMALL, *config, "--json", "--economics", "0.02"])
    assert result.exit_code in (0, 1), result.output
    answer = json.loads(result.stdout)
    survey, economics = answer["survey"], answer["economics"]
    assert survey["symbol"] == "BTCUSDT" and survey["seeds"] == [42, 43]
    assert [row["key"] for row in survey["bands"]] == [band.key for band in BANDS]
    assert [row["key"] for row in survey["facts"]] == [fact.key for fact in FACTS]
    assert all(len(row["values"]) == 2 for row in survey["bands"])
    by_key = {row["key"]: row for row in survey["bands"]}
    assert by_key["one_tick"]["holds"] is True
    assert by_key["hill_1m"]["values"] == [None, None] and by_key["hill_1m"]["holds"] is None
    assert survey["flow"]["records"] > survey["flow"]["steps"] > 10_000
    assert result.exit_code == (0 if survey["holds"] and economics["quoter_loses"] else 1)
    assert economics["taker_pays_costs"] is True
    assert len(economics["quoters"]) == 4 and len(economics["takers"]) == 2


def test_people_get_tables_and_progress(config: list[str]) -> None:
    result = CliRunner().invoke(app, [*SMALL, *config, "--symbol", "ETHUSDT"])
    assert result.exit_code in (0, 1), result.output
    assert "ETHUSDT, 0.01 days a seed" in result.stdout
    assert "too short" in result.stdout and "inside" in result.stdout
    assert "seed 42:" in result.stderr and "seed 43:" in result.stderr


def test_what_cannot_be_is_refused_in_one_line(config: list[str]) -> None:
    result = CliRunner().invoke(app, [*SMALL, *config, "--symbol", "NOUSDT"])
    assert result.exit_code == 2
    assert "does not list NOUSDT" in result.stderr and "Traceback" not in result.output
    missing = CliRunner().invoke(app, ["venue", "stats", "--config", "/nowhere/aegis.toml"])
    assert missing.exit_code == 2


def test_without_matplotlib_plots_are_refused_with_the_remedy(
    config: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    result = CliRunner().invoke(app, [*SMALL, *config, "--plots", str(tmp_path)])
    assert result.exit_code == 2
    assert "pip install 'aegis[plots]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_plots_are_one_page_per_symbol(config: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="an optional extra: aegis[plots]")
    result = CliRunner().invoke(app, [*SMALL, *config, "--plots", str(tmp_path / "new")])
    assert result.exit_code in (0, 1), result.output
    page = tmp_path / "new" / "btcusdt.png"
    assert page.read_bytes().startswith(b"\x89PNG") and page.stat().st_size > 50_000


def test_the_venue_still_serves_without_a_command() -> None:
    result = CliRunner().invoke(app, ["venue", "--config", "/nowhere/aegis.toml"])
    assert result.exit_code == 2
    assert "stats" in CliRunner().invoke(app, ["venue", "--help"]).stdout
