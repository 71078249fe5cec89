"""Puts a venue together from its options: markets, accounts, keys, and the other participants.

``serve`` calls it at start, tests call it for a venue without sockets. It decides nothing that an
option does not say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aegis.config.models import VenueConfig
from aegis.venue.core import Core
from aegis.venue.credentials import Credentials, KeyPair, mint
from aegis.venue.errors import OptionsError
from aegis.venue.exchange import Exchange
from aegis.venue.gateway.access import KeyRing
from aegis.venue.ledger import Account, Ledger
from aegis.venue.limits import Limiter, RateLimits
from aegis.venue.market import Market
from aegis.venue.matching.book import OrderBook
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS, IdSource
from aegis.venue.mirror.book import MirrorBook
from aegis.venue.mirror.recording import Recording
from aegis.venue.symbols import SymbolSpec, make_symbol

BPS_E8: Final = 10_000
DEFAULT_SLICE_MS: Final = 5
# Own trades in a mirror must not collide with the recorded trade ids, some 5e9 in 2024.
MIRROR_FIRST_TRADE_ID: Final = 1_000_000_000_000
# The exchange's book ids of 2024 were about here; large ids find clients that use 32 bits.
FIRST_UPDATE_ID: Final = 5_000_000_000_000
FIRST_ORDER_ID: Final = 8_000_000_000
FIRST_TRADE_ID: Final = 6_000_000_000


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """What a venue is made from. `keys` has one API key per account; none means: mint one.

    `limits` are the file's unless given. `speed` is the mirror's, or the synthetic market's, time
    factor; 0 is as fast as possible (mirror only). `state_dir` keeps the accounts over a restart,
    `skip_lines` of a recording have been played before it.
    """

    config: VenueConfig = field(default_factory=VenueConfig)
    keys: tuple[KeyPair, ...] = ()
    mirror: Path | None = None
    speed: float = 1.0
    slice_ms: int = DEFAULT_SLICE_MS
    state_dir: Path | None = None
    limits: RateLimits | None = None
    max_buffer_bytes: int = 16 * 1024 * 1024
    skip_lines: int = 0

    def with_keys(self) -> tuple[VenueOptions, tuple[Credentials, ...]]:
        """These options with a minted key if they had none, and the keys that were minted."""
        if self.keys:
            return self, ()
        minted = (mint(),)
        return replace(self, keys=minted), minted


def _limits_of(config: VenueConfig) -> RateLimits:
    """The file's order limits, the exchange's weight limit."""
    return RateLimits(
        orders_per_10s=config.orders_per_10s, orders_per_minute=config.orders_per_minute
    )


@dataclass(frozen=True, slots=True)
class Built:
    """The pure parts of a venue."""

    core: Core
    recording: Recording | None
    mirror_book: MirrorBook | None


def build(options: VenueOptions, wall_ms: Callable[[], int], event_ms: Callable[[], int]) -> Built:
    """Make the venue's core. Raises OptionsError or RecordingError."""
    config = options.config
    specs = {name: make_symbol(name, symbol) for name, symbol in config.symbols.items()}
    recording = Recording(options.mirror) if options.mirror is not None else None
    ids = IdSource(FIRST_ORDER_ID, FIRST_TRADE_ID, FIRST_UPDATE_ID)
    mirror_book: MirrorBook | None = None
    markets: dict[str, Market] = {}
    if recording is not None:
        ids.trade = MIRROR_FIRST_TRADE_ID
        spec = _mirrored(recording, specs)
        mirror_book = MirrorBook(spec)
        markets[spec.symbol] = Market(spec, mirror_book, prints=False)
    else:
        markets = {name: Market(spec, OrderBook(ids)) for name, spec in specs.items()}
    ledger = Ledger()
    for owner, name in ((OWNER_MAKERS, "makers"), (OWNER_TAKERS, "takers")):
        ledger.add(Account(owner, name))
    keys = KeyRing()
    for number, key in enumerate(options.keys):
        account_id = FIRST_CLIENT + number
        ledger.add(client_account(config, account_id))
        keys.add(key, account_id)
    core = Core(
        exchange=Exchange(markets, ledger, ids),
        keys=keys,
        limiter=Limiter(options.limits or _limits_of(config)),
        modern=config.dialect == "2026",
        wall_ms=wall_ms,
        event_ms=event_ms,
    )
    return Built(core, recording, mirror_book)


def client_account(config: VenueConfig, account_id: int) -> Account:
    """A client's account as it is opened: the configured balance and fees."""
    return Account(
        account_id,
        f"client-{account_id - FIRST_CLIENT}",
        wallet_e8=round(config.balance_usdt * 1e8),
        maker_rate_e8=round(config.maker_fee_bps * BPS_E8),
        taker_rate_e8=round(config.taker_fee_bps * BPS_E8),
    )


def _mirrored(recording: Recording, specs: dict[str, SymbolSpec]) -> SymbolSpec:
    (symbol,) = recording.summary.symbols
    spec = specs.get(symbol)
    if spec is None:
        raise OptionsError(
            f"{recording.path} records {symbol}, which the venue does not list; "
            f"add [venue.symbols.{symbol}]"
        )
    return spec
