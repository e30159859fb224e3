"""Whole updates: the gradient of each player in each move of every GAN."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array
from coulombfield.calculus import random_direction
from coulombfield.rng import Streams
from experiments.gans import (
    began,
    coulomb,
    dcgan,
    direct,
    drifting,
    ebgan,
    geometric,
    gmmn,
    lsgan,
    mcgan,
    mmd_gan,
    mmd_net,
    wgan,
    wgan_gp,
)
from experiments.gans.gan import GAN, GANConfig
from experiments.players.optimizer import ScheduleConfig
from nets.architectures import mlp
from nets.initializers import normal, uniform
from nets.layers.activations import ELU, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential
from validation.assembly import assemble
from validation.context import Context

from . import gan_held, gan_kinks
from .differences import Case, magnitude, off_kinks
from .layers import branched_on
from .registry import Row

LATENT, BATCH, CODE = 3, 4, 5
CONSTANT = ScheduleConfig(start=1.0, kind="constant")
POINTS, IMAGES = (2,), (4, 4, 1)

Networks = Callable[[], dict[str, Network]]
Loss = Callable[[Any, str, str, Mapping[str, Array]], Callable[[], float]]
Kinks = Callable[[GAN, Mapping[str, Array]], Array]


class Sample(NamedTuple):
    """One GAN with small networks, to differentiate.

    Attributes
    ----------
    covers : type
        The class of the GAN.
    config : GANConfig
        Its settings.
    networks : callable
        Makes a network for each player.
    shape : tuple of int
        Of one sample of the data.
    loss : callable, optional
        Given the GAN, the move, the player and the draws, what the player's loss is as its parameters move; by
        default what :meth:`GAN.gradients` says it is. For losses that hold something fixed that the parameters move.
    kinks : callable, optional
        Given the GAN and the draws, numbers at whose zeros a loss has kinks of its own.
    """

    covers: type[GAN]
    config: GANConfig
    networks: Networks
    shape: tuple[int, ...] = POINTS
    loss: Loss | None = None
    kinks: Kinks | None = None


def dense(*widths: int) -> Network:
    """A small smooth network, biases off zero."""
    return mlp(widths, ELU, first_weight=normal(1.0), first_bias=uniform(1.0))


def of_points(outputs: int = 1) -> dict[str, Network]:
    """Generator, and discriminator of some numbers, for points in the plane."""
    return {"generator": dense(LATENT, 6, *POINTS), "discriminator": dense(*POINTS, 6, outputs)}


def projected(networks: Networks, columns: int) -> dict[str, Network]:
    """The same with a projection of the discriminator's features on some columns."""
    return {**networks(), "projection": Network(Linear(CODE, columns, weight=normal(1.0), bias=None))}


def of_autoencoded_images() -> dict[str, Network]:
    """Generator and autoencoder of images."""
    encoder: list[Layer] = [Conv2d(1, 4, 3, 2, activation=ELU()), Flatten(), Linear(16, CODE)]
    decoder: list[Layer] = [Linear(CODE, 16), Reshape((2, 2, 4)), ConvTranspose2d(4, 1, 5, 2, activation=Tanh())]
    return {**of_images(), "discriminator": Network(Sequential([*encoder, *decoder]))}


def of_codes() -> dict[str, Network]:
    """Generator, encoder and decoder for points; the decoder has no kinks, since no samples pass it."""
    decoder = mlp((CODE, 6, *POINTS), Tanh)
    return {"generator": dense(LATENT, 6, *POINTS), "encoder": dense(*POINTS, 6, CODE), "decoder": decoder}


def of_image_codes() -> dict[str, Network]:
    """The same for images, with batch-norm."""
    decoder: list[Layer] = [Linear(CODE, 16), Reshape((2, 2, 4)), ConvTranspose2d(4, 1, 5, 2, activation=Tanh())]
    players = of_images(CODE)
    return {
        "generator": players["generator"],
        "encoder": players["discriminator"],
        "decoder": Network(Sequential(decoder)),
    }


def of_images(outputs: int = 1) -> dict[str, Network]:
    """The same for images, with batch-norm in both.

    Few variances are near 0 beside so large an epsilon: the losses vary over lengths of about 1.
    """
    of_generator, of_discriminator = (BatchNorm(4, ELU(), epsilon=1.0) for _ in range(2))
    last = ConvTranspose2d(4, 1, 5, 2, activation=Tanh())
    generator: list[Layer] = [Linear(LATENT, 16), Reshape((2, 2, 4)), of_generator, last]
    discriminator: list[Layer] = [Conv2d(1, 4, 3, 2), of_discriminator, Flatten(), Linear(16, outputs)]
    return {
        "generator": Network(Sequential(generator)),
        "discriminator": Network(Sequential(discriminator)),
    }


