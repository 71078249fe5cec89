"""The doctor asks real exchanges: the embedded one in a process of its own, and one with TLS.

No key may be in anything that comes of it.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aegis.config import AegisConfig, load_config
from aegis.config.environments import environment_of
from aegis.doctor import exchange_ask
from aegis.doctor.box import Box
from aegis.doctor.examine import examine, judge_one
from aegis.doctor.exchange_ask import look_at_exchange
from aegis.doctor.exchange_look import Failure, Look
from aegis.doctor.registry import CHECKS
from aegis.doctor.visit import Visit
from aegis.execution.client_id import ClientIds
from aegis.execution.credentials import fingerprint_of
from aegis.shm.instance import directory_of
from aegis.shm.rate_ledger import RateLedger, ledger_path
from tests.appliance.exchange import Exchange, served
from tests.config.sample import EIGHT_CORES, SAMPLE
from tests.doctor.ground import outcome_of
from tests.doctor.wallet_exchange import WalletExchange, wallet_exchange
from tests.execution.test_tls import certificate
from tests.venue.desk import hmac_of

API_KEY = "CANARYkey" + secrets.token_hex(27)
SECRET = "CANARYsecret" + secrets.token_hex(26)
PIECE = 20


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """`aegis venue`, in a process of its own."""
    with served(tmp_path_factory.mktemp("venue"), API_KEY, SECRET, "--symbols", "1") as exchange:
        yield exchange


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[WalletExchange, Path]]:
    """An encrypted exchange and its certificate."""
    pem = certificate(tmp_path, "127.0.0.1")
    with wallet_exchange(pem) as exchange:
        yield exchange, pem


def configured(folder: Path, port: int, *, mode: str = "live", pem: Path | None = None) -> Visit:
    """A visit to this box with a configuration that names the exchange at a port."""
    keys = folder / "exchange.key"
    keys.write_text(f'api_key = "{API_KEY}"\nhmac_secret = "{SECRET}"\n')
    keys.chmod(0o600)
    web, socket = ("https", "wss") if pem else ("http", "ws")
    lines = [f'mode = "{mode}"']
    if mode == "paper":
        lines += ["[feed]"]
    place = f"127.0.0.1:{port}"
    lines += [f'rest_url = "{web}://{place}"', f'stream_url = "{socket}://{place}"']
    if mode != "paper":
        lines += [f'order_url = "{socket}://{place}"', f'credentials = "{keys}"']
        lines += ["armed = true"] if mode == "live" else []
    if pem:
        lines.append(f'ca_file = "{pem}"')
    source = folder / "aegis.toml"

    def load(*more: str) -> AegisConfig:
        table = "\n".join(["[venue]", *lines, *more])
        text = SAMPLE.replace("[instances.btc]\n", f"{table}\n[instances.btc]\n", 1)
        # The rate ledger is beside the instances.
        shm_dir = f'[hardware]\nshm_dir = "{folder}"\n'
        source.write_text(text.replace("[hardware]\n", shm_dir, 1))
        return load_config(source, EIGHT_CORES)

    config = load()
    environment = environment_of(config.venue)
    if environment is not None:
        config = load(f'fingerprint = "{fingerprint_of(API_KEY, environment)}"')
    return Visit(
        Box(pause=lambda _: None), config, source, ("btc",), look_at_exchange=look_at_exchange
    )


def signed(exchange: Exchange, method: str, path: str, parameters: dict[str, str]) -> None:
    """A request of the account's owner."""
    query = urllib.parse.urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
    url = f"http://127.0.0.1:{exchange.port}{path}?{query}&signature={hmac_of(SECRET, query)}"
    request = urllib.request.Request(url, headers={"X-MBX-APIKEY": API_KEY}, method=method)
    with urllib.request.urlopen(request, timeout=30.0) as answer:
        assert answer.status == 200


def seen(look: Look) -> str:
    """Everything in a look, as text."""
    return repr(look)


def test_the_embedded_exchange_answers_everything(embedded: Exchange, tmp_path: Path) -> None:
    visit = configured(tmp_path, embedded.port)
    look = visit.look
    assert len(look.round_trips_ms) == 20
    for name in (
        "exchange_symbols", "exchange_account", "exchange_limits", "exchange_streams",
        "exchange_countdown", "exchange_orders",
    ):  # fmt: skip
        found = outcome_of(name, visit)
        assert found.status == "pass", f"{name}: {found.found}"
    assert set(look.streams) >= {"private stream", "order line"} and len(look.streams) == 4
    # On the same box the clocks are one.
    assert isinstance(look.offset_ms, float) and abs(look.offset_ms) < 100
    # It tells nothing of keys: that is said, and not taken for good.
    for name in ("key_permissions", "egress_address", "exchange_certificate", "name_resolution"):
        assert outcome_of(name, visit).status == "skipped", name


