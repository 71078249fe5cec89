"""Order references that were used: a bitmap of the last 4,096 below the highest one.

The first half of DUPLICATE_ORDER: the brain names every order once, and a name that comes again is
nonsense whatever became of the order. The second half (the same side, price and quantity within a
short time) is in `aegis.risk.guards`.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.risk.gate_state import HIGHEST_REF, REF_WINDOW

__all__ = ["forget_order_refs", "order_ref_is_new", "use_order_ref"]


@kernel("b1(i8[::1],u8[::1],i8)")
def order_ref_is_new(words: Any, refs: Any, order_ref: Any) -> Any:
    """DUPLICATE_ORDER: whether a reference was never used; one too old to tell was used."""
    highest = words[HIGHEST_REF]
    if order_ref > highest:
        return True
    if order_ref <= highest - REF_WINDOW or order_ref <= 0:
        return False
    place = order_ref % REF_WINDOW
    bit = np.uint64(1) << np.uint64(place % 64)
    return refs[place // 64] & bit == np.uint64(0)


@kernel("void(i8[::1],u8[::1],i8)")
def use_order_ref(words: Any, refs: Any, order_ref: Any) -> Any:
    """Remember a reference: a bitmap of the last 4096 below the highest one used."""
    highest = words[HIGHEST_REF]
    if order_ref > highest:
        if order_ref - highest >= REF_WINDOW:
            refs[:] = np.uint64(0)
        else:
            for passed in range(highest + 1, order_ref):
                gone = passed % REF_WINDOW
                refs[gone // 64] &= ~(np.uint64(1) << np.uint64(gone % 64))
        words[HIGHEST_REF] = order_ref
    place = order_ref % REF_WINDOW
    refs[place // 64] |= np.uint64(1) << np.uint64(place % 64)


@kernel("void(i8[::1],u8[::1])")
def forget_order_refs(words: Any, refs: Any) -> Any:
    """A new generation of the brain counts its references from the start again."""
    words[HIGHEST_REF] = 0
    refs[:] = np.uint64(0)
