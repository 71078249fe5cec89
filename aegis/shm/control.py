"""The control region: what the supervisor says to all processes of its instance.

The supervisor is its only writer. Words by index::

    0 heartbeat_ns     CLOCK_MONOTONIC of the supervisor's last turn
    1 command          1 run, 2 drain (cancel, finish, exit), 3 stop now
    2 config_version   goes up after a reload has been written
    3 mirror           1 when the embedded exchange replays a recording
    4 drain_mask       bit per process of PROCESSES that must drain
    16..31 generation  one word per process, in the order of PROCESSES
    64 text sequence   seqlock over the reloadable configuration text
    65 text length     bytes of UTF-8 JSON at byte 4096 + 1024

The text is what a reload may change (strategy parameters and limits) as one JSON object; a process
that sees a new config_version reads it, validates it with its own models and swaps.
"""

from typing import Final

from aegis.shm.counter_tables import PROCESSES
from aegis.shm.region import HEADER_BYTES, Region, Words

__all__ = ["BODY_BYTES", "DRAIN", "RUN", "STOP", "Control"]

KIND = 6
RUN, DRAIN, STOP = 1, 2, 3
WORDS: Final = 128
TEXT_AT: Final = HEADER_BYTES + WORDS * 8
TEXT_BYTES: Final = 60 * 1024
BODY_BYTES: Final = WORDS * 8 + TEXT_BYTES

HEARTBEAT, COMMAND, CONFIG_VERSION, MIRROR, DRAIN_MASK = 0, 1, 2, 3, 4
GENERATION = 16
TEXT_SEQUENCE, TEXT_LENGTH = 64, 65


class Control:
    """The control words; processes read, the supervisor writes."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.words: Words = region.words(HEADER_BYTES, WORDS)

    @property
    def heartbeat_ns(self) -> int:
        """CLOCK_MONOTONIC of the supervisor's last turn."""
        return int(self.words[HEARTBEAT])

    @heartbeat_ns.setter
    def heartbeat_ns(self, value: int) -> None:
        self.words[HEARTBEAT] = value

    @property
    def command(self) -> int:
        """RUN, DRAIN or STOP for everybody (0 before the supervisor has spoken)."""
        return int(self.words[COMMAND])

    @command.setter
    def command(self, value: int) -> None:
        self.words[COMMAND] = value

    @property
    def mirror(self) -> bool:
        """Whether the embedded exchange replays a recording."""
        return bool(self.words[MIRROR])

    @mirror.setter
    def mirror(self, value: bool) -> None:
        self.words[MIRROR] = int(value)

    @property
    def config_version(self) -> int:
        """Version of the reloadable configuration."""
        return int(self.words[CONFIG_VERSION])

    def drain(self, process: str) -> None:
        """Ask one process to drain (finish its work and exit), the others go on."""
        self.words[DRAIN_MASK] |= self.words.dtype.type(1 << PROCESSES.index(process))

    def undrain(self, process: str) -> None:
        """Withdraw a drain before a process is started again."""
        keep = 0xFFFF ^ (1 << PROCESSES.index(process))
        self.words[DRAIN_MASK] &= self.words.dtype.type(keep)

    def must_stop(self, process: str) -> bool:
        """Whether this process should finish, by its own bit or by the command for all."""
        mask = int(self.words[DRAIN_MASK])
        return self.command >= DRAIN or bool(mask >> PROCESSES.index(process) & 1)

    def generation(self, process: str) -> int:
        """How many times a process has been started (the brain's epoch among them)."""
        return int(self.words[GENERATION + PROCESSES.index(process)])

    def next_generation(self, process: str) -> int:
        """Count a start of a process; returns the new generation."""
        place = GENERATION + PROCESSES.index(process)
        self.words[place] += self.words.dtype.type(1)
        return int(self.words[place])

    def write_text(self, text: str) -> int:
        """Publish new reloadable configuration; returns the new config_version.

        Raises ValueError when the text does not fit.
        """
        raw = text.encode()
        if len(raw) > TEXT_BYTES:
            raise ValueError(f"reloadable configuration of {len(raw)} bytes; {TEXT_BYTES} fit")
        one = self.words.dtype.type(1)
        # Odd in any case, also after a writer that died inside.
        inside = (int(self.words[TEXT_SEQUENCE]) + 1) | 1
        self.words[TEXT_SEQUENCE] = inside
        self.region.memory[TEXT_AT : TEXT_AT + len(raw)] = raw
        self.words[TEXT_LENGTH] = len(raw)
        self.words[TEXT_SEQUENCE] = inside + 1
        self.words[CONFIG_VERSION] += one
        return self.config_version

    def read_text(self) -> str | None:
        """The reloadable configuration, or None while it is being written (ask again)."""
        before = int(self.words[TEXT_SEQUENCE])
        if before & 1:
            return None
        length = min(int(self.words[TEXT_LENGTH]), TEXT_BYTES)
        raw = bytes(self.region.memory[TEXT_AT : TEXT_AT + length])
        if int(self.words[TEXT_SEQUENCE]) != before:
            return None
        return raw.decode()
