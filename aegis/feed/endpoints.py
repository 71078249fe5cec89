"""Where the exchange is and how it is reached: addresses, trust, proxy.

Made once by the process, asked by REST and by every connection. The embedded exchange has an
address once it is up, in the instance's wiring; any other is in `[feed]`. Encrypted addresses are
verified always, name and chain, against the system's authorities or the file that `[feed]` names:
there is no way to switch that off.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from aegis.config.models import FeedConfig
from aegis.config.settings import Settings
from aegis.feed.errors import FeedError

__all__ = ["Endpoints"]

_EMBEDDED = "embedded"


class Endpoints:
    """`rest` and `stream` give `scheme://host:port`, or None while there is none."""

    def __init__(
        self,
        rest: Callable[[], str | None],
        stream: Callable[[], str | None],
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        """Raises FeedError for a `ca_file` that cannot be read or holds no certificate."""
        self.rest = rest
        self.stream = stream
        self.proxy = proxy
        try:
            self.tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise FeedError(f"[feed] ca_file {ca_file}: {error}") from error
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        assert self.tls.verify_mode is ssl.CERT_REQUIRED, "certificates are verified"
        assert self.tls.check_hostname, "and so are the names in them"

    @classmethod
    def of(cls, settings: Settings, embedded: Callable[[str], str | None]) -> Endpoints:
        """Those of an instance; `embedded(scheme)` is the embedded exchange's address."""
        if str(settings.venue.mode) == _EMBEDDED:
            return cls(lambda: embedded("http"), lambda: embedded("ws"))
        return cls.named(settings.feed)

    @classmethod
    def named(cls, feed: FeedConfig) -> Endpoints:
        """Those of the `[feed]` table. Raises FeedError when an address is missing."""
        missing = [key for key in ("rest_url", "stream_url") if getattr(feed, key) is None]
        if missing:
            raise FeedError(f"[feed] {' and '.join(missing)}: missing; the exchange has no address")
        return cls(lambda: feed.rest_url, lambda: feed.stream_url, feed.proxy, feed.ca_file)
