"""Who gets which account's events: the private half of the hub.

A connection listens with a listen key, bare or enveloped, and may name the events it wants. Events
are encoded once per account and written at once: they are few and nothing should wait for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aegis.venue.events import OrderEvent, UserEvent
from aegis.venue.gateway.listen_keys import ListenKey, ListenKeys
from aegis.venue.market import Market
from aegis.venue.payloads import user as payload
from aegis.venue.wire.frames import text_frame
from aegis.venue.wire.hub import Subscriber

Diversion = Callable[[str, bytes, int], None]


@dataclass(eq=False, slots=True)
class Listener:
    """One listen key on one connection; `events` is an allow list, None lets all pass."""

    subscriber: Subscriber
    key: str
    account_id: int
    combined: bool
    events: frozenset[str] | None = None


class UserFeed:
    """All private subscriptions, and what has been sent to them."""

    def __init__(
        self, markets: Mapping[str, Market], keys: ListenKeys, modern: bool = True
    ) -> None:
        self._markets = markets
        self._modern = modern
        self._keys = keys
        self._listeners: dict[int, list[Listener]] = {}
        self._diversions: dict[Subscriber, Diversion] = {}
        self.sent = 0

    def listen(self, listener: Listener) -> None:
        """Attach; the same key on the same connection a second time changes nothing."""
        others = self._listeners.setdefault(listener.account_id, [])
        for other in others:
            if other.subscriber is listener.subscriber and other.key == listener.key:
                return
        others.append(listener)

    def leave(self, subscriber: Subscriber, key: str | None = None) -> None:
        """Detach one key of a connection, or all of them."""
        for account_id, listeners in list(self._listeners.items()):
            kept = [
                listener
                for listener in listeners
                if listener.subscriber is not subscriber or key not in (None, listener.key)
            ]
            if kept:
                self._listeners[account_id] = kept
            else:
                del self._listeners[account_id]

    def divert(self, subscriber: Subscriber, diversion: Diversion | None) -> None:
        """From now on hand a subscriber's events, one by one, to `diversion(name, frame, account)`.

        `frame` is what would have been written. None ends the diversion.
        """
        self._diversions.pop(subscriber, None)
        if diversion is not None:
            self._diversions[subscriber] = diversion

    def note_sent(self, subscriber: Subscriber, messages: int) -> None:
        """So many more events went to the subscriber than were published for it (or fewer)."""
        self.sent += messages

    def accounts_of(self, subscriber: Subscriber) -> list[int]:
        """Whose events the subscriber gets."""
        return [
            account_id
            for account_id, listeners in self._listeners.items()
            if any(listener.subscriber is subscriber for listener in listeners)
        ]

    def publish(self, events: Iterable[UserEvent]) -> int:
        """Send events in their order; returns how many fills of client orders were among them."""
        fills = 0
        touched: dict[Subscriber, None] = {}
        for event in events:
            fills += isinstance(event, OrderEvent) and event.trade_id != 0
            # A key that was deleted falls silent at once; its sockets stay open.
            live = self._keys.by_key
            listeners = [
                one for one in self._listeners.get(event.account_id, ()) if one.key in live
            ]
            if not listeners:
                continue
            for name, message in payload.encode(event, self._markets, self._modern):
                self._send(listeners, name, message, touched)
        for subscriber in touched:
            subscriber.flush()
        return fills

    def expire(self, key: ListenKey, now_ms: int) -> None:
        """Tell a key's sockets that it has ended; they stay open and fall silent."""
        listeners = self._listeners.get(key.account_id, [])
        own = [listener for listener in listeners if listener.key == key.key]
        touched: dict[Subscriber, None] = {}
        message = payload.listen_key_expired(key.key, now_ms)
        self._send(own, "listenKeyExpired", message, touched)
        for subscriber in touched:
            subscriber.flush()
        for listener in own:
            self.leave(listener.subscriber, key.key)

    def _send(
        self,
        listeners: list[Listener],
        name: str,
        message: bytes,
        touched: dict[Subscriber, None],
    ) -> None:
        bare: bytes | None = None
        for listener in listeners:
            if listener.events is not None and name not in listener.events:
                continue
            if listener.combined:
                opening = b'{"stream":"' + listener.key.encode() + b'","data":'
                frame = text_frame(opening + message + b"}")
            else:
                bare = frame = bare or text_frame(message)
            self.sent += 1
            diversion = self._diversions.get(listener.subscriber)
            if diversion is not None:
                diversion(name, frame, listener.account_id)
                continue
            listener.subscriber.enqueue(frame)
            touched[listener.subscriber] = None
