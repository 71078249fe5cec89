"""The symbol table."""

from __future__ import annotations

import pytest

from aegis.feed.symbols import SymbolTable


def test_symbols_are_numbered_in_their_order_in_both_spellings() -> None:
    symbols = [f"COIN{number}USDT" for number in range(500)]
    table = SymbolTable(symbols)
    assert [table.index(symbol) for symbol in symbols] == list(range(500))
    assert [table.index_of_stream(symbol.lower()) for symbol in symbols] == list(range(500))
    assert table.index("NONE") == table.index_of_stream("BTCUSDT") == -1
    assert sorted(table.table[table.table >= 0].tolist()) == list(range(500))


@pytest.mark.parametrize(
    ("symbols", "text"),
    [
        ([""], "0 bytes"),
        (["X" * 33], "33 bytes"),
        (["A B"], "holds a character"),
        (['A"B'], "holds a character"),
        (["A@B"], "holds a character"),
        (["A", "A"], "listed twice"),
    ],
)
def test_impossible_symbols_are_refused(symbols: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SymbolTable(symbols)
