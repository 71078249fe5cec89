"""Find a strategy by the name, or the path, that stands in `aegis.toml`.

Called by the configuration check (which only wants the parameter model, without compiling or, for
a built-in one, even importing a kernel) and by the brain. A name is a folder of this package; a
path (`config.settings.strategy_reference` has made it absolute) is a strategy of the user's own.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Mapping

from pydantic import ValidationError

import aegis.strategies
from aegis.config.settings import is_path
from aegis.strategies.contract import Strategy, StrategyParameters
from aegis.strategies.errors import BrokenStrategyError, StrategyError, UnknownStrategyError

__all__ = [
    "load_parameters_model",
    "load_strategy",
    "names",
    "read_parameters",
    "validate_parameters",
]


def names() -> list[str]:
    """Every strategy there is, sorted."""
    found = pkgutil.iter_modules(aegis.strategies.__path__)
    return sorted(module.name for module in found if module.ispkg)


def load_strategy(name: str) -> Strategy:
    """The strategy of that name or absolute path.

    Raises UnknownStrategyError, with the nearest name, and BrokenStrategyError when its folder or
    file does not keep the contract.
    """
    if is_path(name):
        # Only here: `own` needs the plain strategies, which most starts do without.
        from aegis.strategies.own import load_own

        return load_own(name)
    _require(name)
    module = importlib.import_module(f"aegis.strategies.{name}.strategy")
    strategy = getattr(module, "STRATEGY", None)
    if not isinstance(strategy, Strategy):
        raise BrokenStrategyError(f"strategy {name}: strategy.py has no STRATEGY")
    strategy.check()
    return strategy


def load_parameters_model(name: str) -> type[StrategyParameters]:
    """Only the parameter model: cheap, for checking a file. Raises as `load_strategy`."""
    if is_path(name):
        return load_strategy(name).parameters_model
    _require(name)
    module = importlib.import_module(f"aegis.strategies.{name}.parameters")
    model = getattr(module, "PARAMETERS", None)
    if not (isinstance(model, type) and issubclass(model, StrategyParameters)):
        raise BrokenStrategyError(f"strategy {name}: parameters.py has no PARAMETERS model")
    return model


def read_parameters(name: str, given: Mapping[str, object]) -> StrategyParameters:
    """Validate the parameters of a strategy that is known by its name or path.

    Raises StrategyError with one line for each wrong key: its name, value and what is right.
    """
    return validate_parameters(load_parameters_model(name), name, given)


def validate_parameters(
    model: type[StrategyParameters], name: str, given: Mapping[str, object]
) -> StrategyParameters:
    """The same for a model that is at hand."""
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            key = ".".join(str(part) for part in problem["loc"]) or "parameters"
            shown = "" if problem["type"] == "missing" else f" = {problem['input']!r}"
            line = f"strategy {name}: {key}{shown}: {problem['msg']}"
            if problem["type"] == "extra_forbidden":
                line += _nearest(key, list(model.model_fields))
            lines.append(line)
        raise StrategyError("\n".join(lines)) from None


def _require(name: str) -> None:
    known = names()
    if name not in known:
        raise UnknownStrategyError(f"no strategy is named {name!r}{_nearest(name, known)}")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = f"known: {', '.join(known)}"
    return f"; did you mean {close[0]!r}? ({listed})" if close else f"; {listed}"
