"""Which processes a mode has, and in which order they begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from aegis.config import Settings, load_config
from aegis.supervisor.instance import Instance
from aegis.supervisor.supervisor import _may_begin
from aegis.supervisor.watch import CHILDREN, processes_of


class _Venue:
    def __init__(self) -> None:
        self.running, self.port = True, 0

    def venue_port(self) -> int:
        return self.port


class _Instance:
    """What `_may_begin` looks at."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wiring = _Venue()
        self.children = {"venue": self.wiring}


@pytest.fixture
def of_mode(repository: Path) -> Callable[[str], Settings]:
    file = repository / "aegis.toml"
    settings = Settings.of(load_config(file), "btc", file)

    def of(mode: str) -> Settings:
        return replace(settings, venue=settings.venue.model_copy(update={"mode": mode}))

    return of


def beginners(instance: _Instance) -> list[str]:
    return [name for name in CHILDREN[1:] if _may_begin(cast(Instance, instance), name)]


def test_our_own_exchange_is_a_process_where_orders_go_to_it(
    of_mode: Callable[[str], Settings],
) -> None:
    for mode in ("embedded", "paper"):
        assert processes_of(of_mode(mode)) == CHILDREN
    for mode in ("testnet", "live"):
        assert processes_of(of_mode(mode)) == CHILDREN[1:]


def test_all_wait_for_the_embedded_exchange(of_mode: Callable[[str], Settings]) -> None:
    instance = _Instance(of_mode("embedded"))
    assert beginners(instance) == []
    instance.wiring.port = 1
    assert beginners(instance) == ["feed", "brain", "execution"]
    instance.wiring.running = False
    assert beginners(instance) == []


def test_on_paper_the_venue_waits_for_the_feed_and_execution_for_the_venue(
    of_mode: Callable[[str], Settings],
) -> None:
    instance = _Instance(of_mode("paper"))
    assert beginners(instance) == ["feed", "brain"]
    instance.wiring.port = 1
    assert beginners(instance) == ["feed", "brain", "execution"]


def test_nobody_waits_for_an_exchange_of_somebody_else(
    of_mode: Callable[[str], Settings],
) -> None:
    assert beginners(_Instance(of_mode("live"))) == ["feed", "brain", "execution"]
