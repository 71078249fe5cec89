"""A feed against the embedded exchange, both in one event loop, for tests of the whole universe.

Also what stands between the two on the real net: a TLS terminator with a certificate of its own
authority, and a proxy that opens tunnels (CONNECT). Nothing of the feed is replaced.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aegis.feed.endpoints import Endpoints
from aegis.feed.process import Feed
from aegis.shm.control import RUN, STOP
from aegis.shm.instance import InstanceMemory

TIMEOUT_S = 60.0


async def eventually(
    condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S
) -> None:
    """Wait for a condition without blocking the loop that must bring it about."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


class FeedLife:
    """Use as `async with FeedLife(feed)`: the feed runs inside, and has left in order after it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.memory: InstanceMemory = feed.memory
        self.code: int | None = None
        self._life: asyncio.Task[int] | None = None

    def count(self, name: str) -> int:
        return self.memory.counters["feed"][name]

    @property
    def is_over(self) -> bool:
        """Whether the feed has left, whoever wanted it."""
        return self._life is None or self._life.done()

    async def __aenter__(self) -> FeedLife:
        self.memory.control.command = RUN
        self._life = asyncio.create_task(self.feed.main())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.memory.control.command = STOP
        assert self._life is not None
        self.code = await asyncio.wait_for(self._life, TIMEOUT_S)

    async def until(
        self, what: str, condition: Callable[[], bool], within_s: float = TIMEOUT_S
    ) -> None:
        assert self._life is not None
        life = self._life
        await eventually(lambda: condition() or life.done(), what, within_s)
        assert condition(), f"the feed ended while it was waited for {what}"

    async def until_valid(self, books: int) -> None:
        await self.until(f"{books} valid books", lambda: self.count("books_valid") == books)


async def arm(url: str, **fault: Any) -> None:
    """Arm a fault at the embedded exchange."""
    session = aiohttp.ClientSession()
    async with session, session.post(f"{url}/venue/faults", json=fault) as response:
        assert response.status == 200, await response.text()


async def disarm(url: str) -> None:
    """End all faults."""
    session = aiohttp.ClientSession()
    async with session, session.delete(f"{url}/venue/faults") as response:
        assert response.status == 200, await response.text()


# ---- between the feed and its exchange


def certify(folder: Path, host: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """(file of an authority made for this test, context of a server that it certifies)."""
    now = datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(hours=1)

    def begin(subject: str, issuer: str, key: Any) -> x509.CertificateBuilder:
        def name(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now).not_valid_after(later)

    authority_key = ec.generate_private_key(ec.SECP256R1())
    constraint = x509.BasicConstraints(ca=True, path_length=0)
    authority = begin("test authority", "test authority", authority_key)
    authority = authority.add_extension(constraint, critical=True)
    server_key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    server = begin("exchange", "test authority", server_key).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    files = {
        "ca.pem": authority.sign(authority_key, hashes.SHA256()).public_bytes(pem),
        "server.pem": server.sign(authority_key, hashes.SHA256()).public_bytes(pem),
        "server.key": server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return folder / "ca.pem", context


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Relay:
    """A TCP server that joins each client to `target`; with `tls` it ends the encryption.

    As a proxy (`target` None) the client names the target with CONNECT. `tunnels` are the names.
    """

    def __init__(self, target: int | None, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.tls = tls
        self.port = 0
        self.tunnels: list[str] = []
        self._server: asyncio.Server | None = None
        self._joined: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = self.target
        if target is None:
            head = await reader.readuntil(b"\r\n\r\n")
            method, name = head.split(b" ")[:2]
            assert method == b"CONNECT", head
            self.tunnels.append(name.decode())
            target = int(name.rpartition(b":")[2])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        both = (_pump(reader, far_writer), _pump(far_reader, writer))
        for task in [asyncio.create_task(one) for one in both]:
            self._joined.add(task)
            task.add_done_callback(self._joined.discard)


def plain(port: int) -> Endpoints:
    """The exchange's own port, unencrypted."""
    return Endpoints(lambda: f"http://127.0.0.1:{port}", lambda: f"ws://127.0.0.1:{port}")
