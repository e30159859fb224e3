"""The Coulomb GAN's update: its losses and gradients against the paper, on each array library that networks run on."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_support import waits
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Charges, field, generated_charges, potential, real_charges, signed_charges
from coulombfield.arrays import Device, to_numpy
from coulombfield.calculus import best_step, difference_tolerance, directional_derivative, random_direction
from coulombfield.rng import Streams
from experiments.gans.coulomb import Config
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Player
from nets.architectures import mlp
from nets.initializers import normal, uniform
from nets.layers.activations import ELU, Tanh
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential
from validation.assembly import assemble

UPDATES = 50
CONSTANT = OptimizerConfig(ScheduleConfig.of_number(1e-2))
seeds = st.integers(0, 2**32 - 1)


def build(seed, device, dtype="float64", *, batch=6, latent=3, m=2, l2=0.0, **potential_settings):
    """A small smooth GAN: ELU in both players, biases off zero."""
    streams = Streams(seed)
    networks = {
        name: mlp(widths, ELU, first_weight=normal(1.0), first_bias=uniform(1.0))
        for name, widths in (("generator", (latent, 8, m)), ("discriminator", (m, 8, 1)))
    }
    optimizer = OptimizerConfig(ScheduleConfig(start=1e-2, end=1e-3), l2=l2)
    return assemble(
        Config(exponent=1.0, softening=ScheduleConfig(start=1.0, end=0.5), **potential_settings),
        networks,
        streams.stream("data").standard_normal((40, m)).astype(dtype),
        latent=latent,
        batch=batch,
        updates=UPDATES,
        device=device,
        streams=streams,
        optimizers=dict.fromkeys(networks, optimizer),
    )


def draw(gan, seed):
    z = np.random.default_rng(seed).standard_normal((gan.batch, gan.generator.latent)).astype(gan.data.dtype)
    return gan.device.put(z), gan.device.put(gan.data.first(gan.batch))


def gradients(gan, z, real):
    """Losses, and the gradients of generator and discriminator."""
    losses, found = gan.gradients("both", latent=z, real=real)
    return losses, found["generator"], found["discriminator"]


def forward(player, x):
    return player.network.forward(player.params, x)[0]


def target(gan, generated, real):
    """Eq 8 at the minibatch's own points, written anew from the public functions on the host."""
    x, y = to_numpy(generated), to_numpy(real)
    points = np.concatenate([x, y])
    weights = np.concatenate([generated_charges(x).weights, real_charges(y).weights])
    return gan.config.scale * potential(
        points, Charges(points, weights), gan.kernel, exclude_self=gan.config.exclude_self, method="direct"
    )


@pytest.mark.parametrize("reduction", ["expectation", "sum"])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_losses_are_those_of_the_paper(device, reduction, exclude_self):
    gan = build(1, device, scale=3.0, reduction=reduction, exclude_self=exclude_self)
    z, real = draw(gan, 2)
    losses, _, _ = gradients(gan, z, real)
    x = forward(gan.generator, z)
    at_x, at_y = (to_numpy(forward(gan.players["discriminator"], points))[:, 0] for points in (x, real))
    square = (np.concatenate([at_x, at_y]) - target(gan, x, real)) ** 2
    eq_9 = 0.5 * (0.5 * square[: gan.batch].mean() + 0.5 * square[gan.batch :].mean())
    assert float(losses["discriminator"]) == pytest.approx(
        eq_9 * (2 * gan.batch if reduction == "sum" else 1), rel=1e-12
    )
    assert float(losses["generator"]) == pytest.approx(-0.5 * at_x.mean(), rel=1e-12)


def assert_gradient(gradient, params, loss, seed):
    """The gradient along a random direction is the central difference of the loss when the parameters move along it."""
    exact, start = to_numpy(gradient.vector).copy(), params.vector.copy()
    direction = random_direction(np.random.default_rng(seed), start)

    def moved(vector):
        params.vector[...] = vector
        return float(loss())

    step = best_step("float64")
    found = directional_derivative(moved, start, direction, step)
    params.vector[...] = start
    assert abs(found - exact @ to_numpy(direction)) <= difference_tolerance(10.0, step, "float64")


