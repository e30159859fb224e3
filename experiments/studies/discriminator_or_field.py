"""What the paper's discriminator is for: one generator in its minibatch's field, with a discriminator and without.

Section 2.4 gives up the minibatch's own field for its noise. Here the same generator follows it, two discriminators
that learn from it (see :mod:`experiments.gans.coulomb`), and the field of all data, without noise on the real side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from coulombfield.arrays import Device
from coulombfield.rng import Streams

from ..data.images import Config as ImagesConfig
from ..figures.curves import axis_label
from ..figures.images import image_grid
from ..figures.points import panels
from ..figures.style import CURVES, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics.metric import DEVIATION, Column
from ..runs.loop import LoopConfig
from .sentence import told
from .study import Study
from .ways import COSINE, WAYS, Contest, FloatType, SetConfig

SHOWN = 2_500  # points of each kind in a panel
ROW = 20  # images of each kind
COLOURS = tuple(colour for colour in CURVES if colour != REFERENCE)[: len(WAYS)]
SAME_TIME = "_same_time"  # ends the name of a measure in the same time
LEFT_OUT = 'no images of 1,024 dimensions: images = "FILE.h5" adds them'


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device and the time that things take.

    An update of the run is a turn of each way on each data set.

    Parameters
    ----------
    data_sets : list of {"mixture", "digits"}
        Which to learn from.
    images : str
        An HDF5 file or a folder of images, which are learned from as well; empty for none. Each way has its own copy.
    mixture, digits : SetConfig
        Those data sets.
    stored : SetConfig
        ``images``; the path of its data is that setting.
    gradients : int
        Minibatches behind the energy's gradient, with which an update's is compared.
    """

    training: LoopConfig
    mixture: SetConfig
    digits: SetConfig
    stored: SetConfig
    data_sets: tuple[Literal["mixture", "digits"], ...] = ("mixture", "digits")
    images: str = ""
    gradients: int = 32
    seed: int = 0
    dtype: FloatType = "float32"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")
        if self.gradients < 1:
            raise ValueError(f"gradients: expected at least 1, got {self.gradients}")
        if len(set(self.data_sets)) != len(self.data_sets):
            raise ValueError(f"data_sets: expected each at most once, got {list(self.data_sets)}")
        if not self.data_sets and not self.images:
            raise ValueError("data_sets: expected one or more where there are no images, got []")
        if not isinstance(self.stored.data, ImagesConfig) or self.stored.data.path:
            raise ValueError("stored.data: expected images without a path, which is the setting images")

    @property
    def sets(self) -> dict[str, SetConfig]:
        """The data sets to learn from, by name."""
        chosen: dict[str, SetConfig] = {name: getattr(self, name) for name in self.data_sets}
        if self.images:
            data = dataclasses.replace(self.stored.data, path=self.images)
            chosen["images"] = dataclasses.replace(self.stored, data=data)
        return chosen


def build(config: Config, device: Device, streams: Streams) -> DiscriminatorOrField:
    """The experiment at its start."""
    return DiscriminatorOrField(config, device)


def tied_to_length(config: Config) -> list[str]:
    """The moments at which all is measured are spread over all updates."""
    return ["training.updates, over which the moments that are compared are spread"]


