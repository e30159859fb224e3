"""Players of lines of text, by what a GAN asks of them."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.players.language import DiscriminatorConfig, GeneratorConfig
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Role
from nets.layers.batchnorm import BatchNorm
from nets.layers.placenorm import PlaceNorm

OPTIMIZER = OptimizerConfig(ScheduleConfig(start=1e-3, kind="constant"))
SMALL = {"width": 6, "blocks": 2, "optimizer": OPTIMIZER}


@pytest.mark.parametrize(
    ("config", "role", "size"),
    [
        (
            GeneratorConfig(**SMALL),
            Role((128,), (8, 5)),
            129 * 48 + 48 + 4 * (5 * 36 + 6) + 7 * 5,
        ),
        (
            GeneratorConfig(latent=3, batch_norm="places", **SMALL),
            Role((3,), (8, 5)),
            4 * 48 + 48 + 4 * (5 * 36 + 6 + 8) + 7 * 5,
        ),
        (
            GeneratorConfig(latent=3, batch_norm="none", start="he", **SMALL),
            Role((3,), (8, 5)),
            4 * 48 + 4 * (5 * 36 + 6) + 7 * 5,
        ),
        (DiscriminatorConfig(**SMALL), Role((8, 5), (1,)), 6 * 6 + 4 * (5 * 36 + 6) + 49),
    ],
)
def test_a_network_takes_and_gives_what_its_role_says(config, role, size):
    network = config.checked_network(role)
    assert network.layout.size == size
    params = network.initialize(np.random.default_rng(0), np.float64)
    y, _ = network.forward(params, np.random.default_rng(1).standard_normal((3, *role.input)))
    assert y.shape == (3, *role.output)


def norms(config):
    blocks = config.network(Role((4,), (8, 5))).body.layers
    return {type(layer) for block in blocks if hasattr(block, "body") for layer in block.body.layers[2::2]}


def test_batch_norm_is_of_what_the_settings_say():
    assert norms(GeneratorConfig(latent=4, **SMALL)) == {BatchNorm}
    assert norms(GeneratorConfig(latent=4, batch_norm="places", **SMALL)) == {PlaceNorm}


@pytest.mark.parametrize(("start", "variance"), [("glorot", 2), ("he", 4)])
def test_convolutions_start_with_the_variance_that_is_set(start, variance):
    settings = {"width": 40, "blocks": 1, "start": start, "optimizer": OPTIMIZER}
    for config, role in (
        (GeneratorConfig(latent=4, **settings), Role((4,), (8, 5))),
        (DiscriminatorConfig(**settings), Role((8, 5), (1,))),
    ):
        params = config.network(role).initialize(np.random.default_rng(0), np.float64)
        for name in (name for name, values in params.items() if values.ndim == 3 and len(values) == 5):
            assert np.var(params[name]) == pytest.approx(variance / (5 * 80), rel=0.1)


@pytest.mark.parametrize("shape", [(8,), (8, 8, 3)])
def test_only_lines_have_these_networks(shape):
    with pytest.raises(ValueError, match=r"kind: its network is for lines of shape \(places, characters\)"):
        GeneratorConfig(**SMALL).network(Role((128,), shape))
    with pytest.raises(ValueError, match=r"kind: its network is for lines of shape \(places, characters\)"):
        DiscriminatorConfig(**SMALL).network(Role(shape, (1,)))


@pytest.mark.parametrize("config", [GeneratorConfig, DiscriminatorConfig])
@pytest.mark.parametrize(("name", "value"), [("width", 0), ("blocks", -1), ("start", "zeros")])
def test_a_wrong_setting_is_named(config, name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        config(**{**SMALL, name: value})


def test_an_unknown_batch_norm_is_named():
    with pytest.raises(ValueError, match=r"^batch_norm: expected channels, places or none, got 'rows'"):
        GeneratorConfig(batch_norm="rows", **SMALL)