@given(seed=seeds, batch=st.integers(1, 5), m=st.integers(1, 3))
def test_generator_gradient_is_that_of_the_whole_chain(device, seed, batch, m):
    """The gradient through D and G agrees with moving the generator's parameters."""
    gan = build(seed, device, batch=batch, m=m)
    z, real = draw(gan, seed)
    _, gradient, _ = gradients(gan, z, real)

    def chain():
        return -0.5 * forward(gan.players["discriminator"], forward(gan.generator, z)).mean()

    assert_gradient(gradient, gan.generator.params, chain, seed)


@given(seed=seeds, batch=st.integers(1, 5), m=st.integers(1, 3))
def test_discriminator_gradient_treats_the_potential_as_given(device, seed, batch, m):
    """Moving the discriminator changes the regression's left side only: the potential does not depend on it."""
    gan = build(seed, device, batch=batch, m=m)
    z, real = draw(gan, seed)
    _, _, gradient = gradients(gan, z, real)
    assert_gradient(
        gradient, gan.players["discriminator"].params, lambda: gradients(gan, z, real)[0]["discriminator"], seed
    )


def image_discriminator():
    """Images of 4 x 4 to one number; smooth, since no variance is near 0 beside so large an epsilon."""
    norm = BatchNorm(3, ELU(), epsilon=1.0)
    return Network(Sequential([Conv2d(1, 3, 3, 2, bias=None), norm, Flatten(), Linear(12, 1)]))


def image_generator():
    norm, last = BatchNorm(4, ELU(), epsilon=1.0), ConvTranspose2d(4, 1, 5, 2, activation=Tanh())
    return Network(Sequential([Linear(3, 16), Reshape((2, 2, 4)), norm, last]))


def build_on_images(seed, device, *, batch=3, **potential_settings):
    """A small convolutional GAN with batch-norm in both players, its scales off 1 and shifts off 0."""
    streams = Streams(seed)
    data = streams.stream("data").uniform(-1, 1, (10, 4, 4, 1))
    return assemble(
        Config(exponent=1.0, softening=ScheduleConfig(start=1.0, kind="constant"), **potential_settings),
        {"generator": image_generator(), "discriminator": image_discriminator()},
        data,
        latent=3,
        batch=batch,
        updates=UPDATES,
        device=device,
        streams=streams,
        spread=0.3,
    )


@settings(max_examples=8)
@given(seed=seeds, batch=st.integers(2, 4))
def test_gradients_on_images_are_those_of_separate_passes(device, seed, batch):
    """As the authors run it: generated and real samples pass the discriminator apart, each with its own statistics."""
    gan = build_on_images(seed, device, batch=batch, scale=3.0)
    z, real = draw(gan, seed)
    losses, d_generator, d_discriminator = gradients(gan, z, real)
    alone = image_discriminator()
    params = gan.players["discriminator"].params

    def values(samples):
        return alone.forward(params, samples)[0]

    def regression():
        x = forward(gan.generator, z)
        square = (to_numpy(device.xp.concatenate([values(x), values(real)]))[:, 0] - goal) ** 2
        return 0.25 * (square[:batch].mean() + square[batch:].mean())

    def chain():
        return -0.5 * float(values(forward(gan.generator, z)).mean())

    x = forward(gan.generator, z)
    goal = target(gan, x.reshape(batch, -1), real.reshape(batch, -1))
    assert float(losses["discriminator"]) == pytest.approx(regression(), rel=1e-11)
    assert float(losses["generator"]) == pytest.approx(chain(), rel=1e-11)
    assert_gradient(d_generator, gan.generator.params, chain, seed)
    assert_gradient(d_discriminator, params, regression, seed)


