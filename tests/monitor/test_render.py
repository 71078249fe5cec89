"""The pages for people: they hold the numbers, and hold for every view."""

from __future__ import annotations

import pytest
from rich.console import Console

from aegis.monitor.problems import judge
from aegis.monitor.render import human_ns, live_line, live_table, status_page
from aegis.monitor.view import InstanceView
from tests.monitor.test_problems import CASES, healthy


def text_of(view: InstanceView) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(status_page(view))
    console.print(live_table(view))
    console.file.close()
    return console.export_text()


def test_the_page_names_state_processes_and_simulation() -> None:
    text = text_of(judge(healthy()))
    for piece in ("btc healthy", "SIMULATED", "supervisor", "execution", "100 / 100.1", "valid"):
        assert piece in text
    assert "problems" not in text


@pytest.mark.parametrize("case", CASES, ids=[case[1] for case in CASES])
def test_every_problem_is_on_the_page(case: tuple[object, str, str, str]) -> None:
    view = healthy()
    hurt, what, *_ = case
    hurt(view)  # type: ignore[operator]
    shown = {word.strip(":,;") for word in text_of(judge(view)).split()}
    # A cell may be folded, so its words are looked for one by one.
    assert {word.strip(":,;") for word in what.split()} <= shown
    assert live_line(judge(view)).startswith("btc ")


def test_the_line_for_a_pipe_is_one_line() -> None:
    line = live_line(judge(healthy()))
    assert "\n" not in line
    assert "SIMULATED" in line
    assert "100/100.1" in line


def test_prices_of_which_none_rests_are_not_shown_as_quotes() -> None:
    view = healthy()
    view.quotes, view.open_orders = {"bid": 99.0, "ask": 101.0}, 2
    assert "| quoted 99/101 |" in live_line(judge(view))
    view.open_orders = 0
    assert "| last quoted 99/101 |" in live_line(judge(view))


def test_paper_is_called_so_wherever_a_person_looks() -> None:
    view = healthy()
    view.mode, view.market_host = "paper", "fapi.binance.com"
    text = text_of(judge(view))
    assert "PAPER: market data of fapi.binance.com, no order leaves this machine, no money" in text
    assert "SIMULATED" not in text
    assert "PAPER" in live_line(judge(view))


def test_a_view_without_anything_can_be_shown() -> None:
    assert "absent" in text_of(judge(InstanceView("btc")))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (850, "850 ns"), (12_345, "12.3 us"), (1_200_000, "1.2 ms"), (3.4e9, "3.4 s")],
)
def test_durations(nanoseconds: float, text: str) -> None:
    assert human_ns(nanoseconds) == text
