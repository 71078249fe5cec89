"""A market's fingerprint: the seed's alone."""

from __future__ import annotations

from aegis.config.models import VenueConfig
from aegis.venue.stats.fingerprint import fingerprint


def test_the_seed_decides_and_nothing_else() -> None:
    config = VenueConfig(universe=3, seed=5)
    first, again = fingerprint(config, 20_000), fingerprint(config, 20_000)
    assert first == again
    assert first.events >= 20_000
    other = fingerprint(VenueConfig(universe=3, seed=6), 20_000)
    assert other.digest != first.digest
