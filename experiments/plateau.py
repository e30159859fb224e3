"""Rates that fall where a metric no longer improves, and the end of a run at the next such place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class PlateauConfig:
    """How a run is watched: the paper's "a tenth of the rate when it gets stuck", which its authors did by hand.

    A plateau is ``patience`` evaluations of the metric in a row that are not better than the best one by at least
    ``gain``. At each of the first ``reductions`` plateaus all players' rates are multiplied by ``factor``; the next one
    ends the run.

    Parameters
    ----------
    metric : str
        Name of the metric's column; empty for a run that is not watched.
    best : {"lowest", "highest"}
        Which of its values is good.
    patience : int
        Evaluations [evaluations of that metric].
    gain : float
        Least improvement that counts, relative to the size of the best value so far.
    factor : float
        What rates are multiplied by, in (0, 1).
    reductions : int
        How often.
    """

    metric: str = ""
    best: Literal["lowest", "highest"] = "lowest"
    patience: int = 5
    gain: float = 0.01
    factor: float = 0.1
    reductions: int = 1

    def __post_init__(self) -> None:
        if not self.metric:
            for field in fields(self):
                if getattr(self, field.name) != field.default:
                    raise ValueError(f"{field.name}: expected with a metric only, got {getattr(self, field.name)}")
        if self.patience < 1:
            raise ValueError(f"patience: expected at least 1, got {self.patience}")
        if self.gain < 0:
            raise ValueError(f"gain: expected a number that is not negative, got {self.gain}")
        if not 0 < self.factor < 1:
            raise ValueError(f"factor: expected a number between 0 and 1, got {self.factor}")
        if self.reductions < 0:
            raise ValueError(f"reductions: expected a number that is not negative, got {self.reductions}")


class Plateaus:
    """The metric's best value, and how long it has been without a better one.

    Parameters
    ----------
    config : PlateauConfig
        When a plateau is one, and what follows.
    """

    def __init__(self, config: PlateauConfig):
        self.config = config
        self._sign = 1.0 if config.best == "lowest" else -1.0
        self._best: float | None = None
        self._waited = self._found = 0

    @property
    def factor(self) -> float:
        """What rates are multiplied by now."""
        return self.config.factor ** min(self._found, self.config.reductions)

    @property
    def ended(self) -> bool:
        """Whether the last plateau has come."""
        return self._found > self.config.reductions

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Take note of an evaluation; one without the metric says nothing, and one that is not finite is no gain."""
        if self.config.metric not in metrics or self.ended:
            return
        value = self._sign * metrics[self.config.metric]
        least = math.inf if self._best is None else self._best - self.config.gain * abs(self._best)
        if value < least:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited == self.config.patience:
            self._found, self._waited = self._found + 1, 0

    def state(self) -> dict[str, Any]:
        """What resuming needs."""
        best = {} if self._best is None else {"best": self._best}
        return {"waited": self._waited, "found": self._found, **best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._best = float(state["best"]) if "best" in state else None
        self._waited, self._found = int(state["waited"]), int(state["found"])
