"""A strategy of the user's own: a Python file, or a folder as the built-in ones are, by its path.

In `aegis.toml`: `strategy = "./my_strategy.py"`, relative to that file. The text is executed once
in a process for each content; a file that has changed since is only looked at (`look`), never
executed in a process that watches over orders. What is wrong with it is told with file and line.

A file has `STRATEGY`: a `contract.Strategy`, or a class that derives from `plain.PlainStrategy`
(which is found without that name if it is the only one). A folder has it in `strategy.py`.
"""

import contextlib
import difflib
import hashlib
import importlib.util
import re
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from aegis.config.settings import is_path
from aegis.strategies.contract import Strategy, StrategyParameters
from aegis.strategies.errors import BrokenStrategyError
from aegis.strategies.plain import PlainStrategy, plain_strategy

__all__ = ["changed", "content_stamp", "files_of", "known_model", "load_own", "look"]

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
MOST_BYTES: Final = 1 << 20
MOST_FILES: Final = 64
# Kernels with a written signature are compiled as the file is executed: that may take a while.
EXECUTION_S: Final = 120.0
_AGAIN_S: Final = 0.5

# path to (stamp, strategy factory): what this process has executed.
_loaded: dict[Path, tuple[str, Strategy | type[PlainStrategy]]] = {}


def files_of(source: Path) -> list[Path]:
    """The Python files of a strategy. Raises BrokenStrategyError when there are none to read."""
    if source.is_dir():
        files = sorted(source.rglob("*.py"))
        if source / "strategy.py" not in files:
            raise BrokenStrategyError(f"{source}: the folder has no strategy.py")
        if len(files) > MOST_FILES:
            raise BrokenStrategyError(f"{source}: {len(files)} Python files, at most {MOST_FILES}")
        return files
    try:
        state = source.stat()
    except OSError as error:
        raise BrokenStrategyError(f"{source}: {(error.strerror or 'unreadable').lower()}") from None
    if not stat.S_ISREG(state.st_mode) or source.suffix != ".py":
        raise BrokenStrategyError(f"{source}: a strategy is a file that ends in .py, or a folder")
    return [source]


def content_stamp(source: Path) -> str:
    """16 hex digits over names and contents. Raises BrokenStrategyError."""
    digest = hashlib.blake2b(digest_size=8)
    for path in files_of(source):
        digest.update(path.name.encode())
        digest.update(_read(path))
    return digest.hexdigest()


def look(source: Path) -> None:
    """Read every file without executing it. Raises BrokenStrategyError for what is no Python."""
    _name_of(source)
    for path in files_of(source):
        try:
            compile(_read(path), str(path), "exec")
        except SyntaxError as error:
            raise BrokenStrategyError(f"{path}:{error.lineno or 1}: {error.msg}") from None
        except ValueError as error:
            raise BrokenStrategyError(f"{path}:1: {error}") from None


def changed(reference: str) -> bool:
    """Whether the files are others than those that this process has executed."""
    source = Path(reference)
    return source not in _loaded or _loaded[source][0] != content_stamp(source)


def known_model(reference: str) -> type[StrategyParameters] | None:
    """The parameter model of what this process has executed, without executing anything now.

    None when it was never loaded here. Raises BrokenStrategyError when the files on disk could not
    even be read as Python: a restart would fail.
    """
    source = Path(reference)
    look(source)
    return _model_of(_loaded[source][1]) if source in _loaded else None


def load_own(reference: str) -> Strategy:
    """Execute the files, unless this content was before; a plain class gets an object of its own.

    Raises BrokenStrategyError with file and line.
    """
    source = Path(reference)
    name = _name_of(source)
    look(source)
    stamp = content_stamp(source)
    if source not in _loaded or _loaded[source][0] != stamp:
        _loaded[source] = stamp, _find(_execute(source, name, stamp), source)
    found = _loaded[source][1]
    if isinstance(found, type):
        strategy = plain_strategy(name, found, source)
    else:
        strategy = replace(found, name=name, source=source)
    strategy.check()
    return strategy


def _model_of(found: Strategy | type[PlainStrategy]) -> type[StrategyParameters]:
    return found.Parameters if isinstance(found, type) else found.parameters_model


