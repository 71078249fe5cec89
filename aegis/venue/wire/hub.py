"""Who gets which market stream: topics, subscribers, and fan-out of frames encoded once.

The publisher and the mirror publish into it; sessions subscribe. Frames are queued per subscriber
and written together by `flush`, once per step. A subscriber is a connection or, in tests, anything
with `enqueue` and `flush`.
"""

from __future__ import annotations

from typing import Protocol

from aegis.venue.wire.frames import text_frame


class Subscriber(Protocol):
    """The receiving end of a subscription."""

    def enqueue(self, frame: bytes) -> None:
        """Queue an encoded frame behind the others."""

    def flush(self) -> None:
        """Hand the queued frames to the socket in one write."""

    def backlog(self) -> int:
        """Bytes that are written but not yet taken by the network."""


class _Topic:
    """One stream: its subscribers by envelope, and the envelope's opening."""

    __slots__ = ("combined", "opening", "raw")

    def __init__(self, stream: str) -> None:
        self.opening = b'{"stream":"' + stream.encode() + b'","data":'
        self.raw: list[Subscriber] = []
        self.combined: list[Subscriber] = []


class Hub:
    """All market subscriptions. `sent` counts a message once per subscriber it went to."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._waiting: dict[Subscriber, None] = {}
        self._written: dict[Subscriber, None] = {}
        self.sent = 0
        self.sent_tracked = 0
        self._tracked: set[Subscriber] = set()
        self._vacancies = 0

    def wants(self, stream: str) -> bool:
        return stream in self._topics

    def publish(self, stream: str, message: bytes) -> None:
        """Send a payload, bare or in its envelope as each subscriber has asked for."""
        topic = self._topics.get(stream)
        if topic is None:
            return
        if topic.raw:
            self._send(topic.raw, text_frame(message))
        if topic.combined:
            self._send(topic.combined, text_frame(topic.opening + message + b"}"))

    def publish_recorded(self, stream: str, enveloped: bytes, message: bytes) -> None:
        """Send a recorded message: the envelope's very bytes, or its payload's very bytes."""
        topic = self._topics.get(stream)
        if topic is None:
            return
        if topic.combined:
            self._send(topic.combined, text_frame(enveloped))
        if topic.raw:
            self._send(topic.raw, text_frame(message))

    def subscribe(self, stream: str, subscriber: Subscriber, combined: bool) -> None:
        """Add a subscription; a second one for the same stream changes nothing."""
        topic = self._topics.get(stream)
        if topic is None:
            topic = self._topics[stream] = _Topic(stream)
        if subscriber in topic.raw or subscriber in topic.combined:
            return
        (topic.combined if combined else topic.raw).append(subscriber)
        if self._vacancies:
            # A tracked subscriber has left, and this is the next one to come: its successor.
            self._vacancies -= 1
            self._tracked.add(subscriber)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        topic = self._topics.get(stream)
        if topic is None:
            return
        for subscribers in (topic.raw, topic.combined):
            if subscriber in subscribers:
                subscribers.remove(subscriber)
        if not topic.raw and not topic.combined:
            del self._topics[stream]

    def forget(self, subscriber: Subscriber) -> None:
        """The subscriber is gone, whatever it had subscribed to."""
        self._waiting.pop(subscriber, None)
        self._written.pop(subscriber, None)
        for stream in [
            name
            for name, topic in self._topics.items()
            if subscriber in topic.raw or subscriber in topic.combined
        ]:
            self.unsubscribe(stream, subscriber)
        if subscriber in self._tracked:
            self._tracked.remove(subscriber)
            self._vacancies += 1

    def track(self) -> int:
        """From now on count what goes to the present subscribers apart; returns how many.

        A mirror in lockstep waits until exactly these have read everything. Others, that come and
        look, are served but not waited for.
        """
        self._tracked = {
            subscriber
            for topic in self._topics.values()
            for subscriber in (*topic.raw, *topic.combined)
        }
        self._vacancies = 0
        return len(self._tracked)

    def backlog(self) -> int:
        """The longest backlog of those written to by the last `flush`, in bytes."""
        return max((subscriber.backlog() for subscriber in self._written), default=0)

    def flush(self) -> None:
        """Write what is queued, one write per subscriber."""
        if not self._waiting:
            return
        self._written, self._waiting = self._waiting, {}
        for subscriber in self._written:
            subscriber.flush()

    def _send(self, subscribers: list[Subscriber], frame: bytes) -> None:
        waiting = self._waiting
        for subscriber in subscribers:
            subscriber.enqueue(frame)
            waiting[subscriber] = None
            if subscriber in self._tracked:
                self.sent_tracked += 1
        self.sent += len(subscribers)
