"""EBGAN: its energies and losses against the paper's formulas, the margin, and the pulling-away term."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, host, normal, players_of, small
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_derivative, seeds

from coulombfield.arrays import to_numpy
from experiments.gans.ebgan import Config, pulling_away
from experiments.players import ebgan as players
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig

CODE = 4
CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))
each_energy = pytest.mark.parametrize("energy", ["norm", "mean_square"])


def build(device, **setting):
    networks = players_of(encoder=(2, 8, CODE), decoder=(CODE, 8, 2))
    return small(Config(**{"margin": 1.0, "code": CODE, **setting}), networks, device)


def energies(gan, samples):
    """Each sample's energy, on the host, by a pass of its own."""
    error = to_numpy(forward(gan, "decoder", forward(gan, "encoder", samples)) - samples)
    return (error**2).mean(axis=1) if gan.config.energy == "mean_square" else np.linalg.norm(error, axis=1)


def draw(gan):
    return gan.draw_latent().copy(), gan.draw_real().copy()


@each_energy
@pytest.mark.parametrize("margin", [1e-3, 1.0, 1e3])
def test_losses_are_those_of_the_paper(device, energy, margin):
    """Below the least energy of a generated sample, among them, and above all."""
    gan = build(device, energy=energy, margin=margin, pulling_away=0.3)
    latent, real = draw(gan)
    losses, _ = gan.gradients("discriminator", latent=latent, real=real)
    generated = forward(gan, "generator", latent)
    at_generated, at_real = energies(gan, generated), energies(gan, real)
    expected = at_real.mean() + np.maximum(margin - at_generated, 0).mean()
    assert float(losses["encoder"]) == pytest.approx(expected, rel=1e-12)
    assert float(losses["decoder"]) == float(losses["encoder"])
    assert float(losses["real"]) == pytest.approx(at_real.mean(), rel=1e-12)
    assert float(losses["generated"]) == pytest.approx(at_generated.mean(), rel=1e-12)

    losses, _ = gan.gradients("generator", latent=latent)
    term, _ = pulling_away(forward(gan, "encoder", generated))
    assert float(losses["pulling_away"]) == pytest.approx(float(term), rel=1e-12)
    assert float(losses["generator"]) == pytest.approx(at_generated.mean() + 0.3 * float(term), rel=1e-12)


@each_energy
def test_beyond_the_margin_generated_samples_do_not_move_the_discriminator(energy):
    gan = build(CPU, energy=energy, margin=1e-3)
    latent, real = draw(gan)
    _, gradients = gan.gradients("discriminator", latent=latent, real=real)
    first = {name: gradient.vector.copy() for name, gradient in gradients.items()}
    _, gradients = gan.gradients("discriminator", latent=2 * latent, real=real)
    for name, vector in first.items():
        np.testing.assert_allclose(gradients[name].vector, vector, rtol=1e-12, atol=1e-15)


def test_without_a_weight_there_is_no_pulling_away():
    gan = build(CPU)
    losses, _ = gan.gradients("generator", latent=gan.draw_latent())
    assert losses.keys() == {"generator"}


@settings(max_examples=15)
@given(count=st.integers(2, 6), width=st.integers(1, 5), seed=seeds)
def test_the_pulling_away_term_is_the_mean_squared_cosine_of_pairs(device, count, width, seed):
    rng = np.random.default_rng(seed)
    code, v = (normal(device, rng, (count, width), np.float64) for _ in range(2))
    value, gradient = pulling_away(code)
    rows = to_numpy(code)
    cosines = [
        rows[i] @ rows[j] / (np.linalg.norm(rows[i]) * np.linalg.norm(rows[j]))
        for i in range(count)
        for j in range(count)
        if i != j
    ]
    assert float(value) == pytest.approx(np.mean(np.square(cosines)), rel=1e-12)
    # a code's length moves nothing
    np.testing.assert_allclose(to_numpy((gradient * code).sum(axis=1)), 0, atol=1e-14)
    shortest = float(np.linalg.norm(rows, axis=1).min())
    if shortest > 0.1:
        assert_derivative(
            lambda t: device.xp.asarray(pulling_away(code + t * v)[0]).reshape(1),
            device.xp.ones(1),
            float((gradient * v).sum()),
            truncation=1e3 / shortest**3,
        )


def test_a_code_of_zeros_is_let_alone():
    code = np.zeros((3, 2))
    code[1:] = np.eye(2)
    value, gradient = pulling_away(code)
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, 0)
    with pytest.raises(ValueError, match="code: expected at least 2 codes, got 1"):
        pulling_away(code[:1])


def test_an_error_of_zero_gives_no_slope():
    """Real samples that the autoencoder repeats exactly: the norm's kink, where nothing is pulled back."""
    gan = build(CPU)
    for player in ("encoder", "decoder"):
        gan.players[player].params.vector[...] = 0
    _, gradients = gan.gradients("discriminator", latent=gan.draw_latent(), real=np.zeros((BATCH, 2)))
    for gradient in gradients.values():
        assert np.isfinite(gradient.vector).all()


def test_a_state_goes_on_bit_for_bit():
    gan, other = build(CPU, pulling_away=0.1), build(CPU, pulling_away=0.1)
    for _ in range(2):
        gan.step()
    other.load_state(host(gan.state()))
    for made in (gan, other):
        made.step()
    np.testing.assert_equal(host(other.state()), host(gan.state()))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"margin": 0.0}, "margin: expected a positive number, got 0.0"),
        ({"code": 0}, "code: expected at least 1, got 0"),
        ({"pulling_away": -0.1}, "pulling_away: expected a number that is not negative, got -0.1"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**{"margin": 1.0, "code": 2, **setting})


def test_players_fit_their_roles_on_square_images_alone():
    roles = Config(margin=1.0, code=12).roles(5, (16, 16, 3))
    made = {
        "generator": players.GeneratorConfig(latent=5, base=2, optimizer=CONSTANT),
        "encoder": players.EncoderConfig(base=2, optimizer=CONSTANT),
        "decoder": players.DecoderConfig(base=2, optimizer=CONSTANT),
    }
    for name, player in made.items():
        player.checked_network(roles[name])
    odd = Config(margin=1.0, code=13).roles(5, (16, 16, 3))
    for name in ("encoder", "decoder"):
        with pytest.raises(ValueError, match="code: expected a multiple of 4 numbers for images of 16 x 16, got 13"):
            made[name].checked_network(odd[name])
        with pytest.raises(ValueError, match="kind: its network is for square images"):
            made[name].checked_network(Config(margin=1.0, code=2).roles(5, (2,))[name])
        with pytest.raises(ValueError, match="base: expected at least 1, got 0"):
            type(made[name])(base=0, optimizer=CONSTANT)
