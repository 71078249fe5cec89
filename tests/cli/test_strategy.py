"""`aegis strategy new|check|list`, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from aegis.strategies.registry import read_parameters
from tests.conftest import REPOSITORY

PLAIN = """
from aegis.strategies.plain import PlainStrategy, Wish

class Mine(PlainStrategy):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 30:
            {then}
        return []
"""


def aegis(*arguments: object, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aegis.cli", *map(str, arguments)],
        cwd=at,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_new_plain_strategy_works_and_its_test_passes(tmp_path: Path) -> None:
    made = aegis("strategy", "new", "my_own", "--plain", at=tmp_path)
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_own.py", "test_my_own.py"]
    again = aegis("strategy", "new", "my_own", at=tmp_path)
    assert (again.returncode, "exists already" in again.stderr) == (4, True)
    checked = aegis("strategy", "check", "my_own.py", "--json", "--events", "500", at=tmp_path)
    found = json.loads(checked.stdout)
    assert (checked.returncode, found["ok"], found["events"]) == (0, True, 500)
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_own.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "3 passed" in tested.stdout, tested.stdout


@pytest.mark.parametrize("name", ["My", "a-b", "../x", "class", "1st"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    refused = aegis("strategy", "new", name, at=tmp_path)
    assert refused.returncode == 2
    assert "lower-case words" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["random", "numpy"])
def test_a_name_that_would_hide_a_module_is_refused(tmp_path: Path, name: str) -> None:
    """Beside such a file, `python -m pytest` would import it in place of the module."""
    refused = aegis("strategy", "new", name, at=tmp_path)
    assert (refused.returncode, list(tmp_path.iterdir())) == (2, [])
    assert f"'{name}': a Python module has that name" in refused.stderr


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    refused = aegis("strategy", "new", "mine", "--into", "/proc", at=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("aegis: /proc/mine.py: cannot be written (")


def test_what_a_strategy_prints_is_not_in_the_answer(tmp_path: Path) -> None:
    text = '"""It talks."""\n\nprint("as it is loaded")\n'
    (tmp_path / "mine.py").write_text(text + PLAIN.format(then="print('as it decides')"))
    checked = aegis("strategy", "check", "mine.py", "--json", "--events", "200", at=tmp_path)
    assert json.loads(checked.stdout)["ok"]
    assert "as it is loaded" in checked.stderr and "as it decides" in checked.stderr
    config = (REPOSITORY / "aegis.toml").read_text()
    config = config.replace('strategy = "avellaneda_stoikov"', 'strategy = "./mine.py"', 1)
    (tmp_path / "aegis.toml").write_text(config)
    listed = aegis("strategy", "list", "--config", "aegis.toml", "--json", at=tmp_path)
    about = {row["strategy"]: row["about"] for row in json.loads(listed.stdout)["strategies"]}
    assert about["./mine.py"] == "It talks."
    assert about["avellaneda_stoikov"].startswith("Market making after Avellaneda and Stoikov")


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("return [Wish('buy', float('nan'), 1.0)]", "a wish that is no order: side 0; +1 or -1"),
        ("return [Wish('buy', 1.0, 1.0, level=9)]", "a wish that is no order: level 9; 0 to 7"),
        ("return [Wish('buy', 1.0, 1e-9)]", "a wish that is no order: qty_lots 0; above 0"),
        ("return Wish('buy', 60000.0, 1.0)", "on_quote returned a Wish; a list of Wish, or None,"),
        ("return [Wish('buy', 60000.0, 1.0)] * 10_000", "17 wishes at once, at most 16"),
        ("raise KeyError('x')", "KeyError: 'x' (line 12)"),
        ("import os; os.abort()", "it died"),
        ("import os; return [Wish('buy', 1 + os.urandom(4)[0] * 9, 1.0)]", "or on chance"),
    ],
)
def test_check_tells_what_is_wrong(tmp_path: Path, then: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(PLAIN.format(then=then))
    checked = aegis("strategy", "check", "mine.py", "--events", "200", at=tmp_path)
    assert checked.returncode == 1
    assert message in checked.stderr
    assert "Traceback" not in checked.stderr


def test_list_shows_built_in_and_own_ones(tmp_path: Path) -> None:
    text = (REPOSITORY / "aegis.toml").read_text()
    text = text.replace('strategy = "avellaneda_stoikov"', 'strategy = "./mine.py"', 1)
    (tmp_path / "aegis.toml").write_text(text)
    (tmp_path / "mine.py").write_text("def broken(:\n")
    listed = aegis("strategy", "list", "--config", "aegis.toml", "--json", at=tmp_path)
    rows = {row["strategy"]: row for row in json.loads(listed.stdout)["strategies"]}
    assert listed.returncode == 1
    assert rows["avellaneda_stoikov"]["instances"] == ["eth"]
    assert rows["./mine.py"]["instances"] == ["btc"]
    assert "mine.py:1: invalid syntax" in rows["./mine.py"]["problem"]
    checked = aegis("check", "--config", "aegis.toml", at=tmp_path)
    assert checked.returncode == 2
    assert "mine.py:1: invalid syntax" in checked.stderr
    assert "instances.btc.strategy" in checked.stderr


def test_parameters_are_told_with_their_bounds(tmp_path: Path) -> None:
    told = aegis("strategy", "parameters", "smc", at=tmp_path)
    assert told.returncode == 0
    first, second, *rest = told.stdout.splitlines()
    assert first == "[instances.NAME.parameters]"
    assert second.startswith("risk_quote = ") and second.endswith("; > 0 and <= 1_000_000_000")
    assert any(line.startswith("# swing_length = 5 ") for line in rest)
    given = "\n".join([first, "risk_quote = 1.0", "max_notional_quote = 1.0", *rest[1:]])
    commented = tomli.loads(given.replace("\n# ", "\n"))["instances"]["NAME"]["parameters"]
    assert read_parameters("smc", commented) == read_parameters(
        "smc", {"risk_quote": 1.0, "max_notional_quote": 1.0}
    )
    (tmp_path / "mine.py").write_text(PLAIN.format(then="pass"))
    own = json.loads(aegis("strategy", "parameters", "mine.py", "--json", at=tmp_path).stdout)
    rows = {row["key"]: row for row in own["parameters"]}
    assert rows["min_requote_ms"]["default"] == 250 and not rows["min_requote_ms"]["required"]
    unknown = aegis("strategy", "parameters", "smx", at=tmp_path)
    assert (unknown.returncode, "did you mean 'smc'?" in unknown.stderr) == (2, True)
