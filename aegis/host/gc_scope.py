"""The garbage collector under a regime: never inside a duty cycle, only at safe points.

Each process opens one ``GcScope`` after its warm-up: everything alive is frozen out of the
collector's sight and automatic collection goes off. The loop then marks its duty cycles and offers
safe points between them; the scope collects there when there is garbage to look for and the loop
is idle, or when waiting longer would let memory grow. Every collection, whoever started it, is
seen by a hook in ``gc.callbacks``, timed, and counted; one that starts inside a duty cycle is
counted apart, and that count must stay zero.

Theory: CPython frees most objects by reference count; the collector only finds cycles. With it off,
``gc.get_count()[0]`` still grows by the net number of new containers, so it is the measure of how
much there is to look at. Generations are climbed as CPython does, every tenth collection one
generation higher, and by time as well: what lived for a minute and then died as a cycle, such as a
connection that was replaced, is in the oldest generation, which a hundred quiet collections may
take an hour to reach. What was frozen is no part of it, so looking through it is short.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Final

GcSink = Callable[[str, int], object] | MutableMapping[str, int]

COUNTERS: Final = (
    "gc_collections",
    "gc_collections_in_cycle",
    "gc_pause_max_ns",
    "gc_pause_total_ns",
)
NOTHING_COLLECTED: Final = -1
_CLIMB_EVERY: Final = 10
_OLDEST: Final = 2
_NS_PER_MS: Final = 1_000_000


class DutyCycle:
    """``with scope.cycle:``, the same as ``cycle_begin`` and ``cycle_end``."""

    __slots__ = ("_scope",)

    def __init__(self, scope: GcScope) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._scope.cycle_begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scope.cycle_end()


class GcScope:
    """One process's collector regime; one at a time may be open.

    ``sink`` receives the counters whenever one moves: a callable ``(name, value)`` or a mapping.
    ``interval_ms`` is the shortest time between two collections while idle, ``force_ms`` the
    longest without one while there is garbage to look for, ``minimum_objects`` what makes a look
    worthwhile, ``ceiling_objects`` what forces one at the next safe point, idle or not. One that is
    due ``full_ms`` after the last full one is a full one itself.
    """

    def __init__(
        self,
        sink: GcSink | None = None,
        *,
        interval_ms: int = 1_000,
        force_ms: int = 60_000,
        minimum_objects: int = 700,
        ceiling_objects: int = 100_000,
        full_ms: int = 60_000,
    ) -> None:
        self.collections = 0
        self.collections_in_cycle = 0
        self.pause_max_ns = 0
        self.pause_total_ns = 0
        self.cycle = DutyCycle(self)
        self._set = sink.__setitem__ if isinstance(sink, MutableMapping) else sink
        self._interval_ns = interval_ms * _NS_PER_MS
        self._force_ns = force_ms * _NS_PER_MS
        self._minimum_objects = minimum_objects
        self._ceiling_objects = ceiling_objects
        self._full_ns = full_ms * _NS_PER_MS
        self._is_open = False
        self._in_cycle = False
        self._started_ns = 0
        self._last_ns = 0
        self._last_full_ns = 0
        self._climbed = [0, 0]
        self._pid = 0
        self._was_enabled = True
        self._had_frozen = False

    def open(self) -> GcScope:
        """Collect, freeze what is left, and turn automatic collection off. Call after warm-up."""
        for hook in [*gc.callbacks]:
            owner = getattr(hook, "__self__", None)
            if not isinstance(owner, GcScope):
                continue
            if owner._pid == os.getpid():
                raise RuntimeError("a GcScope is open in this process already")
            # A fork copies the parent's hook; its counts are the parent's affair.
            gc.callbacks.remove(hook)
        self._pid = os.getpid()
        self._was_enabled = gc.isenabled()
        self._had_frozen = gc.get_freeze_count() > 0
        gc.disable()
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self._observe)
        self._is_open = True
        self._in_cycle = False
        self._last_ns = 0
        self._publish()
        return self

    def close(self) -> None:
        """Give the collector back as it was found. Closing twice is no error."""
        if not self._is_open:
            return
        self._is_open = False
        self._in_cycle = False
        gc.callbacks.remove(self._observe)
        if not self._had_frozen:
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()
        self._publish()

    def __enter__(self) -> GcScope:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cycle_begin(self) -> None:
        """From here to ``cycle_end`` a collection is a fault. One store, no allocation."""
        self._in_cycle = True

    def cycle_end(self) -> None:
        """The duty cycle is over."""
        self._in_cycle = False

    def safe_point(self, now_ns: int, idle: bool) -> int:
        """Collect if it is time; ``now_ns`` is any monotonic clock, always the same one.

        Returns the generation that was collected, ``NOTHING_COLLECTED`` otherwise; also inside a
        duty cycle, where nothing is ever collected.
        """
        if self._in_cycle or not self._is_open:
            return NOTHING_COLLECTED
        if self._last_ns == 0:
            self._last_ns = self._last_full_ns = now_ns
        objects = gc.get_count()[0]
        waited_ns = now_ns - self._last_ns
        if objects < self._minimum_objects:
            return NOTHING_COLLECTED
        calm = idle and waited_ns >= self._interval_ns
        forced = waited_ns >= self._force_ns or objects >= self._ceiling_objects
        if not (calm or forced):
            return NOTHING_COLLECTED
        generation = self._due_generation(now_ns)
        gc.collect(generation)
        self._last_ns = now_ns
        if generation == _OLDEST:
            self._last_full_ns = now_ns
        return generation

    def snapshot(self) -> dict[str, int]:
        """The counters by name."""
        values = (
            self.collections,
            self.collections_in_cycle,
            self.pause_max_ns,
            self.pause_total_ns,
        )
        return dict(zip(COUNTERS, values, strict=True))

    def _due_generation(self, now_ns: int) -> int:
        if now_ns - self._last_full_ns >= self._full_ns:
            return _OLDEST
        for generation in (0, 1):
            self._climbed[generation] += 1
            if self._climbed[generation] < _CLIMB_EVERY:
                return generation
            self._climbed[generation] = 0
        return _OLDEST

    def _observe(self, phase: str, info: dict[str, int]) -> None:
        """The ``gc.callbacks`` hook: every collection of this process passes here, twice."""
        if phase == "start":
            self.collections += 1
            if self._in_cycle:
                self.collections_in_cycle += 1
            self._started_ns = time.monotonic_ns()
            return
        pause_ns = time.monotonic_ns() - self._started_ns
        self.pause_total_ns += pause_ns
        self.pause_max_ns = max(self.pause_max_ns, pause_ns)
        self._publish()

    def _publish(self) -> None:
        if self._set is not None:
            for name, value in self.snapshot().items():
                self._set(name, value)
