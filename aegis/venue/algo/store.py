"""The algo orders that the exchange remembers: those that live, and the newest that have ended.

``desk`` adds and finishes; queries look up by id and by client id. Ids are their own, apart from
those of orders.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from aegis.venue.algo.order import AlgoOrder

MAX_ENDED: Final = 500
# The exchange's ids of 2026 were about here; large ids find clients that use 32 bits.
FIRST_ALGO_ID: Final = 4_000_001_000_000_000


class AlgoStore:
    """Algo orders by id and by client id; of the ended ones the newest `max_ended`."""

    def __init__(self, max_ended: int = MAX_ENDED) -> None:
        self.live: dict[int, AlgoOrder] = {}
        self.last_id = FIRST_ALGO_ID
        self._live_by_client: dict[tuple[int, str], AlgoOrder] = {}
        self._ended: OrderedDict[int, AlgoOrder] = OrderedDict()
        self._ended_by_client: dict[tuple[int, str], AlgoOrder] = {}
        self._max_ended = max_ended

    def sizes(self) -> dict[str, int]:
        """How many entries each table holds, by name: every one of them is bounded."""
        return {
            "algo_live": len(self.live),
            "algo_ended": len(self._ended),
            "algo_by_client": len(self._live_by_client) + len(self._ended_by_client),
        }

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def add(self, algo: AlgoOrder) -> None:
        """Remember an order, living or ended."""
        self.last_id = max(self.last_id, algo.algo_id)
        key = (algo.account_id, algo.client_id)
        if not algo.is_final:
            self.live[algo.algo_id] = algo
            self._live_by_client[key] = algo
            return
        self._ended[algo.algo_id] = algo
        self._ended_by_client[key] = algo
        if len(self._ended) > self._max_ended:
            _, oldest = self._ended.popitem(last=False)
            old_key = (oldest.account_id, oldest.client_id)
            # A client id may have been used again since: then it names the newer order.
            if self._ended_by_client.get(old_key) is oldest:
                del self._ended_by_client[old_key]

    def finish(self, algo: AlgoOrder) -> None:
        """Move an order that reached a final status out of the living ones."""
        assert algo.is_final, f"algo order {algo.algo_id} finishes while {algo.status}"
        del self.live[algo.algo_id]
        del self._live_by_client[algo.account_id, algo.client_id]
        self.add(algo)

    def is_live_client_id(self, account_id: int, client_id: str) -> bool:
        return (account_id, client_id) in self._live_by_client

    def find(self, account_id: int, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        """The account's algo order; the algo id wins over the client id."""
        found: AlgoOrder | None = None
        if algo_id is not None:
            found = self.live.get(algo_id) or self._ended.get(algo_id)
        elif client_id is not None:
            key = (account_id, client_id)
            found = self._live_by_client.get(key) or self._ended_by_client.get(key)
        return found if found is not None and found.account_id == account_id else None

    def waiting_of(self, account_id: int, symbol: str | None = None) -> list[AlgoOrder]:
        """The account's orders that have not triggered yet, oldest first."""
        return [
            algo
            for algo in self.live.values()
            if algo.waits and algo.account_id == account_id and symbol in (None, algo.symbol)
        ]

    def all_of(self, account_id: int, symbol: str | None = None) -> list[AlgoOrder]:
        """Living and ended orders of the account, by id."""
        chosen = [
            algo
            for algo in self.everything()
            if algo.account_id == account_id and symbol in (None, algo.symbol)
        ]
        return sorted(chosen, key=lambda algo: algo.algo_id)

    def everything(self) -> Iterator[AlgoOrder]:
        """All remembered orders of all accounts, ended ones first."""
        yield from self._ended.values()
        yield from self.live.values()
