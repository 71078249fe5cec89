"""User data events: bytes in, the few fields we act on out.

`user_stream` hands over each frame; the core applies what comes out. TRADE_LITE is ignored (the
full update follows), and so is every event type that this build does not know. Undecodable bytes
raise: the caller counts them and treats the picture as suspect.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "AccountUpdate",
    "BalanceRow",
    "ConfigUpdate",
    "MarginCall",
    "OrderUpdate",
    "PositionRow",
    "UserEvent",
    "decode_event",
]


# How the client ids of the exchange's own orders begin.
_FORCED = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


class OrderUpdate(msgspec.Struct):
    """The `o` object of ORDER_TRADE_UPDATE, by its wire names."""

    s: str  # symbol
    c: str  # client order id
    S: str  # side
    x: str  # execution type
    X: str  # order status
    i: int  # order id
    q: str = "0"  # original quantity
    p: str = "0"  # price
    l: str = "0"  # noqa: E741  last filled quantity
    z: str = "0"  # cumulative filled quantity
    L: str = "0"  # last filled price
    N: str | None = None  # commission asset
    n: str = "0"  # commission, positive when paid
    T: int = 0  # trade time, ms
    t: int = 0  # trade id
    m: bool = False  # maker
    rp: str = ""  # realised profit of the trade
    er: str = "0"  # expiry reason

    @property
    def is_forced(self) -> bool:
        """Whether the exchange itself closes the position: liquidation, ADL, settlement."""
        return self.x == "CALCULATED" or self.c.startswith(_FORCED)


class BalanceRow(msgspec.Struct):
    """A changed balance of ACCOUNT_UPDATE."""

    a: str  # asset
    wb: str = "0"  # wallet balance
    bc: str = "0"  # its change by anything but trading and commission


class PositionRow(msgspec.Struct):
    """A changed position of ACCOUNT_UPDATE."""

    s: str  # symbol
    pa: str = "0"  # position amount, signed
    ep: str = "0"  # entry price
    ps: str = "BOTH"  # position side


class AccountUpdate(msgspec.Struct):
    """The `a` object of ACCOUNT_UPDATE."""

    m: str = ""  # reason
    B: list[BalanceRow] = []
    P: list[PositionRow] = []
    T: int = 0  # of the event around it: when it happened, ms


class LeverageRow(msgspec.Struct):
    """The `ac` object of ACCOUNT_CONFIG_UPDATE: another leverage of a symbol."""

    s: str


class ConfigUpdate(msgspec.Struct):
    """ACCOUNT_CONFIG_UPDATE; `ai` tells of the multi-assets mode."""

    ac: LeverageRow | None = None
    ai: dict[str, bool] | None = None


class MarginCall(msgspec.Struct):
    """MARGIN_CALL: a position is in danger of being liquidated."""


UserEvent = OrderUpdate | AccountUpdate | ConfigUpdate | MarginCall


class _Tag(msgspec.Struct):
    e: str
    E: int | str = 0


class _OrderEvent(msgspec.Struct):
    o: OrderUpdate


class _AccountEvent(msgspec.Struct):
    a: AccountUpdate
    T: int = 0


class ListenKeyExpired(msgspec.Struct):
    """The stream's key has ended: nothing more will come on this connection."""


_TAG = msgspec.json.Decoder(_Tag)
_ORDER = msgspec.json.Decoder(_OrderEvent)
_ACCOUNT = msgspec.json.Decoder(_AccountEvent)
_CONFIG = msgspec.json.Decoder(ConfigUpdate)


def decode_event(payload: bytes) -> UserEvent | ListenKeyExpired | None:
    """One event; None for one that asks for nothing. Raises msgspec.DecodeError for garbage."""
    kind = _TAG.decode(payload).e
    if kind == "ORDER_TRADE_UPDATE":
        return _ORDER.decode(payload).o
    if kind == "ACCOUNT_UPDATE":
        event = _ACCOUNT.decode(payload)
        event.a.T = event.T
        return event.a
    if kind == "ACCOUNT_CONFIG_UPDATE":
        return _CONFIG.decode(payload)
    if kind == "MARGIN_CALL":
        return MarginCall()
    if kind == "listenKeyExpired":
        return ListenKeyExpired()
    return None
