r"""§2.4: the generator's gradient where no discriminator stands between it and the field.

A generator z → W z + b with W = s Q, Q orthogonal and z normal makes N(b, s² I), so that the energy of real charges
y_j and the generator's density is, without the data's own part,

.. math:: F(b, s) = \tfrac12 E\,k(x, x') - \frac{1}{N_y} \sum_j \Phi_x(y_j),

both of which are one-dimensional integrals. With the samples' own terms i = j, as Eqs 33 and 34 have them, only
(N − 1)/N of their repulsion is felt.
"""

from __future__ import annotations

import numpy as np

from coulombfield.rng import Streams
from experiments.gans.direct import Config
from experiments.players.optimizer import ScheduleConfig
from nets.layers.linear import Linear
from nets.network import Network
from validation.assembly import assemble
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Finding, Measurement, Subject, Verdict, standard_errors
from ..registry import Entry
from .bias import as_printed

M, EXPONENT, SOFTENING, BATCH = 2, 1.0, 0.8, 4
DATA = np.array([[1.2, 0.3], [-0.4, 1.1], [0.9, -0.8], [-1.3, -0.2], [0.2, 0.6]])
TURN = np.array([[0.6, -0.8], [0.8, 0.6]])  # Q
AT = np.array([0.5, -0.3, 0.6])  # b and s
STEP = 1e-3
NAMES = ("b_1", "b_2", "s")


def direct_gradient(context: Context) -> Finding:
    """Mean gradient of ``direct`` over many minibatches of 4 samples, beside that of the energy."""
    exact = energy_gradient(AT)
    own = energy_gradient(AT, data=0.0)
    measurements: list[Measurement] = []
    for unbiased in (False, True):
        found = gradients(context, unbiased)
        for name, values, all_of_it, of_own in zip(NAMES, found.T, exact, own, strict=True):
            if unbiased:
                what = f"∂F̂/∂{name} without i = j and with N − 1, beside ∂F/∂{name}"
                measurements.append(standard_errors(what, values, all_of_it, Subject.COUNTEREXAMPLE))
                continue
            measurements.append(as_printed(f"∂F̂/∂{name} beside ∂F/∂{name}", values, all_of_it))
            what = f"∂F̂/∂{name} beside ∂F/∂{name} with (N − 1)/N of the samples' own part"
            measurements.append(standard_errors(what, values, all_of_it - of_own / BATCH, Subject.COUNTEREXAMPLE))
    return Finding(measurements)


def energy_gradient(at: np.ndarray, data: float = 1.0) -> np.ndarray:
    """By b and s: central differences, whose error is some 1e-7, of the energy; without the data's part if asked."""
    steps = STEP * np.eye(M + 1)
    return np.array([(_energy(at + step, data) - _energy(at - step, data)) / (2 * STEP) for step in steps])


def gradients(context: Context, unbiased: bool) -> np.ndarray:
    """Gradients of the experiment's own code by b and s, shape (replicates, 3)."""
    config = Config(
        exponent=ScheduleConfig.of_number(EXPONENT),
        softening=ScheduleConfig.of_number(SOFTENING),
        unbiased=unbiased,
        real="all",
        rtol=1e-4,
    )
    network = {"generator": Network(Linear(M, M))}
    gan = assemble(config, network, DATA, latent=M, batch=BATCH, streams=Streams(context.seed), device=context.device)
    gan.generator.params["weight"][...] = context.put(AT[M] * TURN)
    gan.generator.params["bias"][...] = context.put(AT[:M])
    found = np.empty((context.pick(8000, 3000), M + 1))
    for row in found:
        _, of_players = gan.gradients("generator", latent=gan.draw_latent())
        gradient = of_players["generator"]
        row[:M] = context.host(gradient["bias"])
        row[M] = np.vdot(TURN, context.host(gradient["weight"]))
    return found


def _energy(at: np.ndarray, data: float) -> float:
    density = GaussianMixture(np.ones(1), at[None, :M], at[M:])
    return density.energy(EXPONENT, SOFTENING) - data * float(density.potential(DATA, EXPONENT, SOFTENING).mean())


ENTRIES = (
    Entry(
        name="direct-gradient",
        place="§2.4, Eqs 33 and 34 as a generator's loss",
        title="A generator in the field of its own minibatch descends the energy",
        statement=r"E\,\nabla_\theta \hat{F} = \nabla_\theta F",
        plain="E ∇_θ F̂ = ∇_θ F, the generator's samples moved by Ê",
        check=direct_gradient,
        expected=Verdict.FAILS,
        truth="off by −1/N of the samples' own part; unbiased without i = j and with N − 1",
        how="Monte Carlo over minibatches of 4 of an affine generator, beside differences of one-dimensional integrals",
        code=("experiments.gans.direct.Direct.gradients",),
    ),
)
