"""All arrays that execution's kernels work on, handed over as one argument.

Calling a kernel from Python costs time for each array argument, and two dozen of them would cost as
much as the work. So the arrays stand in a directory, an i64 array of (address, length) pairs, which
is the only argument; inside, `rows_of(tables)` and its like make the array again for nothing. The
`Tables` object owns the arrays and must outlive every kernel call; the lists of names here and in
`_LAYOUT` are the only place where a number of a table is known.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype

from aegis.execution.fills import TRADES_SIZE
from aegis.execution.journal.layout import RECORD
from aegis.execution.layouts import ACTION, ORDER, REQUEST, TERMS
from aegis.execution.order_messages import FORMAT, MESSAGE_BYTES, OrderMessages
from aegis.execution.outbox import STAGE_SIZE
from aegis.execution.words import (
    EPOCH,
    FEED_CONNECTED_AT,
    FEED_MESSAGE_AT,
    FREE_COUNT,
    REQUEST_NEXT,
    WORDS,
)
from aegis.risk.gate_state import REFERENCE, Gate
from aegis.risk.limits import EXPOSURE, RULES
from aegis.shm.books import DEPTH
from aegis.shm.instance import InstanceMemory
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.intent import INTENT
from aegis.shm.outcome import OUTCOME

__all__ = ["BATCH_SIZE", "ORDERS", "REQUESTS", "Tables"]

# Numba publishes no types for it.
_populate: Any = populate_array

ORDERS = 4_096
BUCKETS = 2 * ORDERS
REQUESTS = 8_192
BATCH_SIZE = 64
# A batch's own messages, and a cancel for every order that can be open.
OUT_MESSAGES = 512
ACTIONS = OUT_MESSAGES
# Notes of a batch, of a cancel for every order, and what a disk that is late leaves waiting.
NOTES = 4_096

_LAYOUT: tuple[tuple[str, Any], ...] = (
    ("rows", ORDER),
    ("buckets", np.int64),
    ("ring", np.int64),
    ("words", np.int64),
    ("rules", RULES),
    ("exposure", EXPOSURE),
    ("gate", np.int64),
    ("rates", np.int64),
    ("refs", np.uint64),
    ("guards", np.int64),
    ("links", np.int64),
    ("reference", REFERENCE),
    ("trades", np.int64),
    ("stage", OUTCOME),
    ("requests", REQUEST),
    ("actions", ACTION),
    ("batch", INTENT),
    ("out", np.uint8),
    ("text", np.uint8),
    ("offsets", np.int64),
    ("formats", FORMAT),
    ("intents_header", np.uint64),
    ("intents_records", INTENT),
    ("outcomes_header", np.uint64),
    ("outcomes_records", OUTCOME),
    ("book_words", np.uint64),
    ("book_levels", np.float64),
    ("feed_words", np.int64),
    ("instruments", INSTRUMENT),
    ("mark_words", np.uint64),
    ("mark_prices", np.float64),
    ("mark", np.float64),
    ("head", np.uint64),
    ("levels", np.float64),
    ("hop_counts", np.int64),
    ("tick_counts", np.int64),
    ("ack_counts", np.int64),
    ("journal", RECORD),
    ("terms", TERMS),
)
_NUMBER = {name: number for number, (name, _) in enumerate(_LAYOUT)}


def _array_at(number: int, dtype: Any, shape: tuple[int, ...] = ()) -> Any:
    """An intrinsic that makes table `number` of the directory an array again.

    With `shape` the array has that shape instead of the length in the directory.
    """
    item = np.dtype(dtype)
    array_type = types.Array(from_dtype(item), max(len(shape), 1), "C")

    def typed(typingctx: Any, directory: Any) -> Any:
        if not isinstance(directory, types.Array) or directory.dtype != types.int64:
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = ir.IntType(64)
            source = context.make_array(signature.args[0])(context, builder, arguments[0])

            def entry(place: int) -> Any:
                address = builder.gep(source.data, [ir.Constant(word, place)], inbounds=True)
                return builder.load(address)

            array = context.make_array(array_type)(context, builder)
            lengths = [ir.Constant(word, n) for n in shape] or [entry(2 * number + 1)]
            strides = [ir.Constant(word, item.itemsize * int(np.prod(shape[1:])))]
            strides += [
                ir.Constant(word, item.itemsize * int(np.prod(shape[axis + 1 :])))
                for axis in range(1, len(shape))
            ]
            _populate(
                array,
                data=builder.inttoptr(entry(2 * number), array.data.type),
                shape=lengths,
                strides=strides,
                itemsize=ir.Constant(word, item.itemsize),
                meminfo=None,
            )
            return array._getvalue()

        return array_type(directory), codegen

    return intrinsic(typed)


def _view(name: str) -> Any:
    number = _NUMBER[name]
    return _array_at(number, _LAYOUT[number][1])


rows_of, buckets_of, ring_of, words_of = map(_view, ("rows", "buckets", "ring", "words"))
rules_of, exposure_of, gate_of = map(_view, ("rules", "exposure", "gate"))
rates_of, refs_of, reference_of = map(_view, ("rates", "refs", "reference"))
guards_of, links_of = map(_view, ("guards", "links"))
trades_of, stage_of, requests_of = map(_view, ("trades", "stage", "requests"))
actions_of, batch_of, out_of = map(_view, ("actions", "batch", "out"))
text_of, offsets_of, formats_of = map(_view, ("text", "offsets", "formats"))
intents_header_of, intents_records_of = map(_view, ("intents_header", "intents_records"))
outcomes_header_of, outcomes_records_of = map(_view, ("outcomes_header", "outcomes_records"))
book_words_of, book_levels_of = map(_view, ("book_words", "book_levels"))
feed_words_of, instruments_of = map(_view, ("feed_words", "instruments"))
mark_words_of, mark_prices_of, mark_of = map(_view, ("mark_words", "mark_prices", "mark"))
head_of = _view("head")
journal_of = _view("journal")
terms_of = _view("terms")
hop_counts_of, tick_counts_of, ack_counts_of = map(
    _view, ("hop_counts", "tick_counts", "ack_counts")
)
levels_of = _array_at(_NUMBER["levels"], np.float64, (2 * DEPTH, 2))


class Tables:
    """The arrays and their directory. `rows`, `words`, `stage`, `actions`, `out` are for Python."""

    def __init__(self, memory: InstanceMemory, gate: Gate, messages: OrderMessages) -> None:
        feed = memory.counters["feed"]
        histograms = memory.histograms["execution"]
        shared: dict[str, npt.NDArray[Any]] = {
            "text": messages.text,
            "offsets": messages.offsets,
            "formats": messages.formats,
            "intents_header": memory.intents.header,
            "intents_records": memory.intents.records,
            "outcomes_header": memory.outcomes.header,
            "outcomes_records": memory.outcomes.records,
            "book_words": memory.books.words,
            "book_levels": memory.books.levels,
            "feed_words": feed.words,
            "instruments": memory.instruments.rows,
            "mark_words": memory.marks.words,
            "mark_prices": memory.marks.prices,
            "hop_counts": histograms["intent_hop_ns"].counts,
            "tick_counts": histograms["tick_to_order_ns"].counts,
            "ack_counts": histograms["order_ack_ns"].counts,
        }
        self._make(gate, shared)
        self.words[FEED_CONNECTED_AT] = feed.word("connected")
        self.words[FEED_MESSAGE_AT] = feed.word("last_message_ns")

    @classmethod
    def detached(cls, gate: Gate) -> "Tables":
        """Tables without an instance's memory: for a replay, which sends nothing to anybody."""
        made = cls.__new__(cls)
        made._make(gate, {})
        return made

    def _make(self, gate: Gate, shared: dict[str, npt.NDArray[Any]]) -> None:
        self.rows: npt.NDArray[Any] = np.zeros(ORDERS, ORDER)
        self.terms: npt.NDArray[Any] = np.zeros(ORDERS, TERMS)
        self.words: npt.NDArray[np.int64] = np.zeros(WORDS, np.int64)
        self.stage: npt.NDArray[Any] = np.zeros(STAGE_SIZE, OUTCOME)
        self.requests: npt.NDArray[Any] = np.zeros(REQUESTS, REQUEST)
        self.actions: npt.NDArray[Any] = np.zeros(ACTIONS, ACTION)
        self.batch: npt.NDArray[Any] = np.zeros(BATCH_SIZE, INTENT)
        self.journal: npt.NDArray[Any] = np.zeros(NOTES, RECORD)
        self.out: npt.NDArray[np.uint8] = np.zeros(OUT_MESSAGES * MESSAGE_BYTES, np.uint8)
        arrays: dict[str, npt.NDArray[Any]] = {
            "rows": self.rows,
            "terms": self.terms,
            "buckets": np.full(BUCKETS, -1, np.int64),
            "ring": np.arange(ORDERS, dtype=np.int64),
            "words": self.words,
            "rules": gate.rules,
            "exposure": gate.exposure,
            "gate": gate.words,
            "rates": gate.rates,
            "refs": gate.refs,
            "guards": gate.guards,
            # Of the lists of open orders by instrument and side: (next, previous), slot + 1 each.
            "links": np.zeros(2 * ORDERS, np.int64),
            "reference": gate.reference,
            "trades": np.zeros(TRADES_SIZE, np.int64),
            "stage": self.stage,
            "requests": self.requests,
            "actions": self.actions,
            "batch": self.batch,
            "out": self.out,
            "head": np.zeros(8, np.uint64),
            "levels": np.zeros(4 * DEPTH, np.float64),
            "mark": np.zeros(2, np.float64),
            "journal": self.journal,
        } | shared
        missing = _NUMBER.keys() - arrays.keys()
        assert not shared or not missing, f"no table {missing}"
        arrays = {name: arrays.get(name, np.zeros(1, dtype)) for name, dtype in _LAYOUT}
        # The same bytes as `actions`, for Python: a plain integer matrix is cheaper to read.
        self.action_words: npt.NDArray[np.int64] = self.actions.view(np.int64).reshape(
            ACTIONS, ACTION.itemsize // 8
        )
        self.done_ns: npt.NDArray[np.int64] = self.actions["done_ns"]
        self.rows["next_in_bucket"] = -1
        self.words[FREE_COUNT] = ORDERS
        self.words[REQUEST_NEXT] = 1
        self.words[EPOCH] = -1
        self._arrays = arrays
        # A fresh array has no pages until it is written: have them all now, not in the hot path,
        # which detached tables have none of.
        for array in arrays.values() if shared else ():
            if array.flags.owndata:  # never what is shared: each word has one writer
                np.copyto(array, array.copy())
        self.directory: npt.NDArray[np.int64] = np.zeros(2 * len(arrays), np.int64)
        for number, (name, dtype) in enumerate(_LAYOUT):
            array = arrays[name]
            assert array.dtype == np.dtype(dtype), f"table {name} holds {array.dtype}"
            assert array.flags.c_contiguous, f"table {name} is not contiguous"
            self.directory[2 * number] = array.ctypes.data
            self.directory[2 * number + 1] = array.size

    def array(self, name: str) -> npt.NDArray[Any]:
        """A table by name, for tests and the cold side."""
        return self._arrays[name]