def test_no_key_is_in_any_answer(embedded: Exchange, tmp_path: Path) -> None:
    visit = configured(tmp_path, embedded.port)
    checks = [c for c in CHECKS if not c.slow and c.name != "journal_disk"]
    text = json.dumps([outcome.as_dict() for outcome in examine(visit, checks)])
    for secret in (API_KEY, SECRET):
        assert secret[:PIECE] not in text and secret[:PIECE] not in seen(visit.look)


def test_orders_that_rest_are_told_apart(embedded: Exchange, tmp_path: Path) -> None:
    own = ClientIds("btc", 1).text(1, 7)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    try:
        for client_id in (own, "somebody-elses"):
            sized = {"price": "58000", "quantity": "0.01", "newClientOrderId": client_id}
            signed(embedded, "POST", "/fapi/v1/order", order | sized)
        visit = configured(tmp_path, embedded.port)
        orders = visit.look.orders
    finally:
        signed(embedded, "DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"})
    assert not isinstance(orders, Failure)
    assert {(one.client_id, one.is_own) for one in orders} == {
        (own, True), ("somebody-elses", False),
    }  # fmt: skip
    assert outcome_of("exchange_orders", visit).status == "fail"
    # A countdown of nought would end one that looks after these orders.
    found = outcome_of("exchange_countdown", visit)
    assert found.status == "skipped" and "orders rest" in found.found


def test_paper_asks_the_market_alone(embedded: Exchange, tmp_path: Path) -> None:
    visit = configured(tmp_path, embedded.port, mode="paper")
    assert outcome_of("exchange_symbols", visit).status == "pass"
    assert set(visit.look.streams) == {"/public/stream#1", "/market/stream#2"}
    assert outcome_of("exchange_account", visit).status == "skipped"
    assert outcome_of("key_permissions", visit).status == "skipped"


def test_a_wrong_secret_is_a_failure(embedded: Exchange, tmp_path: Path) -> None:
    visit = configured(tmp_path, embedded.port)
    keys = tmp_path / "exchange.key"
    keys.write_text(f'api_key = "{API_KEY}"\nhmac_secret = "{SECRET[::-1]}"\n')
    found = outcome_of("exchange_account", visit)
    assert found.status == "fail" and "-1022" in found.found
    for name in ("exchange_orders", "exchange_streams", "exchange_countdown"):
        assert outcome_of(name, visit).status == "fail", name


def test_keys_that_others_can_read_are_a_failure(embedded: Exchange, tmp_path: Path) -> None:
    visit = configured(tmp_path, embedded.port)
    (tmp_path / "exchange.key").chmod(0o640)
    found = outcome_of("exchange_account", visit)
    assert found.status == "fail" and "0640" in found.found
    assert outcome_of("exchange_orders", visit).status == "fail"


def test_an_encrypted_exchange_and_a_narrow_key(
    encrypted: tuple[WalletExchange, Path], tmp_path: Path
) -> None:
    exchange, pem = encrypted
    visit = configured(tmp_path, exchange.port, pem=pem)
    for name in ("key_permissions", "egress_address", "exchange_account", "exchange_symbols"):
        found = outcome_of(name, visit)
        assert found.status == "pass", f"{name}: {found.found}"
    # Three addresses at one place: one handshake. It is verified, and about to end.
    (found_certificate,) = visit.look.certificates
    assert found_certificate.error == "" and 0 < found_certificate.days_left < 1
    assert outcome_of("exchange_certificate", visit).status == "fail"
    # It has no streams, and that is no good sign. The key of the private one is in no text.
    streams = outcome_of("exchange_streams", visit)
    assert streams.status == "fail" and "secretListenKey" not in seen(visit.look)
    # Nobody's key of the private stream is ended.
    assert "DELETE /fapi/v1/listenKey" not in exchange.asked


@pytest.mark.parametrize(
    ("change", "name", "piece"),
    [
        ({"enableWithdrawals": True}, "key_permissions", "enableWithdrawals"),
        ({"ipRestrict": False}, "egress_address", "any address"),
    ],
)
def test_a_key_that_may_too_much_is_a_failure(
    encrypted: tuple[WalletExchange, Path],
    tmp_path: Path,
    change: dict[str, Any],
    name: str,
    piece: str,
) -> None:
    exchange, pem = encrypted
    action = "GET /sapi/v1/account/apiRestrictions"
    exchange.replies[action] = (200, exchange.replies[action][1] | change)
    found = outcome_of(name, configured(tmp_path, exchange.port, pem=pem))
    assert found.status == "fail" and piece in found.found


