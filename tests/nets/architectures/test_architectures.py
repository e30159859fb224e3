"""Architectures: shapes, parameters counted by hand, where they start, what they map to."""

from __future__ import annotations

import inspect
import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_near, in_each_dtype, normal, seeds

from coulombfield.arrays import to_numpy
from nets import architectures
from nets.architectures import (
    coulomb_discriminator,
    coulomb_generator,
    dcgan_discriminator,
    dcgan_generator,
    language_discriminator,
    language_generator,
    mmd_gan_decoder,
    mmd_gan_encoder,
    wgan_gp_critic,
    wgan_gp_generator,
)
from nets.halvings import halvings
from nets.initializers import he_uniform
from nets.layers.activations import LeakyReLU
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential, first_rows
from nets.parameters import Parameters
from validation.gradients.architectures import ARCHITECTURES

each_small_one = pytest.mark.parametrize("sample", ARCHITECTURES, ids=lambda sample: sample.name)


def dense(fan_in, fan_out):
    return fan_in * fan_out + fan_out


def convolutions(side, *channels):
    """Weights of a chain of convolutions, without biases."""
    return sum(side**2 * a * b for a, b in itertools.pairwise(channels))


def norms(*channels):
    return 2 * sum(channels)


def up(before, after):
    """Parameters of a residual block of WGAN-GP's generator."""
    return norms(before, after) + 9 * before * after + 9 * after * after + after + dense(before, after)


def down(before, after):
    """The same of its critic."""
    return norms(before, before) + 9 * before * before + 9 * before * after + after + dense(before, after)


