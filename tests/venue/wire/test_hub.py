"""Fan-out: each message framed once, bytes unchanged, one write per subscriber."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from aegis.venue.wire.frames import text_frame
from aegis.venue.wire.hub import Hub


class Ear:
    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.heard: list[bytes] = []
        self.writes = 0

    def enqueue(self, frame: bytes) -> None:
        self.queued.append(frame)

    def flush(self) -> None:
        self.heard += [unframe(frame) for frame in self.queued]
        self.queued.clear()
        self.writes += 1

    def backlog(self) -> int:
        return 0


def unframe(raw: bytes) -> bytes:
    """Read a frame with the library's own parser."""
    reader = StreamReader()
    reader.feed_data(raw)
    parser = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(parser)
    except StopIteration as end:
        frame = end.value
    assert frame.fin
    return bytes(frame.data)


@given(st.sampled_from((0, 1, 125, 126, 127, 65_535, 65_536, 70_000)))
def test_frames_of_every_length_form(length: int) -> None:
    message = b"x" * length
    assert unframe(text_frame(message)) == message


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
    assert (raw.writes, hub.sent) == (1, 4)
    hub.forget(raw)
    hub.unsubscribe("a@x", combined)
    assert not hub.wants("a@x")


def test_recorded_bytes_are_passed_as_they_are() -> None:
    hub, raw, combined = Hub(), Ear(), Ear()
    hub.subscribe("a@x", raw, combined=False)
    hub.subscribe("a@x", combined, combined=True)
    hub.publish_recorded("a@x", b'{"stream":"a@x","data":{ "odd" : 1}}', b'{ "odd" : 1}')
    hub.flush()
    assert raw.heard == [b'{ "odd" : 1}']
    assert combined.heard == [b'{"stream":"a@x","data":{ "odd" : 1}}']


def test_a_successor_takes_the_place_of_a_tracked_subscriber() -> None:
    hub, first, late, next_one = Hub(), Ear(), Ear(), Ear()
    hub.subscribe("a@x", first, combined=False)
    assert hub.track() == 1
    hub.subscribe("a@x", late, combined=False)
    hub.publish("a@x", b"1")
    assert (hub.sent, hub.sent_tracked) == (2, 1)
    hub.forget(first)
    hub.subscribe("a@x", next_one, combined=False)
    hub.publish("a@x", b"2")
    assert (hub.sent, hub.sent_tracked) == (4, 2)
