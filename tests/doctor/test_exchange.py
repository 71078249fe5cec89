"""The checks of the exchange on a look that is written down: good, bad in one place, not to be had.

What a real exchange answers, and that such a look is what comes of it, is in test_asking.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aegis.doctor.exchange_look import (
    NOT_ASKED,
    Certificate,
    Failure,
    Host,
    Look,
    OpenOrder,
    Resolver,
)
from aegis.doctor.registry import CHECKS
from tests.doctor.ground import make_visit, outcome_of
from tests.execution.test_symbols import INFO

LOST = Failure("no answer (TimeoutError)")
MISSING = Failure("there is no such path", 404, -5000)
LIVE = ("[journal]", '[venue]\nmode = "live"\narmed = true\ncredentials = "k.key"\n[journal]')
EXPECTS_LEVERAGE = ("[journal]", "[instances.btc.leverage]\nBTCUSDT = 20\n[journal]")
NAMES = [check.name for check in CHECKS if check.name.startswith(("exchange_", "clock_offset"))]
NAMES += ["name_resolution", "egress_address", "key_permissions"]
HALTED = copy.deepcopy(INFO)
HALTED["symbols"][0]["status"] = "BREAK"
BROKEN = copy.deepcopy(INFO)
del BROKEN["symbols"][0]["filters"][0]
ACCOUNT = {"dualSidePosition": False, "multiAssetsMargin": False, "canTrade": True}
MAY = {
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableFutures": True,
    "ipRestrict": True,
}


def good_look(**changes: Any) -> Look:
    """A live exchange that answers everything, well."""
    look = Look(
        hosts=[Host("fapi.example", False, 12.0), Host("127.0.0.1", True)],
        resolvers=[Resolver("192.0.2.1", 3.0), Resolver("192.0.2.2", 4.0)],
        certificates=[Certificate("fapi.example:443", 60.0), Certificate("ws.example:443", 8.0)],
        round_trips_ms=[2.0, 3.0, 9.0],
        offset_ms=-12.0,
        info=INFO,
        account=ACCOUNT,
        symbol_rows=[{"symbol": "BTCUSDT", "leverage": 20, "marginType": "CROSSED"}],
        orders=[OpenOrder("BTCUSDT", "ours", True), OpenOrder("ETHUSDT", "theirs", False)],
        restrictions=MAY,
        streams={"/public/stream#1": None, "private stream": None, "order line": None},
        countdown="BTCUSDT",
    )
    return replace(look, **changes)


BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("name_resolution", "fail", {"hosts": [Host("x.example", False, 0.0, "unknown")]}, "unknown"),
    ("name_resolution", "warn", {"hosts": [Host("x.example", False, 80.0)]}, "80 ms"),
    ("name_resolution", "warn", {"resolvers": [Resolver("192.0.2.1", 3.0)]}, "1 resolvers"),
    ("name_resolution", "warn",
     {"resolvers": [Resolver("192.0.2.1", 3.0), Resolver("192.0.2.2", None)]}, "silent: 192.0.2.2"),
    ("exchange_certificate", "fail",
     {"certificates": [Certificate("x:443", error="not verified: self-signed")]}, "self-signed"),
    ("exchange_certificate", "fail", {"certificates": [Certificate("x:443", 6.9)]}, "7 days"),
    ("exchange_certificate", "fail", {"certificates": [], "offset_ms": LOST}, "no handshake"),
    ("clock_offset", "fail", {"offset_ms": 501.0}, "+501 ms"),
    ("clock_offset", "fail", {"offset_ms": -501.0}, "-501 ms"),
    ("clock_offset", "fail", {"offset_ms": LOST}, "could not be read"),
    ("clock_offset", "warn", {"offset_ms": 101.0}, "+101 ms"),
    ("egress_address", "fail", {"account": Failure("-2015", 401, -2015)}, "refused from this"),
    ("egress_address", "fail", {"restrictions": MAY | {"ipRestrict": False}}, "any address"),
    ("key_permissions", "fail",
     {"restrictions": MAY | {"enableWithdrawals": True}}, "enableWithdrawals"),
    ("key_permissions", "fail",
     {"restrictions": MAY | {"permitsUniversalTransfer": True}}, "permitsUniversalTransfer"),
    ("key_permissions", "fail",
     {"restrictions": {k: v for k, v in MAY.items() if k != "enableWithdrawals"}},
     "enableWithdrawals"),
    ("key_permissions", "fail", {"restrictions": MAY | {"enableFutures": False}}, "enableFutures"),
    ("key_permissions", "fail", {"restrictions": LOST}, "could not be read"),
    ("key_permissions", "fail", {"restrictions": MISSING}, "could not be read"),
    ("exchange_symbols", "fail", {"info": HALTED}, "not TRADING: BTCUSDT"),
    ("exchange_symbols", "fail", {"info": BROKEN}, "filters of BTCUSDT"),
    ("exchange_symbols", "fail", {"info": {"symbols": []}}, "BTCUSDT"),
    ("exchange_symbols", "fail", {"info": LOST}, "no answer"),
    ("exchange_account", "fail", {"keys": Failure("has mode 0640")}, "0640"),
    ("exchange_account", "fail", {"account": LOST}, "no answer"),
    ("exchange_account", "fail", {"account": ACCOUNT | {"dualSidePosition": True}}, "hedge mode"),
    ("exchange_account", "fail", {"account": ACCOUNT | {"multiAssetsMargin": True}}, "multi-ass"),
    ("exchange_account", "fail", {"account": ACCOUNT | {"canTrade": False}}, "may not trade"),
    *(("exchange_account", "fail", {"account": {k: v for k, v in ACCOUNT.items() if k != name}},
       f"{name} is not told") for name in ACCOUNT),
    ("exchange_account", "fail",
     {"symbol_rows": [{"symbol": "BTCUSDT", "leverage": 10}]}, "leverage 10 and not 20"),
    ("exchange_account", "fail", {"symbol_rows": LOST}, "leverage is not told"),
    ("exchange_limits", "fail", {"info": {"rateLimits": INFO["rateLimits"][:1]}}, "ORDERS"),
    ("exchange_limits", "fail", {"info": LOST}, "no answer"),
    ("exchange_streams", "fail",
     {"streams": {"/public/stream#1": Failure("no message within 10 s")}}, "no message"),
    ("exchange_streams", "fail", {"streams": {}}, "no stream"),
    ("exchange_countdown", "fail", {"countdown": Failure("-2015", 401, -2015)}, "-2015"),
    ("exchange_orders", "fail", {"orders": [OpenOrder("BTCUSDT", "x", False)]}, "would halt"),
    ("exchange_orders", "fail", {"orders": LOST}, "not known"),
]  # fmt: skip
HIDDEN: list[tuple[str, dict[str, Any], str]] = [
    *((name, {"absent": 'mode = "embedded"'}, "embedded") for name in NAMES),
    *((name, {"no_account": "on paper"}, "on paper") for name in (
        "egress_address", "key_permissions", "exchange_account", "exchange_countdown",
        "exchange_orders")),
    ("name_resolution", {"hosts": [Host("127.0.0.1", True)]}, "numeric"),
    ("exchange_certificate", {"certificates": []}, "plain"),
    ("exchange_latency", {"round_trips_ms": [], "offset_ms": LOST}, "no answer"),
    ("egress_address", {"account": LOST}, "did not answer"),
    ("egress_address", {"restrictions": MISSING}, "not told"),
    ("key_permissions", {"restrictions": NOT_ASKED}, "not asked for"),
    ("exchange_countdown", {"countdown": Failure("orders rest", is_left_out=True)}, "orders rest"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_good_exchange_passes(tmp_path: Path, name: str) -> None:
    visit = make_visit(tmp_path, look=good_look(), configuration=[LIVE, EXPECTS_LEVERAGE])
    outcome = outcome_of(name, visit)
    assert outcome.status == ("info" if name == "exchange_latency" else "pass"), outcome.found


@pytest.mark.parametrize(("name", "status", "changes", "piece"), BAD)
def test_a_bad_answer_is_told(
    tmp_path: Path, name: str, status: str, changes: dict[str, Any], piece: str
) -> None:
    look = good_look(**changes)
    visit = make_visit(tmp_path, look=look, configuration=[LIVE, EXPECTS_LEVERAGE])
    outcome = outcome_of(name, visit)
    assert outcome.status == status and piece in outcome.found and outcome.fix
    assert outcome.stands_in_the_way is (status == "fail")


@pytest.mark.parametrize(("name", "changes", "piece"), HIDDEN)
def test_what_nobody_answers_for_is_skipped(
    tmp_path: Path, name: str, changes: dict[str, Any], piece: str
) -> None:
    visit = make_visit(tmp_path, look=good_look(**changes), configuration=[LIVE])
    outcome = outcome_of(name, visit)
    assert outcome.status == "skipped" and piece in outcome.found


def test_every_check_of_the_exchange_has_a_case_that_fails() -> None:
    assert {name for name, *_ in BAD} == set(NAMES) - {"exchange_latency"}


def test_a_clock_that_nobody_keeps_is_a_warning(tmp_path: Path) -> None:
    visit = make_visit(
        tmp_path, look=good_look(), configuration=[LIVE], clock_is_kept=lambda: False
    )
    outcome = outcome_of("clock_offset", visit)
    assert outcome.status == "warn" and "NOT synchronised" in outcome.found


def test_a_testnet_without_a_wallet_service_is_skipped(tmp_path: Path) -> None:
    testnet = ("[journal]", '[venue]\nmode = "testnet"\ncredentials = "k.key"\n[journal]')
    visit = make_visit(tmp_path, look=good_look(restrictions=LOST), configuration=[testnet])
    assert outcome_of("key_permissions", visit).status == "skipped"


def test_an_exchange_of_ones_own_may_tell_no_permissions(tmp_path: Path) -> None:
    place = 'rest_url = "http://127.0.0.1:9"\nstream_url = "ws://127.0.0.1:9"\n'
    own = (
        LIVE[0],
        LIVE[1].replace("[journal]", f'{place}order_url = "ws://127.0.0.1:9"\n[journal]'),
    )
    visit = make_visit(tmp_path, look=good_look(restrictions=MISSING), configuration=[own])
    outcome = outcome_of("key_permissions", visit)
    assert outcome.status == "skipped" and "does not tell them" in outcome.found


def test_an_instance_of_all_symbols_has_others_orders_on_each(tmp_path: Path) -> None:
    look = good_look(orders=[OpenOrder("ETHUSDT", "x", False)])
    visit = make_visit(tmp_path, look=look, configuration=[LIVE])
    assert outcome_of("exchange_orders", visit).status == "pass"
    named = visit.config.instances["btc"]
    tables = {"btc": named, "every": named.model_copy(update={"symbols": []})}
    visit.config = visit.config.model_copy(update={"instances": tables})
    visit.instances = ("btc", "every")
    assert outcome_of("exchange_orders", visit).status == "fail"


def test_orders_of_others_follow_the_policy(tmp_path: Path) -> None:
    look = good_look(orders=[OpenOrder("BTCUSDT", "x", False)])
    policy = ("[doctor]", 'foreign_orders = "ignore"\n[doctor]')
    visit = make_visit(tmp_path, look=look, configuration=[LIVE, policy])
    assert outcome_of("exchange_orders", visit).status == "warn"
