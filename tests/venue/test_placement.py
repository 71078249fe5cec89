"""What can be refused of a request without looking at a market: every parameter, both dialects."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.algo.requests import parse_algo
from aegis.venue.dialect import MODERN, OF_2024, Dialect
from aegis.venue.errors import RejectError
from aegis.venue.matching.interface import STP_EXPIRE_MAKER, STP_NONE
from aegis.venue.placement import parse_amend, parse_place
from aegis.venue.symbols import SymbolSpec, make_symbol

LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "6e4"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "0.010"}
STOP = {"side": "SELL", "type": "STOP", "quantity": "0.010", "price": "59000", "stopPrice": "59500"}
STOP_MARKET = {"side": "SELL", "type": "STOP_MARKET", "quantity": "0.010", "stopPrice": "59500"}
TRAILING = {
    "side": "SELL", "type": "TRAILING_STOP_MARKET", "quantity": "0.010", "callbackRate": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> SymbolSpec:
    return make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])


def algo(stop: dict[str, str]) -> dict[str, str]:
    """The same conditional order as the algo service wants it."""
    renamed = {"stopPrice": "triggerPrice", "activationPrice": "activatePrice"}
    changed = {renamed.get(name, name): value for name, value in stop.items()}
    return {"algoType": "CONDITIONAL", **changed}


def without(parameters: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in names}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (without(LIMIT, "type"), -1102),
        (without(LIMIT, "side"), -1102),
        (without(LIMIT, "timeInForce"), -1102),
        (without(LIMIT, "price"), -1102),
        (without(LIMIT, "quantity"), -1102),
        ({**LIMIT, "type": "ICEBERG"}, -1116),
        ({**LIMIT, "side": "LONG"}, -1117),
        ({**LIMIT, "timeInForce": "GTE_GTC"}, -1115),
        ({**LIMIT, "timeInForce": "RPI"}, -1115),
        ({**LIMIT, "positionSide": "SIDEWAYS"}, -4060),
        ({**LIMIT, "timeInForce": "GTD"}, -1102),
        ({**LIMIT, "goodTillDate": "1900000000000"}, -1106),
        ({**LIMIT, "stopPrice": "59000"}, -1106),
        ({**LIMIT, "callbackRate": "1"}, -1106),
        ({**LIMIT, "closePosition": "true"}, -1106),
        ({**LIMIT, "reduceOnly": "maybe"}, -1130),
        ({**LIMIT, "priceMatch": "OPPONENT"}, -1106),
        ({**without(LIMIT, "price"), "priceMatch": "BEST"}, -5037),
        ({**MARKET, "priceMatch": "QUEUE"}, -5038),
        ({**MARKET, "price": "60000"}, -1106),
        ({**MARKET, "timeInForce": "GTC"}, -1106),
        ({**MARKET, "quantity": ""}, -1105),
        ({**MARKET, "selfTradePreventionMode": "EXPIRE_ALL"}, -5039),
        ({**MARKET, "newOrderRespType": "FULL"}, -1136),
        ({**MARKET, "newClientOrderId": "a b"}, -4015),
    ],
)
@pytest.mark.parametrize("dialect", [MODERN, OF_2024], ids=["2026", "2024"])
def test_plain_orders(
    spec: SymbolSpec, dialect: Dialect, parameters: dict[str, str], code: int
) -> None:
    with pytest.raises(RejectError) as caught:
        parse_place(parameters, spec, dialect)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (without(STOP, "stopPrice"), -1102),
        (without(STOP, "price"), -1102),
        (without(STOP, "quantity"), -1102),
        (without(STOP_MARKET, "quantity"), -1102),
        (without(TRAILING, "callbackRate"), -1102),
        (without(TRAILING, "quantity"), -1102),
        ({**STOP, "stopPrice": "0"}, -4006),
        ({**STOP, "stopPrice": "100"}, -4013),
        ({**STOP, "stopPrice": "9999999"}, -4007),
        ({**STOP, "stopPrice": "59500.05"}, -4014),
        ({**STOP, "stopPrice": "59500.001"}, -1111),
        ({**STOP, "workingType": "INDEX_PRICE"}, -4031),
        ({**STOP, "priceProtect": "perhaps"}, -1130),
        ({**STOP, "timeInForce": "RPI"}, -1115),
        ({**STOP, "closePosition": "true"}, -1106),
        ({**STOP, "priceMatch": "QUEUE"}, -1106),
        ({**STOP_MARKET, "priceMatch": "QUEUE"}, -5038),
        ({**STOP_MARKET, "price": "59000"}, -1106),
        ({**STOP_MARKET, "timeInForce": "GTX"}, -1115),
        ({**STOP_MARKET, "callbackRate": "1"}, -1106),
        ({**STOP_MARKET, "closePosition": "true"}, -4137),
        (
            {**without(STOP_MARKET, "quantity"), "closePosition": "true", "reduceOnly": "true"},
            -4138,
        ),
        (
            {
                **without(STOP_MARKET, "quantity"),
                "closePosition": "true",
                "positionSide": "SHORT",
            },
            -2022,
        ),
        ({**TRAILING, "callbackRate": "0.05"}, -1130),
        ({**TRAILING, "callbackRate": "20.1"}, -1130),
        ({**TRAILING, "stopPrice": "60000"}, -1106),
        ({**TRAILING, "activationPrice": "0"}, -4135),
        ({**TRAILING, "activationPrice": "9999999"}, -4135),
        ({**TRAILING, "activationPrice": "60000.05"}, -4014),
        ({**TRAILING, "closePosition": "true"}, -1106),
    ],
)
@pytest.mark.parametrize("modern", [True, False], ids=["2026", "2024"])
def test_conditional_orders(
    spec: SymbolSpec, modern: bool, parameters: dict[str, str], code: int
) -> None:
    with pytest.raises(RejectError) as caught:
        if modern:
            parse_algo(algo(parameters), spec, MODERN)
        else:
            parse_place(parameters, spec, OF_2024)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (without(algo(STOP), "algoType"), -1102),
        ({**algo(STOP), "algoType": "TWAP"}, -1130),
        ({**algo(STOP), "type": "LIMIT"}, -1116),
        ({**algo(STOP), "clientAlgoId": "x" * 37}, -4015),
    ],
)
def test_the_algo_service(spec: SymbolSpec, parameters: dict[str, str], code: int) -> None:
    with pytest.raises(RejectError) as caught:
        parse_algo(parameters, spec, MODERN)
    assert caught.value.code == code


def test_where_stops_are_sent_is_the_dialects(spec: SymbolSpec) -> None:
    with pytest.raises(RejectError) as caught:
        parse_place(STOP, spec, MODERN)
    assert caught.value.code == -4120
    assert parse_place(STOP, spec, OF_2024).kind == "STOP"
    # The test endpoint still takes them.
    assert parse_place(STOP, spec, MODERN, single=False, stops_too=True).kind == "STOP"


def test_the_widest_callback_is_the_dialects(spec: SymbolSpec) -> None:
    assert parse_algo({**algo(TRAILING), "callbackRate": "20"}, spec, MODERN).condition is not None
    with pytest.raises(RejectError):
        parse_place({**TRAILING, "callbackRate": "10.1"}, spec, OF_2024)
    condition = parse_place({**TRAILING, "callbackRate": "0.25"}, spec, OF_2024).condition
    assert condition is not None and condition.callback_e6 == 2_500


@pytest.mark.parametrize(
    ("dialect", "single", "stp"),
    [
        (MODERN, True, STP_EXPIRE_MAKER),
        (MODERN, False, STP_NONE),
        (OF_2024, True, STP_NONE),
        (OF_2024, False, STP_NONE),
    ],
)
def test_the_default_of_self_trade_prevention(
    spec: SymbolSpec, dialect: Dialect, single: bool, stp: int
) -> None:
    assert parse_place(LIMIT, spec, dialect, single=single).stp == stp


def test_of_an_algo_order_nothing_is_prevented_by_default(spec: SymbolSpec) -> None:
    assert parse_algo(algo(STOP), spec, MODERN).stp == STP_NONE


@pytest.mark.parametrize("name", ["OPPONENT_10", "OPPONENT_20"])
def test_withdrawn_price_matches(spec: SymbolSpec, name: str) -> None:
    parameters = {**without(LIMIT, "price"), "priceMatch": name}
    assert parse_place(parameters, spec, OF_2024).price_match == name
    with pytest.raises(RejectError) as caught:
        parse_place(parameters, spec, MODERN)
    assert caught.value.code == -5037


def test_the_end_of_an_order_is_in_whole_seconds(spec: SymbolSpec) -> None:
    parameters = {**LIMIT, "timeInForce": "GTD", "goodTillDate": "1900000000999"}
    assert parse_place(parameters, spec).good_till_ms == 1_900_000_000_000


def test_modifications(spec: SymbolSpec) -> None:
    base: dict[str, Any] = {
        "orderId": "5", "side": "BUY", "quantity": "0.010", "price": "60000", "modifyId": "77",
    }  # fmt: skip
    assert parse_amend(base, spec, MODERN).modify_id == 77
    assert parse_amend(base, spec, OF_2024).modify_id is None
    assert parse_amend({**without(base, "price"), "priceMatch": "QUEUE"}, spec).price_ticks == 0
    for changed, code in (
        (without(base, "orderId"), -1102),
        (without(base, "price"), -1102),
        (without(base, "quantity"), -1102),
        ({**base, "priceMatch": "QUEUE"}, -1106),
        ({**base, "price": "60000.05"}, -4014),
        ({**base, "quantity": "0.0001"}, -1111),
        ({**base, "modifyId": "x"}, -1102),
    ):
        with pytest.raises(RejectError) as caught:
            parse_amend(changed, spec)
        assert caught.value.code == code
