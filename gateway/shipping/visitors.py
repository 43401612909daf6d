"""How many different visitors: a small sketch of a set of pseudonyms, and sketches put together.

A sketch keeps the 4,096 smallest hashes of the set and the next one as its bound (a theta sketch, trimmed). What is
smallest does not depend on order, repeats or how a set was divided, so hours put together give byte for byte the sketch
of their month. Up to 4,096 visitors the number is exact; above, its standard error is 1.6 %.
"""

from collections.abc import Iterable
from typing import Final

from datasketches import compact_theta_sketch, theta_union, update_theta_sketch

_LOG2_KEPT: Final = 12
#: Standard error of a number above `EXACT_UP_TO`.
RELATIVE_ERROR: Final = 2.0 ** (-_LOG2_KEPT / 2)
EXACT_UP_TO: Final = 2**_LOG2_KEPT


def sketch(pseudonyms: Iterable[str]) -> bytes:
    """The sketch of a set, in any order and however often each is named: 8 bytes for each that is kept, and 8 to 24."""
    kept = update_theta_sketch(_LOG2_KEPT)
    for pseudonym in pseudonyms:
        kept.update(pseudonym)
    # Untrimmed it keeps up to twice as many, and which depends on the order.
    kept.trim()
    return bytes(kept.compact().serialize())


def together(sketches: Iterable[bytes]) -> bytes:
    """The sketch of all the sets together."""
    united = theta_union(_LOG2_KEPT)
    for one in sketches:
        united.update(compact_theta_sketch.deserialize(one))
    return bytes(united.get_result().serialize())


def number(one: bytes) -> int:
    """How many are in the set."""
    return int(compact_theta_sketch.deserialize(one).get_estimate() + 0.5)
