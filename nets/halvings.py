"""How often the side of an image is halved from layer to layer."""

from __future__ import annotations


def halvings(size: int, smallest: int) -> int:
    """How often ``size`` can be halved down to ``smallest``.

    Raises
    ------
    ValueError
        If it is not ``smallest`` times 2, 4, 8, ...
    """
    count = max(size // smallest, 1).bit_length() - 1
    if count < 1 or smallest << count != size:
        raise ValueError(f"size: expected {smallest} times 2, 4, 8, ..., got {size}")
    return count
