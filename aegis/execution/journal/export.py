"""A journal as Parquet: every record a row, the integers as they are, names and decimals beside.

Called by `aegis journal export`. Only the good prefix is handed on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aegis.execution.journal.describe import Narrator
from aegis.execution.journal.layout import KINDS, RECORD

__all__ = ["write_parquet"]

_LEFT_OUT: Final = ("length", "crc")
_FIELDS: Final = tuple(name for name in RECORD.names or () if name not in _LEFT_OUT)
_SCHEMA: Final = pa.schema(
    [(name, pa.from_numpy_dtype(RECORD[name])) for name in _FIELDS]
    + [
        ("kind_name", pa.string()),
        ("symbol", pa.string()),
        ("client_id", pa.string()),
        ("price", pa.float64()),
        ("qty", pa.float64()),
    ]
)


def write_parquet(parts: Iterable[npt.NDArray[Any]], instance: str, out: Path) -> int:
    """Write RECORD arrays to `out`; returns how many rows. Raises OSError.

    The file has its name only when it is whole.
    """
    narrator = Narrator(instance)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    rows = 0
    try:
        with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
            for records in parts:
                if len(records):
                    writer.write_table(_table(records, narrator))
                rows += len(records)
        os.link(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _table(records: npt.NDArray[Any], narrator: Narrator) -> Any:
    names: list[str] = []
    symbols: list[str] = []
    clients: list[str] = []
    prices: list[float | None] = []
    quantities: list[float | None] = []
    for note in records:
        narrator.learn(note)
        kind = int(note["kind"])
        names.append(KINDS[kind] if kind < len(KINDS) else str(kind))
        symbols.append(narrator.symbol(note))
        clients.append(narrator.client_id(note))
        prices.append(narrator.price(note))
        quantities.append(narrator.quantity(note))
    columns = [pa.array(records[name]) for name in _FIELDS]
    columns += [pa.array(names), pa.array(symbols), pa.array(clients)]
    columns += [pa.array(prices, pa.float64()), pa.array(quantities, pa.float64())]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
