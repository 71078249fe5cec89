"""`aegis strategy new|check|list|parameters`: a strategy of one's own, from skeleton to trial."""

from __future__ import annotations

import contextlib
import json
import keyword
import os
import re
import select
import signal
import sys
import time
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.exit_codes import (
    EXIT_FAILED,
    EXIT_GOOD,
    EXIT_REFUSED,
    EXIT_USAGE,
    complain,
    print_object,
)
from aegis.cli.strategy_parameters import parameter_lines, parameter_rows, reference_of

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Strategies: list, write one of your own, try it.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
# Without a word from the trial for so long, it hangs; compiling comes before the first word.
_SILENCE_S: Final = 5.0
_COMPILE_S: Final = 180.0


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case words joined by _.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="A plain Python class: slower, easier to write.")
    ] = False,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where to write.")] = Path(),
) -> None:
    """Write NAME.py, a strategy that works, and test_NAME.py, its test."""
    if _NAME.fullmatch(name) is None or keyword.iskeyword(name):
        complain(f"{name!r}: name it in lower-case words joined by _, such as my_strategy")
        raise typer.Exit(EXIT_USAGE)
    texts = _skeleton(name, plain=plain)
    taken = [into / file for file in texts if (into / file).exists()]
    if taken or not into.is_dir():
        complain(f"{taken[0]}: exists already" if taken else f"{into}: no such directory")
        raise typer.Exit(EXIT_REFUSED)
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        complain(f"{name!r}: a Python module has that name, and the file would hide it")
        raise typer.Exit(EXIT_USAGE)
    for written, text in texts.items():
        try:
            with open(into / written, "x") as target:
                target.write(text)
        except OSError as error:
            complain(f"{into / written}: cannot be written ({(error.strerror or 'error').lower()})")
            raise typer.Exit(EXIT_FAILED) from None
    file = into / f"{name}.py"
    print(f"{file}: written; its test: {into / f'test_{name}.py'} (python -m pytest)")
    print(f"try it: aegis strategy check {file}")
    print(f'use it: strategy = "./{name}.py" in aegis.toml, if the file lies beside it')


def _skeleton(name: str, *, plain: bool) -> dict[str, str]:
    """File name to text."""
    folder = files("aegis.cli.skeletons")
    kind = "plain" if plain else "compiled"
    code = folder.joinpath(f"{kind}.py").read_text()
    code = code.replace("FILE", f"{name}.py").replace('name="compiled"', f'name="{name}"')
    words = "".join(word.capitalize() for word in name.split("_") if word) or "Mine"
    # A class named as one that the file imports would hide it.
    words = f"{words}Strategy" if not words.endswith("Strategy") else f"{words}Quoter"
    code = code.replace("class Plain(", f"class {words}(")
    test = folder.joinpath("tests.py").read_text().replace("STRATEGY_FILE", f"{name}.py")
    return {f"{name}.py": code, f"test_{name}.py": test}


@app.command("list")
def list_strategies(config: ConfigOption = None, as_json: Json = False) -> None:
    """The built-in strategies, and what the instances of aegis.toml use."""
    from aegis.config import read_config
    from aegis.config.settings import is_path, strategy_reference
    from aegis.strategies.errors import StrategyError
    from aegis.strategies.registry import load_parameters_model, load_strategy, names

    path = config_path(config)
    result = read_config(path)
    instances = result.config.instances if result.config is not None else {}
    rows: list[dict[str, Any]] = []
    own = dict.fromkeys(t.strategy for t in instances.values() if is_path(t.strategy))
    for name in [*names(), *own]:
        row: dict[str, Any] = {"strategy": name, "kind": "built-in", "about": "", "problem": ""}
        row["instances"] = [key for key, table in instances.items() if table.strategy == name]
        try:
            reference, strategy = strategy_reference(name, path), None
            if is_path(reference):
                strategy = load_strategy(reference)
                row["kind"] = "plain" if strategy.plain is not None else "compiled"
            else:
                load_parameters_model(reference)
            row["about"] = _about(strategy, reference)
        except StrategyError as error:
            row["kind"], row["problem"] = "broken", str(error)
        rows.append(row)
    if as_json:
        print_object({"ok": not any(row["problem"] for row in rows), "strategies": rows})
    else:
        for row in rows:
            used = f" [{', '.join(row['instances'])}]" if row["instances"] else ""
            print(f"{row['strategy']:<24} {row['kind']:<9}{used} {row['problem'] or row['about']}")
    raise typer.Exit(EXIT_FAILED if any(row["problem"] for row in rows) else EXIT_GOOD)


@app.command("parameters")
def parameters_of(
    strategy: Annotated[str, typer.Argument(metavar="NAME", help="A name, a .py file, a folder.")],
    as_json: Json = False,
) -> None:
    """Every parameter of a strategy: its default, what is allowed, what it does."""
    from aegis.strategies.errors import StrategyError
    from aegis.strategies.registry import load_parameters_model

    try:
        rows = parameter_rows(load_parameters_model(reference_of(strategy)))
    except StrategyError as error:
        complain(str(error))
        raise typer.Exit(EXIT_USAGE) from None
    if as_json:
        print_object({"ok": True, "strategy": strategy, "parameters": rows})
    else:
        print("\n".join(["[instances.NAME.parameters]", *parameter_lines(rows)]))


