"""The benchmark of the engine: its keys, what it promises, and that a run repeats itself."""

from __future__ import annotations

from aegis.bench.smc import measure_smc


def test_the_smoke_size_has_every_key_and_the_same_checksum_again() -> None:
    found = measure_smc(smoke=True)
    assert found["ns_per_candle"] > 0.0
    assert found["ns_per_candle_many"] > 0.0
    assert found["batch_library_ratio"] >= 100.0
    assert found["events"] > found["candles"] // 2
    assert found["checksum"] == "01075cec007ab988"
