"""Listen keys: the tickets to the user data stream. Pure; the time is passed in.

One key per account, valid for 60 minutes from its last extension, the same key again while it
lives. ``journal`` keeps them over a restart of the venue.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from aegis.venue.codes import reject

VALID_MS: Final = 60 * 60_000
KEY_BYTES: Final = 32  # 64 hex characters


@dataclass(slots=True)
class ListenKey:
    """A key, its account, and when it ends (wall clock, ms)."""

    key: str
    account_id: int
    ends_ms: int


class ListenKeys:
    """The live keys of the venue, at most one per account."""

    def __init__(self) -> None:
        self.by_key: dict[str, ListenKey] = {}
        self.changed = False

    def open(self, account_id: int, now_ms: int) -> str:
        """The account's key, made if it has none, extended if it has."""
        for entry in self.by_key.values():
            if entry.account_id == account_id and entry.ends_ms > now_ms:
                return self._extend(entry, now_ms)
        entry = ListenKey(secrets.token_hex(KEY_BYTES), account_id, now_ms + VALID_MS)
        self.by_key[entry.key] = entry
        self.changed = True
        return entry.key

    def extend(self, account_id: int, now_ms: int) -> str:
        """Keep the account's key alive. Raises RejectError -1125 if it has none."""
        return self._extend(self._of(account_id, now_ms), now_ms)

    def close(self, account_id: int, now_ms: int) -> str:
        """End the account's key and return it. Raises RejectError -1125."""
        entry = self._of(account_id, now_ms)
        del self.by_key[entry.key]
        self.changed = True
        return entry.key

    def account_of(self, key: str, now_ms: int) -> int | None:
        """The account a key speaks for; None if it does not exist (any more)."""
        entry = self.by_key.get(key)
        return entry.account_id if entry is not None and entry.ends_ms > now_ms else None

    def take_expired(self, now_ms: int) -> list[ListenKey]:
        """Remove and return the keys that have ended."""
        ended = [entry for entry in self.by_key.values() if entry.ends_ms <= now_ms]
        for entry in ended:
            del self.by_key[entry.key]
            self.changed = True
        return ended

    def end(self, account_id: int | None) -> list[ListenKey]:
        """End the key of an account (all keys, if None) before its time; returns what ended."""
        ended = [one for one in self.by_key.values() if account_id in (None, one.account_id)]
        for entry in ended:
            del self.by_key[entry.key]
            self.changed = True
        return ended

    def _of(self, account_id: int, now_ms: int) -> ListenKey:
        for entry in self.by_key.values():
            if entry.account_id == account_id and entry.ends_ms > now_ms:
                return entry
        raise reject(-1125)

    def _extend(self, entry: ListenKey, now_ms: int) -> str:
        entry.ends_ms = now_ms + VALID_MS
        self.changed = True
        return entry.key