def smooth(shape: tuple[int, ...]) -> dict[str, Network]:
    """Generator, and a discriminator of points or images whose slopes have no kinks, for penalties on them."""
    if shape == POINTS:
        return {**of_points(), "discriminator": mlp((*POINTS, 6, 1), Tanh, first_bias=uniform(1.0))}
    layers: list[Layer] = [Conv2d(1, 4, 3, 2), LayerNorm(4, Tanh(), epsilon=1.0), Flatten(), Linear(16, 1)]
    return {**of_images(), "discriminator": Network(Sequential(layers))}


def generator_of(networks: Networks) -> Networks:
    """The generator alone."""
    return lambda: {"generator": networks()["generator"]}


def _direct(**settings: Any) -> direct.Config:
    return direct.Config(exponent=ScheduleConfig.of_number(1.0), softening=CONSTANT, **settings)


def _coulomb(**settings: Any) -> coulomb.Config:
    return coulomb.Config(exponent=1.0, softening=CONSTANT, scale=3.0, **settings)


MATCHED: tuple[tuple[Any, int], ...] = (("l1", 0), ("l2", 2), ("none", 3))
"""What McGAN matches: means by a norm, and components of covariances."""

SAMPLES: dict[str, Sample] = {
    "CoulombGAN of points": Sample(coulomb.CoulombGAN, _coulomb(), of_points),
    "CoulombGAN of points by sums": Sample(coulomb.CoulombGAN, _coulomb(reduction="sum", exclude_self=True), of_points),
    "CoulombGAN of images": Sample(coulomb.CoulombGAN, _coulomb(), of_images, IMAGES),
    **{
        f"CoulombGAN of {data} with the field{label}": Sample(
            coulomb.CoulombGAN, _coulomb(field_weight=2.0, **settings), functools.partial(smooth, shape), shape
        )
        for data, shape in (("points", POINTS), ("images", IMAGES))
        for label, settings in (("", {}), (" by sums", {"reduction": "sum", "exclude_self": True}))
    },
    "CoulombGAN of images with batch-norm and the field": Sample(
        coulomb.CoulombGAN, _coulomb(field_weight=2.0), of_images, IMAGES
    ),
    "DCGAN of points": Sample(dcgan.DCGAN, dcgan.Config(), of_points),
    "DCGAN of images": Sample(dcgan.DCGAN, dcgan.Config(), of_images, IMAGES),
    "LSGAN of points": Sample(lsgan.LSGAN, lsgan.Config(), of_points),
    "LSGAN of images": Sample(lsgan.LSGAN, lsgan.Config(a=-1.0, b=1.0, c=0.0), of_images, IMAGES),
    "WGAN of points": Sample(wgan.WGAN, wgan.Config(), of_points),
    "WGAN of images": Sample(wgan.WGAN, wgan.Config(), of_images, IMAGES),
    "WGANGP of points": Sample(wgan_gp.WGANGP, wgan_gp.Config(penalty=3.0), functools.partial(smooth, POINTS)),
    "WGANGP of images": Sample(wgan_gp.WGANGP, wgan_gp.Config(), functools.partial(smooth, IMAGES), IMAGES),
    "BEGAN of points": Sample(
        began.BEGAN, began.Config(start=0.3), functools.partial(of_points, 2), kinks=gan_kinks.errors
    ),
    "BEGAN of images": Sample(
        began.BEGAN, began.Config(start=0.3), of_autoencoded_images, IMAGES, kinks=gan_kinks.errors
    ),
    "EBGAN of points": Sample(ebgan.EBGAN, ebgan.Config(margin=2.0, code=CODE), of_codes, kinks=gan_kinks.below_margin),
    "EBGAN of points with pulling away": Sample(
        ebgan.EBGAN, ebgan.Config(margin=2.0, code=CODE, pulling_away=0.5), of_codes, kinks=gan_kinks.below_margin
    ),
    "EBGAN of images by mean square": Sample(
        ebgan.EBGAN,
        ebgan.Config(margin=0.5, code=CODE, pulling_away=0.5, energy="mean_square"),
        of_image_codes,
        IMAGES,
        kinks=gan_kinks.below_margin,
    ),
    "MMDGAN of points": Sample(
        mmd_gan.MMDGAN, mmd_gan.Config(code=CODE, clip=10.0), of_codes, kinks=gan_kinks.outside_feasible
    ),
    "MMDGAN of images": Sample(
        mmd_gan.MMDGAN, mmd_gan.Config(code=CODE, clip=10.0), of_image_codes, IMAGES, kinks=gan_kinks.outside_feasible
    ),
    "GMMN of points": Sample(gmmn.GMMN, gmmn.Config(widths=(0.7, 2.0)), generator_of(of_points)),
    "GMMN of images": Sample(gmmn.GMMN, gmmn.Config(widths=(0.7, 2.0)), generator_of(of_images), IMAGES),
    "MMDNet of points": Sample(mmd_net.MMDNet, mmd_net.Config(widths=(0.7, 2.0)), generator_of(of_points)),
    "GeometricGAN of points": Sample(
        geometric.GeometricGAN, geometric.Config(cost=0.5), of_points, kinks=gan_kinks.violations
    ),
    "GeometricGAN of images": Sample(
        geometric.GeometricGAN, geometric.Config(cost=0.5), of_images, IMAGES, kinks=gan_kinks.violations
    ),
    **{
        f"McGAN of {data} {mean} {components}": Sample(
            mcgan.McGAN,
            mcgan.Config(features=CODE, mean=mean, components=components),
            functools.partial(projected, functools.partial(networks, CODE), (mean != "none") + 2 * components),
            shape,
        )
        for mean, components in MATCHED
        for data, networks, shape in (("points", of_points, POINTS), ("images", of_images, IMAGES))
    },
    "Direct of points": Sample(direct.Direct, _direct(), generator_of(of_points)),
    "Direct of points unbiased": Sample(direct.Direct, _direct(unbiased=True), generator_of(of_points)),
    "Direct of images": Sample(direct.Direct, _direct(), generator_of(of_images), IMAGES),
    "Direct of all images": Sample(
        direct.DirectOfAll, _direct(unbiased=True, real="all"), generator_of(of_images), IMAGES
    ),
    "Drifting of points": Sample(
        drifting.Drifting, drifting.Config(temperatures=(0.5, 2.0)), generator_of(of_points), loss=gan_held.drifted
    ),
    "Drifting of images normalized": Sample(
        drifting.Drifting,
        drifting.Config(temperatures=(0.1, 0.5), normalize=True),
        generator_of(of_images),
        IMAGES,
        loss=gan_held.drifted,
    ),
}
"""Every GAN, with whatever settings change its gradients."""