def test_a_step_moves_both_players_against_their_gradients_once(device):
    """Adam's first step is the rate times the gradient's sign, for both players on one and the same minibatch."""
    gan, twin = build(3, device), build(3, device)
    before = [to_numpy(player.params.vector).copy() for player in (gan.generator, gan.players["discriminator"])]
    found = gradients(twin, twin.draw_latent(), twin.draw_real())[1:]
    gan.step()
    for player, start, gradient in zip((gan.generator, gan.players["discriminator"]), before, found, strict=True):
        slope = to_numpy(gradient.vector)
        clear = np.abs(slope) > 1e-5  # where Adam's epsilon is small beside the gradient
        assert clear.sum() > clear.size / 2
        moved = to_numpy(player.params.vector) - start
        np.testing.assert_allclose(moved[clear], -1e-2 * np.sign(slope[clear]), rtol=2e-3)


def test_weight_decay_spares_biases():
    gan = build(4, Device(np, "cpu"), l2=0.5)
    player = gan.generator
    gradient = player.network.zeros_like(player.params)
    gradient.vector[...] = 0
    weights = {name: value.copy() for name, value in player.params.items()}
    player.update(gradient)
    for name, gradient_now in gradient.items():
        expected = 0.5 * weights[name] if name.endswith("weight") else np.zeros_like(weights[name])
        np.testing.assert_array_equal(gradient_now, expected)


def test_weight_decay_of_kernels_spares_dense_layers_single_places_and_batch_norm():
    gan = build_on_images(4, Device(np, "cpu"))
    decayed = OptimizerConfig(ScheduleConfig(start=1e-3, kind="constant"), l2=0.5, l2_on="kernels")
    signals = Network(Sequential([Conv1d(2, 3, 3), Conv1d(3, 3, 1), Flatten(), Linear(12, 1)]))
    for network in (gan.generator.network, gan.players["discriminator"].network, signals):
        player = Player(network, network.initialize(np.random.default_rng(0)), decayed, UPDATES)
        gradient = player.network.zeros_like(player.params)
        weights = {name: value.copy() for name, value in player.params.items()}
        player.update(gradient)
        kernels = [name for name, value in gradient.items() if value.any()]
        (kernel,) = kernels
        assert weights[kernel].ndim == (3 if network is signals else 4)
        np.testing.assert_array_equal(gradient[kernel], 0.5 * weights[kernel])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_continues_bit_for_bit(device, dtype):
    gan = build(5, device, dtype)
    for _ in range(3):
        gan.step()
    saved = host(gan.state())
    other = build(5, device, dtype)
    other.step()
    other.load_state(saved)
    for _ in range(3):
        gan.step(), other.step()
    np.testing.assert_equal(host(other.state()), host(gan.state()))


def host(state):
    if isinstance(state, dict):
        return {name: host(value) for name, value in state.items()}
    return state if isinstance(state, str | int) else to_numpy(state).copy()


def test_schedules_follow_the_updates():
    gan = build(7, Device(np, "cpu"))
    assert gan.schedule() == {"rate_generator": 1e-2, "rate_discriminator": 1e-2, "softening": 1.0}
    for _ in range(UPDATES):
        gan.step()
    assert gan.schedule() == pytest.approx({"rate_generator": 1e-3, "rate_discriminator": 1e-3, "softening": 0.5})


def test_learned_potential_undoes_the_scale(device):
    gan = build(8, device, scale=4.0)
    points = gan.device.put(gan.data.first(5))
    value, slope = gan.learned_potential(points)
    np.testing.assert_allclose(to_numpy(value), to_numpy(forward(gan.players["discriminator"], points))[:, 0] / 4)
    step = 1e-6
    for axis in range(2):
        shift = device.put(np.eye(2)[axis] * step)
        difference = (gan.learned_potential(points + shift)[0] - gan.learned_potential(points - shift)[0]) / (2 * step)
        np.testing.assert_allclose(to_numpy(slope)[:, axis], to_numpy(difference), atol=1e-8)


def test_cupy_takes_the_same_steps_as_numpy(cupy):
    there, here = build(9, Device(cupy, "cuda:0")), build(9, Device(np, "cpu"))
    for _ in range(5):
        theirs, ours = there.step(), here.step()
    for name in ours:
        assert float(theirs[name]) == pytest.approx(float(ours[name]), rel=1e-9)


