"""The supervisor's two words to the venue: which of my orders rest, and cancel them all.

The last layer behind execution: asked once at the end of a run, after execution has drained (or in
place of it, when it is beyond restarting). Plain blocking HTTP with a short timeout, no thread and
no event loop, because the caller is the process that forks. Every answer may be "cannot be told".
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterable
from typing import Any, Protocol

__all__ = ["AccountKey", "VenueAccount"]

_TIMEOUT_S = 2.0
_CANCEL_PATIENCE_S = 10.0
_RECV_WINDOW_MS = 5_000
_HTTP_OK = 200
_MOST_BYTES = 4 * 1024 * 1024


class AccountKey(Protocol):
    """The part of the minted credentials that signs REST calls."""

    @property
    def api_key(self) -> str: ...
    @property
    def hmac_secret(self) -> str: ...


class VenueAccount:
    """One signed REST client for `base_url` (http://host:port), a connection per call."""

    def __init__(self, base_url: str, key: AccountKey) -> None:
        parts = urllib.parse.urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise ValueError(f"{base_url!r} is not http://host:port")
        self._host, self._port = parts.hostname, parts.port
        self._key = key

    def open_orders(self) -> int | None:
        """How many orders rest at the venue; None when it does not answer."""
        answer = self._call("GET", "/fapi/v1/openOrders", {})
        return len(answer) if isinstance(answer, list) else None

    def symbols_with_orders(self) -> list[str] | None:
        """The symbols on which orders rest; None when the venue does not answer."""
        answer = self._call("GET", "/fapi/v1/openOrders", {})
        if not isinstance(answer, list):
            return None
        return sorted({str(row["symbol"]) for row in answer if "symbol" in row})

    def cancel_all(self, symbols: Iterable[str]) -> bool:
        """Cancel every order of these symbols. True when the venue confirmed each.

        A venue that has become silent is not asked for hundreds of symbols: after some seconds the
        rest are given up, and the answer is False.
        """
        deadline_s = time.monotonic() + _CANCEL_PATIENCE_S
        confirmed = True
        for symbol in symbols:
            if time.monotonic() > deadline_s:
                return False
            answer = self._call("DELETE", "/fapi/v1/allOpenOrders", {"symbol": symbol})
            confirmed = confirmed and isinstance(answer, dict)
        return confirmed

    def _call(self, method: str, path: str, parameters: dict[str, str]) -> Any:
        """Sign and send; the decoded answer, or None for anything but a 200 with JSON in it."""
        parameters = {
            **parameters,
            "recvWindow": str(_RECV_WINDOW_MS),
            "timestamp": str(time.time_ns() // 1_000_000),
        }
        query = urllib.parse.urlencode(parameters)
        secret = self._key.hmac_secret.encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        target = f"{path}?{query}&signature={signature}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, headers={"X-MBX-APIKEY": self._key.api_key})
            response = connection.getresponse()
            body = response.read(_MOST_BYTES)
            return json.loads(body) if response.status == _HTTP_OK else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
