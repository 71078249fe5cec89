"""The whole tree against every rule of the house; a failure lists each place as file:line."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.style.rules import PYTHON_RULES, TEXT_RULES, Rule, Source

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT_ROOTS = ("aegis", "tests", "systemd", "ansible", ".ci")
TOP_FILES = ("Makefile", "README.md", "CHANGELOG.md", "pyproject.toml", "aegis.toml", ".gitignore")


@cache
def sources() -> tuple[Source, ...]:
    """Every text file of the tree, read once."""
    paths = [REPOSITORY / name for name in TOP_FILES]
    for root in TEXT_ROOTS:
        paths += sorted((REPOSITORY / root).rglob("*"))
    found = []
    for path in paths:
        relative = path.relative_to(REPOSITORY)
        generated = any(part in {"__pycache__", ".ansible", "target"} for part in relative.parts)
        if generated or not path.is_file():
            continue
        try:
            found.append(Source(relative.as_posix(), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # Not text: nothing here for a reader's eyes.
    return tuple(found)


def report(rule: Rule, chosen: list[Source]) -> str:
    findings = [finding for source in chosen for finding in rule(source)]
    findings.sort(key=lambda finding: (finding.path, finding.line))
    return "\n".join(map(str, findings))


def test_the_tree_is_read() -> None:
    paths = {source.path for source in sources()}
    assert "tests/style/test_style.py" in paths
    assert "Makefile" in paths
    assert any(path.startswith("aegis/") for path in paths)


@pytest.mark.parametrize("name", PYTHON_RULES)
def test_python(name: str) -> None:
    findings = report(PYTHON_RULES[name], [s for s in sources() if s.path.endswith(".py")])
    if findings:
        pytest.fail(f"{name}:\n{findings}", pytrace=False)


@pytest.mark.parametrize("name", TEXT_RULES)
def test_text(name: str) -> None:
    findings = report(TEXT_RULES[name], list(sources()))
    if findings:
        pytest.fail(f"{name}:\n{findings}", pytrace=False)


def test_every_room_is_a_package() -> None:
    """A folder without __init__.py works from the tree, but is absent from the wheel."""
    folders = {path.parent for path in (REPOSITORY / "aegis").rglob("*.py")}
    bare = [f.relative_to(REPOSITORY) for f in folders if not (f / "__init__.py").is_file()]
    if bare:
        pytest.fail(f"no __init__.py in {', '.join(map(str, sorted(bare)))}", pytrace=False)
