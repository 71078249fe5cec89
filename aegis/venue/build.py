"""Puts a venue together from its options: markets, accounts, keys, and the other participants.

``serve`` calls it at start, tests call it for a venue without sockets. It decides nothing that an
option does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from aegis.config.models import VenueConfig
from aegis.venue.brackets import schedule_of
from aegis.venue.core import Core
from aegis.venue.credentials import Credentials, KeyPair, mint
from aegis.venue.errors import OptionsError
from aegis.venue.exchange import Exchange
from aegis.venue.faults.schema import Schedule
from aegis.venue.gateway.access import KeyRing
from aegis.venue.history.history import History
from aegis.venue.ledger import Account, Ledger
from aegis.venue.limits import Limiter, RateLimits
from aegis.venue.market import Market
from aegis.venue.matching.book import CompiledBook, take_sums
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS, IdSource
from aegis.venue.matching.layout import LAST_TRADE, MAX_LEVELS, MAX_TURNOVER, Books, make_books
from aegis.venue.mirror.book import MirrorBook
from aegis.venue.mirror.player import Player
from aegis.venue.mirror.recorded_book import RecordedBook
from aegis.venue.mirror.recording import Recording
from aegis.venue.mirror.reel import Reel
from aegis.venue.observation import Observation
from aegis.venue.symbols import SymbolSpec, make_symbol
from aegis.venue.tape import Tape
from aegis.venue.treasury import Treasury

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
    """What a venue is made from. `keys` has one API key per account; none means: mint them.

    `contracts` are listed in place of the file's, and their markets are somebody else's: a venue on
    paper, which ``paper.follower`` tells what happens in them. `mirrors` are recordings, one per
    symbol; with `loop` they begin again when they end. `limits` are the file's unless given.
    `speed` is the mirror's, or the synthetic market's, time factor; 0 is as fast as possible
    (mirror only). `state_dir` keeps the accounts over a restart, `skip_lines` of the recordings
    have been played before it. For `bind_patience_s` a port that is in use is asked for again.
    `leverages` are those with which accounts are opened, by symbol, as far as brackets allow.
    """

    config: VenueConfig = field(default_factory=VenueConfig)
    keys: tuple[KeyPair, ...] = ()
    mirrors: tuple[Path, ...] = ()
    contracts: tuple[SymbolSpec, ...] = ()
    loop: bool = False
    speed: float = 1.0
    slice_ms: int = DEFAULT_SLICE_MS
    state_dir: Path | None = None
    limits: RateLimits | None = None
    max_buffer_bytes: int = 16 * 1024 * 1024
    skip_lines: int = 0
    faults: Schedule = field(default_factory=Schedule)
    bind_patience_s: float = 0.0
    leverages: Mapping[str, int] = field(default_factory=dict)

    def with_keys(self) -> tuple[VenueOptions, tuple[Credentials, ...]]:
        """These options with a key per account if they had none, and the keys that were minted."""
        if self.keys:
            return self, ()
        minted = tuple(mint() for _ in range(self.config.accounts))
        return replace(self, keys=minted), minted


@dataclass(frozen=True, slots=True)
class Built:
    """The pure parts of a venue."""

    core: Core
    reels: tuple[Reel, ...]
    followed: dict[str, MirrorBook]  # on paper: every market's book


def build(options: VenueOptions, wall_ms: Callable[[], int], event_ms: Callable[[], int]) -> Built:
    """Make the venue's core. Raises OptionsError or RecordingError."""
    config = options.config
    recordings = [Recording(path) for path in options.mirrors]
    specs = _listed(options, recordings)
    _check_sizes(specs.values())
    tape = Tape()
    books = make_books(len(specs), tape, **_room(config, len(specs)))
    ids = IdSource(books.ids, books.symbols[:, LAST_TRADE])
    ids.order, ids.trade, ids.update = FIRST_ORDER_ID, FIRST_TRADE_ID, FIRST_UPDATE_ID
    if recordings or options.contracts:
        ids.trade = MIRROR_FIRST_TRADE_ID
    recorded = {name: RecordedBook(spec, books, ids) for name, spec in specs.items() if recordings}
    followed = {
        name: MirrorBook(spec, books, ids) for name, spec in specs.items() if options.contracts
    }
    others: dict[str, MirrorBook] = {**recorded, **followed}
    markets = {
        name: Market(spec, others.get(name) or CompiledBook(books, spec.number), books)
        for name, spec in specs.items()
    }
    ledger = Ledger()
    for owner, name in ((OWNER_MAKERS, "makers"), (OWNER_TAKERS, "takers")):
        ledger.add(Account(owner, name))
    ledger.bring_in = partial(_bring_in, ledger, books, list(specs.values()))
    exchange = Exchange(markets, ledger, ids)
    treasury = Treasury(exchange, books)
    treasury.open_fund(config.insurance_fund_usdt)
    opened_ms = wall_ms()
    if recordings:
        opened_ms = min(recording.summary.first_ns for recording in recordings) // 1_000_000
    keys = KeyRing()
    for number, key in enumerate(options.keys):
        account_id = FIRST_CLIENT + number
        account = client_account(config, account_id)
        account.leverages |= _allowed(options.leverages, specs)
        treasury.open_account(account, config.balances, opened_ms)
        keys.add(key, account_id)
    history = History(list(specs.values()))
    observation = Observation(exchange, treasury.marks, history)
    exchange.settlements.append(observation.on_second)
    core = Core(
        exchange=exchange,
        books=books,
        tape=tape,
        history=history,
        observation=observation,
        treasury=treasury,
        keys=keys,
        limiter=Limiter(options.limits or RateLimits.of(config)),
        modern=config.dialect == "2026",
        wall_ms=wall_ms,
        event_ms=event_ms,
    )
    reels = tuple(
        Reel(recording, Player(core.exchange, markets[name], book), loop=options.loop)
        for (name, book), recording in zip(recorded.items(), recordings, strict=True)
    )
    return Built(core, reels, followed)


