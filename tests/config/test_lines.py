"""The scan for line numbers, on the forms that TOML has for a key."""

from __future__ import annotations

from aegis.config.lines import LineMap

TEXT = '''\
# a comment = 1
top = 1
[table]  # with a comment
key = "[not.a.table]"
"quoted key" = 2
dotted.name = 3
many = [
  ["a"],
  "#",
]
text = """
fake = 1
[fake]
"""
after = { inner = 1 }
  [ table . "deep.er" ]
last = \'\'\'
[x]\'\'\'
[other]
'''


def test_keys_are_found_where_they_stand() -> None:
    lines = LineMap(TEXT)
    places = {
        ("top",): 2,
        ("table",): 3,
        ("table", "key"): 4,
        ("table", "quoted key"): 5,
        ("table", "dotted", "name"): 6,
        ("table", "many"): 7,
        ("table", "text"): 11,
        ("table", "after"): 15,
        ("table", "deep.er"): 16,
        ("table", "deep.er", "last"): 17,
        ("other",): 19,
    }
    assert {key: lines.line_of(key) for key in places} == places


def test_what_is_inside_or_missing_falls_back_to_what_is_around() -> None:
    lines = LineMap(TEXT)
    assert lines.line_of(("table", "after", "inner")) == 15
    assert lines.line_of(("table", "many", 0, "x")) == 7
    assert lines.line_of(("table", "absent")) == 3
    assert lines.line_of(("fake",)) is None


def test_a_long_value_costs_no_more_than_its_length() -> None:
    text = 'a = """\n' + "x\n" * 200_000 + '"""\nb = [\n' + "1,\n" * 100_000 + "]\nc = 1\n"
    assert LineMap(text).line_of(("c",)) == 300_005
