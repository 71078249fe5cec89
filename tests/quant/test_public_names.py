"""The names that people look for first, from `aegis.quant` itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aegis.quant


def test_every_public_name_leads_to_its_home() -> None:
    for name in aegis.quant.__all__:
        found = getattr(aegis.quant, name)
        assert found.__name__ == name
        assert found.__module__.startswith("aegis.quant.")
    assert set(aegis.quant.__all__) <= set(dir(aegis.quant))
    assert sorted(aegis.quant.__all__) == sorted(
        name for names in aegis.quant._HOMES.values() for name in names
    )
    with pytest.raises(AttributeError, match=r"'aegis\.quant' has no attribute 'wma'"):
        _ = aegis.quant.wma


def test_a_name_is_the_function_of_its_home() -> None:
    import aegis.quant.indicators as indicators

    assert aegis.quant.sma([1.0, 2.0, 3.0], 2).tolist()[1:] == [1.5, 2.5]
    assert aegis.quant.sma is indicators.sma


def test_the_package_alone_imports_none_of_them() -> None:
    """The brain takes single files of it: its start must not pay for research."""
    text = (
        "import sys, aegis.quant\n"
        "print([name for name in sys.modules if name.startswith('aegis.quant.')])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