def test_another_clock_is_measured(encrypted: tuple[WalletExchange, Path], tmp_path: Path) -> None:
    exchange, pem = encrypted
    exchange.skew_ms = 3_000
    visit = configured(tmp_path, exchange.port, pem=pem)
    found = outcome_of("clock_offset", visit)
    assert isinstance(visit.look.offset_ms, float) and 2_500 < visit.look.offset_ms < 3_500
    assert found.status == "fail"


def test_an_exchange_that_nobody_vouches_for_is_a_failure(
    encrypted: tuple[WalletExchange, Path], tmp_path: Path
) -> None:
    exchange, _ = encrypted
    other = certificate(tmp_path, "127.0.0.9")
    visit = configured(tmp_path, exchange.port, pem=other)
    found = outcome_of("exchange_certificate", visit)
    assert found.status == "fail" and "not verified" in found.found
    for name in ("clock_offset", "exchange_account", "exchange_symbols", "exchange_streams"):
        assert outcome_of(name, visit).status == "fail", name
    # Nothing that is signed went to it.
    assert exchange.asked == []


def test_an_exchange_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "127.0.0.1")
    with wallet_exchange(pem) as exchange:
        port = exchange.port
    visit = configured(tmp_path, port, pem=pem)
    failed = {
        check.name
        for check in CHECKS
        if check.name.startswith(("exchange_", "clock_offset"))
        and judge_one(check, visit).status == "fail"
    }
    assert failed >= {
        "exchange_certificate", "clock_offset", "exchange_account", "exchange_symbols",
        "exchange_limits", "exchange_streams", "exchange_orders", "exchange_countdown",
    }  # fmt: skip


def test_nothing_is_asked_while_the_exchange_wants_silence(
    encrypted: tuple[WalletExchange, Path], tmp_path: Path
) -> None:
    exchange, pem = encrypted
    visit = configured(tmp_path, exchange.port, pem=pem)
    path = ledger_path(directory_of("btc", tmp_path), f"127.0.0.1:{exchange.port}")
    ledger = RateLedger.open(path, 0)
    ledger.stop(time.monotonic_ns() // 1_000_000 + 60_000 + ledger.offset_ms)
    ledger.close()
    for name in ("clock_offset", "exchange_account", "exchange_orders", "exchange_streams"):
        assert outcome_of(name, visit).status == "fail", name
    assert "wants silence" in outcome_of("clock_offset", visit).found
    assert exchange.asked == []


def test_answers_of_another_shape_pass_nothing(
    encrypted: tuple[WalletExchange, Path], tmp_path: Path
) -> None:
    exchange, pem = encrypted
    for action in list(exchange.replies):
        exchange.replies[action] = (200, ["nonsense"])
    visit = configured(tmp_path, exchange.port, pem=pem)
    for name in (
        "exchange_symbols", "exchange_account", "exchange_limits", "exchange_orders",
        "exchange_streams", "key_permissions",
    ):  # fmt: skip
        assert outcome_of(name, visit).status == "fail", name


def test_the_key_itself_is_looked_for(embedded: Exchange, tmp_path: Path) -> None:
    """In what every process shows of itself: here a command line that should not have been."""
    visit = configured(tmp_path, embedded.port)
    box = tmp_path / "box"
    for pid, content in ((7, b"x\0--quiet"), (8, f"x\0--secret={SECRET}".encode())):
        (box / "proc" / str(pid)).mkdir(parents=True)
        (box / "proc" / str(pid) / "cmdline").write_bytes(content)
    hunting = replace_box(visit, box)
    found = outcome_of("key_leak", hunting)
    assert found.status == "fail" and "/proc/8/cmdline" in found.found
    assert SECRET[:PIECE] not in found.found
    (box / "proc" / "8" / "cmdline").write_bytes(b"x")
    good = outcome_of("key_leak", hunting)
    assert good.status == "pass" and "the key and its secret" in good.found


def replace_box(visit: Visit, root: Path) -> Visit:
    """The same visit to a box in a folder."""
    return replace(visit, box=Box(root=root, environment={}))


def test_the_wallet_of_the_live_exchange_has_an_address_of_its_own() -> None:
    assert exchange_ask._WALLET_URL == "https://api.binance.com"