class DiscriminatorOrField(Study):
    """Four ways to move the same generator, on one data set after the other, in turns.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    """

    advice = "lower the learning rates of that data set, and start a new run"

    def __init__(self, config: Config, device: Device):
        self.config = config
        built = {  # the last first: images that are not there are told before minutes go into the others
            name: Contest(
                settings,
                turns=config.training.updates,
                gradients=config.gradients,
                seed=config.seed,
                bit_generator=config.training.bit_generator,
                dtype=config.dtype,
                device=device,
            )
            for name, settings in reversed(config.sets.items())
        }
        self._contests = {name: built[name] for name in config.sets}
        first = next(iter(self._contests))
        self.headline: tuple[str, ...] = tuple(f"{first}_energy_{way}" for way in WAYS)

    @cached_property
    def metrics(self) -> Mapping[str, Column]:
        """Each measure of each way, after the same updates and in the same time."""
        columns: dict[str, Column] = {}
        for name, contest in self._contests.items():
            for measure, column in contest.columns.items():
                for way, called in WAYS.items():
                    key, unit = f"{name}_{measure}_{way}", column.unit
                    columns[key] = Column(f"{called}, on {name}. {column.definition}", unit, axis="")
                    columns[key + SAME_TIME] = Column("The same in the time of the fastest way.", unit, axis="")
            columns[f"{name}_noise_floor"] = contest.training.metrics["energy_noise_floor"]
        return columns

    def step(self) -> Mapping[str, Any]:
        """A turn of each way on each data set."""
        losses: dict[str, float] = {}
        for name, contest in self._contests.items():
            losses |= {f"{name}_{way}": loss for way, loss in contest.advance().items()}
            contest.keep()
        return losses

    def schedule(self) -> Mapping[str, float]:
        """Time that each way has taken so far."""
        now = {name: contest.now().seconds for name, contest in self._contests.items()}
        return {f"seconds_{name}_{way}": of[way] for name, of in now.items() for way in WAYS}

    def state(self) -> dict[str, Any]:
        """All players of all ways, and what was measured."""
        return {name: contest.state() for name, contest in self._contests.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        for name, contest in self._contests.items():
            contest.load_state(state[name])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Samples of the first data set in the field of all data."""
        return next(iter(self._contests.values())).training.sample(count, rng)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """All measures; those in the same time depend on what the machine was doing."""
        found: dict[str, float] = {}
        for name, contest in self._contests.items():
            moments = {"": contest.now().measures, SAME_TIME: contest.in_the_same_time().measures}
            for measure in contest.columns:
                for way in WAYS:
                    found |= {f"{name}_{measure}_{way}{end}": of[measure][way] for end, of in moments.items()}
            found[f"{name}_noise_floor"] = contest.training.reference()["energy_noise_floor"]
        return found

    def reference(self) -> Mapping[str, float]:
        """The measures of real samples, whatever the way."""
        found: dict[str, float] = {}
        for name, contest in self._contests.items():
            data = contest.training.reference()
            for measure in contest.columns:
                for way in WAYS if measure in data else ():
                    for end in ("", SAME_TIME):
                        key = f"{name}_{measure}_{way}{end}"
                        found[key] = data[measure]
                        if measure + DEVIATION in data:
                            found[key + DEVIATION] = data[measure + DEVIATION]
            found[f"{name}_noise_floor"] = data["energy_noise_floor"]
        return found

    def provenance(self) -> Mapping[str, str]:
        """Where the data come from, and what is left out."""
        found = {
            f"{name}_{key}": value
            for name, contest in self._contests.items()
            for key, value in contest.training.provenance().items()
        }
        return found if self.config.images else {**found, "left_out": LEFT_OUT}

    def figures(self, folder: Path) -> list[Figure]:
        """For each data set, the measures over updates and over time, with what they say, and samples."""
        found = []
        for name, contest in self._contests.items():
            curves, drawn = folder / f"{name}.png", folder / f"{name}-samples.png"
            self._draw_curves(curves, contest)
            headline, text = _told(contest)
            m, batch = int(np.prod(contest.training.data.shape)), contest.config.batch
            title = f"{name.capitalize()}, {m:,} dimensions, batches of {batch:,}: {headline}"
            found.append(Figure(curves, title, text))
            found += _samples(drawn, name, contest)
        if not self.config.images:
            found[0] = found[0]._replace(caption=f"{found[0].caption} Left out: {LEFT_OUT}.")
        return found

    def _draw_curves(self, path: Path, contest: Contest) -> None:
        """A row for each measure, over updates and over seconds."""
        updates, seconds, measures = contest.history()
        data, time = contest.training.reference(), contest.in_the_same_time()
        figure = new_figure(0.3 * WIDTH * len(measures))
        grid = figure.subplots(len(measures), 2, sharey="row", sharex="col", squeeze=False)
        for row, (name, values) in zip(grid, measures.items(), strict=True):
            column = contest.columns[name]
            for axes, horizontal in zip(row, (dict.fromkeys(WAYS, updates), seconds), strict=True):
                for (way, called), colour in zip(WAYS.items(), COLOURS, strict=True):
                    axes.plot(horizontal[way][1:], values[way][1:], ".-", ms=4, lw=1.2, color=colour, label=called)
                if name in data:
                    axes.axhline(data[name], ls="--", lw=1, color=REFERENCE, label="data itself")
                noise = data.get(column.noise, 0.0)
                if noise > 0:
                    axes.axhspan(-noise, noise, color=REFERENCE, alpha=0.2, lw=0, label="noise floor")
                    axes.set_yscale("symlog", linthresh=noise)
                axes.set_xscale("log")
            row[0].set_ylabel(axis_label(name, column), fontsize=8)
            row[1].axvline(next(iter(time.seconds.values())), ls=":", lw=1, color="0.5", label="the same time")
        grid[-1][0].set_xlabel("updates of each")
        grid[-1][1].set_xlabel("time of each [s]")
        handles = {
            label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8, frameon=False
        )
        save(figure, path)


def _told(contest: Contest) -> tuple[str, str]:
    """Headline and text on a data set."""
    _, _, measures = contest.history()
    names = {name: axis_label(name, Column("")) for name in contest.columns if name != COSINE}
    floor, start = contest.training.reference()["energy_noise_floor"], measures["energy"]["all"][0]
    cosines = {way: float(np.median(values)) for way, values in measures[COSINE].items()}
    return told(float(start), floor, contest.now(), contest.in_the_same_time(), names, cosines)


def _samples(path: Path, name: str, contest: Contest) -> list[Figure]:
    """Samples of all ways beside data, where there is a picture of such."""
    training, title = contest.training, f"Samples, {name}"
    form = training.data.form
    if form == "points":
        real = training.data.held_out.first(SHOWN)
        shown = {"data": real} | {
            WAYS[way].removeprefix("the "): points for way, points in contest.samples(SHOWN).items()
        }
        panels(path, shown, dict.fromkeys(shown, ""), training.data.extent)
        return [Figure(path, title, f"{len(real)} points of each, of the same latent vectors.")]
    if form == "images":
        real = training.data.held_out.first(ROW)
        image_grid(path, np.concatenate([real, *contest.samples(len(real)).values()]), len(real))
        rows = ", ".join(WAYS.values())
        return [Figure(path, title, f"From above: held-out images; {rows}; each column one latent vector.")]
    return []
