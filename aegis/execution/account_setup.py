"""The account's setup: position mode, margin mode, leverage. It must stay as it was found.

Sizes, margins and the direction of a "reduce" all rest on it, so a change, by hand or by another
program, halts (the private stream tells at once, a look every minute finds what it did not tell).
Whether the account can be traded with at all is judged at the start, see `reconcile.read_rules`,
and so is its leverage, where the configuration says what it must be. Nothing here changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aegis.execution.core import ExecutionCore
from aegis.execution.errors import RefusedError, UnusableSetupError
from aegis.execution.rest import RestClient
from aegis.execution.user_events import ConfigUpdate, MarginCall
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState

__all__ = ["AccountSetup", "check_leverage"]

_MODES = ("dualSidePosition", "multiAssetsMargin", "canTrade")
_OF_SYMBOL = ("marginType", "leverage")
_MOST_SYMBOLS = 5

Setup = dict[str, Any]


async def check_leverage(rest: RestClient, instance: str, expected: Mapping[str, int]) -> None:
    """Compare the account's leverage with `[instances.X.leverage]`, before anything is traded.

    Raises UnusableSetupError with every symbol whose leverage is another one, or is not told.
    """
    if not expected:
        return
    symbols = list(expected) if len(expected) <= _MOST_SYMBOLS else [None]
    try:
        rows = [row for symbol in symbols for row in await rest.symbol_config(symbol)]
    except RefusedError as error:
        if error.status >= 500:
            raise
        raise UnusableSetupError(
            f"the exchange does not tell the leverage that [instances.{instance}.leverage] "
            f"expects: {error}"
        ) from None
    found = {str(row.get("symbol")): row.get("leverage") for row in rows}
    differing = [
        f"{symbol} has {found.get(symbol, 'none')} and not {wanted}"
        for symbol, wanted in expected.items()
        if found.get(symbol) != wanted
    ]
    if differing:
        raise UnusableSetupError(
            f"the account's leverage is not what [instances.{instance}.leverage] expects: "
            f"{', '.join(differing)}; nothing was changed: set it at the exchange, or in the file"
        )


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

    def on_update(self, update: ConfigUpdate | MarginCall) -> None:
        """ACCOUNT_CONFIG_UPDATE: we never change the setup, so it was somebody else.

        MARGIN_CALL: the exchange sees less of a margin than we do, and nothing may add to that.
        """
        if isinstance(update, MarginCall):
            latch = self._core.gate.latch
            latch.trip(LatchState.REDUCING, Control.MARGIN_BUFFER, monotonic_ns())
        elif update.ai is not None or (update.ac is not None and update.ac.s in self._core.index):
            self._halt()

    def _halt(self) -> None:
        self._core.gate.latch.trip(LatchState.HALTED, Control.ACCOUNT_SETUP, monotonic_ns())
