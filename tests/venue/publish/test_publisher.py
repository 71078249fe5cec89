"""Every stream of both dialects, byte by byte and in order, against the slow publisher."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venue.publish.slow_publisher import SlowPublisher
from tests.venue.publish.world import SPECS, Stage, Step, steps


def slowly(stage: Stage, modern: bool, wanted: list[str]) -> SlowPublisher:
    """The same stage's slow publisher: reads the same tape, asks the same history."""
    slow = SlowPublisher(SPECS, stage.history, stage.gauge, stage.markets, modern, wanted)
    fast_part, fast_tick = stage.publisher.consume_part, stage.publisher.tick

    def consume_part(tape, begin, end):
        fast_part(tape, begin, end)
        for place in range(begin, end):
            slow.read(tape.records[place])

    def tick(now_ms):
        fast_tick(now_ms)
        slow.tick(now_ms)

    stage.publisher.consume_part, stage.publisher.tick = consume_part, tick
    return slow


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(), st.lists(steps, min_size=1, max_size=4),
    st.one_of(st.none(), st.sets(st.sampled_from(Stage.streams()), min_size=1)),
    st.sampled_from([62, 512]),
)  # fmt: skip
def test_all_streams_byte_by_byte(
    modern: bool, turns: list[list[Step]], chosen: set[str] | None, messages: int
) -> None:
    stage = Stage(modern, messages)
    wanted = Stage.streams() if chosen is None else sorted(chosen)
    stage.listen(wanted)
    slow = slowly(stage, modern, wanted)
    stage.tick(stage.writer.now_ms)
    for turn in turns:
        stage.play(turn)
        heard = stage.hear()
        assert heard == [message for _, message in slow.out]
        slow.out.clear()
    stage.tick(stage.writer.now_ms + 6_000)
    assert stage.hear() == [message for _, message in slow.out]
