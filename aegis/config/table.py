"""What every table of ``aegis.toml`` is: strict, frozen, finite, and known key by key."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Table"]


class Table(BaseModel):
    """What all tables share: strict types, no unknown key, nothing infinite, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
