"""Parts of `aegis bench execution`: the exchange, the stand-in of the brain, and the usual Python.

Each runs in a forked process of its own. The stand-in keeps books, counters and heartbeats fresh as
feed and supervisor would, and publishes placements and their cancels at an even pace; the time of
the publication travels in the intent. The baseline takes the same orders from a
`multiprocessing.Queue` and sends them signed, with `json` and `hmac`, by `aiohttp` or
`websockets`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import numpy as np

from aegis.bench.python_lanes import sorted_percentiles
from aegis.config.models import VenueConfig
from aegis.host.clock import monotonic_ns
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANCEL, INTENT, PLACE, POST_ONLY
from aegis.shm.wake import wake

__all__ = ["ChildProcess", "beat", "run_baseline", "serve_exchange", "stand_in", "write_order"]

SYMBOL = "BTCUSDT"
BELOW_TICKS = 1_000
_HEARTBEAT_NS = 2_000_000


class ChildProcess:
    """A forked process that may tell one line (`told`), ended by SIGTERM and reaped by `close`.

    It runs on `core` alone, if one is given.
    """

    def __init__(
        self, body: Callable[[Callable[[str], object]], None], core: int | None = None
    ) -> None:
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            # Whatever happens in here, the child must never go on as a second parent.
            try:
                os.close(reader)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                if core is not None:
                    os.sched_setaffinity(0, {core})
                body(lambda text: os.write(writer, f"{text}\n".encode()))
            except Exception as error:
                print(f"bench: a process failed: {type(error).__name__}: {error}", file=sys.stderr)
            finally:
                os._exit(0)
        os.close(writer)
        self._reader = os.fdopen(reader)

    def told(self) -> str:
        """Wait for the line; empty when the process ended without one."""
        return self._reader.readline().strip()

    def fileno(self) -> int:
        """What becomes readable when there is a line."""
        return self._reader.fileno()

    def close(self) -> None:
        """End and reap it."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        self._reader.close()


def serve_exchange(keys: Any, tell: Callable[[str], object]) -> None:
    """The embedded exchange with nearly no limits; tells its port."""
    import uvloop

    from aegis.config.models import VenueLimitsConfig
    from aegis.venue.build import VenueOptions
    from aegis.venue.serve import Venue

    many = 10_000_000
    limits = VenueLimitsConfig(
        weight_per_minute=many, orders_per_10s=many, orders_per_minute=many, messages_per_s=many
    )
    options = VenueOptions(config=VenueConfig(universe=1, limits=limits), keys=(keys,))

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        venue = Venue(options)
        await venue.start()
        bid = venue.core.exchange.markets[SYMBOL].book.depth(1, 1)[0][0]
        tell(f"{venue.port} {bid}")
        await venue.wait(stop)
        await venue.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def stand_in(memory: InstanceMemory, bid: int, orders: int, rate_per_s: int) -> None:
    """Be supervisor, feed and brain until SIGTERM; place and cancel `orders` times once ready."""
    execution, published = memory.counters["execution"], 0
    record = np.zeros(1, INTENT)
    levels = np.array([[bid / 10, 1.0]]), np.array([[bid / 10 + 0.1, 1.0]])
    epoch = memory.control.generation("brain")
    pause_ns = 1_000_000_000 // (2 * rate_per_s)
    beat_ns = due_ns = 0
    while True:
        now_ns = monotonic_ns()
        if now_ns >= beat_ns:
            beat_ns = now_ns + _HEARTBEAT_NS
            beat(memory, now_ns, levels)
            due_ns = due_ns if execution["ready"] else now_ns + 200_000_000
        if now_ns >= due_ns and published < 2 * orders:
            due_ns = max(due_ns + pause_ns, now_ns - 10 * pause_ns)
            ref, is_cancel = divmod(published, 2)
            write_order(memory, record, ref + 1, is_cancel, bid, epoch)
            wake(memory.intents.header)
            while memory.outcomes.take().size:
                continue
            published += 1
            continue
        time.sleep(max(0, min(due_ns, beat_ns) - monotonic_ns() - 60_000) / 1e9)


def beat(memory: InstanceMemory, now_ns: int, levels: tuple[Any, Any]) -> None:
    """Show execution that supervisor, feed and brain live, and what the top of the book is."""
    memory.control.heartbeat_ns = now_ns
    memory.counters["brain"]["loop_ts_ns"] = now_ns
    feed = memory.counters["feed"]
    feed["loop_ts_ns"] = feed["last_message_ns"] = now_ns
    feed["connected"] = 1
    memory.books.write(0, 1, 0, now_ns, *levels)
    mid = float(levels[0][0, 0] + levels[1][0, 0]) / 2
    memory.marks.write(0, 0, now_ns, mid, mid)


