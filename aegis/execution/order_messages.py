"""Order commands as bytes: templates made once, numbers written into a buffer by kernels.

A request to the WebSocket API differs from the next of its kind in six numbers. So the text between
them is prepared once per instrument, side and order type, and a kernel copies it and writes the
numbers as digits: no dict, no float, no Python object per order. The session is logged on, so a
request carries a timestamp and no signature.

::

    {"id":<n>,"method":"order.place","params":{...,"newClientOrderId":"a<instance>-<run>
    <epoch>-<ref>","quantity":"<q>","price":"<p>","recvWindow":<ms>,"timestamp":<ms>}}

`OrderMessages` builds the templates; the batch kernel calls `write_place`, `write_amend` and
`write_cancel` with its arrays. The writers do not look at the buffer's end: the caller keeps
MESSAGE_BYTES for each.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.client_id import BRAIN_DIGITS, ClientIds
from aegis.execution.decimal_text import (
    MAX_NUMBER,
    to_base36,
    write_base36,
    write_decimal,
    write_integer,
)
from aegis.host.jit import kernel
from aegis.risk.limits import InstrumentRules
from aegis.shm.intent import IOC, MARKET, POST_ONLY, REDUCE_ONLY

__all__ = [
    "FORMAT",
    "MESSAGE_BYTES",
    "OrderMessages",
    "write_amend",
    "write_cancel",
    "write_place",
]

MESSAGE_BYTES = 640
# Templates of one instrument: 16 placements (side, kind of order, reduce only), one cancel, and an
# amend of each side.
PLACEMENTS = 16
CANCEL_TEMPLATE = PLACEMENTS
AMEND_TEMPLATE = PLACEMENTS + 1
TEMPLATES = PLACEMENTS + 3
_SHARED = 4  # templates before those of the instruments: texts that all requests share
HEAD, QUANTITY, PRICE, TAIL = range(_SHARED)

FORMAT = np.dtype(
    [
        ("tick_mantissa", "<i8"),
        ("tick_decimals", "<i8"),
        ("step_mantissa", "<i8"),
        ("step_decimals", "<i8"),
    ]
)


@kernel("i8(u1[::1],i8,u1[::1],i8[::1],i8)")
def _copy(out: Any, place: Any, text: Any, offsets: Any, template: Any) -> Any:
    """Copy one template; returns the place after it."""
    start = offsets[template]
    count = offsets[template + 1] - start
    # Unsigned, or every byte costs a wrap-around test: 560 ns an order instead of 110.
    source = np.uint64(start)
    target = np.uint64(place)
    for at in range(np.uint64(count)):
        out[target + at] = text[source + at]
    return place + count


@kernel("i8(i8,i8,i8)")
def template_of(instrument: Any, side: Any, flags: Any) -> Any:
    """The number of the template that places such an order."""
    order_kind = 0
    if flags & MARKET != 0:
        order_kind = 3
    elif flags & IOC != 0:
        order_kind = 2
    elif flags & POST_ONLY != 0:
        order_kind = 1
    number = (0 if side > 0 else 8) + order_kind * 2 + (1 if flags & REDUCE_ONLY != 0 else 0)
    return _SHARED + instrument * TEMPLATES + number


@kernel
def write_place(
    out: Any,
    place: Any,
    text: Any,
    offsets: Any,
    formats: Any,
    intent: Any,
    request_id: Any,
    timestamp_ms: Any,
) -> Any:
    """Write an order.place request for one INTENT record; returns the place after it."""
    form = formats[intent.instrument]
    place = _copy(out, place, text, offsets, HEAD)
    place = write_integer(out, place, request_id)
    template = template_of(intent.instrument, intent.side, intent.flags)
    place = _copy(out, place, text, offsets, template)
    place = write_base36(out, place, intent.epoch, BRAIN_DIGITS)
    out[place] = 45  # the hyphen of a client order id
    place = write_base36(out, place + 1, intent.order_ref, 1)
    place = _copy(out, place, text, offsets, QUANTITY)
    place = write_decimal(out, place, intent.qty_lots * form.step_mantissa, form.step_decimals)
    if intent.flags & MARKET == 0:
        place = _copy(out, place, text, offsets, PRICE)
        price = intent.price_ticks * form.tick_mantissa
        place = write_decimal(out, place, price, form.tick_decimals)
    place = _copy(out, place, text, offsets, TAIL)
    place = write_integer(out, place, timestamp_ms)
    out[place] = 125  # two closing braces
    out[place + 1] = 125
    return place + 2


@kernel
def write_cancel(
    out: Any,
    place: Any,
    text: Any,
    offsets: Any,
    instrument: Any,
    epoch: Any,
    order_ref: Any,
    request_id: Any,
    timestamp_ms: Any,
) -> Any:
    """Write an order.cancel request by client order id; returns the place after it."""
    place = _copy(out, place, text, offsets, HEAD)
    place = write_integer(out, place, request_id)
    template = _SHARED + np.int64(instrument) * TEMPLATES + CANCEL_TEMPLATE
    place = _copy(out, place, text, offsets, template)
    place = write_base36(out, place, epoch, BRAIN_DIGITS)
    out[place] = 45
    place = write_base36(out, place + 1, order_ref, 1)
    place = _copy(out, place, text, offsets, TAIL)
    place = write_integer(out, place, timestamp_ms)
    out[place] = 125
    out[place + 1] = 125
    return place + 2


@kernel
def write_amend(
    out: Any,
    place: Any,
    text: Any,
    offsets: Any,
    formats: Any,
    row: Any,
    price_ticks: Any,
    qty_lots: Any,
    request_id: Any,
    timestamp_ms: Any,
) -> Any:
    """Write an order.modify request for the order of a row; returns the place after it."""
    form = formats[row.instrument]
    place = _copy(out, place, text, offsets, HEAD)
    place = write_integer(out, place, request_id)
    template = _SHARED + np.int64(row.instrument) * TEMPLATES + AMEND_TEMPLATE
    place = _copy(out, place, text, offsets, template + (0 if row.side > 0 else 1))
    place = write_base36(out, place, row.epoch, BRAIN_DIGITS)
    out[place] = 45
    place = write_base36(out, place + 1, row.order_ref, 1)
    place = _copy(out, place, text, offsets, QUANTITY)
    place = write_decimal(out, place, qty_lots * form.step_mantissa, form.step_decimals)
    place = _copy(out, place, text, offsets, PRICE)
    place = write_decimal(out, place, price_ticks * form.tick_mantissa, form.tick_decimals)
    place = _copy(out, place, text, offsets, TAIL)
    place = write_integer(out, place, timestamp_ms)
    out[place] = 125
    out[place + 1] = 125
    return place + 2


class OrderMessages:
    """The templates of one run: `text` u8, `offsets` i64 (one more than templates), `formats`."""

    def __init__(
        self, ids: ClientIds, instruments: Sequence[InstrumentRules], recv_window_ms: int
    ) -> None:
        assert 0 < recv_window_ms <= 60_000, f"recvWindow {recv_window_ms}"
        self.recv_window_ms = recv_window_ms
        self._ids = ids
        prefix = ids.prefix.decode()
        parts = [
            '{"id":',
            '","quantity":"',
            '","price":"',
            f'","recvWindow":{recv_window_ms},"timestamp":',
        ]
        for rules in instruments:
            parts.extend(_placements(rules.symbol, prefix))
            parts.append(
                f',"method":"order.cancel","params":{{"symbol":"{rules.symbol}",'
                f'"origClientOrderId":"{prefix}'
            )
            parts.extend(
                f',"method":"order.modify","params":{{"symbol":"{rules.symbol}","side":"{side}",'
                f'"origClientOrderId":"{prefix}'
                for side in ("BUY", "SELL")
            )
        encoded = [part.encode() for part in parts]
        longest = sum(len(part) for part in encoded[:_SHARED]) + max(map(len, encoded[_SHARED:]))
        assert longest + 6 * MAX_NUMBER <= MESSAGE_BYTES, f"a message may take {longest} + numbers"
        self.text: npt.NDArray[np.uint8] = np.frombuffer(b"".join(encoded), np.uint8).copy()
        self.offsets: npt.NDArray[np.int64] = np.zeros(len(encoded) + 1, np.int64)
        self.offsets[1:] = np.cumsum([len(part) for part in encoded])
        self.formats: npt.NDArray[Any] = np.zeros(len(instruments), FORMAT)
        for row, rules in zip(self.formats, instruments, strict=True):
            row["tick_mantissa"], row["tick_decimals"] = rules.tick_mantissa, rules.tick_decimals
            row["step_mantissa"], row["step_decimals"] = rules.step_mantissa, rules.step_decimals
        self._out = np.zeros(MESSAGE_BYTES, np.uint8)

    def place(
        self, intents: npt.NDArray[Any], at: int, request_id: int, timestamp_ms: int
    ) -> bytes:
        """The order.place request for the record `intents[at]` (the cold way to the same bytes)."""
        end = _place_at(
            self._out, self.text, self.offsets, self.formats, intents, at, request_id, timestamp_ms
        )
        return self._out[:end].tobytes()

    def cancel(
        self, instrument: int, epoch: int, order_ref: int, request_id: int, timestamp_ms: int
    ) -> bytes:
        """The order.cancel request for an order of this run."""
        end = write_cancel(
            self._out,
            0,
            self.text,
            self.offsets,
            instrument,
            epoch,
            order_ref,
            request_id,
            timestamp_ms,
        )
        return self._out[:end].tobytes()


@kernel
def _place_at(
    out: Any,
    text: Any,
    offsets: Any,
    formats: Any,
    intents: Any,
    at: Any,
    request_id: Any,
    timestamp_ms: Any,
) -> Any:
    return write_place(out, 0, text, offsets, formats, intents[at], request_id, timestamp_ms)


def _placements(symbol: str, prefix: str) -> list[str]:
    """The 16 placements of a symbol, in the order that `template_of` counts them."""
    kinds = (
        '"LIMIT","timeInForce":"GTC"',
        '"LIMIT","timeInForce":"GTX"',
        '"LIMIT","timeInForce":"IOC"',
        '"MARKET"',
    )
    texts = []
    for side in ("BUY", "SELL"):
        for kind in kinds:
            for reduce_only in ("", '"reduceOnly":"true",'):
                # Our later order gives way to our earlier one, said with every order.
                texts.append(
                    f',"method":"order.place","params":{{"symbol":"{symbol}","side":"{side}",'
                    f'"type":{kind},{reduce_only}"selfTradePreventionMode":"EXPIRE_TAKER",'
                    f'"newClientOrderId":"{prefix}'
                )
    assert len(texts) == PLACEMENTS
    return texts


assert len(to_base36(36**BRAIN_DIGITS - 1)) == BRAIN_DIGITS
