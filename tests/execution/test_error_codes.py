"""Every error code that the exchange documents has its place in the one table."""

from __future__ import annotations

import json
from pathlib import Path

from aegis.execution.error_codes import ERROR_CODES, Verdict, verdict_of_code
from aegis.execution.replies import verdict_of

# What the exchange's own text says of the fate of the request, in its words.
SAYS_UNKNOWN = ("execution status unknown", "send status unknown")


def test_every_documented_code_is_classified(shared_data: Path) -> None:
    rows = json.loads((shared_data / "usdm" / "usdm_error_codes.json").read_text())
    documented = {row["code"] for row in rows}
    assert len(documented) > 200
    missing = sorted(documented - set(ERROR_CODES))
    assert missing == [], "codes without a row"
    for row in rows:
        verdict = verdict_of(400, row["code"], row["msgs"][0])
        assert verdict is ERROR_CODES[row["code"]], row
        assert verdict is not Verdict.DONE, "an error is never a success"
        if any(words in text.lower() for text in row["msgs"] for words in SAYS_UNKNOWN):
            assert verdict is Verdict.UNKNOWN, row


def test_a_code_of_tomorrow_is_never_taken_for_more_than_it_says() -> None:
    assert verdict_of(400, -1017, "") is Verdict.UNKNOWN
    assert verdict_of(400, -1199, "") is Verdict.REFUSED
    assert verdict_of(400, -4999, "") is Verdict.REFUSED
    assert verdict_of(400, -9999, "") is Verdict.REFUSED
    assert verdict_of(500, 0, "") is Verdict.UNKNOWN
    assert verdict_of_code(0) is None


def test_the_codes_that_money_hangs_on() -> None:
    unknown = (-1000, -1006, -1007, -4116)
    halting = (-1002, -1022, -2014, -2015)
    assert {ERROR_CODES[code] for code in unknown} == {Verdict.UNKNOWN}
    assert {ERROR_CODES[code] for code in halting} == {Verdict.CREDENTIALS}
    assert ERROR_CODES[-2011] is ERROR_CODES[-2013] is Verdict.REFUSED
    assert ERROR_CODES[-2019] is ERROR_CODES[-2027] is Verdict.RESTRICTED
    assert ERROR_CODES[-2022] is Verdict.MISMATCH
    assert ERROR_CODES[-1125] is Verdict.LISTEN_KEY
    assert ERROR_CODES[-4046] is ERROR_CODES[-5027] is Verdict.ALREADY
