"""Every entry of the fault catalogue is produced here, or the reason why not is written down."""

from __future__ import annotations

from aegis.venue.faults.catalogue import CATALOGUE
from aegis.venue.faults.menu import KINDS

COUNTS = {"A": 17, "B": 32, "C": 8}


def test_every_id_of_sections_a_to_c_is_accounted_for() -> None:
    wanted = {f"{section}{n:02d}" for section, most in COUNTS.items() for n in range(1, most + 1)}
    assert set(CATALOGUE) == wanted
    for number, entry in CATALOGUE.items():
        assert entry.what, number
        assert bool(entry.kinds or entry.plain) != bool(entry.never), number


def test_the_kinds_it_names_are_on_the_menu_and_every_kind_serves_an_entry() -> None:
    named = {kind for entry in CATALOGUE.values() for kind in entry.kinds}
    assert named <= set(KINDS)
    # What no catalogue asks for, but clients meet in the field: a kind beyond it.
    assert set(KINDS) - named == {"new_event"}