def rows() -> list[Row]:
    """One row for each sample."""
    return [Row(name, "gan", (sample.covers,), functools.partial(_cases, name)) for name, sample in SAMPLES.items()]


def small(name: str, streams: Streams, context: Context) -> GAN:
    """The GAN of a sample in float64, with noise on its parameters."""
    sample = SAMPLES[name]
    data = streams.stream("data").standard_normal((2 * BATCH, *sample.shape))
    return assemble(
        sample.config,
        sample.networks(),
        data,
        latent=LATENT,
        batch=BATCH,
        streams=streams,
        device=context.device,
        spread=0.1,
    )


def _cases(name: str, context: Context) -> Iterator[Case]:
    rng = context.rng(f"gradients {name}")
    for _ in range(context.pick(4, 2)):
        gan = small(name, Streams(int(rng.integers(2**32))), context)
        for move in gan.draws:
            _, gradients = gan.gradients(move, **_draw(gan, move))
            for player in list(gradients):
                yield off_kinks(functools.partial(_case, name, move, player, context, rng))


def _draw(gan: GAN, move: str) -> dict[str, Array]:
    """What a move draws, in arrays that later draws leave alone."""
    return {name: getattr(gan, f"draw_{name}")().copy() for name in gan.draws[move]}


def _case(name: str, move: str, player: str, context: Context, rng: np.random.Generator) -> Case:
    """A player's loss as its parameters move, all else fixed."""
    gan = small(name, Streams(int(rng.integers(2**32))), context)
    draws = _draw(gan, move)
    losses, gradients = gan.gradients(move, **draws)
    params, gradient = gan.players[player].params, context.host(gradients[player].vector).copy()
    start, direction = params.vector.copy(), random_direction(rng, params.vector)
    terms = gradient * context.host(direction)
    make, kinks = SAMPLES[name].loss, SAMPLES[name].kinks
    loss = make(gan, move, player, draws) if make else lambda: float(gan.gradients(move, **draws)[0][player])

    def moved(t: float) -> float:
        params.vector[...] = start + t * direction
        return loss()

    def branches(t: float) -> np.ndarray:
        params.vector[...] = start + t * direction
        own = [context.host(kinks(gan, draws)).ravel()] if kinks else []
        return np.concatenate([signs > 0 for signs in (*_activations(gan, draws, context), *own)])

    size = abs(float(losses[player])) + magnitude(terms)
    return Case(f"{move}: {player}", moved, float(terms.sum()), size, magnitude(terms), branches=branches)


def _activations(gan: GAN, draws: Mapping[str, Array], context: Context) -> Iterator[np.ndarray]:
    """What the players' activations branch on, as samples pass the generator and all of its size pass the others."""
    samples, cache = gan.generator.network.forward(gan.generator.params, draws["latent"])
    yield branched_on(gan.generator.network.body, cache.layers, context.host)
    for name, player in gan.players.items():
        if name != "generator":
            for x in (samples, draws.get("real")):
                if x is None:
                    continue
                try:
                    _, cache = player.network.forward(player.params, x)
                except ValueError:  # it takes something else than samples
                    continue
                yield branched_on(player.network.body, cache.layers, context.host)
