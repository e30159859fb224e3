"""Images of charges in the periods around a box."""

from __future__ import annotations

import itertools
import math

import numpy as np

from .box import Box


def with_images(positions: np.ndarray, weights: np.ndarray, box: Box, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Charges in a box, followed by those of their images that are within a distance of it along each periodic axis.

    Parameters
    ----------
    positions : array, shape (S, m)
        Inside the box along its periodic axes [length].
    weights : array, shape (S,)
        Their charges.
    box : Box
        What they repeat with.
    reach : float
        The distance [length]; more than a period takes images of several.
    """
    places, charges = [positions], [weights]
    for axis, side in zip(box.axes, box.sides, strict=True):
        shells = math.ceil(reach / side)
        found = [[*places], [*charges]]
        for shell, (part, values) in itertools.product(
            [n for n in range(-shells, shells + 1) if n], list(zip(places, charges, strict=True))
        ):
            moved = part[:, axis] + part.dtype.type(shell * side)
            near = (moved >= -reach) & (moved <= side + reach)
            image = part[near]
            image[:, axis] = moved[near]
            found[0].append(image)
            found[1].append(values[near])
        places, charges = found
    return np.concatenate(places), np.concatenate(charges)