COUNTS = {
    "coulomb_generator at 64": (
        partial(coulomb_generator, 64),
        (32,),
        dense(32, 4 * 4 * 1024) + convolutions(5, 1024, 512, 256, 128, 3) + 3 + norms(512, 256, 128),
    ),
    "coulomb_generator at 32": (
        partial(coulomb_generator, 32, 16),
        (16,),
        dense(16, 4 * 4 * 1024) + convolutions(5, 1024, 512, 256, 3) + 3 + norms(512, 256),
    ),
    "coulomb_discriminator at 64": (
        partial(coulomb_discriminator, 64),
        (64, 64, 3),
        convolutions(5, 3, 128, 256, 512, 1024) + norms(128, 256, 512, 1024) + dense(4 * 4 * 1024, 1),
    ),
    "coulomb_discriminator at 32, as deep": (
        partial(coulomb_discriminator, 32),
        (32, 32, 3),
        convolutions(5, 3, 128, 256, 512, 1024) + norms(128, 256, 512, 1024) + dense(2 * 2 * 1024, 1),
    ),
    "coulomb_discriminator of the authors' my": (
        partial(coulomb_discriminator, 64, base=64),
        (64, 64, 3),
        convolutions(5, 3, 64, 128, 256, 512) + norms(64, 128, 256, 512) + dense(4 * 4 * 512, 1),
    ),
    "dcgan_generator of the code": (
        dcgan_generator,
        (100,),
        dense(100, 4 * 4 * 512) + convolutions(5, 512, 256, 128, 64, 3) + 3 + norms(512, 256, 128, 64),
    ),
    "dcgan_generator of the figure": (
        partial(dcgan_generator, variant="figure"),
        (100,),
        dense(100, 4 * 4 * 1024) + convolutions(5, 1024, 512, 256, 128, 3) + 3 + norms(1024, 512, 256, 128),
    ),
    "dcgan_generator of the Coulomb GAN's code": (
        partial(dcgan_generator, variant="coulomb"),
        (100,),
        convolutions(4, 100, 512, 256, 128, 64, 3) + 3 + norms(512, 256, 128, 64),
    ),
    "dcgan_discriminator of the code": (
        dcgan_discriminator,
        (64, 64, 3),
        convolutions(5, 3, 64, 128, 256, 512) + 64 + norms(128, 256, 512) + dense(4 * 4 * 512, 1),
    ),
    "dcgan_discriminator of the Coulomb GAN's code": (
        partial(dcgan_discriminator, variant="coulomb"),
        (64, 64, 3),
        convolutions(4, 3, 64, 128, 256, 512, 1) + 1 + norms(64, 128, 256, 512),
    ),
    "wgan_gp_generator": (
        wgan_gp_generator,
        (128,),
        dense(128, 4 * 4 * 512)
        + up(512, 512)
        + up(512, 256)
        + up(256, 128)
        + up(128, 64)
        + norms(64)
        + convolutions(3, 64, 3)
        + 3,
    ),
    "wgan_gp_critic": (
        wgan_gp_critic,
        (64, 64, 3),
        convolutions(3, 3, 64)
        + 64
        + down(64, 128)
        + down(128, 256)
        + down(256, 512)
        + down(512, 512)
        + dense(4 * 4 * 512, 1),
    ),
    "wgan_gp_critic at 32": (
        partial(wgan_gp_critic, 32),
        (32, 32, 3),
        convolutions(3, 3, 64) + 64 + down(64, 128) + down(128, 256) + down(256, 512) + dense(4 * 4 * 512, 1),
    ),
    "began_generator": (
        architectures.began_generator,
        (64,),
        dense(64, 8 * 8 * 128) + 8 * dense(9 * 128, 128) + dense(9 * 128, 3),
    ),
    "began_discriminator": (
        architectures.began_discriminator,
        (64, 64, 3),
        dense(9 * 3, 128)
        + 3 * dense(9 * 128, 128)
        + dense(9 * 128, 256)
        + 2 * dense(9 * 256, 256)
        + dense(9 * 256, 384)
        + 2 * dense(9 * 384, 384)
        + dense(9 * 384, 512)
        + dense(9 * 512, 512)
        + dense(8 * 8 * 512, 64)
        + dense(64, 8 * 8 * 128)
        + 8 * dense(9 * 128, 128)
        + dense(9 * 128, 3),
    ),
    "ebgan_generator": (
        architectures.ebgan_generator,
        (100,),
        convolutions(4, 100, 1024, 512, 256, 128, 3) + norms(1024, 512, 256, 128),
    ),
    "ebgan_encoder": (
        architectures.ebgan_encoder,
        (64, 64, 3),
        convolutions(4, 3, 64, 128, 256) + 64 + norms(128, 256),
    ),
    "ebgan_decoder": (
        architectures.ebgan_decoder,
        (16384,),
        convolutions(4, 256, 128, 64, 3) + norms(128, 64) + 3,
    ),
    "mmd_gan_decoder": (
        mmd_gan_decoder,
        (64,),
        convolutions(4, 64, 512, 256, 128, 64, 3) + norms(512, 256, 128, 64),
    ),
    "mmd_gan_encoder": (
        partial(mmd_gan_encoder, 32, 128),
        (32, 32, 3),
        convolutions(4, 3, 64, 128, 256, 128) + norms(128, 256),
    ),
    "lim_ye_generator": (
        architectures.lim_ye_generator,
        (4,),
        4 * 128 + 2 * 128 * 128 + norms(128, 128, 128) + dense(128, 2),
    ),
    "lim_ye_discriminator": (
        architectures.lim_ye_discriminator,
        (2,),
        dense(2, 128) + 2 * dense(128, 128) + dense(128, 1),
    ),
    "lim_ye_autoencoder": (
        partial(architectures.lim_ye_autoencoder, 2, 3, width=8, hidden=2),
        (2,),
        dense(2, 8) + dense(8, 8) + dense(8, 3) + dense(3, 8) + dense(8, 8) + dense(8, 2),
    ),
    "language_generator": (
        partial(language_generator, 32, 100),
        (128,),
        dense(128, 32 * 512) + 32 * 512 + 5 * 2 * (5 * 512 * 512 + 512) + dense(512, 100),
    ),
    "language_generator of WGAN-GP": (
        partial(language_generator, 32, 100, batch_norm=None),
        (128,),
        dense(128, 32 * 512) + 5 * 2 * dense(5 * 512, 512) + dense(512, 100),
    ),
    "language_discriminator": (
        partial(language_discriminator, 32, 100),
        (32, 100),
        dense(100, 512) + 5 * 2 * dense(5 * 512, 512) + dense(32 * 512, 1),
    ),
}


@pytest.mark.parametrize(("make", "shape", "count"), COUNTS.values(), ids=COUNTS.keys())
def test_parameters_as_counted_by_hand(make, shape, count):
    network = make()
    assert network.layout.size == count
    network.body.output_shape(shape)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_images_of_each_size(size):
    image = (size, size, 3)
    assert coulomb_generator(size).body.output_shape((32,)) == image
    assert coulomb_discriminator(size).body.output_shape(image) == (1,)
    assert wgan_gp_generator(size).body.output_shape((128,)) == image
    assert wgan_gp_critic(size).body.output_shape(image) == (1,)
    assert mmd_gan_decoder(size).body.output_shape((64,)) == image
    assert mmd_gan_encoder(size).body.output_shape(image) == (64,)
    assert architectures.ebgan_generator(size).body.output_shape((100,)) == image
    assert architectures.ebgan_encoder(size, 4 * size**2).body.output_shape(image) == (4 * size**2,)
    assert architectures.ebgan_decoder(size, 4 * size**2).body.output_shape((4 * size**2,)) == image
    if size >= 16:
        assert architectures.began_generator(size).body.output_shape((64,)) == image
        assert architectures.began_discriminator(size).body.output_shape(image) == image
        for variant in ("code", "figure", "coulomb"):
            assert dcgan_generator(size, variant=variant).body.output_shape((100,)) == image
            assert dcgan_discriminator(size, variant=variant).body.output_shape(image) == (1,)


