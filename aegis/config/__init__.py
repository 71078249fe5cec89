"""``aegis.toml``, read whole or refused whole.

``load_config(path)`` gives an ``AegisConfig`` or raises a ``ConfigError`` that lists every problem
of the file; ``Settings`` is what one instance's processes get of it. The package imports nothing
else of aegis.
"""

from aegis.config.doctor import DoctorConfig
from aegis.config.errors import ConfigError, Problem
from aegis.config.limits import LimitsConfig
from aegis.config.load import LoadResult, load_checked, load_config, load_table, read_config
from aegis.config.models import (
    AegisConfig,
    CoresConfig,
    FlowConfig,
    HardwareConfig,
    InstanceConfig,
    SupervisorConfig,
    VenueConfig,
    VenueSymbolConfig,
)
from aegis.config.reload import Change, config_hash, restart_needed, risk_increase
from aegis.config.settings import Settings

__all__ = [
    "AegisConfig",
    "Change",
    "ConfigError",
    "CoresConfig",
    "DoctorConfig",
    "FlowConfig",
    "HardwareConfig",
    "InstanceConfig",
    "LimitsConfig",
    "LoadResult",
    "Problem",
    "Settings",
    "SupervisorConfig",
    "VenueConfig",
    "VenueSymbolConfig",
    "config_hash",
    "load_checked",
    "load_config",
    "load_table",
    "read_config",
    "restart_needed",
    "risk_increase",
]
