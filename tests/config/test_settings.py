"""The settings of one instance, and asking for one that is not there."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from aegis.config import ConfigError, Settings, load_config
from tests.config.sample import TWO_CORES


def test_settings_carry_the_instance_and_what_it_shares(repository: Path) -> None:
    source = repository / "aegis.toml"
    config = load_config(source, TWO_CORES)
    settings = Settings.of(config, "eth", source, mirrors=(Path("tape.gz"),), speed=20.0)
    assert settings.instance is config.instances["eth"]
    assert settings.cores == config.hardware.cores
    assert (settings.name, settings.mirrors, settings.speed) == ("eth", (Path("tape.gz"),), 20.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.speed = 1.0  # type: ignore[misc]


def test_an_unknown_instance_is_refused_with_the_nearest_name(repository: Path) -> None:
    source = repository / "aegis.toml"
    config = load_config(source, TWO_CORES)
    with pytest.raises(ConfigError, match=r"instances\.ehh: no such instance.*did you mean eth\?"):
        Settings.of(config, "ehh", source)


def test_importing_the_package_stays_light() -> None:
    code = "import sys, aegis.config; print(*{'numba', 'numpy', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
