"""What all trials of a process share: the stage, the shared memory, keys and settings.

Made once, because making it takes longer than a trial; every trial finds the memory as it was when
it was new. The regions live in a directory of their own below /dev/shm and go when `close` is
called.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aegis.config.limits import LimitsConfig
from aegis.config.models import (
    CoresConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.settings import Settings
from aegis.shm.instance import InstanceMemory
from aegis.shm.rate_ledger import ledger_path
from aegis.shm.region import HEADER_BYTES, Region
from aegis.shm.wiring import Credentials, Wiring
from aegis.simulator.exchange import SYMBOL
from aegis.simulator.stage import Stage

__all__ = ["Premises"]

LIMITS = {
    "max_order_qty": 0.050,
    "max_order_notional": 10_000.0,
    "max_position_qty": 0.100,
    "price_collar_bps": 50.0,
    "max_open_orders": 12,
    "max_orders_per_s": 20.0,
    "max_stale_ms": 2_000,
    "max_daily_loss": 100_000.0,
    # What a simulated account cannot strain: the controls that bind here are those above.
    "max_drawdown": 100_000.0,
    "min_equity": 1.0,
    "max_gross_notional": 1e9,
    "max_leverage": 100.0,
    "min_margin_buffer": 0.01,
    "price_collar_window_bps": 10_000.0,
    "max_mark_deviation_bps": 2_000.0,
    "max_cancels_per_s": 10_000.0,
    "max_same_side_fills": 64,
    "same_side_fills_window_s": 0.001,
    "duplicate_window_ms": 0.001,
}
_SEED_OF_KEY = bytes(range(32))


def _credentials() -> Credentials:
    """Keys that are the same in every run, and whose text would be recognised anywhere."""
    key = Ed25519PrivateKey.from_private_bytes(_SEED_OF_KEY)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credentials("KEY" + "a" * 61, "SECRETcanary" + "b" * 52, pem, b"")


class Premises:
    """`with Premises() as premises`; one at a time in a process."""

    def __init__(self) -> None:
        self.limits: dict[str, float] = dict(LIMITS)
        credentials = _credentials()
        pem = credentials.ed25519_private_pem.decode().splitlines()[1]
        self.secrets = (credentials.hmac_secret, pem)
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        # No dash: what begins with "aegis-" there is an instance, and `--all` would mean it, too.
        self._folder = Path(tempfile.mkdtemp(prefix="aegis.simulator-", dir=base))
        self.memory = InstanceMemory.create("t", instruments=1, shm_dir=self._folder, owner=(1, 1))
        self.memory.instruments.set(
            0, symbol=SYMBOL.encode(), status=1, tick_size=0.1, step_size=0.001
        )
        self.memory.counters["venue"]["port"] = 1
        self.wiring = Wiring.make("t", self.memory, credentials)
        self.settings = Settings(
            name="t",
            instance=InstanceConfig(
                symbols=[SYMBOL], strategy="none", limits=LimitsConfig.model_validate(LIMITS)
            ),
            hardware=HardwareConfig(cores=CoresConfig(feed=0, brain=0, execution=0, venue=0)),
            venue=VenueConfig(),
            # A countdown so short that it runs out now and then, also while execution lives.
            supervisor=SupervisorConfig(
                drain_timeout_ms=6_000, countdown_s=3.75, countdown_refresh_s=1.25
            ),
            source=Path("aegis.toml"),
            # Smaller than a file may say: segments are full after a few hundred records.
            journal=JournalConfig().model_copy(update={"segment_bytes": 200_000}),
        )
        self._as_new = [
            (region, kept, bytes(region.memory[:kept])) for region, kept in self._mutable()
        ]
        self.stage = Stage()

    def _mutable(self) -> list[tuple[Region, int]]:
        """Regions with how much of each a trial can leave changed (records of a ring are dead)."""
        found: list[tuple[Region, int]] = []
        for name, region in self.memory.regions.items():
            kept = HEADER_BYTES if name.endswith(".ring") else len(region.memory)
            found.append((region, kept))
        return found

    def __enter__(self) -> Premises:
        self.stage.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stage.__exit__(kind, error, trace)
        self.wiring.close()
        self._as_new.clear()
        self.memory.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fresh_memory(self) -> InstanceMemory:
        """The instance's memory as it was when it was made."""
        for region, kept, image in self._as_new:
            region.memory[:kept] = image
        # The ledger of rates belongs to the instance, and begins with it.
        ledger_path(self.memory.directory, None).unlink(missing_ok=True)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wiring.intents_fd)
        return self.memory
