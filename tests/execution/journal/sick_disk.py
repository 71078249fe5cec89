"""A trading process whose disk falls ill, for `test_real_faults`: run as a program, tells as JSON.

`full FOLDER`: FOLDER is on a small file system, which is filled to the last byte while it trades.
`sync FOLDER`: the fdatasync of this process fails from the moment on that FOLDER/fail exists.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from aegis.shm.intent import POST_ONLY, REDUCE_ONLY
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running


def fill_disk(folder: Path) -> None:
    """Take every byte that is left."""
    with suppress(OSError), open(folder / "filling", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def write_much(rig: Rig) -> None:
    """More records than a segment holds: the journal goes over to its reserve."""
    core = rig.session.core
    for number in range(36_000):
        core.on_funding(1 if number % 2 else -1, 1)
        if number % 100 == 99:
            rig.session.intake.publish()


async def trade(mode: str, folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as memory:
        async with FakeExchange() as exchange:
            options = {"journal": {"dir": str(folder)}}
            async with running(Path(memory), exchange, **options) as rig:
                filled = await rig.placed(qty_lots=4)
                exchange.fill(rig.order_of(filled), "0.004")
                await rig.until(lambda: rig.counters["fills"] == 1, "the fill")
                resting = await rig.placed()
                if mode == "full":
                    fill_disk(folder)
                    write_much(rig)
                else:
                    (folder / "fail").write_text("")
                    rig.send()
                await rig.until(lambda: rig.counters["gate_state"] > 1, "a latch that moved")
                told["state"] = rig.counters["gate_state"]
                told["reason"] = rig.counters["gate_reason"]
                await rig.outcome(resting, CANCELED)
                refused = rig.send()
                told["refused_by"] = int((await rig.outcome(refused, DENIED))["reason"])
                reducing = rig.send(
                    side=-1, flags=POST_ONLY | REDUCE_ONLY, price_ticks=600_100, qty_lots=2
                )
                await rig.outcome(reducing, ACCEPTED)
                told["orders_sent"] = rig.counters["orders_sent"]
            told["exit_code"] = rig.exit_code
            told["resting"] = exchange.open_ids()
    return told


def main() -> None:
    found: dict[str, Any] = {}

    async def day() -> None:
        found.update(await trade(sys.argv[1], Path(sys.argv[2])))

    run(day())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
