"""A strategy by its path: found, refused with file and line, executed once, then looked at."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from aegis.cli.strategy import _skeleton
from aegis.strategies import own
from aegis.strategies.errors import BrokenStrategyError, StrategyError
from aegis.strategies.own import changed, known_model, load_own
from aegis.strategies.plain import PlainStrategy
from aegis.strategies.registry import load_parameters_model, load_strategy, read_parameters

PLAIN = "from aegis.strategies.plain import PlainStrategy\nclass Mine(PlainStrategy):\n    pass\n"


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("plain", [False, True])
def test_both_skeletons_load_and_validate(tmp_path: Path, plain: bool) -> None:
    path = written(tmp_path, _skeleton("mine", plain=plain)["mine.py"])
    strategy = load_strategy(path)
    assert strategy.name == "mine"
    assert strategy.source == Path(path)
    assert (strategy.plain is not None) == plain
    assert load_parameters_model(path) is strategy.parameters_model
    with pytest.raises(StrategyError, match="order_qty: Field required"):
        read_parameters(path, {})


def test_a_folder_in_the_form_of_the_built_in_ones(tmp_path: Path) -> None:
    folder = tmp_path / "my_folder"
    folder.mkdir()
    (folder / "numbers.py").write_text("TIMER_MS = 250\n")
    text = PLAIN.replace("    pass", "    timer_ms = TIMER_MS")
    (folder / "strategy.py").write_text(f"from .numbers import TIMER_MS\n{text}")
    strategy = load_strategy(str(folder))
    assert (strategy.name, strategy.timer_ms) == ("my_folder", 250)


def test_a_private_method_may_be_named_after_the_event_that_it_serves(tmp_path: Path) -> None:
    text = PLAIN.replace("    pass", "    def _on_trade(self) -> None:\n        return None")
    assert load_strategy(written(tmp_path, text)).plain is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", r"mine\.py:1: invalid syntax"),
        ("import math\n\nx = 1 / 0\n", r"mine\.py:3: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", r"mine\.py:1: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", r"mine\.py:1: SystemExit: 3"),
        ("x = 1\n", "has no STRATEGY, and no class derives from PlainStrategy"),
        (PLAIN + "class Other(PlainStrategy):\n    pass\n", "several classes derive"),
        (PLAIN + "STRATEGY = 5\n", "STRATEGY is a int"),
        (PLAIN + "Mine.timer_ms = -5\n", "timer_ms = -5; wanted 0"),
        (PLAIN + "Mine.Parameters = dict\n", "must derive from StrategyParameters"),
        (
            PLAIN + "Mine.on_qoute = Mine.on_quote\n",
            r"Mine\.on_qoute is no event; did you mean on_qu",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BrokenStrategyError, match=message):
        load_own(written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "x = 0\nwhile True:\n    x += 1\n",
        "import time\n\nwhile True:\n    try:\n        time.sleep(9)\n"
        "    except TimeoutError:\n        again = 1\n        while True:\n"
        "            again += 1\n",
    ],
)
def test_a_text_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(own, "EXECUTION_S", 0.2)
    former = signal.getsignal(signal.SIGALRM)
    with pytest.raises(
        BrokenStrategyError, match=r"mine\.py:\d+: TimeoutError: still busy after 0.2"
    ):
        load_own(written(tmp_path, text))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is former


def test_a_kernel_must_check_its_bounds(tmp_path: Path) -> None:
    text = _skeleton("mine", plain=False)["mine.py"]
    careless = text.replace("@checked_kernel\ndef write_wish", "@kernel\ndef write_wish")
    careless = careless.replace("import checked_kernel", "import checked_kernel, kernel")
    with pytest.raises(BrokenStrategyError, match=r"mine\.py:\d+: write_wish does not check"):
        load_own(written(tmp_path, careless))
    uncompiled = text.replace("@checked_kernel\ndef step", "def step")
    with pytest.raises(BrokenStrategyError, match="step is not compiled"):
        load_own(written(tmp_path, uncompiled))


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.py", "no such file"), ("My Strategy.py", "lower-case words"), ("mine", "no such file")],
)
def test_a_path_that_leads_nowhere(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(BrokenStrategyError, match=message):
        load_own(str(tmp_path / name))


def test_a_text_is_executed_once_and_then_only_looked_at(tmp_path: Path) -> None:
    counted = "import pathlib\np = pathlib.Path(__file__).with_name('count')\n"
    counted += "p.write_text(p.read_text() + 'x' if p.exists() else 'x')\n"
    path = written(tmp_path, counted + PLAIN)
    assert known_model(path) is None
    assert load_own(path).plain is not load_own(path).plain, "an object of its own for each brain"
    assert (tmp_path / "count").read_text() == "x"
    assert not changed(path)
    written(tmp_path, counted + PLAIN + "# changed\n")
    assert changed(path)
    model = known_model(path)
    assert model is PlainStrategy.Parameters
    assert (tmp_path / "count").read_text() == "x", "a look executes nothing"
    written(tmp_path, "def broken(:\n")
    with pytest.raises(BrokenStrategyError, match=r"mine\.py:1"):
        known_model(path)
