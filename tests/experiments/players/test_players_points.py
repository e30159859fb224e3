"""Players of points and features: Lim & Ye's networks and a linear map, by what a GAN asks of them."""

from __future__ import annotations

import numpy as np
import pytest

from coulombfield.arrays import select_device
from experiments.players import lim_ye, linear, mlp
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Role
from nets.layers.batchnorm import BatchNorm

OPTIMIZER = OptimizerConfig(ScheduleConfig(start=1e-3, kind="constant"))


@pytest.mark.parametrize(
    ("make", "settings", "role"),
    [
        (lim_ye.GeneratorConfig, {"latent": 4}, Role((4,), (2,))),
        (lim_ye.DiscriminatorConfig, {}, Role((2,), (1,))),
        (lim_ye.DiscriminatorConfig, {"hidden": 1, "width": 7}, Role((3,), (5,))),
        (lim_ye.DiscriminatorConfig, {"code": 3}, Role((2,), (2,))),
        (lim_ye.EncoderConfig, {}, Role((2,), (6,))),
        (lim_ye.DecoderConfig, {}, Role((6,), (2,))),
        (linear.ProjectionConfig, {}, Role((5,), (4,))),
    ],
)
def test_a_network_takes_and_gives_what_its_role_says(make, settings, role):
    network = make(optimizer=OPTIMIZER, **settings).checked_network(role)
    assert network.output_shape(role.input) == role.output
    width = settings.get("width", 128)
    shapes = [shape for shape in network.layout.shapes.values() if len(shape) == 2]
    if make is not linear.ProjectionConfig:
        assert shapes[0] == (*role.input, width)
        sides = 2 if settings.get("code") else 1
        assert len(shapes) == sides * (settings.get("hidden", 3) + 1)
        assert (settings.get("code"), width) in shapes or not settings.get("code")


LAYERS = mlp.NetworkConfig(hidden=(6, 5), activation="elu", first_weight=1.0, first_bias=0.0)


@pytest.mark.parametrize(
    ("make", "settings", "role"),
    [
        (mlp.GeneratorConfig, {"latent": 4, "output_scale": 3.0}, Role((4,), (2,))),
        (mlp.GeneratorConfig, {"latent": 4, "output_scale": 1.0, "output": "tanh"}, Role((4,), (4, 4, 3))),
        (mlp.DiscriminatorConfig, {"input_scale": 0.5}, Role((2,), (1,))),
        (mlp.DiscriminatorConfig, {"input_scale": 1.0}, Role((4, 4, 3), (2,))),
    ],
)
def test_dense_players_take_samples_of_any_shape_as_their_numbers(make, settings, role):
    network = make(optimizer=OPTIMIZER, layers=LAYERS, **settings).checked_network(role)
    params = network.initialize(np.random.default_rng(0), np.float64)
    widths = [shape for name, shape in network.layout.shapes.items() if name.endswith("weight")]
    params.vector[...] *= 10  # beyond the reach of tanh
    x = np.random.default_rng(1).standard_normal((7, *role.input))
    y, _ = network.forward(params, x)
    assert widths == [(int(np.prod(role.input)), 6), (6, 5), (5, int(np.prod(role.output)))]
    assert y.shape == (7, *role.output)
    assert (abs(y) <= 1).all() == (settings.get("output") == "tanh")
    moved, _ = network.forward(params, x.reshape(7, -1)[:, ::-1].reshape(x.shape))
    assert not np.allclose(moved, y)


def test_a_generator_has_batch_norm_and_no_bias_before_it():
    network = lim_ye.GeneratorConfig(latent=4, hidden=2, optimizer=OPTIMIZER).network(Role((4,), (2,)))
    assert [isinstance(layer, BatchNorm) for layer in network.body.layers] == [False, True, False, True, False]
    assert [name for name in network.layout.shapes if name.endswith("bias")] == ["4.bias"]


@pytest.mark.parametrize("make", [lim_ye.EncoderConfig, linear.ProjectionConfig])
def test_weights_start_with_the_deviation_that_is_set(make):
    network = make(deviation=0.5, optimizer=OPTIMIZER).network(Role((40,), (50,)))
    params = network.initialize(np.random.default_rng(0), np.float64)
    first = next(iter(params.values()))
    assert np.std(first) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("make", "settings", "role", "message"),
    [
        (lim_ye.GeneratorConfig, {"latent": 4}, Role((4,), (8, 8, 3)), r"kind: lim_ye maps points to points, not"),
        (lim_ye.DiscriminatorConfig, {}, Role((8, 8, 3), (1,)), r"kind: lim_ye maps points to points, not"),
        (lim_ye.DiscriminatorConfig, {"code": 2}, Role((2,), (1,)), "code: expected 0 where 1 numbers are asked for"),
        (linear.ProjectionConfig, {}, Role((8, 8, 3), (1,)), "kind: linear maps numbers to numbers, not"),
    ],
)
def test_what_does_not_fit_is_refused(make, settings, role, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer=OPTIMIZER, **settings).network(role)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (lim_ye.EncoderConfig, {"width": 0}, "width: expected a positive number, got 0"),
        (lim_ye.GeneratorConfig, {"latent": 4, "hidden": 0}, "hidden: expected a positive number, got 0"),
        (lim_ye.GeneratorConfig, {"latent": 0}, "latent: expected at least 1, got 0"),
        (lim_ye.DiscriminatorConfig, {"deviation": 0.0}, "deviation: expected a positive number, got 0"),
        (lim_ye.DiscriminatorConfig, {"code": -1}, "code: expected a number that is not negative, got -1"),
        (linear.ProjectionConfig, {"deviation": 0.0}, "deviation: expected a positive number, got 0"),
    ],
)
def test_bad_settings_are_refused_by_name(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer=OPTIMIZER, **settings)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_signs_are_the_last_latent_numbers(prior):
    config = lim_ye.GeneratorConfig(latent=5, prior=prior, signs=3, sign_size=4.0, optimizer=OPTIMIZER)
    rng = np.random.default_rng(0)
    player = config.build(Role((5,), (2,)), 4, 10, rng, "float32", select_device("cpu"))
    z = player.draw_latent(1000, rng)
    assert z.shape == (1000, 5)
    assert z.dtype == np.float32
    assert (np.abs(z[:, 2:]) == 4).all()
    assert (np.abs(z[:, 2:].mean(axis=0)) < 0.5).all()  # standard deviation 4 / √1000
    assert (np.abs(z[:, :2].mean(axis=0)) < 0.2).all()
    assert len(np.unique(z[:, :2])) > 1900


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signs": 6}, "signs: expected from 0 to 5, that of latent, got 6"),
        ({"signs": -1}, "signs: expected from 0 to 5, that of latent, got -1"),
        ({"signs": 2, "sign_size": 0.0}, "sign_size: expected a positive number, got 0.0"),
        ({"sign_size": 2.0}, "sign_size: expected with signs only, got 2.0"),
    ],
)
def test_signs_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        lim_ye.GeneratorConfig(latent=5, optimizer=OPTIMIZER, **settings)
