"""What the user sets of a strategy that only listens: nothing beyond what all strategies have.

Fits any number of symbols, so it is what an instance with `symbols = "all"` runs until somebody
writes a strategy whose sizes mean the same for every coin.
"""

from aegis.strategies.contract import StrategyParameters

__all__ = ["PARAMETERS", "ObserveParameters"]


class ObserveParameters(StrategyParameters):
    """No sizes: it never wishes for an order."""


PARAMETERS = ObserveParameters