@pytest.mark.parametrize("settings", [{}, {"m": 12}, {"m": 12, "exclude_self": True}, {"field_weight": 0.5}])
def test_an_update_on_cupy_copies_nothing_to_the_host(cupy, monkeypatch, settings):
    gan = build(9, Device(cupy, "cuda:0"), "float32", **settings)
    seen = waits(monkeypatch)
    losses = gan.step()
    assert seen == []
    assert np.isfinite([float(loss) for loss in losses.values()]).all()
    assert len(seen) == 2


@pytest.mark.parametrize("m", [2, 12])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_shows_in_the_losses(device, m, bad):
    """On a GPU nothing else looks at the potential, and losses are what is checked where they are logged."""
    gan = build(9, device, "float32", m=m)
    z, real = draw(gan, 2)
    real[1, 0] = bad
    assert not np.isfinite(float(gradients(gan, z, real)[0]["discriminator"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 0.0, "end": 1.0}, "start: expected a positive number, got 0.0"),
        ({"start": 1.0}, "end: expected a positive number, got 0.0"),
        ({"start": 1.0, "kind": "constant", "end": 2.0}, "end: expected with the kind exponential only"),
        ({"start": 1.0, "kind": "step"}, "milestones: expected with the kind step and only there"),
        ({"start": 1.0, "end": 1.0, "milestones": (3,)}, "milestones: expected with the kind step and only there"),
        ({"start": 1.0, "end": 1.0, "factor": 2.0}, "factor: expected a number in"),
    ],
)
def test_a_schedule_says_what_is_wrong(settings, message):
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**settings)


def test_each_kind_of_schedule():
    exponential = ScheduleConfig(start=4.0, end=1.0).over(10)
    assert [exponential(step) for step in (0, 5, 10, 20)] == pytest.approx([4, 2, 1, 1])
    step = ScheduleConfig(start=1.0, kind="step", factor=0.5, milestones=(2, 4)).over(10)
    assert [step(i) for i in (0, 1, 2, 3, 4, 9)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert ScheduleConfig(start=3.0, kind="constant").over(10)(7) == 3


@pytest.mark.parametrize("reduction", ["expectation", "sum"])
def test_the_field_of_the_minibatch_is_what_slopes_are_compared_with(device, reduction):
    """A linear discriminator has the same slope everywhere."""
    with_field, without = (
        build(3, device, field_weight=weight, scale=2.0, reduction=reduction) for weight in (0.7, 0.0)
    )
    for gan in (with_field, without):
        network = Network(Linear(2, 1))
        params = network.initialize(np.random.default_rng(5), np.float64, device.xp)
        gan.players["discriminator"] = Player(network, params, CONSTANT, UPDATES)
    latent, real = draw(with_field, 3)
    losses, found = with_field.gradients("both", latent=latent, real=real)
    found = {name: to_numpy(gradient.vector).copy() for name, gradient in found.items()}
    others, expected = without.gradients("both", latent=latent, real=real)
    x, y = to_numpy(without.generate(latent)), to_numpy(real)
    points, charges = np.concatenate([x, y]), signed_charges(y, x)
    slope = to_numpy(params["weight"])[:, 0] + 2.0 * field(points, charges, with_field.kernel)
    count = len(points) if reduction == "expectation" else 1
    assert float(losses["discriminator"]) - float(others["discriminator"]) == pytest.approx(
        0.35 * np.sum(slope**2) / count, rel=1e-12
    )
    d_weight = to_numpy(expected["discriminator"]["weight"])[:, 0] + 0.7 * slope.sum(axis=0) / count
    np.testing.assert_allclose(found["discriminator"][:2], d_weight, rtol=1e-11)
    np.testing.assert_allclose(found["discriminator"][2], to_numpy(expected["discriminator"]["bias"])[0], rtol=1e-12)
    np.testing.assert_array_equal(found["generator"], to_numpy(expected["generator"].vector))


def test_a_negative_weight_of_the_field_is_refused():
    with pytest.raises(ValueError, match="field_weight: expected a number that is not negative, got -1"):
        Config(exponent=1.0, softening=ScheduleConfig.of_number(1.0), field_weight=-1.0)