def test_the_discriminator_is_four_deep_from_32_pixels_on_and_ends_as_2_by_2_below():
    sides = {}
    for size in (4, 8, 16, 32, 64, 128):
        body = coulomb_discriminator(size, base=1).body
        images = Sequential(body.layers[:-2])
        sides[size] = sum(isinstance(layer, Conv2d) for layer in body.layers), images.output_shape((size, size, 3))[0]
    assert sides == {4: (1, 2), 8: (2, 2), 16: (3, 2), 32: (4, 2), 64: (4, 4), 128: (4, 8)}


def test_a_depth_can_be_given():
    assert coulomb_discriminator(8, 1, base=4, depth=4).layout.shapes["6.weight"] == (5, 5, 16, 32)


CANCELLED = {
    "dcgan generator code": {"0.bias"},
    "wgan-gp generator": {"2.body.4.bias", "2.shortcut.0.bias"},
    "language generator": {"0.bias"},
    "language generator places": {"0.bias"},
}
"""Biases that a batch-norm takes off again: their gradients are roundings of zero, and may be zero."""


@in_each_dtype
@each_small_one
def test_forward_and_backward(device, dtype, sample):
    """Shapes and dtypes are as promised, and every weight that matters has a gradient."""
    rng = np.random.default_rng(1)
    network = sample.make()
    params = network.initialize(rng, dtype, device.xp)
    x = normal(device, rng, sample.shape, dtype)
    y, cache = network.forward(params, x)
    assert y.shape == (sample.shape[0], *network.body.output_shape(sample.shape[1:]))
    dx, gradient = network.backward(params, cache, normal(device, rng, y.shape, dtype))
    assert dx.shape == x.shape
    assert y.dtype == dx.dtype == gradient.vector.dtype == dtype
    for name, values in gradient.items():
        values = to_numpy(values)
        assert np.isfinite(values).all()
        assert values.any() or name in CANCELLED.get(sample.name, ()), name


RANGES = {
    "scaled tanh": (partial(coulomb_generator, 8, 4, 1, width=4), 1.7159),
    "tanh": (partial(coulomb_generator, 8, 4, 1, width=4, scaled_tanh=False), 1.0),
    "dcgan": (partial(dcgan_generator, 16, 4, 1, width=8), 1.0),
    "dcgan of the Coulomb GAN": (partial(dcgan_generator, 16, 4, 1, width=8, variant="coulomb"), 1.7159),
    "wgan-gp": (partial(wgan_gp_generator, 8, 4, 1, width=1), 1.0),
    "mmd-gan": (partial(mmd_gan_decoder, 8, 4, 1, base=2), 1.0),
}


@pytest.mark.parametrize(("make", "amplitude"), RANGES.values(), ids=RANGES.keys())
@settings(max_examples=3)
@given(seed=seeds)
def test_images_fill_the_range_of_the_output_and_stay_in_it(make, amplitude, seed):
    network = make()
    rng = np.random.default_rng(seed)
    params = network.initialize(rng, np.float64)
    for name, values in params.items():
        if "weight" in name:
            values *= 50
    y, _ = network.forward(params, rng.standard_normal((8, 4)))
    assert 0.99 * amplitude < abs(y).max() <= amplitude


@settings(max_examples=3)
@given(seed=seeds)
def test_a_line_of_text_is_a_distribution_at_each_place(seed):
    network = language_generator(6, 9, 4, width=4, blocks=1)
    rng = np.random.default_rng(seed)
    y, _ = network.forward(network.initialize(rng, np.float64), rng.standard_normal((3, 4)))
    assert y.min() > 0
    np.testing.assert_allclose(y.sum(axis=2), 1, rtol=16 * np.finfo(np.float64).eps)


def deviation(params, name):
    return float(np.std(params[name]))


