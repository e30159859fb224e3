"""Descent without a discriminator: its loss is the package's energy, its gradient that of the samples (Eqs 33, 34)."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, DEVICES, forward, players_of, small

from coulombfield import Plummer, energy_gradient, interaction_energy
from experiments.gans.direct import Config
from experiments.players.optimizer import ScheduleConfig
from nets.layers.linear import Linear
from nets.network import Network

CONSTANT = ScheduleConfig(start=0.7, kind="constant")


def build(device, networks=None, **settings):
    config = Config(exponent=1.0, softening=settings.pop("softening", CONSTANT), **settings)
    return small(config, networks or players_of(), device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("unbiased", [False, True])
def test_the_loss_is_the_energy_of_the_minibatch(device, unbiased):
    gan = build(device, unbiased=unbiased)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, gradients = gan.gradients("generator", latent=latent, real=real)
    energy = interaction_energy(real, forward(gan, "generator", latent), Plummer(1.0, 0.7), unbiased=unbiased)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("unbiased", [False, True])
def test_samples_move_along_the_field(device, unbiased):
    """The gradient by the biases of a linear generator is the sum of the samples' gradients."""
    gan = build(device, {"generator": Network(Linear(3, 2))}, unbiased=unbiased)
    latent, real = gan.draw_latent(), gan.draw_real()
    _, gradients = gan.gradients("generator", latent=latent, real=real)
    by_samples = energy_gradient(real, forward(gan, "generator", latent), Plummer(1.0, 0.7), unbiased=unbiased)
    for name, expected in (("bias", by_samples.sum(axis=0)), ("weight", latent.T @ by_samples)):
        found = gradients["generator"][name]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15 * BATCH)


def test_the_softening_follows_its_schedule():
    gan = build(DEVICES[0], softening=ScheduleConfig(start=3.0, end=1.0))
    assert gan.schedule()["softening"] == gan.kernel.softening == 3.0
    gan.step()
    assert gan.schedule()["softening"] == gan.kernel.softening == pytest.approx(1.0)


def test_bad_settings_are_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match="exponent: expected a positive number, got 0"):
        Config(exponent=0.0, softening=CONSTANT)
    monkeypatch.setattr("gan_support.BATCH", 1)
    build(DEVICES[0])
    with pytest.raises(ValueError, match="unbiased: expected false with a batch of 1, got true"):
        build(DEVICES[0], unbiased=True)
