"""Why a book is out of force, in words that an operator reads."""

import pytest

from aegis.shm.absence import Reason, why_absent


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NONE])
def test_every_reason_has_words(reason: Reason) -> None:
    words = why_absent(reason)
    assert " " in words
    assert words == words[0].lower() + words[1:], "it goes on behind a comma"


@pytest.mark.parametrize("code", [0, 13, 2**40])
def test_a_code_without_words_is_told_as_it_is(code: int) -> None:
    assert why_absent(code) == f"reason {code}"
