"""Every endpoint of the official SDK: there, at the documented weight, with the documented fields.

`pytest -s -k coverage` prints what is covered and what is not, and why.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.gateway.calls import Security
from aegis.venue.gateway.rest import ENDPOINTS
from tests.venue.coverage.asked import ASKED
from tests.venue.coverage.exceptions import (
    BESIDES,
    MODELS,
    REAL_INFO,
    SECURITY,
    UNMODELLED,
    UNOFFERED,
    WEIGHTS,
)
from tests.venue.coverage.excusing import unexcused
from tests.venue.coverage.models import Models, departures, model_of
from tests.venue.coverage.shapes import differences
from tests.venue.coverage.stage import Stage

Place = tuple[str, str]
SECURITIES = {
    "NONE": Security.NONE,
    "MARKET_DATA": Security.KEY,
    "USER_STREAM": Security.KEY,
    "USER_DATA": Security.SIGNED,
    "TRADE": Security.SIGNED,
}


@pytest.fixture(scope="module")
def documented(shared_data: Path) -> dict[Place, dict[str, Any]]:
    rows = json.loads((shared_data / "usdm" / "usdm_rest_endpoints_18.0.1.json").read_text())
    return {(row["method"], row["path"]): row for row in rows}


@pytest.fixture(scope="module")
def models(shared_data: Path) -> Models:
    path = shared_data / "usdm" / "usdm_sdk_models_18.0.1.json"
    loaded: dict[str, Models] = json.loads(path.read_text())
    return loaded["rest_api"]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage("2026")


def test_every_documented_endpoint_is_there(documented: dict[Place, dict[str, Any]]) -> None:
    absent = set(documented) - set(ENDPOINTS) - set(UNOFFERED)
    assert absent == set(), "neither implemented nor excused"
    assert set(ENDPOINTS) - set(documented) == set(BESIDES), "not among the documented endpoints"
    assert set(ASKED) == set(ENDPOINTS) - set(UNOFFERED) - set(BESIDES), (
        "each is asked for on the stage"
    )


def documented_weights(text: str) -> list[tuple[dict[str, str], int]]:
    """The cases of a documented weight: parameters that make it, and the weight."""
    if "LIMIT |" in text.upper() and "[1,100)" in text:
        limits = (("99", 1), ("100", 2), ("499", 2), ("500", 5), ("1000", 5), ("1001", 10))
        return [({"limit": limit}, weight) for limit, weight in limits]
    if "Adjusted based on the limit" in text:
        cases = []
        for limits, weight in re.findall(r"\| ([\d, ]+) \| (\d+) \|", text):
            cases += [({"limit": limit.strip()}, int(weight)) for limit in limits.split(",")]
        return cases
    both = re.findall(r"\*{0,2}(\d+)\*{0,2} (?:for a single symbol|with symbol)", text)
    all_of_them = re.findall(
        r"\*{0,2}(\d+)\*{0,2} (?:when the symbol parameter is omitted|without symbol)", text
    )
    if both and all_of_them:
        return [({"symbol": "BTCUSDT"}, int(both[0])), ({}, int(all_of_them[0]))]
    plain = re.fullmatch(r"Weight(?:\(IP\))?: \*{0,2}(\d+)\*{0,2}.*", text)
    assert plain is not None, f"an unknown way to tell a weight: {text}"
    return [({}, int(plain[1]))]


def test_weights_are_the_documented_ones(documented: dict[Place, dict[str, Any]]) -> None:
    wrong = []
    for place, row in documented.items():
        if place not in ENDPOINTS:
            continue
        told = WEIGHTS.get(place)
        cases = [({}, told[0])] if told is not None else documented_weights(row["weight"])
        for parameters, weight in cases:
            cost = ENDPOINTS[place].cost(parameters)
            if cost != weight:
                wrong.append(f"{place} with {parameters} costs {cost}, documented {weight}")
    assert wrong == []


def test_securities_are_the_documented_ones(documented: dict[Place, dict[str, Any]]) -> None:
    for place, endpoint in ENDPOINTS.items():
        if place in BESIDES:
            assert endpoint.security is Security.NONE
            continue
        wanted = SECURITIES[documented[place]["security"]]
        assert (endpoint.security is wanted) == (place not in SECURITY), f"{place} {wanted}"


def test_the_order_limits_are_charged_as_documented(
    documented: dict[Place, dict[str, Any]],
) -> None:
    for place in set(ENDPOINTS) & set(documented):
        endpoint, text = ENDPOINTS[place], documented[place]["weight"] or ""
        counts = re.search(r"(\d) on 10s order rate limit.*?(\d) on 1min order rate limit", text)
        if counts is not None:
            assert endpoint.order
            assert (endpoint.per_10s, endpoint.per_minute) == (int(counts[1]), int(counts[2]))


@pytest.mark.parametrize("place", list(ASKED), ids=" ".join)
def test_replies_have_the_documented_fields(
    stage: Stage, documented: dict[Place, dict[str, Any]], models: Models, place: Place
) -> None:
    status, body = ASKED[place](stage)
    assert status == 200, body
    model = model_of(models, documented[place]["sdk"], body)
    if model is None:
        assert place in UNMODELLED, "a reply that the SDK has no model for"
        return
    assert place not in UNMODELLED
    assert unexcused(departures(models, model, body), MODELS.get(place, ())) == []


def test_exchange_info_has_every_key_of_the_real_one(shared_data: Path, stage: Stage) -> None:
    with gzip.open(shared_data / "usdm" / "exchangeInfo_20260331.json.gz") as file:
        real = json.load(file)
    listed = set(stage.exchange.markets)
    real["symbols"] = [row for row in real["symbols"] if row["symbol"] in listed]
    assert len(real["symbols"]) > 15
    for row in real["symbols"]:
        # The file was written from the SDK's model, which has one class for all filters and does
        # not know the newest.
        row["filters"] = [
            {key: value for key, value in one.items() if value is not None}
            for one in row["filters"]
            if one["filterType"] != "POSITION_RISK_CONTROL"
        ] + [{"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"}]
    _, ours = ASKED["GET", "/fapi/v1/exchangeInfo"](stage)
    assert [row["filterType"] for row in ours["symbols"][0]["filters"]] == [
        row["filterType"] for row in real["symbols"][0]["filters"]
    ]
    assert list(ours) == list(real)
    assert unexcused(differences(real, ours), REAL_INFO) == []


def test_what_is_not_offered_is_refused_as_documented(stage: Stage) -> None:
    for (method, path), reason in UNOFFERED.items():
        status, body = stage.call(method, path)
        wanted = (400, -4084) if "-4084" in reason else (404, -5000)
        assert (status, body["code"]) == wanted, f"{method} {path}: {reason}"


def test_coverage(documented: dict[Place, dict[str, Any]]) -> None:
    offered = set(documented) - set(UNOFFERED)
    print(f"\nREST endpoints of SDK 18: {len(documented)}, of these {len(offered)} implemented")
    for (method, path), reason in sorted(UNOFFERED.items()):
        print(f"  not {method} {path}: {reason}")
    print(f"fields as in the SDK's models, but for {len(MODELS)} endpoints:")
    for (method, path), rules in sorted(MODELS.items()):
        for one in rules:
            print(f"  {method} {path}: {one.reason} ({', '.join(one.excuses)})")
    assert len(offered) >= 80