def test_weights_start_as_the_authors_have_them():
    params = coulomb_generator(64, 32, 3, width=64).initialize(np.random.default_rng(0), np.float64)
    scattered = partial(pytest.approx, rel=0.05)
    assert deviation(params, "0.weight") == scattered(math.sqrt(2 / (32 + 1024)))
    assert deviation(params, "2.weight") == scattered(math.sqrt(2 * 2 / (25 * (64 + 32))))
    assert abs(params["2.weight"]).max() <= 2 * math.sqrt(1.3 * 2 * 2 / (25 * (64 + 32)))
    assert deviation(params, "8.weight") == scattered(math.sqrt(2 / (25 * (8 + 3))))
    assert not params["0.bias"].any()
    params = coulomb_discriminator(64, base=16).initialize(np.random.default_rng(0), np.float64)
    assert deviation(params, "2.weight") == scattered(math.sqrt(2 / (25 * (16 + 32))))
    assert abs(params["2.weight"]).max() <= math.sqrt(6 / (25 * (16 + 32)))
    assert (params["1.scale"] == 1).all()
    assert not params["1.shift"].any()


def test_weights_of_the_peers_start_as_theirs_do():
    rng, scattered = np.random.default_rng(0), partial(pytest.approx, rel=0.05)
    params = dcgan_generator(64, width=64).initialize(rng, np.float64)
    assert deviation(params, "0.weight") == scattered(0.02)
    assert deviation(params, "3.weight") == scattered(0.02)
    params = dcgan_discriminator(64, base=8).initialize(rng, np.float64)
    assert abs(params["1.weight"]).max() <= 0.04
    params = mmd_gan_encoder(64, base=16).initialize(rng, np.float64)
    assert deviation(params, "3.weight") == scattered(0.02)
    assert params["6.scale"].mean() == pytest.approx(1, abs=0.01)
    assert 0.01 < deviation(params, "6.scale") < 0.03
    params = architectures.lim_ye_generator().initialize(rng, np.float64)
    assert deviation(params, "2.weight") == scattered(0.01)
    assert params["3.scale"].mean() == pytest.approx(1, abs=0.005)
    assert 0.008 < deviation(params, "3.scale") < 0.012
    params = wgan_gp_critic(64, width=8).initialize(rng, np.float64)
    assert deviation(params, "2.body.3.weight") == scattered(math.sqrt(4 / (9 * (16 + 32))))
    assert deviation(params, "3.shortcut.1.weight") == scattered(math.sqrt(2 / (32 + 64)))
    params = language_discriminator(8, 20, width=32, blocks=1, weight=he_uniform).initialize(rng, np.float64)
    assert deviation(params, "1.body.1.weight") == scattered(math.sqrt(4 / (5 * 64)))


@settings(max_examples=10)
@given(size=st.integers(1, 6), channels=st.integers(1, 4), batch=st.integers(2, 4), seed=seeds)
def test_a_bias_before_batch_norm_changes_nothing(size, channels, batch, seed):
    rng = np.random.default_rng(seed)
    with_bias, without = (
        Network(Sequential([Conv2d(3, channels, 5, 2, **settings), BatchNorm(channels, LeakyReLU(0.2))]))
        for settings in ({}, {"bias": None})
    )
    params = with_bias.initialize(rng, np.float64)
    params["0.bias"][...] = rng.standard_normal(channels)
    fewer = Parameters(without.layout, np.concatenate([params[name].ravel() for name in without.layout.shapes]))
    x = rng.standard_normal((batch, size, size, 3))
    # where two numbers of a channel are close to each other, their normalisation magnifies their rounding
    assert_near(with_bias.forward(params, x)[0], without.forward(fewer, x)[0], terms=1000)


@settings(max_examples=10)
@given(size=st.integers(1, 5), batch=st.integers(1, 3), seed=seeds)
def test_a_convolution_of_single_pixels_commutes_with_upsampling(size, batch, seed):
    rng = np.random.default_rng(seed)
    orders = [Conv2d(3, 2, 1), Upsample(2)], [Upsample(2), Conv2d(3, 2, 1)]
    first, last = (Network(Sequential(layers)) for layers in orders)
    params = first.initialize(rng, np.float64)
    other = Parameters(last.layout, params.vector)
    x = rng.standard_normal((batch, size, size, 3))
    assert_near(first.forward(params, x)[0], last.forward(other, x)[0], terms=3)


@pytest.mark.parametrize(
    "make",
    [
        partial(coulomb_discriminator, 16, 1, base=2),
        partial(dcgan_discriminator, 16, 1, base=1),
        partial(dcgan_discriminator, 16, 1, base=1, variant="coulomb"),
        partial(mmd_gan_encoder, 16, 3, 1, base=1),
    ],
    ids=["coulomb", "dcgan", "dcgan of the Coulomb GAN", "mmd-gan"],
)
def test_two_groups_pass_as_if_each_came_alone(make):
    rng = np.random.default_rng(0)
    together, alone = make(groups=2), make()
    params = together.initialize(rng, np.float64)
    x = rng.standard_normal((6, 16, 16, 1))
    y, _ = together.forward(params, x)
    assert_near(y, np.concatenate([alone.forward(params, part)[0] for part in (x[:3], x[3:])]), terms=100)
    assert abs(alone.forward(params, x)[0] - y).max() > 1e-3


