"""The peer: the same update as a user of JAX writes it, one compiled scan over many updates."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments.gan_training import Config

SCANNED = 100
"""Updates of one call."""
ACTIVATIONS = {
    "elu": jax.nn.elu,
    "relu": jax.nn.relu,
    "leaky_relu": functools.partial(jax.nn.leaky_relu, negative_slope=0.2),
}
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


def updates(settings: Config) -> Callable[[], object]:
    """A call of SCANNED updates, whose state is given on from call to call."""
    generator, discriminator = (settings.players[name] for name in ("generator", "discriminator"))
    batch, latent = settings.training.batch, generator.latent
    key = jax.random.key(settings.seed)
    data = jax.random.uniform(key, (settings.data.points, 2), minval=-1.0, maxval=1.0) * settings.data.extent
    weights = jnp.concatenate([jnp.full(batch, -1 / batch), jnp.full(batch, 1 / batch)])
    softening = settings.gan.softening.start

    def samples(params: Any, z: jax.Array) -> jax.Array:
        return _mlp(params, z, generator.layers.activation) * generator.output_scale

    def values(params: Any, points: jax.Array) -> jax.Array:
        return _mlp(params, points * discriminator.input_scale, discriminator.layers.activation)[:, 0]

    def update(state: Any, key: jax.Array) -> tuple[Any, None]:
        (params_g, moments_g), (params_d, moments_d) = state
        of_latent, of_index = jax.random.split(key)
        z = jax.random.normal(of_latent, (batch, latent))
        x, pull = jax.vjp(lambda params: samples(params, z), params_g)
        points = jnp.concatenate([x, data[jax.random.randint(of_index, (batch,), 0, len(data))]])
        squared = jnp.square(points[:, None] - points[None]).sum(-1)
        target = settings.gan.scale * (jax.lax.rsqrt(squared + softening**2) @ weights)
        d, pull_d = jax.vjp(values, params_d, points)  # one pass for both players
        _, dx = pull_d(jnp.where(jnp.arange(2 * batch) < batch, -0.5 / batch, 0.0))
        gradient_d, _ = pull_d((d - target) / (2 * batch))
        (gradient_g,) = pull(dx[:batch])
        stepped_g = _adam(params_g, gradient_g, moments_g, generator.optimizer.rate.start)
        return (stepped_g, _adam(params_d, gradient_d, moments_d, discriminator.optimizer.rate.start)), None

    @jax.jit
    def scan(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        key, *keys = jax.random.split(key, SCANNED + 1)
        return jax.lax.scan(update, state, jnp.stack(keys))[0], key

    widths = (latent, *generator.layers.hidden, 2), (2, *discriminator.layers.hidden, 1)
    state: Any = tuple(_start(key, each) for each in widths)

    def call() -> None:
        nonlocal state, key
        state, key = jax.block_until_ready(scan(state, key))

    return call


def _start(key: jax.Array, widths: tuple[int, ...]) -> tuple[Any, Any]:
    """Parameters and Adam's moments, with the count of updates."""
    params = [
        (jax.random.normal(key, pair) * (2 / pair[0]) ** 0.5, jnp.zeros(pair[1])) for pair in itertools.pairwise(widths)
    ]
    zeros = jax.tree.map(jnp.zeros_like, params)
    return params, (zeros, zeros, jnp.zeros(()))


def _mlp(params: Any, x: jax.Array, activation: str) -> jax.Array:
    for weight, bias in params[:-1]:
        x = ACTIVATIONS[activation](x @ weight + bias)
    weight, bias = params[-1]
    return x @ weight + bias


def _adam(params: Any, gradient: Any, moments: Any, rate: float) -> tuple[Any, Any]:
    mean, square, count = moments
    beta1, beta2, count = ADAM["beta1"], ADAM["beta2"], count + 1
    mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradient)
    square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, gradient)

    def stepped(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - rate * (m / (1 - beta1**count)) / (jnp.sqrt(v / (1 - beta2**count)) + ADAM["epsilon"])

    return jax.tree.map(stepped, params, mean, square), (mean, square, count)
