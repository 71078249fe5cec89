"""Modes of `[venue]`: which exchange, whose keys, and no secret in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis.config.environments import environment_of, market_of
from aegis.config.models import FeedConfig, VenueConfig
from tests.config.sample import edited, only, read_text

SECRET = "hP7" + "kQ2x" * 15 + "Z"
PEM = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQ\\n-----END PRIVATE KEY-----"


def with_venue(*lines: str) -> str:
    venue = "\n".join(("[venue]", *lines))
    return edited(("[instances.btc]\n", f"{venue}\n\n[instances.btc]\n"))


def test_a_testnet_needs_its_credentials_and_no_more(tmp_path: Path) -> None:
    problem = only(read_text(with_venue('mode = "testnet"'), tmp_path).problems)
    assert problem.key == "venue.credentials" and "is missing" in problem.message
    good = with_venue('mode = "testnet"', 'credentials = "exchange.key"')
    config = read_text(good, tmp_path).config
    assert config is not None
    found = environment_of(config.venue)
    assert found is not None and found.host == "demo-fapi.binance.com"


def test_live_must_be_armed(tmp_path: Path) -> None:
    lines = ('mode = "live"', 'credentials = "exchange.key"')
    problem = only(read_text(with_venue(*lines), tmp_path).problems)
    assert problem.key == "venue.armed" and "REAL MONEY" in problem.message
    assert read_text(with_venue(*lines, "armed = true"), tmp_path).config is not None


def test_an_address_of_ones_own_is_encrypted_or_this_box(tmp_path: Path) -> None:
    base = ('mode = "testnet"', 'credentials = "exchange.key"')
    for url in ("http://192.168.1.7:80", "http://fapi.binance.com", "ftp://x"):
        text = with_venue(*base, f'rest_url = "{url}"')
        assert only(read_text(text, tmp_path).problems).key == "venue.rest_url"
    own = VenueConfig(mode="testnet", rest_url="http://127.0.0.1:9", order_url="wss://a.b")
    found = environment_of(own)
    assert found is not None
    assert (found.rest_url, found.order_url) == ("http://127.0.0.1:9", "wss://a.b")
    assert found.stream_url == "wss://demo-fstream.binance.com"
    assert environment_of(VenueConfig()) is None


def test_the_embedded_exchange_uses_none_of_it(tmp_path: Path) -> None:
    result = read_text(with_venue('credentials = "exchange.key"'), tmp_path)
    assert result.config is not None
    assert [warning.key for warning in result.warnings] == ["venue.credentials"]


def test_paper_has_the_live_market_and_no_exchange_for_orders(tmp_path: Path) -> None:
    result = read_text(with_venue('mode = "paper"'), tmp_path)
    assert result.config is not None
    assert result.warnings == []
    assert environment_of(result.config.venue) is None
    found = market_of(result.config.venue, result.config.feed)
    assert found is not None
    assert (found.host, found.order_url) == ("fapi.binance.com", "")
    own = market_of(VenueConfig(mode="paper"), FeedConfig(rest_url="http://127.0.0.1:9"))
    assert own is not None
    assert (own.host, own.stream_url) == ("127.0.0.1:9", "wss://fstream.binance.com")
    assert market_of(VenueConfig(), FeedConfig()) is None


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ('credentials = "exchange.key"', "venue.credentials", "no key is read"),
        ('fingerprint = "0123456789abcdef"', "venue.fingerprint", "no key is read"),
        ('order_url = "wss://a.b"', "venue.order_url", "no order leaves"),
        ("armed = true", "venue.armed", "moves no money"),
        ('rest_url = "https://a.b"', "venue.rest_url", "orders stay"),
        ('stream_url = "wss://a.b"', "venue.stream_url", "orders stay"),
        ('ca_file = "/etc/own.pem"', "venue.ca_file", "orders stay"),
        ("symbols.BTCUSDT.tick = 0.5", "venue.symbols.BTCUSDT", "as the live exchange lists"),
    ],
)
def test_what_has_no_place_on_paper_is_refused(
    tmp_path: Path, line: str, key: str, said: str
) -> None:
    result = read_text(with_venue('mode = "paper"', line), tmp_path)
    problem = only(result.problems)
    assert (result.config, problem.key) == (None, key)
    assert said in problem.message
    if key in ("venue.rest_url", "venue.stream_url", "venue.ca_file"):
        assert "under [feed]" in problem.hint


def test_addresses_of_the_feed_are_used_on_paper(tmp_path: Path) -> None:
    text = with_venue('mode = "paper"', "", "[feed]", 'rest_url = "https://a.b"')
    result = read_text(text, tmp_path)
    assert result.config is not None
    assert result.warnings == []


@pytest.mark.parametrize("secret", [SECRET, PEM])
@pytest.mark.parametrize(
    "key", ["venue.host", "venue.api_key", "venue.note", "feed.proxy", "instances.btc.strategy"]
)
def test_what_looks_like_a_key_is_refused_and_never_shown(
    tmp_path: Path, key: str, secret: str
) -> None:
    table, name = key.rsplit(".", 1)
    if table == "instances.btc":
        text = edited(('strategy = "some_strategy"', f'strategy = "{secret}"'))
    else:
        text = edited(("[instances.btc]\n", f'[{table}]\n{name} = "{secret}"\n[instances.btc]\n'))
    result = read_text(text, tmp_path)
    assert result.config is None
    shown = "\n".join(f"{problem} {problem.as_dict()}" for problem in result.problems)
    assert "looks like a key or its secret" in shown
    assert secret[:12] not in shown
    assert "kQ2xkQ2x" not in shown and "MC4CAQ" not in shown
