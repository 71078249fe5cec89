"""Runs in the readers' own environment: an export replayed by hftbacktest, what it saw as JSON.

Called by test_hftbacktest.py as a program: replay.py FILE TICK_SIZE LOT_SIZE. Every second of the
replay gives one sample: its time, the best bid and the best ask, and the trades since the last one.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order
from numba import njit

SECOND_NS = 1_000_000_000


@njit
def replay(engine, samples):
    count = 0
    while True:
        going = engine.elapse(SECOND_NS) == 0
        depth = engine.depth(0)
        trades = engine.last_trades(0)
        quantity = 0.0
        for trade in trades:
            quantity += trade.qty
        samples[count, 0] = engine.current_timestamp
        samples[count, 1] = depth.best_bid_tick
        samples[count, 2] = depth.best_ask_tick
        samples[count, 3] = len(trades)
        samples[count, 4] = quantity
        engine.clear_last_trades(0)
        count += 1
        if not going:
            return count


def main() -> None:
    path, tick_size, lot_size = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    events = np.load(path)["data"]
    validate_event_order(events)
    asset = (
        BacktestAsset()
        .data([path])
        .linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(tick_size)
        .lot_size(lot_size)
        .last_trades_capacity(100_000)
    )
    engine = HashMapMarketDepthBacktest([asset])
    span_s = (int(events["local_ts"].max()) - int(events["exch_ts"].min())) // SECOND_NS
    samples = np.zeros((span_s + 10, 5))
    count = replay(engine, samples)
    engine.close()
    found = samples[:count].tolist()
    print(json.dumps({"events": int(events.size), "samples": found}))


if __name__ == "__main__":
    main()