def _read(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BrokenStrategyError(f"{path}: {(error.strerror or 'unreadable').lower()}") from None
    if len(text) > MOST_BYTES:
        raise BrokenStrategyError(f"{path}: {len(text)} bytes, at most {MOST_BYTES}")
    return text


def _name_of(source: Path) -> str:
    name = source.stem if source.suffix == ".py" else source.name
    if NAME_PATTERN.fullmatch(name) is None:
        raise BrokenStrategyError(
            f"{source}: name it in lower-case words joined by _, such as my_strategy.py"
        )
    if not is_path(str(source)):
        raise BrokenStrategyError(f"{source}: is no path")
    return name


def _execute(source: Path, name: str, stamp: str) -> ModuleType:
    """Run the text as a module of a name of its own, so that two contents never meet.

    Its place is not in the name: machine code from the cache asks for the module by this name, and
    a file that was moved is the same strategy.
    """
    package = f"aegis_own_{name}_{stamp}"
    module_name, file = package, source
    if source.is_dir():
        # A package without a text of its own: `from .parameters import ...` works inside.
        parent = ModuleType(package)
        parent.__path__ = [str(source)]
        sys.modules[package] = parent
        module_name, file = f"{package}.strategy", source / "strategy.py"
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None and spec.loader is not None, f"{file} is no Python file"
    module = importlib.util.module_from_spec(spec)
    # Numba finds the module of a cached kernel by its name.
    sys.modules[module_name] = module
    try:
        # What the file prints when it is executed must not get into somebody's `--json`.
        with contextlib.redirect_stdout(sys.stderr), _at_most(EXECUTION_S):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        for added in [entry for entry in sys.modules if entry.startswith(package)]:
            del sys.modules[added]
        raise BrokenStrategyError(_where(error, source)) from None
    return module


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside after so long. Only a main thread can be interrupted like this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise TimeoutError(f"still busy after {seconds:g} s; a strategy's file only declares")

    former = signal.signal(signal.SIGALRM, interrupt)
    # Again and again: a file may catch the first.
    former_timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *former_timer)
        signal.signal(signal.SIGALRM, former)


def _where(error: BaseException, source: Path) -> str:
    """`file:line: Type: message`, the place being the last one in the user's own files."""
    message = " ".join(str(error).split()) or "no message"
    files = files_of(source)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) in files]
    place = f"{own[-1].filename}:{own[-1].lineno}" if own else str(source)
    return f"{place}: {type(error).__name__}: {message}"


def _find(module: ModuleType, source: Path) -> Strategy | type[PlainStrategy]:
    file = module.__file__ or str(source)
    found = getattr(module, "STRATEGY", None)
    if found is None:
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, PlainStrategy)
            and value.__module__ == module.__name__
        ]
        if len(own) != 1:
            count = "several classes derive" if own else "no class derives"
            raise BrokenStrategyError(
                f"{file}: has no STRATEGY, and {count} from PlainStrategy; "
                "`aegis strategy new NAME` writes one that works"
            )
        found = own[0]
    if isinstance(found, Strategy):
        _check_compiled(found, module, file)
        return found
    if isinstance(found, type) and issubclass(found, PlainStrategy):
        _check_plain(found, file)
        return found
    raise BrokenStrategyError(
        f"{file}: STRATEGY is a {type(found).__name__}; wanted a Strategy(...) or a class that "
        "derives from PlainStrategy"
    )


def _check_plain(kind: type[PlainStrategy], file: str) -> None:
    parameters = kind.Parameters
    if not (isinstance(parameters, type) and issubclass(parameters, StrategyParameters)):
        raise BrokenStrategyError(
            f"{file}: {kind.__name__}.Parameters must derive from StrategyParameters"
        )
    events = [name for name in vars(PlainStrategy) if name.startswith("on_")]
    for name in (name for name in dir(kind) if not name.startswith("_")):
        # One letter off, and an event would pass by without a word. What is private calls itself.
        near = difflib.get_close_matches(name, events, n=1, cutoff=0.8)
        if near and name not in events:
            raise BrokenStrategyError(
                f"{file}: {kind.__name__}.{name} is no event; did you mean {near[0]}? "
                f"(there are {', '.join(events)})"
            )


def _check_compiled(strategy: Strategy, module: ModuleType, file: str) -> None:
    """Every kernel of the user's must check its bounds: it writes next to the brain's memory."""
    model = strategy.parameters_model
    if not (isinstance(model, type) and issubclass(model, StrategyParameters)):
        raise BrokenStrategyError(f"{file}: parameters_model must derive from StrategyParameters")
    if not hasattr(strategy.step, "py_func"):
        raise BrokenStrategyError(
            f"{file}: step is not compiled; put @checked_kernel (aegis.host.jit) above it, or "
            "write a class that derives from PlainStrategy"
        )
    for name, kernel in _kernels(strategy, module):
        if not kernel.targetoptions.get("boundscheck"):
            line = kernel.py_func.__code__.co_firstlineno
            raise BrokenStrategyError(
                f"{kernel.py_func.__code__.co_filename}:{line}: {name} does not check its bounds; "
                "put @checked_kernel (aegis.host.jit) above it"
            )
    count = strategy.step.py_func.__code__.co_argcount
    if count != 6:
        line = strategy.step.py_func.__code__.co_firstlineno
        raise BrokenStrategyError(
            f"{file}:{line}: step takes {count} arguments; wanted "
            "step(event, market, position, params, state, out)"
        )


def _kernels(strategy: Strategy, module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The compiled functions that were written in the user's own files."""
    package = module.__name__.removesuffix(".strategy")
    yield "step", strategy.step
    for name, loaded in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for label, value in vars(loaded).items():
                own = getattr(value, "py_func", None)
                if own is not None and str(own.__module__).startswith(package):
                    yield label, value
