"""An experiment small enough for tests of what surrounds an experiment: a point that noisy gradients pull to zero."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from coulombfield.rng import Streams
from experiments.figures.points import samples_against_data
from experiments.figures.style import Figure
from experiments.metrics.metric import Column
from experiments.runs.loop import LoopConfig


@dataclass(frozen=True)
class Shape:
    width: int = 3
    sizes: tuple[int, ...] = (2, 3)
    rate: float = 0.05


@dataclass(frozen=True)
class Config:
    training: LoopConfig
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"
    shape: Shape = Shape()
    pause: float = 0.0
    nan_loss_at: int = 0
    nan_state_at: int = 0

    def __post_init__(self):
        if self.pause < 0:
            raise ValueError(f"pause: expected at least 0, got {self.pause}")


def build(config, device, streams):
    return Tiny(config, streams)


class Tiny:
    metrics: Mapping[str, Column] = {
        "distance": Column("Distance <to> zero.", "length", "log"),
        "energy": Column("Square of it.", "length**2", "symlog", noise="floor"),
        "floor": Column("Its noise.", "length**2", axis=""),
    }
    headline = ("distance",)
    advice = "take care"

    @property
    def periods(self):
        return {self.config.training.evaluate_every}

    def __init__(self, config: Config, streams: Streams):
        self.config = config
        self.streams = streams
        self.count = 0
        self.position = np.full(config.shape.width, 5.0, config.dtype)

    def step(self) -> dict[str, Any]:
        time.sleep(self.config.pause)
        self.count += 1
        noise = self.streams.stream("noise").standard_normal(self.position.shape)
        self.position -= (self.config.shape.rate * (self.position + noise)).astype(self.position.dtype)
        loss = np.nan if self.count == self.config.nan_loss_at else (self.position**2).sum()
        if self.count == self.config.nan_state_at:
            self.position[0] = np.inf
        return {"first": loss, "second": float(noise[0])}

    def schedule(self):
        return {"rate": self.config.shape.rate}

    def evaluate(self, step=None):
        distance = float(np.linalg.norm(self.position))
        return {"distance": distance, "energy": distance**2, "floor": 0.5}

    def reference(self):
        return {"distance": 0.1, "energy": 0.01, "floor": 0.5}

    def state(self):
        return {
            "position": self.position,
            "count": self.count,
            "nested": {"streams": json.dumps(self.streams.state())},
        }

    def load_state(self, state):
        self.position = state["position"].copy()
        self.count = state["count"]
        self.streams = Streams.restore(json.loads(state["nested"]["streams"]))

    def sample(self, count: int, rng: np.random.Generator):
        return self.position[:2] + rng.standard_normal((count, 2)).astype(self.position.dtype)

    def figures(self, folder: Path):
        points = self.sample(50, np.random.default_rng(0))
        samples_against_data(folder / "scatter.png", points, points, extent=10.0)
        return [Figure(folder / "scatter.png", "Scatter", "A caption & more.")]

    def provenance(self):
        return {"data": "none"}


def write_preset(folder: Path, **training: int) -> Path:
    """A preset of this experiment with its own schedule of the loop."""
    plan = {"updates": 60, "log_every": 7, "evaluate_every": 20, "checkpoint_every": 15, **training}
    lines = "\n".join(f"{key} = {value}" for key, value in plan.items())
    path = folder / "tiny.toml"
    path.write_text(
        f'experiment = "tests.support.tiny_experiment"\ntitle = "Tiny <run>"\nseed = 3\n[training]\n{lines}\n'
    )
    return path
