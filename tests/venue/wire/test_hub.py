"""Fan-out: each message framed once, bytes unchanged, in order, one write per subscriber."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.publish.log import make_log
from aegis.venue.wire.frames import text_frame
from aegis.venue.wire.hub import Hub
from tests.venue.publish.world import Ear, unframe

STREAMS = ("a@x", "b@y", "!all@arr")


@given(st.sampled_from((0, 1, 125, 126, 127, 65_535, 65_536, 70_000)))
def test_frames_of_every_length_form(length: int) -> None:
    message = b"x" * length
    assert unframe(text_frame(message)) == [message]


def test_raw_and_enveloped_subscribers() -> None:
    hub, raw, combined = Hub(), Ear(), Ear()
    assert not hub.wants("a@x")
    hub.subscribe("a@x", raw, combined=False)
    hub.subscribe("a@x", raw, combined=False)
    hub.subscribe("a@x", combined, combined=True)
    hub.publish("a@x", b'{"n":1}')
    hub.publish("a@x", b'{"n":2}')
    hub.publish("b@y", b"{}")
    assert raw.heard == []
    hub.flush()
    assert raw.heard == [b'{"n":1}', b'{"n":2}']
    assert combined.heard == [
        b'{"stream":"a@x","data":{"n":1}}', b'{"stream":"a@x","data":{"n":2}}',
    ]  # fmt: skip
    assert (raw.writes, combined.writes, hub.sent) == (1, 1, 4)
    hub.flush()
    assert raw.writes == 1
    hub.forget(raw)
    hub.unsubscribe("a@x", combined)
    assert not hub.wants("a@x")


def test_recorded_bytes_are_passed_as_they_are() -> None:
    hub, raw, combined = Hub(), Ear(), Ear()
    hub.subscribe("a@x", raw, combined=False)
    hub.subscribe("a@x", combined, combined=True)
    hub.publish_recorded("a@x", b'{"stream":"a@x","data":{ "odd" : 1}}', b'{ "odd" : 1}')
    # An envelope that does not hold its payload as it is: both are still what they were.
    hub.publish_recorded("a@x", b'{"stream":"a@x", "data":{}}', b'{"other":1}')
    hub.flush()
    assert raw.heard == [b'{ "odd" : 1}', b'{"other":1}']
    assert combined.heard == [
        b'{"stream":"a@x","data":{ "odd" : 1}}',
        b'{"stream":"a@x", "data":{}}',
    ]


def test_a_successor_takes_the_place_of_a_tracked_subscriber() -> None:
    hub, first, late, next_one = Hub(), Ear(), Ear(), Ear()
    hub.subscribe("a@x", first, combined=False)
    assert hub.track() == 1
    hub.subscribe("a@x", late, combined=False)
    hub.publish("a@x", b"1")
    hub.flush()
    assert (hub.sent, hub.sent_tracked) == (2, 1)
    hub.forget(first)
    hub.subscribe("a@x", next_one, combined=False)
    hub.publish("a@x", b"2")
    hub.flush()
    assert (hub.sent, hub.sent_tracked) == (4, 2)
    # A diversion that drops a message takes it back: nobody waits for it to be read.
    hub.note_sent(next_one, -1)
    assert (hub.sent, hub.sent_tracked) == (3, 1)


def test_the_backlog_is_that_of_those_written_to() -> None:
    hub, ear = Hub(), Ear()
    hub.subscribe("a@x", ear, combined=False)
    hub.publish("a@x", b"1")
    hub.flush()
    ear.queued = [b"still", b"here"]
    assert hub.backlog() == 2
    hub.forget(ear)
    assert hub.backlog() == 0


class Model:
    """What each listener must hear, one message at a time."""

    def __init__(self, ears: int) -> None:
        self.heard: list[list[bytes]] = [[] for _ in range(ears)]
        self.subscriptions: list[dict[str, bool]] = [{} for _ in range(ears)]

    def publish(self, stream: str, message: bytes) -> None:
        envelope = b'{"stream":"' + stream.encode() + b'","data":' + message + b"}"
        for heard, wanted in zip(self.heard, self.subscriptions, strict=True):
            if stream in wanted:
                heard.append(envelope if wanted[stream] else message)


ears = st.integers(0, 5)
streams = st.sampled_from(STREAMS)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), ears, streams, st.booleans()),
        st.tuples(st.just("unsubscribe"), ears, streams),
        st.tuples(st.just("forget"), ears),
        st.tuples(st.just("divert"), ears, st.booleans()),
        st.tuples(st.just("publish"), streams, st.sampled_from((0, 1, 9, 120, 300, 1_500))),
        st.tuples(st.just("publish"), streams, st.sampled_from((0, 1, 9, 120, 300, 1_500))),
        st.tuples(st.just("flush")),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(operations)
def test_everybody_hears_what_he_subscribed_to_in_order(operations: list[Any]) -> None:
    """Small logs that fill up, messages larger than the log, comings and goings in between."""
    hub, model = Hub(make_log(4_000, 5)), Model(6)
    listeners = [Ear() for _ in range(6)]
    diverted: set[int] = set()

    def diversion(number: int) -> Any:
        return lambda stream, frame: listeners[number].heard.extend(unframe(frame))

    for count, (name, *arguments) in enumerate(operations):
        if name == "publish":
            stream, length = arguments
            message = b"%d:" % count + b"x" * length
            model.publish(stream, message)
            hub.publish(stream, message)
        elif name == "flush":
            hub.flush()
        elif name == "subscribe":
            number, stream, combined = arguments
            model.subscriptions[number].setdefault(stream, combined)
            hub.subscribe(stream, listeners[number], combined)
        elif name == "unsubscribe":
            number, stream = arguments
            model.subscriptions[number].pop(stream, None)
            hub.unsubscribe(stream, listeners[number])
        elif name == "divert":
            number, on = arguments
            # What is queued for the connection goes out before its diversion begins or ends.
            hub.flush()
            hub.divert(listeners[number], diversion(number) if on else None)
            (diverted.add if on else diverted.discard)(number)
        else:
            (number,) = arguments
            hub.flush()
            model.subscriptions[number].clear()
            hub.forget(listeners[number])
            diverted.discard(number)
    hub.flush()
    assert [one.heard for one in listeners] == model.heard
    assert hub.sent == sum(len(one.heard) for one in listeners)
    for stream in STREAMS:
        assert hub.wants(stream) == any(stream in one for one in model.subscriptions)


def test_many_subscribers_and_streams_do_not_run_out_of_room() -> None:
    hub = Hub(make_log(4_000, 64))
    listeners = [Ear() for _ in range(100)]
    names = [f"s{number}@trade" for number in range(300)]
    for number, listener in enumerate(listeners):
        for name in names[number : number + 20]:
            hub.subscribe(name, listener, combined=number % 2 == 0)
    for name in names:
        hub.publish(name, b"x" * 300)
    hub.flush()
    assert [len(one.heard) for one in listeners] == [20] * 100
    for listener in listeners:
        hub.forget(listener)
    assert not any(hub.wants(name) for name in names)
    # Rows are taken up again, and begin empty.
    hub.subscribe("s0@trade", listeners[0], combined=False)
    hub.publish("s1@trade", b"1")
    hub.publish("s0@trade", b"0")
    hub.flush()
    assert listeners[0].heard[20:] == [b"0"]
