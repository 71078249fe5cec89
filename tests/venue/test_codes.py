"""Every refusal is one of the exchange's documented ones, in its words."""

from __future__ import annotations

import json
from pathlib import Path

from aegis.venue.codes import CODES, reject

# The gateway's answer to an unknown path; the list is of the exchange behind it.
OF_THE_GATEWAY = {-5000}


def test_texts_are_the_documented_ones(shared_data: Path) -> None:
    rows = json.loads((shared_data / "usdm" / "usdm_error_codes.json").read_text())
    documented = {row["code"]: row["msgs"] for row in rows}
    for code, (status, texts) in CODES.items():
        assert 400 <= status < 600
        if code in OF_THE_GATEWAY:
            continue
        assert code in documented, f"{code} is not documented"
        for text in texts:
            assert text in documented[code], f"{code} says {text!r}, not {documented[code]}"


def test_values_fill_the_text() -> None:
    error = reject(-4183, "61000.00", variant=1)
    assert (error.code, error.status) == (-4183, 400)
    assert error.message == "Limit price can't be higher than 61000.00."
