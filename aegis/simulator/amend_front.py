"""Amends at the exchange's front: carried out, refused, left open, late, or lost on the way.

The front calls `serve_amend` for order.modify and `put_order` for PUT /order. The faults are those
of a placement, and one more: an order that rests, of which the exchange says that there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aegis.simulator.exchange import Refusal

if TYPE_CHECKING:
    from aegis.simulator.front import Front
    from aegis.simulator.network import Line

__all__ = ["UNCLEAR", "put_order", "serve_amend"]

Json = dict[str, Any]
_MS = 1_000_000
UNCLEAR = (
    (503, 0, "Unknown error, please check your request or try again later."),
    (408, -1007, "Timeout waiting for response from backend server. Send status unknown."),
    (500, -1006, "An unexpected response was received. Execution status unknown."),
    (500, -1000, "An unknown error occurred while processing the request."),
)
CERTAIN = (
    (503, 0, "Service Unavailable."),
    (503, -1008, "Server is currently overloaded with other requests."),
    (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    (400, -2013, "Order does not exist."),
    (400, -5026, "Exceed maximum modify order limit."),
    (400, -5043, "A pending modification already exists for this order."),
    (429, -1003, "Too many requests."),
)


def error(status: int, code: int, text: str) -> Json:
    """An error answer."""
    return {"status": status, "error": {"code": code, "msg": text}}


def serve_amend(
    front: Front, line: Line, number: Any, parameters: Json, answer: Callable[..., None]
) -> None:
    """One order.modify of an order line; `answer` gives (line, number, reply), if it comes."""
    rng, plan = front.rng, front.plan
    if front.quiet_until_ns > front.agenda.timeline.now_ns:
        answer(line, number, error(429, -1003, "Too many requests."))
    elif plan.amend_fault and rng.random() < plan.amend_fault:
        if rng.random() < 0.5:
            answer(line, number, error(*rng.choice(CERTAIN)))
            return
        if rng.random() < 0.5:
            _carry_out(front, parameters)
        if rng.random() < 0.8:
            answer(line, number, error(*rng.choice(UNCLEAR)))
    elif plan.amend_late and rng.random() < plan.amend_late:
        # It will be carried out, but not yet, and only within its window.
        left_ms = parameters["timestamp"] + parameters["recvWindow"] - front.now_ms()
        if left_ms > 1:
            front.agenda.after(rng.randrange(left_ms) * _MS, _carry_out, front, parameters)
        if rng.random() < 0.5:
            answer(line, number, error(*rng.choice(UNCLEAR)))
    else:
        answer(line, number, _carry_out(front, parameters))


def put_order(front: Front, query: dict[str, str]) -> Json:
    """PUT /order, without faults of its own: raises Refusal."""
    times = {name: int(query[name]) for name in ("timestamp", "recvWindow")}
    reply = _carry_out(front, {**query, **times})
    if reply["status"] != 200:
        raise Refusal(reply["error"]["code"], reply["error"]["msg"], reply["status"])
    result: Json = reply["result"]
    return result


def _carry_out(front: Front, parameters: Json) -> Json:
    exchange = front.exchange
    exchange.now_ms = front.now_ms()
    try:
        front.check_time(parameters["timestamp"], parameters["recvWindow"])
        order = exchange.amend(
            parameters["origClientOrderId"],
            1 if parameters["side"] == "BUY" else -1,
            round(float(parameters["price"]) * 10),
            round(float(parameters["quantity"]) * 1_000),
        )
    except Refusal as refusal:
        return error(refusal.status, refusal.code, refusal.text)
    return {"status": 200, "result": exchange.row(order)}