def client_account(config: VenueConfig, account_id: int) -> Account:
    """A client's account as it is opened: the configured balance and fees."""
    return Account(
        account_id,
        f"client-{account_id - FIRST_CLIENT}",
        wallet_e8=round(config.balance_usdt * 1e8),
        maker_rate_e8=round(config.maker_fee_bps * BPS_E8),
        taker_rate_e8=round(config.taker_fee_bps * BPS_E8),
    )


def _allowed(leverages: Mapping[str, int], specs: Mapping[str, SymbolSpec]) -> dict[str, int]:
    """Those of listed symbols that their brackets allow; others keep the usual one."""
    return {
        symbol: leverage
        for symbol, leverage in leverages.items()
        if symbol in specs and leverage <= schedule_of(specs[symbol]).max_leverage
    }


def _listed(options: VenueOptions, recordings: list[Recording]) -> dict[str, SymbolSpec]:
    """The contracts: those that are given, else the file's, of recordings only the recorded."""
    if options.contracts:
        return {spec.symbol: spec for spec in options.contracts}
    specs = {
        name: make_symbol(name, symbol, number)
        for number, (name, symbol) in enumerate(options.config.symbols.items())
    }
    return _mirrored(recordings, specs) if recordings else specs


def _room(config: VenueConfig, symbols: int) -> dict[str, int]:
    """How many levels and orders the books have room for: several times what the flow keeps."""
    levels = min(MAX_LEVELS, max(1_024, 8 * config.flow.depth_levels))
    return {"levels": levels, "orders": 16_384 + symbols * 8 * config.flow.depth_levels}


def _check_sizes(specs: Iterable[SymbolSpec]) -> None:
    for spec in specs:
        if spec.max_price_ticks * spec.max_qty_lots >= MAX_TURNOVER:
            raise OptionsError(
                f"{spec.symbol}: max_price times max_qty is {spec.max_price_ticks} ticks times "
                f"{spec.max_qty_lots} lots, too much for exact sums; lower one of them"
            )


def _bring_in(ledger: Ledger, books: Books, specs: list[SymbolSpec]) -> None:
    """Book what the market's own participants have traded since the last call."""
    for traded in take_sums(books):
        spec = specs[traded.symbol]
        position = ledger.accounts[traded.owner].position(spec.symbol)
        position.lots += traded.lots
        position.cost_e8 += traded.turnover * spec.unit_e8


def _mirrored(recordings: list[Recording], specs: dict[str, SymbolSpec]) -> dict[str, SymbolSpec]:
    """The contracts of the recordings, in their order. Raises OptionsError."""
    mirrored: dict[str, SymbolSpec] = {}
    for number, recording in enumerate(recordings):
        (symbol,) = recording.summary.symbols
        spec = specs.get(symbol)
        if spec is None:
            raise OptionsError(
                f"{recording.path} records {symbol}, which the venue does not list; "
                f"add [venue.symbols.{symbol}]"
            )
        if symbol in mirrored:
            raise OptionsError(f"{recording.path} records {symbol}, as another recording does")
        mirrored[symbol] = replace(spec, number=number)
    begun = max(recordings, key=lambda one: one.summary.first_ns)
    ended = min(recordings, key=lambda one: one.summary.last_ns)
    if begun.summary.first_ns > ended.summary.last_ns:
        raise OptionsError(
            f"{begun.path} begins after {ended.path} has ended; recordings that play side by side "
            "must have been made at the same time"
        )
    return mirrored
