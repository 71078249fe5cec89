"""Each style rule bites on a bad snippet, names its line, and leaves a good snippet alone."""

from __future__ import annotations

import pytest

from tests.style import rules
from tests.style.rules import Source

LONG_FUNCTION = "def walk():\n" + "    step = 1\n" * rules.FUNCTION_LINES_MAX
LONG_METHOD = (
    "class Walk:\n    async def go(self):\n" + "        a = 1\n" * rules.FUNCTION_LINES_MAX
)
UNFINISHED_LINE = "price = 1\n# " + "TO" + "DO: round\n"
# Put together, so that these lines are not findings themselves.
FOREIGN_LINE = "# see " + "issue" + " #12\n"
PRIVATE_LINE = "DATA = '/" + "home/someone/data'\n"


@pytest.mark.parametrize(
    ("rule", "path", "text", "line"),
    [
        (rules.file_length, "aegis/shm/ring.py", "a = 1\n" * 501, 501),
        (rules.line_width, "aegis/shm/ring.py", "a = 1\n" + "b" * 101, 2),
        (rules.function_length, "aegis/shm/ring.py", LONG_FUNCTION, 1),
        (rules.function_length, "tests/shm/test_ring.py", LONG_METHOD, 2),
        (rules.module_docstring, "aegis/shm/ring.py", "a = 1\n", 1),
        (rules.banned_names, "aegis/shm/utils.py", "", 1),
        (rules.banned_names, "aegis/shm/helpers/ring.py", "", 1),
        (rules.banned_names, "aegis/execution/order_manager.py", "", 1),
        (rules.banned_names, "aegis/shm/ring.py", "a = 1\nclass RingManager: ...\n", 2),
        (rules.import_floors, "aegis/shm/ring.py", "import aegis.feed.decode\n", 1),
        (rules.import_floors, "aegis/config/load.py", "import os\nfrom aegis import host\n", 2),
        (rules.import_floors, "aegis/host/pin.py", "from aegis.cli.main import main\n", 1),
        (rules.import_floors, "aegis/feed/run.py", "from aegis.execution.order import Order\n", 1),
        (rules.import_floors, "aegis/venue/wire.py", "from aegis.feed import wire\n", 1),
        (rules.import_floors, "aegis/brain/run.py", "def f():\n    import aegis.execution\n", 2),
        (rules.import_floors, "aegis/brain/run.py", "from ..execution import order\n", 1),
        (rules.import_floors, "aegis/quant/vol.py", "from ..risk.gate import Gate\n", 1),
        (
            rules.import_floors,
            "aegis/shm/a.py",
            "import importlib\nimport_module('aegis.cli')\n",
            2,
        ),
        (rules.import_floors, "aegis/shm/a.py", "importlib.import_module('aegis.brain.run')\n", 1),
        (rules.import_floors, "aegis/__init__.py", "from aegis.host import clock\n", 1),
        (rules.import_floors, "aegis/attic/old.py", "", 1),
        (rules.leftover_prints, "aegis/feed/run.py", "def f():\n    print(1)\n", 2),
        (rules.sleeping_tests, "tests/feed/test_a.py", "import time\ntime.sleep(1)\n", 2),
        (rules.sleeping_tests, "tests/feed/test_a.py", "from time import sleep\n", 1),
        (rules.unfinished_work, "aegis/quant/vol.py", UNFINISHED_LINE, 2),
        (rules.unfinished_work, "Makefile", UNFINISHED_LINE, 2),
        (rules.foreign_talk, "aegis/quant/vol.py", FOREIGN_LINE, 1),
        (rules.private_paths, "systemd/aegis@.service", PRIVATE_LINE, 1),
    ],
)
def test_a_bad_snippet_is_caught(rule: rules.Rule, path: str, text: str, line: int) -> None:
    findings = list(rule(Source(path, text)))
    assert [finding.line for finding in findings] == [line]
    assert str(findings[0]).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("aegis/shm/ring.py", '"""A ring."""\nfrom aegis.host.clock import now_ns\nimport numpy\n'),
        ("aegis/shm/ring.py", '"""A ring."""\nfrom . import layout\nfrom .layout import RING\n'),
        ("aegis/brain/run.py", '"""Runs."""\nfrom aegis import __version__\nimport aegis.shm\n'),
        ("aegis/execution/run.py", '"""Runs."""\nfrom aegis.risk.gate import Gate\n'),
        ("aegis/backtest/run.py", '"""Runs."""\nfrom aegis.brain import cycle\n'),
        ("aegis/cli/ring.py", '"""Speaks."""\nfrom aegis.bench import ring\nprint(ring)\n'),
        ("aegis/__main__.py", '"""Starts."""\nfrom aegis.cli.main import main\n'),
        ("tests/brain/test_run.py", '"""Tests."""\nimport aegis.execution\nprint(time.time())\n'),
        ("aegis/shm/__init__.py", ""),
        ("aegis/shm/commonality.py", '"""Says issues and todo; a reissue 7; /usr/home."""\n'),
    ],
)
def test_a_good_snippet_passes(path: str, text: str) -> None:
    every_rule = {**rules.PYTHON_RULES, **rules.TEXT_RULES}
    assert [str(f) for rule in every_rule.values() for f in rule(Source(path, text))] == []


def test_every_rule_is_applied_to_the_tree() -> None:
    applied = {*rules.PYTHON_RULES.values(), *rules.TEXT_RULES.values()}
    bitten = {
        case.args[1][0] if hasattr(case, "args") else case[0]
        for mark in test_a_bad_snippet_is_caught.pytestmark
        for case in mark.args[1]
    }
    assert bitten == applied
