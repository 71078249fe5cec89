"""Every recorded REST reply against our own: the same keys, the same JSON types.

`pytest -s -k coverage` prints what is covered and what is not, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.venue.coverage.asked import ASKED
from tests.venue.coverage.exceptions import MODERN_SAMPLES, REST_SAMPLES, REST_UNANSWERED
from tests.venue.coverage.excusing import unexcused
from tests.venue.coverage.fixtures import RestFixture, rest_fixtures
from tests.venue.coverage.shapes import Difference, differences
from tests.venue.coverage.stage import Stage

Stages = Callable[[str], Stage]


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> list[RestFixture]:
    return rest_fixtures(shared_data / "payloads" / "usdm")


@pytest.fixture(scope="module")
def stages() -> Stages:
    """One stage per dialect, made when it is first needed."""
    made: dict[str, Stage] = {}

    def stage(dialect: str) -> Stage:
        if dialect not in made:
            made[dialect] = Stage(dialect)
        return made[dialect]

    return stage


def compare(stages: Stages, sample: RestFixture) -> list[Difference]:
    dialect = "2026" if sample.name in MODERN_SAMPLES else "2024"
    status, body = ASKED[sample.method, sample.path](stages(dialect))
    assert status == 200, f"{sample.name}: {body}"
    # Some endpoints answer one symbol with an object and all of them with a list.
    if isinstance(body, dict) and isinstance(sample.body, list):
        body = [body]
    elif isinstance(body, list) and isinstance(sample.body, dict):
        assert body, f"{sample.name}: nothing"
        body = body[0]
    return differences(sample.body, body)


def test_every_sample_has_our_shape(samples: list[RestFixture], stages: Stages) -> None:
    wrong = {}
    for sample in samples:
        if sample.name in REST_UNANSWERED:
            continue
        assert (sample.method, sample.path) in ASKED, f"{sample.name} is neither asked nor excused"
        left = unexcused(compare(stages, sample), REST_SAMPLES.get(sample.name, ()))
        if left:
            wrong[sample.name] = left
    assert wrong == {}


def test_what_is_not_answered_is_refused_as_documented(
    samples: list[RestFixture], stages: Stages
) -> None:
    by_name = {sample.name: sample for sample in samples}
    for name, reason in REST_UNANSWERED.items():
        sample = by_name[name]
        status, body = stages("2026").call(sample.method, sample.path)
        wanted = (400, -4084) if "-4084" in reason else (404, -5000)
        assert (status, body["code"]) == wanted, f"{name}: {reason}"


def test_the_table_names_samples_that_exist(samples: list[RestFixture]) -> None:
    names = {sample.name for sample in samples}
    assert {*REST_SAMPLES, *REST_UNANSWERED, *MODERN_SAMPLES} <= names
    assert not set(REST_SAMPLES) & set(REST_UNANSWERED)


def test_coverage(samples: list[RestFixture]) -> None:
    exact = [s for s in samples if s.name not in REST_SAMPLES and s.name not in REST_UNANSWERED]
    print(f"\nREST samples: {len(samples)}, of these {len(exact)} answered exactly alike,")
    print(f"{len(REST_SAMPLES)} alike but for what the table excuses:")
    for name, rules in sorted(REST_SAMPLES.items()):
        for one in rules:
            print(f"  {name}: {one.reason} ({', '.join(one.excuses)})")
    print(f"{len(REST_UNANSWERED)} refused on purpose:")
    for name, reason in sorted(REST_UNANSWERED.items()):
        print(f"  {name}: {reason}")
    assert len(exact) >= 50
