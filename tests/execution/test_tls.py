"""Encrypted addresses: verified against the file that is named, and refused without it."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.errors import FateUnknownError, OrderLinkError, UnusableSetupError
from aegis.execution.gateway import OrderGateway
from aegis.execution.replies import Answer
from aegis.execution.rest import RestClient
from aegis.execution.rest_line import RestOrderLine
from aegis.execution.signing import Ed25519Signer, HmacSigner
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run


def certificate(folder: Path, address: str) -> Path:
    """A certificate for `address` that signs itself, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exchange under test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{address}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


@asynccontextmanager
async def encrypted(exchange: FakeExchange, pem: Path) -> AsyncIterator[int]:
    """A second, encrypted way to the same exchange; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    site = web.TCPSite(exchange._runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield exchange._runner.addresses[-1][1]


@pytest.mark.parametrize(
    ("address", "trusted"), [("127.0.0.1", True), ("127.0.0.1", False), ("127.0.0.9", True)]
)
def test_the_chain_and_the_name_are_verified(tmp_path: Path, address: str, trusted: bool) -> None:
    pem = certificate(tmp_path, address)

    async def day() -> None:
        async with FakeExchange() as exchange, encrypted(exchange, pem) as port:
            web_url, socket = f"https://127.0.0.1:{port}", f"wss://127.0.0.1:{port}"
            endpoints = Endpoints(
                lambda: web_url,
                lambda: socket,
                lambda: socket,
                ca_file=str(pem) if trusted else None,
            )
            given = exchange.credentials
            signer = HmacSigner(given.hmac_secret)
            keys = Keys(given.api_key, signer, Ed25519Signer(given.ed25519_private_pem))
            rest = RestClient(web_url, given.api_key, signer, tls=endpoints.tls)
            lines = (
                OrderGateway(endpoints, keys, rest.now_ms, _ignore, lambda: None),
                RestOrderLine(endpoints, keys, _ignore),
            )
            try:
                if trusted and address == "127.0.0.1":
                    await rest.synchronise()
                    for line in lines:
                        await line.connect()
                        assert line.is_ready
                else:
                    with pytest.raises(FateUnknownError):
                        await rest.synchronise()
                    for line in lines:
                        with pytest.raises(OrderLinkError):
                            await line.connect()
            finally:
                for line in lines:
                    line.close()
                await rest.close()
                await asyncio.sleep(0)

    run(day())


def _ignore(answer: Answer, now_ns: int) -> None:
    assert answer.status >= 0 and now_ns > 0


def test_keys_never_go_over_a_network_in_the_clear(tmp_path: Path) -> None:
    for url in ("http://10.0.0.7", "ws://exchange.example:80"):
        address = partial(str, url)
        named = Endpoints(address, address, address)
        for ask in (named.rest_url, named.order_url, partial(named.private_url, "key")):
            with pytest.raises(UnusableSetupError, match="is not encrypted"):
                ask()
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(UnusableSetupError, match="ca_file"):
        Endpoints(lambda: None, lambda: None, lambda: None, ca_file=str(empty))
