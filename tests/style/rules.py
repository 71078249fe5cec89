"""The style of the house as rules: each takes one source file and returns what it finds.

`test_style.py` applies them to the tree, `test_rules.py` proves that each of them bites. They are
pure: no rule opens a file or imports the code that it judges.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

BANNED_WORDS = frozenset({"util", "helper", "common", "manager", "misc"})

# The floors of the house, lowest first. A package imports from floors below its own, never above.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("config",),
    ("host",),
    ("shm",),
    ("quant",),
    ("strategies", "risk", "learning"),
    ("feed", "brain", "execution", "monitor", "recorder", "venue", "backtest"),
    ("supervisor", "doctor"),
    ("cli", "bench", "simulator"),
)
FLOOR_OF = {package: height for height, floor in enumerate(FLOORS) for package in floor}
# Neighbours on one floor do not know each other. The exceptions: the commands run the benchmarks
# and the simulator, and a backtest is the same brain over a recording.
NEIGHBOURS = frozenset({("cli", "bench"), ("cli", "simulator"), ("backtest", "brain")})
# These packages speak to people on standard output; in all others a print is a leftover.
TALKING_PACKAGES = frozenset({"cli", "bench"})

# Written in halves, so that the rule does not find itself.
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
FOREIGN_TALK = re.compile(r"\bissue\s*#?\s*\d+", re.IGNORECASE)
PRIVATE_PATH = re.compile(r"(?<![\w.}~-])/(?:work|farm[\w-]*|home|root|Users)/")


@dataclass(frozen=True)
class Finding:
    """One departure from the style, as `file:line: message`."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One file: its path relative to the repository, its text and, for Python, its syntax tree."""

    path: str
    text: str
    tree: ast.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        python = self.text if self.path.endswith(".py") else ""
        object.__setattr__(self, "tree", ast.parse(python, filename=self.path))

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def package(self) -> str | None:
        """The room of the package that the file lives in: "feed" for aegis/feed/decode.py."""
        parts = PurePosixPath(self.path).parts
        return parts[1] if len(parts) > 2 and parts[0] == "aegis" else None

    @property
    def in_package(self) -> bool:
        return self.path.startswith("aegis/")

    @property
    def in_tests(self) -> bool:
        return self.path.startswith("tests/")


Rule = Callable[[Source], Iterator[Finding]]


def file_length(source: Source) -> Iterator[Finding]:
    count = len(source.lines)
    if count > FILE_LINES_MAX:
        yield Finding(source.path, count, f"file has {count} lines, at most {FILE_LINES_MAX}")


def line_width(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS_MAX:
            message = f"line has {len(line)} columns, at most {COLUMNS_MAX}"
            yield Finding(source.path, number, message)


def function_length(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                message = f"{node.name}() has {count} lines, at most {FUNCTION_LINES_MAX}"
                yield Finding(source.path, node.lineno, message)


def module_docstring(source: Source) -> Iterator[Finding]:
    if source.tree.body and not ast.get_docstring(source.tree):
        yield Finding(source.path, 1, "no module docstring: say what it is and who calls it")


def words_of(name: str) -> list[str]:
    """The lower-case words of a snake_case or CamelCase name."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def banned_names(source: Source) -> Iterator[Finding]:
    named: list[tuple[int, str]] = [
        (1, part.removesuffix(".py")) for part in PurePosixPath(source.path).parts
    ]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            named.append((node.lineno, node.name))
    for line, name in named:
        for word in BANNED_WORDS.intersection(word.removesuffix("s") for word in words_of(name)):
            yield Finding(source.path, line, f"name {name!r} has the empty word {word!r}")


def imported_modules(source: Source) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every import, at whatever depth, also by importlib."""
    here = list(PurePosixPath(source.path).parts[:-1])
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from aegis import feed` names a package, `from aegis import __version__` does not.
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            first = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def import_floors(source: Source) -> Iterator[Finding]:
    here = source.package
    if not source.in_package or source.path == "aegis/__main__.py":
        return
    if here is not None and here not in FLOOR_OF:
        yield Finding(source.path, 1, f"aegis.{here} has no floor; give it one in rules.FLOORS")
        return
    for line, module in imported_modules(source):
        parts = module.split(".")
        if parts[0] != "aegis" or len(parts) < 2 or parts[1] not in FLOOR_OF:
            continue
        there = parts[1]
        if here is None:
            message = f"the root of the package imports aegis.{there}; it must import no room"
        elif here == there or (here, there) in NEIGHBOURS or FLOOR_OF[there] < FLOOR_OF[here]:
            continue
        elif FLOOR_OF[there] == FLOOR_OF[here]:
            message = f"aegis.{here} imports its neighbour aegis.{there}; they meet only in shm"
        else:
            message = f"aegis.{here} imports aegis.{there}, a floor above it"
        yield Finding(source.path, line, message)


def leftover_prints(source: Source) -> Iterator[Finding]:
    if not source.in_package or source.package in TALKING_PACKAGES:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield Finding(source.path, node.lineno, "print outside aegis.cli and aegis.bench")


def sleeping_tests(source: Source) -> Iterator[Finding]:
    if not source.in_tests:
        return
    message = "time.sleep in a test: wait for a condition (tests.waiting.eventually)"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            if any(alias.name == "sleep" for alias in node.names):
                yield Finding(source.path, node.lineno, message)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
            yield Finding(source.path, node.lineno, message)


def _text_rule(pattern: re.Pattern[str], message: str) -> Rule:
    def rule(source: Source) -> Iterator[Finding]:
        for number, line in enumerate(source.lines, 1):
            found = pattern.search(line)
            if found:
                yield Finding(source.path, number, f"{message}: {found.group(0)!r}")

    return rule


unfinished_work = _text_rule(UNFINISHED, "unfinished work; finish it or delete it")
foreign_talk = _text_rule(FOREIGN_TALK, "the text should speak of the project alone")
private_paths = _text_rule(PRIVATE_PATH, "a path of one machine")

TEXT_RULES: dict[str, Rule] = {
    "unfinished work": unfinished_work,
    "foreign talk": foreign_talk,
    "private paths": private_paths,
}
PYTHON_RULES: dict[str, Rule] = {
    "file length": file_length,
    "line width": line_width,
    "function length": function_length,
    "module docstring": module_docstring,
    "banned names": banned_names,
    "import floors": import_floors,
    "leftover prints": leftover_prints,
    "sleeping tests": sleeping_tests,
}