@settings(max_examples=3)
@given(seed=seeds)
def test_the_critic_treats_each_sample_by_itself(seed):
    network = wgan_gp_critic(8, 1, width=1)
    rng = np.random.default_rng(seed)
    params = network.initialize(rng, np.float64)
    x = rng.standard_normal((4, 8, 8, 1))
    y, cache = network.forward(params, x)
    some, _ = network.forward(params, x[:2])
    assert_near(some, y[:2], terms=100)
    dx, _ = network.backward(params, first_rows(cache, 2), np.ones((2, 1)))
    assert dx.shape == (2, 8, 8, 1)


@settings(max_examples=20)
@given(smallest=st.integers(1, 9), count=st.integers(1, 8))
def test_halvings(smallest, count):
    assert halvings(smallest * 2**count, smallest) == count
    if smallest > 1:
        with pytest.raises(ValueError, match=f"size: expected {smallest} times 2, 4, 8, ..., got"):
            halvings(smallest * 2**count + 1, smallest)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(coulomb_generator, 48), "size: expected 4 times 2, 4, 8, ..., got 48"),
        (partial(coulomb_generator, 64, width=12), "width: expected a multiple of 8 for images of size 64, got 12"),
        (partial(coulomb_discriminator, 1), "size: expected 2 times 2, 4, 8, ..., got 1"),
        (partial(coulomb_discriminator, 48), "size: expected 2 times 2, 4, 8, ..., got 48"),
        (partial(coulomb_discriminator, 64, depth=0), "depth: expected a positive integer, got 0"),
        (partial(dcgan_generator, variant="other"), "variant: expected code, figure, coulomb, got 'other'"),
        (partial(dcgan_generator, 8), "size: expected 16 times 2, 4, 8, ..., got 8"),
        (partial(dcgan_generator, 16, width=4), "width: expected a multiple of 8 for images of size 16, got 4"),
        (partial(dcgan_discriminator, variant="other"), "variant: expected code, figure, coulomb, got 'other'"),
        (partial(wgan_gp_critic, 4), "size: expected 4 times 2, 4, 8, ..., got 4"),
        (partial(architectures.lim_ye_generator, hidden=0), "hidden: expected a positive integer, got 0"),
        (partial(architectures.lim_ye_autoencoder, code=0), "code: expected a positive integer, got 0"),
        (partial(architectures.began_generator, 8), "size: expected 8 times 2, 4, 8, ..., got 8"),
        (partial(architectures.ebgan_encoder, 20), "size: expected a multiple of 8, got 20"),
        (partial(architectures.ebgan_decoder, 64, 65), "code: expected a multiple of 64 numbers for images of 64 x 64"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


COUNTS_OF = [
    (name, argument)
    for name in architectures.__all__
    for argument, parameter in inspect.signature(getattr(architectures, name)).parameters.items()
    if str(parameter.annotation).startswith("int")
]


@pytest.mark.parametrize(("name", "argument"), COUNTS_OF, ids=map("-".join, COUNTS_OF))
@pytest.mark.parametrize(
    ("value", "error"),
    [(True, TypeError), (1.5, TypeError), (math.nan, TypeError), ("8", TypeError), (0, ValueError), (-8, ValueError)],
)
def test_what_is_no_count_is_refused_by_the_callers_name(name, argument, value, error):
    if (argument, value) == ("blocks", 0):
        pytest.skip("a network without blocks is one")
    with pytest.raises(error, match=f"^{argument}: expected an? (positive |non-negative )?integer, got "):
        getattr(architectures, name)(**{argument: value})


def test_numpys_integers_are_counts():
    """And don't wrap around in the product of two widths."""
    network = coulomb_generator(np.uint8(16), np.uint8(3), np.uint8(1), width=np.uint8(32))
    assert network.layout.shapes == coulomb_generator(16, 3, 1, width=32).layout.shapes


@pytest.mark.parametrize("width", [True, 1.5, math.nan, "8", None, np.timedelta64(8, "s")])
def test_an_mlp_names_the_width_that_is_none(width):
    with pytest.raises(TypeError, match=r"^widths\[1\]: expected an integer, got"):
        architectures.mlp((2, width, 1), LeakyReLU)
