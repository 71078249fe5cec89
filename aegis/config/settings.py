"""What the processes of one instance are started with: its own table and those it shares.

The supervisor makes one per instance before it forks and hands the same object to every child. It
is read-only for good: what a reload may change goes through shared memory, never through here.
"""

from __future__ import annotations

import hashlib
import json
import os.path
from dataclasses import dataclass, field
from pathlib import Path

from aegis.config.environments import Environment, environment_of, market_of
from aegis.config.errors import ABSENT, ConfigError, Problem
from aegis.config.models import (
    AegisConfig,
    CoresConfig,
    FeedConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.schema import nearest_name


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance. ``mirrors`` are recordings for the embedded venue, ``speed`` its time factor.

    With ``loop`` they begin again when they end.
    """

    name: str
    instance: InstanceConfig
    hardware: HardwareConfig
    venue: VenueConfig
    supervisor: SupervisorConfig
    source: Path
    mirrors: tuple[Path, ...] = ()
    speed: float = 1.0
    loop: bool = False
    feed: FeedConfig = field(default_factory=FeedConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)

    @property
    def mirrored(self) -> bool:
        """The venue replays recordings instead of its own order flow."""
        return bool(self.mirrors)

    @property
    def config_hash(self) -> bytes:
        """SHA-256 of the effective values of this instance: what the journal says of a run."""
        tables = {
            "instance": self.instance.model_dump(mode="json"),
            "hardware": self.hardware.model_dump(mode="json"),
            "venue": self.venue.model_dump(mode="json"),
            "supervisor": self.supervisor.model_dump(mode="json"),
            "feed": self.feed.model_dump(mode="json"),
            "journal": self.journal.model_dump(mode="json"),
        }
        text = json.dumps(tables, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    @property
    def is_embedded(self) -> bool:
        """Prices and fills are those of an exchange that is a process of this instance."""
        return self.venue.mode == "embedded"

    @property
    def is_paper(self) -> bool:
        """Prices are the live exchange's, fills those of our own matching against them."""
        return self.venue.mode == "paper"

    @property
    def has_own_venue(self) -> bool:
        """Orders go to a process of this instance, and nowhere else."""
        return self.is_embedded or self.is_paper

    @property
    def environment(self) -> Environment | None:
        """Where orders go, None for our own exchange, whose address is in the wiring."""
        return environment_of(self.venue)

    @property
    def market(self) -> Environment | None:
        """Where prices come from, None for the embedded exchange's own."""
        return market_of(self.venue, self.feed)

    @property
    def cores(self) -> CoresConfig:
        """The cores of this instance: its own table, or the box's."""
        return self.instance.cores or self.hardware.cores

    @property
    def strategy(self) -> str:
        """The strategy as the registry takes it: a name, or the absolute path of a user's own."""
        return strategy_reference(self.instance.strategy, self.source)

    @classmethod
    def of(
        cls,
        config: AegisConfig,
        name: str,
        source: Path,
        mirrors: tuple[Path, ...] = (),
        speed: float = 1.0,
        loop: bool = False,
    ) -> Settings:
        """Pick an instance. Raises ConfigError with the nearest name if it is unknown."""
        if name not in config.instances:
            raise ConfigError([unknown_instance(config, name, source)])
        return cls(
            name=name,
            instance=config.instances[name],
            hardware=config.hardware,
            venue=config.venue,
            supervisor=config.supervisor,
            source=source,
            mirrors=mirrors,
            speed=speed,
            loop=loop,
            feed=config.feed,
            journal=config.journal,
        )


def is_path(strategy: str) -> bool:
    """Whether a strategy is given by its path and not by its name."""
    return "/" in strategy or strategy.endswith(".py")


def strategy_reference(strategy: str, source: Path) -> str:
    """A name as it is; a path absolute, relative ones counted from the file that names them."""
    if not is_path(strategy):
        return strategy
    # Not resolved: a link that is turned to another file must be seen as a change.
    return os.path.normpath(source.absolute().parent / strategy)


def unknown_instance(config: AegisConfig, name: str, source: Path) -> Problem:
    """The problem of asking for an instance that the file does not have."""
    close = nearest_name(name, config.instances)
    known = f"known: {', '.join(config.instances)}"
    hint = f"did you mean {close}? {known}" if close else known
    return Problem(str(source), f"instances.{name}", ABSENT, "no such instance", hint)