def write_order(
    memory: InstanceMemory, record: Any, ref: int, is_cancel: int, bid: int, epoch: int
) -> None:
    """Publish a placement far below the market, or the cancel of the one with this reference."""
    now_ns = monotonic_ns()
    record["kind"] = CANCEL if is_cancel else PLACE
    record["order_ref"] = record["intent_id"] = ref
    record["side"], record["flags"], record["qty_lots"] = 1, POST_ONLY, 2
    record["price_ticks"] = bid - BELOW_TICKS - ref % 50
    record["valid_until_ns"] = now_ns + 2_000_000_000
    record["ts_decided_ns"] = record["cause_ts_recv_ns"] = now_ns
    record["epoch"] = epoch
    memory.intents.offer(record)


def run_baseline(
    port: int, keys: Any, bid: int, orders: int, rate_per_s: int, core: int
) -> dict[str, Any]:
    """The same orders the usual way, sent from `core`; percentiles in µs by transport."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    found = {}
    for transport, send in (("ws", _by_websocket), ("rest", _by_rest)):
        queue: Any = context.Queue()
        results: Any = context.Queue()
        arguments = (send, port, keys, bid, queue, results, core)
        process = context.Process(target=_baseline_process, args=arguments)
        process.start()
        for ref in range(orders):
            time.sleep(1 / rate_per_s)
            queue.put((time.monotonic_ns(), ref))
        queue.put(None)
        times = results.get(timeout=120)
        process.join(30)
        found[transport] = in_microseconds(sorted_percentiles(times))
    return found


def in_microseconds(percentiles: dict[str, int]) -> dict[str, float]:
    """p50 and p99 in µs."""
    return {key: round(percentiles[key] / 1_000, 1) for key in ("p50", "p99")}


def _baseline_process(
    send: Callable[..., Any], port: int, keys: Any, bid: int, queue: Any, results: Any, core: int
) -> None:
    os.sched_setaffinity(0, {core})
    times: list[int] = []
    asyncio.run(send(port, keys, bid, queue, times))
    results.put(times)


def _fields(keys: Any, bid: int, name: str, ref: int) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTX",
        "quantity": "0.002",
        "price": f"{(bid - BELOW_TICKS - ref % 50) / 10:.1f}",
        "newClientOrderId": f"{name}-{ref}",
        "recvWindow": 5_000,
        "timestamp": int(time.time() * 1_000),
    }


async def _next(queue: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, queue.get)


async def _by_websocket(port: int, keys: Any, bid: int, queue: Any, times: list[int]) -> None:
    from websockets.asyncio.client import connect

    async def listen(socket: Any) -> None:
        async for text in socket:
            json.loads(text)

    async with connect(f"ws://127.0.0.1:{port}/ws-fapi/v1", compression=None) as socket:
        reader = asyncio.create_task(listen(socket))
        while (order := await _next(queue)) is not None:
            published_ns, ref = order
            fields = {**_fields(keys, bid, "base-ws", ref), "apiKey": keys.api_key}
            text = "&".join(f"{key}={fields[key]}" for key in sorted(fields))
            fields["signature"] = _signature(keys, text)
            request = {"id": f"{ref}", "method": "order.place", "params": fields}
            await socket.send(json.dumps(request))
            times.append(time.monotonic_ns() - published_ns)
        reader.cancel()


async def _by_rest(port: int, keys: Any, bid: int, queue: Any, times: list[int]) -> None:
    import aiohttp

    trace = aiohttp.TraceConfig()
    began: list[int] = [0]

    async def sent(session: Any, context: Any, parameters: Any) -> None:
        # The body is the last that is handed to the transport.
        times.append(time.monotonic_ns() - began[0])

    trace.on_request_chunk_sent.append(sent)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        while (order := await _next(queue)) is not None:
            began[0], ref = order
            text = urlencode(_fields(keys, bid, "base-rest", ref))
            body = f"{text}&signature={_signature(keys, text)}"
            headers = {
                "X-MBX-APIKEY": keys.api_key,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            url = f"http://127.0.0.1:{port}/fapi/v1/order"
            async with session.post(url, data=body, headers=headers) as reply:
                await reply.json()


def _signature(keys: Any, text: str) -> str:
    return hmac.new(keys.hmac_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
