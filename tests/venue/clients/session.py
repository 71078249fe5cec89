"""One session of a foreign client: its chapters, its report, and the fence around its network.

The scripts beside this file call `run`; they are started by ``test_sessions`` with the interpreter
that has the client installed, and get their job (URLs, keys, sizes) as JSON on standard input.
Knows the standard library only. It must never soften a client: nothing of theirs is patched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.venue.clients.direct import Direct

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CHAPTER_S = 60.0
PATIENCE_S = 30.0
POLL_S = 0.01
LOCAL_CHARACTERS = 600

Figures = dict[str, Any]
Thing = TypeVar("Thing")


@dataclass(frozen=True, repr=False)
class Key:
    """An API key with both of its secrets, as the venue minted it; no report can hold it."""

    api_key: str
    hmac_secret: str
    ed25519_pem: str


@dataclass(frozen=True)
class Job:
    """What the test asks for. `lively` has order flow; on `quiet` only we trade.

    `limited` has the exchange's own rate limits, the other two have room for a whole session.
    """

    lively: str
    quiet: str
    limited: str
    symbol: str
    key: Key
    rivals: tuple[Key, ...]
    book_seconds: float
    long: bool

    @classmethod
    def read(cls) -> Job:
        """The job on standard input."""
        given = json.load(sys.stdin)
        given["key"] = Key(**given["key"])
        given["rivals"] = tuple(Key(**key) for key in given["rivals"])
        return cls(**given)

    def market_side(self, index: int) -> Direct:
        """A rival's own connection to the quiet venue."""
        rival = self.rivals[index]
        return Direct(self.quiet, rival.api_key, rival.hmac_secret)

    def own_side(self) -> Direct:
        """The client's account on the quiet venue, past the client: for tidying up."""
        return Direct(self.quiet, self.key.api_key, self.key.hmac_secret)


class Fence:
    """Every address that this process asks for; one that is not ours is refused and remembered."""

    def __init__(self) -> None:
        self.strangers: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else "a local path"
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        else:
            return
        host = host.decode() if isinstance(host, bytes) else host
        if host is not None and host not in LOOPBACK:
            self.strangers.append(str(host))
            raise PermissionError(f"the client asked for {host}")


class Complaints(logging.Handler):
    """What the client logs at WARNING or above: for a client that is content, nothing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []
        self.expected: tuple[str, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({record.exc_info[1]!r})"
        if not any(part in text for part in self.expected):
            self.seen.append(text)

    def take(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


Chapter = Callable[[Any], Awaitable[Figures]]
OpenScene = Callable[[Job], AbstractAsyncContextManager[Any]]


def run(open_scene: OpenScene, chapters: Sequence[Chapter]) -> None:
    """Play all chapters in their order and tell of each on standard output, a JSON line each."""
    fence = Fence()
    complaints = Complaints()
    logging.basicConfig(handlers=[complaints], level=logging.WARNING, force=True)
    asyncio.run(_play(open_scene, chapters, fence, complaints))


async def _play(
    open_scene: OpenScene, chapters: Sequence[Chapter], fence: Fence, complaints: Complaints
) -> None:
    job = Job.read()
    async with open_scene(job) as scene:
        scene.complaints = complaints
        for chapter in chapters:
            await _one(chapter, scene, fence, complaints)
    _tell({"chapter": "goodbye", "error": _grievances(fence, complaints)})


async def _one(chapter: Chapter, scene: Any, fence: Fence, complaints: Complaints) -> None:
    began_s = time.monotonic()
    figures: Figures = {}
    error = None
    try:
        figures = await asyncio.wait_for(chapter(scene), CHAPTER_S + scene.job.book_seconds)
    except Exception as problem:
        error = _told(problem)
    grievances = _grievances(fence, complaints)
    if grievances:
        error = f"{error or ''}\n{grievances}"
    seconds = round(time.monotonic() - began_s, 3)
    name = chapter.__name__
    _tell({"chapter": name, "error": error, "seconds": seconds, "figures": figures})


def _told(problem: Exception) -> str:
    """The traceback, and what the innermost frame of ours knew: no pytest is here to say it."""
    told = traceback.TracebackException.from_exception(problem, capture_locals=True)
    own = [frame for frame in told.stack if "/tests/venue/clients/" in frame.filename]
    known = dict(own[-1].locals or {}) if own else {}
    facts = [f"  {name} = {text[:LOCAL_CHARACTERS]}" for name, text in known.items()]
    return "\n".join([*traceback.format_exception(problem), *facts])


def _grievances(fence: Fence, complaints: Complaints) -> str | None:
    told = [f"asked for {host}" for host in fence.strangers] + complaints.take()
    fence.strangers.clear()
    return "\n".join(told) or None


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


async def until(condition: Callable[[], Thing], what: str, timeout_s: float = PATIENCE_S) -> Thing:
    """Let the client's own tasks run until `condition` holds; returns its answer."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline_s, f"waited {timeout_s} s for {what}: {answer!r}"
        await asyncio.sleep(POLL_S)


async def all_have_come(seen: Mapping[str, Sequence[Any]], timeout_s: float = PATIENCE_S) -> None:
    """Wait until every list has something in it; says which have not."""
    deadline_s = time.monotonic() + timeout_s
    while missing := [name for name, messages in seen.items() if not messages]:
        assert time.monotonic() < deadline_s, f"after {timeout_s} s nothing of {missing}"
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def expecting(complaints: Complaints, *parts: str) -> AsyncIterator[None]:
    """Within it the client may log texts that have one of `parts`: the error it was made to see."""
    complaints.expected = parts
    try:
        yield
    finally:
        complaints.expected = ()
