"""Algorithm 1: both gradients of a small Coulomb GAN, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from coulombfield.rng import Streams
from experiments.gans.coulomb import Config
from experiments.gans.gan import GAN
from experiments.players.optimizer import ScheduleConfig
from experiments.players.player import Player
from nets.architectures import mlp
from nets.initializers import normal, uniform
from nets.layers.activations import ELU
from nets.losses import Reduction
from validation.assembly import assemble
from validation.context import Context

from ..evidence import Finding, Subject, Verdict, at_most, below, near
from ..example_densities import generated_density, plain_mean, real_density
from ..registry import Entry

BATCH, LATENT, M = 6, 3, 2
EXPONENT, SOFTENING = 1.0, 1.0
STEP = 2.0**-14
TOLERANCE = 1e-6  # STEP² is 4e-9 and rounding over STEP 4e-12, of losses with third derivatives of some tens


def algorithm(context: Context) -> Finding:
    """Per-parameter central differences of the printed losses and of the intended ones, against the GAN's gradients."""
    rng = context.rng("minibatch")
    z, real = rng.standard_normal((BATCH, LATENT)), real_density(M).sample(BATCH, rng)
    gan = _gan(context, "expectation")
    draws = {"latent": context.put(z), "real": context.put(real)}
    generator, discriminator = (gan.players[name] for name in ("generator", "discriminator"))
    _, found = gan.gradients("both", **draws)
    found_generator, found_discriminator = (
        context.host(found[name].vector).copy() for name in ("generator", "discriminator")
    )
    summed = _gan(context, "sum")
    d_summed = context.host(summed.gradients("both", **draws)[1]["discriminator"].vector).copy()

    def generated() -> np.ndarray:
        return context.host(generator.network.forward(generator.params, context.put(z))[0]).copy()

    def discriminate(points: np.ndarray) -> np.ndarray:
        return context.host(discriminator.network.forward(discriminator.params, context.put(points))[0])[:, 0]

    def squared_errors(potential: np.ndarray, points: np.ndarray) -> float:
        return 0.5 * math.fsum((discriminate(points) - potential) ** 2)

    x = generated()
    points = np.concatenate([x, real])
    intended = np.array([_potential(a, real, x) for a in points])
    # read to the letter, x are training samples and y generated ones: by Eq 8 all charges change their signs
    printed = np.array([_potential(a, x, real) for a in points])

    def differences(player: Player, loss: Callable[[], float]) -> np.ndarray:
        return _differences(context, player, loss)

    printed_generator = differences(generator, lambda: -0.5 * discriminate(real).mean())
    printed_discriminator = differences(discriminator, lambda: squared_errors(printed, points))
    intended_generator = differences(generator, lambda: -0.5 * discriminate(generated()).mean())
    intended_discriminator = differences(discriminator, lambda: squared_errors(intended, points))

    before = context.host(discriminator.params.vector).copy()
    discriminator.update(found["discriminator"])
    moved = (context.host(discriminator.params.vector) - before) @ found_discriminator

    def apart(found: np.ndarray, differences: np.ndarray) -> float:
        return float(np.abs(found - differences).max() / np.abs(found).max())

    right = Subject.CORRECTED
    sizes = f"{len(found_generator)} and {len(found_discriminator)} parameters"
    return Finding(
        [
            at_most(
                "dθ with x_i from the training set, relative", apart(found_generator, printed_generator), TOLERANCE
            ),
            at_most("dw with y_i from the generator, relative", apart(d_summed, printed_discriminator), TOLERANCE),
            at_most(
                "dθ with x_i = G(z_i), relative", apart(found_generator, intended_generator), TOLERANCE, right, sizes
            ),
            at_most("dw with y_i data, as a sum", apart(d_summed, intended_discriminator), TOLERANCE, right),
            at_most(
                "dw with y_i data, as Eq 9, times 2N",
                apart(2 * BATCH * found_discriminator, intended_discriminator),
                TOLERANCE,
                right,
            ),
            near(
                "norm of the sum's dw over that of Eq 9's, N = 6",
                float(np.linalg.norm(intended_discriminator) / np.linalg.norm(found_discriminator)),
                2 * BATCH,
                1e-5,
                right,
            ),
            below("dw · (w_(n+1) − w_n): Adam's step goes down, so it enters with its sign", float(moved), 0.0, right),
        ]
    )


def _gan(context: Context, reduction: Reduction) -> GAN:
    """A small smooth GAN in float64, the same one at each call."""
    streams = Streams(context.seed)
    networks = {
        name: mlp(widths, ELU, first_weight=normal(1.0), first_bias=uniform(1.0))
        for name, widths in (("generator", (LATENT, 6, M)), ("discriminator", (M, 6, 1)))
    }
    softening = ScheduleConfig(start=SOFTENING, kind="constant")
    return assemble(
        Config(exponent=EXPONENT, softening=softening, reduction=reduction),
        networks,
        generated_density(M).sample(BATCH, streams.stream("data")),
        latent=LATENT,
        batch=BATCH,
        device=context.device,
        streams=streams,
    )


def _potential(a: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """Eq 8 as plain loops."""
    return plain_mean(a, positive, EXPONENT, SOFTENING) - plain_mean(a, negative, EXPONENT, SOFTENING)


def _differences(context: Context, player: Player, loss: Callable[[], float]) -> np.ndarray:
    """Central difference of a loss by each parameter of a player."""
    start = context.host(player.params.vector).copy()
    slopes = np.empty_like(start)
    for index in range(len(start)):
        ends = []
        for sign in (1, -1):
            vector = start.copy()
            vector[index] += sign * STEP
            player.params.vector[...] = context.put(vector)
            ends.append(loss())
        slopes[index] = (ends[0] - ends[1]) / (2 * STEP)
    player.params.vector[...] = context.put(start)
    return slopes


ENTRIES = (
    Entry(
        name="algorithm",
        place="A.6, Algorithm 1",
        title="Minibatch training of a Coulomb GAN",
        statement=(
            r"\mathbf{x}_i\ \mathrm{from\ the\ training\ set},\ \mathbf{y}_i\ \mathrm{from\ the\ generator}:"
            "\n"
            r"d\mathbf{w} \leftarrow \nabla_{\mathbf{w}} \left[ \frac{1}{2} \sum_{i=1}^{N_x}"
            r" \left(D(\mathbf{x}_i) - \hat{\Phi}(\mathbf{x}_i)\right)^2 + \frac{1}{2} \sum_{i=1}^{N_y}"
            r" \left(D(\mathbf{y}_i) - \hat{\Phi}(\mathbf{y}_i)\right)^2 \right]"
            "\n"
            r"d\mathbf{\theta} \leftarrow \nabla_{\mathbf{\theta}}"
            r" \left[ -\frac{1}{2} \frac{1}{N_x} \sum_{i=1}^{N_x} D(\mathbf{x}_i) \right]"
        ),
        plain="x_i training, y_i generated: dw = ∇½Σ(D − Φ̂)² over both, dθ = ∇[−½ (1/N_x) Σ D(x_i)]",
        check=algorithm,
        expected=Verdict.MISPRINT,
        truth="x_i from the generator, y_i from the training set; dw is then 2N times that of Eq 9 (N_x = N_y = N)",
        how="central differences by each parameter of two small networks, with Eq 8 as plain loops and held fixed",
        code=("experiments.gans.coulomb.CoulombGAN.gradients", "nets.losses.potential_regression"),
    ),
)