def _about(strategy: Any, reference: str) -> str:
    """The first line that a built-in strategy's folder, or the user's own file, says of itself."""
    if strategy is None:
        module = f"aegis.strategies.{reference}"
    else:
        step = getattr(strategy.step, "py_func", None)
        module = (strategy.plain.kind if step is None else step).__module__
    text = getattr(sys.modules.get(module), "__doc__", None) or ""
    return text.strip().splitlines()[0] if text.strip() else ""


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .py file, a folder or a name.")],
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter, as in aegis.toml."),
    ] = None,
    events: Annotated[int, typer.Option(min=100, max=10_000_000)] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    as_json: Json = False,
) -> None:
    """Load a strategy, compile it, and try it on made-up events: no order is sent.

    Told are: what cannot be loaded, with file and line; what it raises; wishes that are no orders;
    an event that it does not come back from; and whether the same events give the same wishes.
    """
    try:
        given = _parameters(parameters or [])
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(EXIT_USAGE) from None
    found = _tried(str(file), given, events, seed)
    if as_json:
        print_object(found)
    else:
        for text in found["errors"]:
            complain(f"{file}: {text}")
        if found["events"]:
            print(
                f"{file}: {found['events']} events, {found['wishes']} wishes, "
                f"{found['mean_us']:.1f} us an event, slowest {found['slowest_us']:.0f} us"
            )
        print(f"{file}: {'good' if found['ok'] else 'not usable as it is'}")
    raise typer.Exit(EXIT_GOOD if found["ok"] else EXIT_FAILED)


def _parameters(texts: list[str]) -> dict[str, Any]:
    import tomli

    found: dict[str, Any] = {"order_qty": 0.002, "max_inventory_qty": 0.02}
    try:
        found |= tomli.loads("\n".join(texts))
    except tomli.TOMLDecodeError as error:
        raise ValueError(f"--set {' '.join(texts)}: {error}") from None
    return found


def _tried(strategy: str, given: dict[str, Any], events: int, seed: int) -> dict[str, Any]:
    """The trial in a process of its own, which may crash or hang; returns its report."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _try_out(strategy, given, events, seed, writer)
    os.close(writer)
    last, raw, patience_s = "loading and compiling", b"", _COMPILE_S
    while True:
        ready, _, _ = select.select([reader], [], [], patience_s)
        piece = os.read(reader, 65_536) if ready else b""
        if not piece:
            break
        raw += piece
        *lines, raw = raw.split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                os.close(reader)
                os.waitpid(pid, 0)
                found: dict[str, Any] = json.loads(line)
                return found
            last, patience_s = line.decode(), _SILENCE_S
    os.close(reader)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    how = f"no answer within {patience_s:g} s" if not ready else f"it died (status {status})"
    return {
        "ok": False, "errors": [f"{how} at {last}"],
        "events": 0, "wishes": 0, "mean_us": 0.0, "slowest_us": 0.0, "same_again": False,
    }  # fmt: skip


def _try_out(strategy: str, given: dict[str, Any], events: int, seed: int, report_to: int) -> None:
    """The child's part; never returns."""
    found: dict[str, Any] = {
        "ok": False, "errors": [], "events": 0, "wishes": 0, "mean_us": 0.0, "slowest_us": 0.0,
        "same_again": False,
    }  # fmt: skip
    try:
        # Whatever the strategy prints, standard output is the answer's.
        with contextlib.redirect_stdout(sys.stderr):
            found |= _report(strategy, given, events, seed, report_to)
    except Exception as error:
        found["errors"] = str(error).splitlines() or [type(error).__name__]
    finally:
        os.write(report_to, json.dumps(found).encode() + b"\n")
        os._exit(0)


def _report(
    strategy: str, given: dict[str, Any], events: int, seed: int, report_to: int
) -> dict[str, Any]:
    from dataclasses import asdict

    from aegis.brain.trial import Trial
    from aegis.strategies.errors import UnknownStrategyError
    from aegis.strategies.registry import load_parameters_model

    said_s = 0.0

    def progress(number: int, kind: str) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        # Each of the first events, then a word now and then: a hang is named by the last one.
        if number < 100 or now_s - said_s > 0.2:
            said_s = now_s
            os.write(report_to, f"event {number} ({kind})\n".encode())

    try:
        known = load_parameters_model(reference_of(strategy)).model_fields
    except UnknownStrategyError as error:
        raise ValueError(f"{error}; a file of your own is named by its path, with .py") from None
    chosen = {key: value for key, value in given.items() if key in known or key not in _DEFAULTS}
    trial = Trial(strategy, chosen, symbols=("BTCUSDT", "ETHUSDT"))
    report = trial.run(events, seed, progress)
    found = asdict(report)
    if not report.same_again and not report.errors:
        found["errors"] = ["the same events gave other wishes: it depends on a clock or on chance"]
    found["ok"] = not found["errors"]
    return found


_DEFAULTS: Final = ("order_qty", "max_inventory_qty")
