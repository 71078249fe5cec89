"""What children inherit from the supervisor besides memory: eventfds and the venue's test keys.

Made once, before the first fork, so that a restarted child finds the same descriptors. Secrets
live only in the memory of the processes; `repr` shows none of them.
"""

import os
from dataclasses import dataclass, field

from aegis.shm.instance import InstanceMemory

__all__ = ["Credentials", "Wiring"]


@dataclass(frozen=True)
class Credentials:
    """An API key and its secrets: HMAC text and an Ed25519 pair in PEM."""

    api_key: str
    hmac_secret: str = field(repr=False)
    ed25519_private_pem: bytes = field(repr=False)
    ed25519_public_pem: bytes = field(repr=False)


@dataclass
class Wiring:
    """Descriptors and keys of one instance, shared by all its processes.

    intents_fd wakes execution (written by the brain), outcomes_fd is for readers of outcomes that
    live in an event loop, ticks_fd for such readers of ticks.
    """

    instance: str
    memory: InstanceMemory
    intents_fd: int
    outcomes_fd: int
    ticks_fd: int
    credentials: Credentials | None = None
    venue_host: str = "127.0.0.1"

    @classmethod
    def make(
        cls,
        instance: str,
        memory: InstanceMemory,
        credentials: Credentials | None = None,
        venue_host: str = "127.0.0.1",
    ) -> "Wiring":
        """Create the eventfds (non-blocking, closed on exec)."""
        flags = os.EFD_NONBLOCK | os.EFD_CLOEXEC
        return cls(
            instance=instance,
            memory=memory,
            intents_fd=os.eventfd(0, flags),
            outcomes_fd=os.eventfd(0, flags),
            ticks_fd=os.eventfd(0, flags),
            credentials=credentials,
            venue_host=venue_host,
        )

    def close(self) -> None:
        """Close the eventfds (the supervisor, at the end)."""
        for descriptor in (self.intents_fd, self.outcomes_fd, self.ticks_fd):
            os.close(descriptor)

    def venue_port(self) -> int:
        """The embedded exchange's port, 0 while it has none."""
        return self.memory.counters["venue"]["port"]

    def venue_url(self, scheme: str = "http") -> str | None:
        """`scheme://host:port` of the embedded exchange, None while it is not up."""
        port = self.venue_port()
        return f"{scheme}://{self.venue_host}:{port}" if port else None

    def stopping(self, process: str) -> bool:
        """Whether the supervisor wants `process` to finish."""
        return self.memory.control.must_stop(process)
