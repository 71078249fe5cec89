"""`aegis venue`: the embedded exchange on its own, until Ctrl-C, for other clients and for drills.

``cli.venue`` calls `main` with what was asked for on the command line. Nothing here knows the
protocol; it reads the files that were named, starts a Venue and tells people where it is.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pydantic import ValidationError

from aegis.config import ConfigError, load_config
from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.errors import OptionsError, RecordingError, VenueError
from aegis.venue.faults.schema import Schedule, load_schedule
from aegis.venue.key_file import load_keys
from aegis.venue.serve import Venue, listen
from aegis.venue.warm_up import warm_up


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line; None and False leave it to the file."""

    config: Path
    port: int | None = None
    host: str | None = None
    allow_remote: bool = False
    accounts: int | None = None
    mirrors: tuple[Path, ...] = ()
    speed: float = 1.0
    faults: Path | None = None
    keys: Path | None = None
    loop: bool = False
    symbols: int | None = None
    dialect: str | None = None
    seed: int | None = None


def main(asked: Asked) -> int:
    """Serve until Ctrl-C. Returns 0, 1 if it failed, 2 if it was asked for what cannot be."""
    logging.basicConfig(level=logging.WARNING, format="aegis venue: %(message)s")
    try:
        venue = Venue(_options(asked))
        # Before anything takes long: a port that is in use is told at once.
        listen(venue.options.config.host, venue.options.config.port).close()
        sys.stderr.write("aegis venue: loading; the first time it compiles, for a minute\n")
        warm_up()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(venue))
    except (ConfigError, OptionsError, RecordingError) as error:
        return _failed(error, 2)
    except (VenueError, OSError) as error:
        return _failed(error, 1)
    return 0


def _options(asked: Asked) -> VenueOptions:
    """What the file and the command line say together. Raises ConfigError or OptionsError."""
    if asked.mirrors and asked.symbols is not None:
        raise OptionsError("--symbols: a mirror lists the symbols of its recordings, and no others")
    if asked.loop and not asked.mirrors:
        raise OptionsError("--loop: there is no recording to begin again; name one with --mirror")
    for path in asked.mirrors:
        if not path.is_file():
            found = "is a directory" if path.is_dir() else "no such file"
            raise OptionsError(f"--mirror {path}: {found}")
    return VenueOptions(
        config=_changed(load_config(asked.config).venue, asked),
        keys=() if asked.keys is None else load_keys(asked.keys),
        mirrors=asked.mirrors,
        loop=asked.loop,
        speed=asked.speed,
        faults=Schedule() if asked.faults is None else load_schedule(asked.faults),
    )


def _changed(config: VenueConfig, asked: Asked) -> VenueConfig:
    wanted: dict[str, Any] = {
        "port": asked.port,
        "host": asked.host,
        "accounts": asked.accounts,
        "allow_remote": asked.allow_remote or None,
        "universe": asked.symbols,
        "dialect": asked.dialect,
        "seed": asked.seed,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        return config
    told = {name: getattr(config, name) for name in config.model_fields_set} | changes
    told["symbols"] = config.own_symbols()
    try:
        # Made anew, so that every rule of the table holds for the command line as well.
        return VenueConfig(**told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).replace("_", "-")
        name = name.replace("universe", "symbols")
        hint = "; add --allow-remote" if first["type"] == "loopback" else ""
        raise OptionsError(f"--{name} {first['input']}: {first['msg']}{hint}") from error


async def _serve(venue: Venue) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await venue.start()
        _introduce(venue)
        await venue.wait(stop)
    finally:
        await venue.close()


def _introduce(venue: Venue) -> None:
    """Tell where it is and which keys are good. The only place where a secret is printed."""
    options = venue.options
    host, port = options.config.host, venue.port
    shown = f"[{host}]" if ":" in host else host
    lines = [
        ("REST", f"http://{shown}:{port}"),
        ("streams", f"ws://{shown}:{port}/public  /market  /private"),
        ("WebSocket API", f"ws://{shown}:{port}/ws-fapi/v1"),
        ("symbols", _listed(list(venue.core.exchange.markets))),
    ]
    for reel in venue.built.reels:
        recording = reel.recording
        lines.append(("mirror", f"{recording.path}, {recording.summary.lines} messages"))
    if venue.is_local:
        lines.append(("faults", f"http://{shown}:{port}/venue/faults"))
    if options.faults.faults:
        lines.append(("schedule", f"{len(options.faults.faults)} faults"))
    out = sys.stdout
    out.write("embedded exchange, simulated fills, no money\n")
    if not venue.is_local:
        out.write("  OPEN TO OTHER MACHINES, WITHOUT ENCRYPTION: it was asked for\n")
    for name, value in lines:
        out.write(f"  {name:<14} {value}\n")
    for number, credentials in enumerate(venue.minted):
        out.write(f"  account {number}\n")
        out.write(f"  {'API key':<14} {credentials.api_key}\n")
        out.write(f"  {'HMAC secret':<14} {credentials.hmac_secret}\n")
        out.write("  Ed25519 private key:\n")
        out.write(credentials.ed25519_private_pem.decode())
    out.flush()


def _listed(symbols: list[str]) -> str:
    shown = ", ".join(symbols[:8])
    return shown if len(symbols) <= 8 else f"{shown} and {len(symbols) - 8} more"


def _failed(error: Exception, code: int) -> int:
    sys.stderr.write(f"aegis venue: {error}\n")
    return code
