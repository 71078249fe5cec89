"""Whatever stands in the file, reading it ends in a configuration or a ConfigError."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.config import AegisConfig, ConfigError, LoadResult, load_config
from tests.config.sample import EIGHT_CORES, SAMPLE, read_text

SHIPPED = (Path(__file__).resolve().parents[2] / "aegis.toml").read_text()
NUMBER = re.compile(r"(?<== )-?\d[\d.]*\b")
PIECES = st.sampled_from(
    ["nan", "inf", "-inf", "1e999", "9" * 400, "true", '"x"', "[", "]", "{", "}", "=", "\n", ".",
     '"""', "'''", "[[instances]]", "[instances.btc]", "\x00", "\\", "é", "1979-05-27", "0x1F"]
)  # fmt: skip


@st.composite
def mutated_text(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([SAMPLE, SHIPPED]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.one_of(PIECES, st.text(max_size=6))) + text[stop:]
    return text


def read_quietly(content: bytes) -> LoadResult:
    with tempfile.TemporaryDirectory() as folder:
        result = read_text(content, Path(folder), EIGHT_CORES)
    assert (result.config is None) == bool(result.problems)
    for problem in [*result.problems, *result.warnings]:
        assert "\n" not in str(problem) and problem.message
    return result


@settings(max_examples=300, deadline=None)
@given(mutated_text())
def test_mutated_text_ends_well(text: str) -> None:
    result = read_quietly(text.encode("utf-8", "surrogatepass"))
    if result.config is not None:
        assert all(math.isfinite(number) for number in numbers_of(result.config))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_well(content: bytes) -> None:
    read_quietly(content)


def numbers_of(config: AegisConfig) -> Iterator[float]:
    pending: list[object] = [config.model_dump()]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, int | float):
            yield value


def test_truncation_at_every_byte_is_refused_or_whole(tmp_path: Path) -> None:
    content = SAMPLE.encode()
    for length in range(len(content)):
        result = read_text(content[:length], tmp_path)
        # Only a cut behind the last value, or inside its digits, leaves a whole configuration.
        if result.config is not None:
            assert length > len(content.rstrip()) - 5


@pytest.mark.parametrize("poison", ["nan", "inf", "-inf", "+nan", "1e999"])
def test_no_number_of_the_shipped_file_may_be_infinite_or_nan(tmp_path: Path, poison: str) -> None:
    places = [*NUMBER.finditer(SHIPPED)]
    assert len(places) > 50
    for place in places:
        text = SHIPPED[: place.start()] + poison + SHIPPED[place.end() :]
        result = read_text(text, tmp_path, EIGHT_CORES)
        line = SHIPPED[: place.start()].count("\n") + 1
        assert [problem.line for problem in result.problems] == [line]
        assert re.search("finite|integer", result.problems[0].message)


def test_load_raises_nothing_but_config_error_for_odd_paths(tmp_path: Path) -> None:
    for path in ("", "\x00", "a" * 5_000, tmp_path / "x" / "y", "/proc/self/mem"):
        with pytest.raises(ConfigError):
            load_config(path, EIGHT_CORES)
