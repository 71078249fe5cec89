"""The account's setup: position mode, margin mode, leverage. It must stay as it was found.

Sizes, margins and the direction of a "reduce" all rest on it, so a change, by hand or by another
program, halts (the private stream tells at once, a look every minute finds what it did not tell).
Whether the account can be traded with at all is judged at the start, see `reconcile.read_rules`.
"""

from __future__ import annotations

from typing import Any

from aegis.execution.core import ExecutionCore
from aegis.execution.rest import RestClient
from aegis.execution.user_events import ConfigUpdate
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState

__all__ = ["AccountSetup"]

_MODES = ("dualSidePosition", "multiAssetsMargin", "canTrade")
_OF_SYMBOL = ("marginType", "leverage")
_MOST_SYMBOLS = 5

Setup = dict[str, Any]


class AccountSetup:
    """Remembers one account's setup as first seen, and halts when it is another one."""

    def __init__(self, core: ExecutionCore, rest: RestClient) -> None:
        self._core = core
        self._rest = rest
        self._found: Setup | None = None

    async def look(self) -> bool:
        """Read it; False when it has changed since the first look (and HALTED)."""
        account = await self._rest.account_config()
        setup: Setup = {name: account[name] for name in _MODES if name in account}
        instruments = self._core.instruments
        if len(instruments) <= _MOST_SYMBOLS:
            for rules in instruments:
                for row in await self._rest.symbol_config(rules.symbol):
                    setup[rules.symbol] = {name: row.get(name) for name in _OF_SYMBOL}
        if self._found is None:
            self._found = setup
        if setup == self._found:
            return True
        self._halt()
        return False

    def on_update(self, update: ConfigUpdate) -> None:
        """ACCOUNT_CONFIG_UPDATE: we never change the setup, so it was somebody else."""
        if update.ai is not None or (update.ac is not None and update.ac.s in self._core.index):
            self._halt()

    def _halt(self) -> None:
        self._core.gate.latch.trip(LatchState.HALTED, Control.ACCOUNT_SETUP, monotonic_ns())
