"""Where execution finds the exchange, how it trusts it, and which keys it shows there.

`Endpoints` has the addresses: of the embedded exchange, which may change with its port, or of the
environment in `[venue]`. Encrypted addresses are verified always, name and chain; a plain one is
taken for this box alone (the configuration lets no other through, and it is looked at again here).
`Keys` are an API key and what signs with it; no repr shows any of it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from aegis.config.settings import Settings
from aegis.execution.errors import UnusableSetupError
from aegis.execution.signing import Ed25519Signer, Signer

__all__ = ["Endpoints", "Keys"]

ORDER_PATH = "/ws-fapi/v1"
_PLAIN = ("http", "ws")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Keys:
    """One account's API key; `signer` is for REST, `order_signer` for the order connection."""

    api_key: str = field(repr=False)
    signer: Signer = field(repr=False)
    order_signer: Signer = field(repr=False)

    @property
    def can_log_on(self) -> bool:
        """Whether the order connection takes one signature for all: Ed25519 keys only."""
        return isinstance(self.order_signer, Ed25519Signer)


class Endpoints:
    """Addresses as `scheme://host[:port]`, or None while there is none."""

    def __init__(
        self,
        rest: Callable[[], str | None],
        stream: Callable[[], str | None],
        orders: Callable[[], str | None],
        *,
        dialect: str = "2026",
        ca_file: str | None = None,
        is_embedded: bool = False,
    ) -> None:
        """Raises UnusableSetupError for a `ca_file` that cannot be read or has no certificate.

        The embedded exchange speaks plainly on whatever address of this box it was given.
        """
        self._rest, self._stream, self._orders = rest, stream, orders
        self._dialect = dialect
        self._is_embedded = is_embedded
        try:
            self.tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UnusableSetupError(f"[venue] ca_file {ca_file}: {error}") from error
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        assert self.tls.verify_mode is ssl.CERT_REQUIRED, "certificates are verified"
        assert self.tls.check_hostname, "and so are the names in them"

    @classmethod
    def of(cls, settings: Settings, embedded: Callable[[str], str | None]) -> Endpoints:
        """Those of an instance; `embedded(scheme)` is the embedded exchange's address."""
        found, venue = settings.environment, settings.venue
        if found is None:
            stream = partial(embedded, "ws")
            return cls(
                partial(embedded, "http"), stream, stream, dialect=venue.dialect, is_embedded=True
            )
        return cls(
            lambda: found.rest_url,
            lambda: found.stream_url,
            lambda: found.order_url,
            dialect=venue.dialect,
            ca_file=venue.ca_file,
        )

    def rest_url(self) -> str | None:
        """The base of REST paths."""
        return self._checked(self._rest())

    def order_url(self) -> str | None:
        """The order connection's address."""
        base = self._checked(self._orders())
        return base and f"{base}{ORDER_PATH}"

    def private_url(self, listen_key: str) -> str | None:
        """The private stream's address: a route of its own since 2026, none before."""
        base = self._checked(self._stream())
        route = "/private/ws" if self._dialect == "2026" else "/ws"
        return base and f"{base}{route}/{listen_key}"

    def trust(self, url: str) -> ssl.SSLContext | None:
        """What verifies this address, None for a plain one."""
        return None if urlsplit(url).scheme in _PLAIN else self.tls

    def _checked(self, url: str | None) -> str | None:
        """Refuse an address that would carry keys and orders over a network in the clear."""
        if url is not None and not self._is_embedded:
            parts = urlsplit(url)
            if parts.scheme in _PLAIN and parts.hostname not in _LOOPBACK:
                raise UnusableSetupError(f"{parts.scheme}://{parts.hostname}: is not encrypted")
        return url
