"""A process's access to its exchange: addresses, keys, and its row in the box's rate ledger.

Made once by the process, whichever the exchange is. The keys of the embedded one come with the
wiring; any other's are read here, by execution alone, whenever a session is tried anew.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Callable

from aegis.config.settings import Settings
from aegis.execution.credentials import DIRECTORY_VARIABLE, load_keys
from aegis.execution.dispatcher import Dispatcher
from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.errors import UnusableSetupError
from aegis.execution.signing import Ed25519Signer, HmacSigner
from aegis.shm.instance import InstanceMemory
from aegis.shm.rate_ledger import RateLedger, ledger_path
from aegis.shm.wiring import Wiring

__all__ = ["ExchangeAccess"]


class ExchangeAccess:
    """What a session needs before there is one."""

    def __init__(
        self,
        settings: Settings,
        memory: InstanceMemory,
        wiring: Wiring,
        say: Callable[[str], None],
    ) -> None:
        """`say` tells a person one line. Raises UnusableSetupError for a bad `ca_file`."""
        self._settings = settings
        self._memory = memory
        self._wiring = wiring
        self._say = say
        self._ledger: RateLedger | None = None
        self._told = ""
        self.endpoints = Endpoints.of(settings, wiring.venue_url)

    async def keys(self) -> Keys:
        """The account's keys. Raises UnusableSetupError."""
        environment = self._settings.environment
        if environment is not None:
            directory = os.environ.get(DIRECTORY_VARIABLE)
            # A disk may be slow, and a key takes time to parse: the loop goes on meanwhile.
            keys, fingerprint = await asyncio.to_thread(
                load_keys, self._settings.venue, environment, directory
            )
            text = f"{self._settings.venue.mode.upper()}: {environment.host}, key {fingerprint}"
            if text != self._told:
                self._say(text)
            self._told = text
            return keys
        minted = self._wiring.credentials
        if minted is None:
            raise UnusableSetupError("no API credentials were handed to execution")
        return Keys(
            minted.api_key,
            HmacSigner(minted.hmac_secret),
            Ed25519Signer(minted.ed25519_private_pem),
        )

    def dispatcher(self, keys: Keys) -> Dispatcher:
        """The limits of this address and account. Raises ShmError."""
        if self._ledger is None:
            environment = self._settings.environment
            host = environment.host if environment is not None else None
            path = ledger_path(self._memory.directory, host)
            self._ledger = RateLedger.open(path, zlib.crc32(keys.api_key.encode()))
        return Dispatcher(self._ledger)

    def close(self) -> None:
        """Give the row in the ledger up."""
        if self._ledger is not None:
            self._ledger.close()
