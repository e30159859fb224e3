"""Elements of a trajectory as arrays whose axes have names, for xarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..packages import trouble_with
from .elements import Element

OF_PARTICLES = {
    "position": ("particle", "axis"),
    "velocity": ("particle", "axis"),
    "force": ("particle", "axis"),
    "image": ("particle", "axis"),
    **dict.fromkeys(("charge", "mass", "potential", "species", "id"), ("particle",)),
}
"""Axes of the arrays of a group, beside that of the frames."""


def as_dataset(
    elements: Mapping[str, Element], steps: np.ndarray, times: np.ndarray, axes: Mapping[str, tuple[str, ...]]
) -> Any:
    """Elements that are fixed or have these steps as an ``xarray.Dataset``, with known axes by their names.

    Raises
    ------
    ImportError
        If xarray is not there.
    """
    if trouble := trouble_with("xarray", "pip install 'coulombfield[particles]'"):
        raise ImportError(f"to_xarray needs xarray: {trouble}")
    import xarray

    arrays = {}
    for name, element in elements.items():
        if element.steps is not None and not np.array_equal(element.steps, steps):
            continue
        values = element[:]
        frames = () if element.steps is None else ("frame",)
        others = tuple(f"{name}_{i}" for i in range(values.ndim - len(frames)))
        known = axes.get(name, others)
        arrays[name] = (
            frames + (known if len(known) == len(others) else others),
            values,
            {"unit": element.unit} if element.unit else {},
        )
    return xarray.Dataset(arrays, coords={"step": ("frame", steps), "time": ("frame", times)})
