"""What the studies of particles share as experiments."""

from __future__ import annotations

from typing import Any

KNOWN_AS = "known"
"""What reports call the reference of a study that is held against theory; its module has this name."""


class Study:
    """Base of an experiment whose metrics all have the period of its training.

    Attributes
    ----------
    config : dataclass
        Its configuration, with a ``training``.
    """

    advice = ""
    config: Any

    @property
    def periods(self) -> set[int]:
        """The period of all metrics [updates]."""
        return {self.config.training.evaluate_every}
