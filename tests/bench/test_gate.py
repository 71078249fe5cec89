"""`aegis bench gate`: every order passes, the baseline agrees, and the figures are whole."""

from __future__ import annotations

from aegis.bench.gate import _ours, _plain, measure_gate


def test_every_order_passes_both_gates() -> None:
    assert _ours(3_000, 1).min() >= 0
    assert _plain(3_000).min() > 0


def test_the_smoke_size_has_both() -> None:
    found = measure_gate(smoke=True, progress=lambda _: None)
    assert found["orders"] == 20_000
    for times in (found["gate_ns"], found["gate_512_instruments_ns"]):
        assert 0 < times["p50"] < found["baseline"]["gate_ns"]["p50"]
    assert found["times_faster"] > 1
