"""The benchmark of the indicators: its keys, and that it measures something."""

from __future__ import annotations

from aegis.bench.quant import measure_quant


def test_the_smoke_size_has_every_key() -> None:
    found = measure_quant(smoke=True)
    for name in ("sma", "ema", "rsi", "macd", "bollinger_bands", "atr"):
        row = found[name]
        assert set(row) == {"ns_per_point", "talib_ns_per_point", "pandas_ns_per_point"}
        assert row["ns_per_point"] > 0.0
    assert found["streaming_ema_ns_per_point"] > 0.0
