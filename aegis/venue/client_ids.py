"""Client order ids for orders that came without one: 22 letters and digits, as the exchange makes.

They follow from the order's own id, so that a run can be repeated.
"""

from __future__ import annotations

import hashlib
import string
from typing import Final

ALPHABET: Final = string.digits + string.ascii_letters
LENGTH: Final = 22


def client_id_of(number: int, purpose: bytes = b"order") -> str:
    """The id for order or algo order `number`; `purpose` keeps the two apart."""
    digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=17, person=purpose).digest()
    value = int.from_bytes(digest, "little")
    letters = []
    for _ in range(LENGTH):
        value, place = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[place])
    return "".join(letters)
