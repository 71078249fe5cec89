"""What can be wrong with a strategy before it runs. All are for people; kernels never raise."""

__all__ = [
    "BrokenStrategyError",
    "StrategyError",
    "UnknownStrategyError",
    "UnusableInstrumentError",
]


class StrategyError(Exception):
    """Root of this package's exceptions."""


class UnknownStrategyError(StrategyError):
    """No strategy has that name."""


class BrokenStrategyError(StrategyError):
    """A strategy's folder does not keep the contract."""


class UnusableInstrumentError(StrategyError):
    """The parameters make no sense for an instrument's tick and step sizes."""
