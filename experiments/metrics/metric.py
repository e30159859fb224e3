"""What a metric is."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """What a reader has to know of one metric.

    Attributes
    ----------
    definition : str
        One sentence, with the unit.
    scale : str
        Axis of its curve: ``linear``, ``log`` or ``symlog``; empty for a metric that has no curve.
    noise : str
        Name of the metric that says how large this one is by chance alone; a ``symlog`` axis is linear up to there.
    """

    definition: str
    scale: str = "linear"
    noise: str = ""
