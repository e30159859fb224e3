"""Gradients over ranks beside those of one process: what ``mpiexec`` starts for the tests of ranks.

Every rank builds the GAN twice: as one of several, and as if it were alone. Both start from the same parameters; the
whole minibatch that the second draws goes in parts to the first. A line is printed for each case, by the first rank.
Every GAN is a case by its preset of points, found by looking; only settings that couple samples otherwise are listed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

import numpy as np
from gan_presets import preset_of

from coulombfield.arrays import to_numpy
from coulombfield.rng import Streams
from experiments import config, registry
from experiments.gan_training import GANTraining
from experiments.ranks.alone import ALONE
from experiments.ranks.world import world
from experiments.runs import life

POINTS = ("data.points=60", "data.held_out=10", "metrics=[]")
DIGITS = ("generator.width=8", "discriminator.base=4", "data.held_out=20", "metrics=[]")
SETTINGS = {
    "coulomb without own charges": ("gaussian-mixture-quick", *POINTS, "gan.exclude_self=true"),
    "coulomb as a sum": ("gaussian-mixture-quick", *POINTS, 'gan.reduction="sum"'),
    "coulomb with field": ("gaussian-mixture-field", *POINTS),
    "coulomb with batch-norm": ("digits", *DIGITS),
    "coulomb with field and batch-norm": ("digits", *DIGITS, "gan.field_weight=0.5"),
    "ebgan with pulling-away": ("figure-4-ebgan", *POINTS, "gan.pulling_away=0.3"),
    "drifting, normalized": ("figure-4-drifting", *POINTS, "gan.normalize=true"),
    "direct, unbiased, more real samples": ("figure-4-direct", *POINTS, "gan.unbiased=true", "gan.real_batch=11"),
    "direct of all": ("gaussian-mixture-direct", *POINTS),
}
CASES = {kind: (preset_of(kind), *POINTS) for kind in registry.kinds("gans")} | SETTINGS


def worst(case: str, batch: int, device: str) -> float:
    """Largest difference of a gradient, a loss or a number that goes on, in units of the largest of its kind."""
    preset, *overrides = CASES[case]
    setup = config.resolve(preset, [*overrides, f"training.batch={batch}", 'dtype="float64"'])
    ranks, where = world(), life.device_of(device)
    alone = GANTraining(setup.config, where, Streams(5), ALONE).gan
    gan = GANTraining(setup.config, where, Streams(5), ranks).gan
    found = 0.0
    for move in dict.fromkeys(alone.moves()):
        whole = {name: getattr(alone, f"draw_{name}")() for name in alone.draws[move]}
        own = {name: value[ranks.shares(len(value)).rows] for name, value in whole.items()}
        expected_losses, expected = alone.gradients(move, **whole)
        losses, gradients = gan.gradients(move, **own)
        for name, gradient in gradients.items():
            ranks.mean_(gradient.vector, gan.shares)
            found = max(found, difference(gradient.vector, expected[name].vector))
        for name, loss in losses.items():
            mean = ranks.mean_(np.atleast_1d(to_numpy(where.xp.asarray(loss))).astype(np.float64), gan.shares)
            found = max(found, difference(mean, expected_losses[name]))
        for each, its_losses in ((alone, expected_losses), (gan, losses)):
            each.after(move, its_losses)
    numbers = [(gan.memory[name], value) for name, value in alone.memory.items()]
    return max([found, *(difference(one, other) for one, other in numbers)])


def difference(array: object, expected: object) -> float:
    one, other = (np.asarray(to_numpy(x) if hasattr(x, "shape") else x, np.float64) for x in (array, expected))
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-3))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        with contextlib.suppress(ModuleNotFoundError):
            import cpucupy  # noqa: F401  (the stand-in for CuPy, where it is installed)
    for case in arguments.cases:
        for batch in arguments.batch:
            if batch % world().size and case == "coulomb with field and batch-norm":
                continue  # which is refused
            by_rank = world().objects(worst(case, batch, arguments.device))
            if world().first:
                print(f"{case}; {batch}; {world().size}; {max(by_rank):.2e}", flush=True)
    sys.exit(0)
