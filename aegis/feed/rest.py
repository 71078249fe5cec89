"""REST questions to the exchange: GET with a deadline, and what a refusal means.

Called by the process for exchangeInfo, depth snapshots and candles. No retries here: whoever asks
knows what waiting costs. A 429 or 418 shuts the gate, and while it is shut no question leaves.
Raises RestError and RateLimitedError, and InvalidSymbolError where the exchange has no such symbol.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from types import TracebackType

import aiohttp

from aegis.feed.errors import InvalidSymbolError, RateLimitedError, RestError
from aegis.feed.gate import REFUSALS, AddressGate

__all__ = ["MarketRest", "pause_of"]

# exchangeInfo of 900 symbols is 2 MB; more than this is not an answer.
MAX_BODY_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 16
_BANNED_UNTIL = re.compile(r"until (\d{13})")
# Waits for refusals that do not say how long: a rate-limit window, and the shortest ban.
_LIMIT_PAUSE_S = 10.0
_BAN_PAUSE_S = 120.0
_SHOWN = 120
_INVALID_SYMBOL = '"code":-1121'
_CONNECTIONS = 20
_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"


def pause_of(status: int, retry_after: str | None, text: str, now_ms: int) -> float:
    """Seconds of silence that a 429 or 418 asks for: header, ban time in the text, or a default."""
    if retry_after is not None and retry_after.strip().isdigit():
        return float(min(int(retry_after), 3 * 86_400))
    found = _BANNED_UNTIL.search(text)
    if found:
        return max((int(found.group(1)) - now_ms) / 1000.0, 0.0)
    return _BAN_PAUSE_S if status == 418 else _LIMIT_PAUSE_S


class MarketRest:
    """One HTTP session; use as `async with`."""

    def __init__(
        self,
        deadline_s: float,
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        observe: Callable[[int], None] = lambda used: None,
        gate: AddressGate | None = None,
    ) -> None:
        """`tls` verifies https addresses (without it the system's authorities do).

        `observe` hears the request weight of this minute, as each answer tells it. Without a
        `gate` to share with others it has one of its own.
        """
        self.gate = gate or AddressGate()
        self.deadline_s = deadline_s
        self._observe = observe
        self._tls = tls or ssl.create_default_context()
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> MarketRest:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._tls),
            # No proxy from the environment, and no cookies.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, deadline_s: float | None = None, **parameters: str) -> bytes:
        """The body of a 200 answer, within `deadline_s` or else the session's deadline."""
        assert self._session is not None, "use MarketRest as a context manager"
        left_s = self.gate.left_s
        if left_s > 0.0:
            raise RateLimitedError(
                f"GET {url}: not asked, the exchange wants silence for {left_s:.1f} s", left_s
            )
        limit_s = self.deadline_s if deadline_s is None else deadline_s
        try:
            async with asyncio.timeout(limit_s):
                async with self._session.get(
                    url, params=parameters, proxy=self._proxy, allow_redirects=False
                ) as response:
                    body = await _read_bounded(response, url)
                    self._note_weight(response.headers.get(_WEIGHT_HEADER))
                    status = response.status
                    retry_after = response.headers.get("Retry-After")
        except TimeoutError as error:
            raise RestError(f"GET {url}: no answer within {limit_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RestError(f"GET {url}: {type(error).__name__}: {error}") from error
        if status == 200:
            return body
        text = body[:_SHOWN].decode("utf-8", "replace")
        if status in REFUSALS:
            pause_s = pause_of(status, retry_after, text, time.time_ns() // 1_000_000)
            self.gate.note(status, pause_s)
            raise RateLimitedError(f"GET {url}: {status}, wait {pause_s:g} s: {text}", pause_s)
        if status == 400 and _INVALID_SYMBOL in text:
            raise InvalidSymbolError(f"GET {url}: {status}: {text}")
        raise RestError(f"GET {url}: {status}: {text}")

    def _note_weight(self, text: str | None) -> None:
        if text is not None and text.strip().isdigit():
            self._observe(int(text))


async def _read_bounded(response: aiohttp.ClientResponse, url: str) -> bytes:
    """The whole body, refused as soon as it is larger than any answer can be."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise RestError(f"GET {url}: answer of more than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
