"""Descent without a discriminator: its loss is the package's energy, its gradient that of the samples (Eqs 33, 34)."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, COUNT, CPU, forward, host, players_of, small

from coulombfield import (
    Plummer,
    TabulatedField,
    energy_gradient,
    generated_charges,
    interaction_energy,
    potential,
    potential_and_field,
    real_charges,
    tabulated,
)
from coulombfield.arrays import to_numpy
from experiments.data.dataset import ArrayPart
from experiments.gans import direct
from experiments.gans.direct import Config
from experiments.players.optimizer import ScheduleConfig
from nets.layers.linear import Linear
from nets.network import Network

CONSTANT = ScheduleConfig(start=0.7, kind="constant")


def build(device, networks=None, **settings):
    updates = settings.pop("updates", 1)
    defaults = {"exponent": ScheduleConfig.of_number(1.0), "softening": CONSTANT}
    return small(Config(**defaults | settings), networks or players_of(), device, updates=updates)


@pytest.mark.parametrize("unbiased", [False, True])
def test_the_loss_is_the_energy_of_the_minibatch(device, unbiased):
    gan = build(device, unbiased=unbiased)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, gradients = gan.gradients("generator", latent=latent, real=real)
    energy = interaction_energy(real, forward(gan, "generator", latent), Plummer(1.0, 0.7), unbiased=unbiased)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_samples_move_along_the_field(device, unbiased):
    """The gradient by the biases of a linear generator is the sum of the samples' gradients."""
    gan = build(device, {"generator": Network(Linear(3, 2))}, unbiased=unbiased)
    latent, real = gan.draw_latent(), gan.draw_real()
    _, gradients = gan.gradients("generator", latent=latent, real=real)
    by_samples = energy_gradient(real, forward(gan, "generator", latent), Plummer(1.0, 0.7), unbiased=unbiased)
    for name, expected in (("bias", by_samples.sum(axis=0)), ("weight", latent.T @ by_samples)):
        found = gradients["generator"][name]
        np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=1e-12, atol=1e-15 * BATCH)


@pytest.mark.parametrize("real", ["minibatch", "all"])
def test_samples_repel_each_other_with_their_own_softening_at_first(device, real):
    """Their potential and field are of the softer kernel, as the loss and a linear generator's weights show."""

    def found(gan):
        losses, gradients = gan.gradients("generator", latent=latent, **charges)
        return float(losses["generator"]), to_numpy(gradients["generator"]["weight"]).copy()

    def made(**own):
        return build(device, {"generator": Network(Linear(3, 2))}, unbiased=True, real=real, updates=9, **own)

    gan, plain = made(own_softening=2.0, own_share=1 / 9), made()
    latent, charges = gan.draw_latent(), {} if real == "all" else {"real": gan.draw_real()}
    samples = forward(gan, "generator", latent)
    own, others = generated_charges(samples), len(samples) - 1
    soft, sharp = (
        potential_and_field(samples, own, Plummer(1.0, softening), exclude_self=True) for softening in (2.0, 0.7)
    )
    (with_own, moved), (without, plainly) = found(gan), found(plain)
    of_loss = -0.5 * len(samples) / others * float((soft[0] - sharp[0]).mean())
    assert with_own - without == pytest.approx(of_loss, rel=1e-9)
    np.testing.assert_allclose(
        moved - plainly, to_numpy(latent.T @ (soft[1] - sharp[1])) / others, rtol=1e-9, atol=1e-15
    )
    assert gan.schedule()["own_softening"] == 2.0
    gan.updates = 1
    np.testing.assert_array_equal(found(gan)[1], plainly)
    assert gan.schedule()["own_softening"] == gan.schedule()["softening"] == 0.7
    assert "own_softening" not in plain.schedule()


def test_the_softening_follows_its_schedule():
    gan = build(CPU, softening=ScheduleConfig(start=3.0, end=1.0))
    assert gan.schedule()["softening"] == gan.kernel.softening == 3.0
    gan.step()
    assert gan.schedule()["softening"] == gan.kernel.softening == pytest.approx(1.0)


def test_bad_settings_are_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match="start: expected a positive number, got 0"):
        Config(exponent=ScheduleConfig.of_number(0.0), softening=CONSTANT)
    monkeypatch.setattr("gan_support.BATCH", 1)
    build(CPU)
    with pytest.raises(ValueError, match="unbiased: expected false with a batch of 1, got true"):
        build(CPU, unbiased=True)
    for bad, message in (
        ({"real_batch": -1}, "real_batch: expected a number that is not negative, got -1"),
        ({"real": "all", "real_batch": 5}, "real_batch: expected with real = minibatch only, got 5 with all"),
        ({"rtol": 0.5, "real": "all"}, "rtol: expected 0, or from 1e-4 to 0.1, got 0.5"),
        ({"rtol": 0.01}, "rtol: expected with real = all only, got 0.01 with minibatch"),
        ({"own_softening": -1.0}, "own_softening: expected a number that is not negative, got -1.0"),
        ({"own_share": -0.1}, r"own_share: expected a number in \[0, 1\), got -0.1"),
        ({"own_share": 1.0}, r"own_share: expected a number in \[0, 1\), got 1.0"),
        ({"own_softening": 1.0}, "own_share: expected with an own_softening and only there, got 0.0 with 1.0"),
        ({"own_share": 0.3}, "own_share: expected with an own_softening and only there, got 0.3 with 0.0"),
        ({"own_softening": 0.5, "own_share": 0.3}, "own_softening: expected more than the softening of update 0, 0.7"),
        ({"own_softening": 1e300, "own_share": 0.3}, "own_softening: softening: in Plummer"),
    ):
        with pytest.raises(ValueError, match=message):
            build(CPU, **bad)
    monkeypatch.setattr("gan_support.BATCH", 6)
    with pytest.raises(ValueError, match="unbiased: expected false with a real_batch of 1, got true"):
        build(CPU, unbiased=True, real_batch=1)


@pytest.mark.parametrize("unbiased", [False, True])
def test_there_may_be_other_numbers_of_real_charges(device, unbiased):
    gan = build(device, unbiased=unbiased, real_batch=9)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, _ = gan.gradients("generator", latent=latent, real=real)
    energy = interaction_energy(real, forward(gan, "generator", latent), Plummer(1.0, 0.7), unbiased=unbiased)
    assert real.shape == (9, 2)
    assert float(losses["generator"]) == pytest.approx(energy, rel=1e-12)


def all_of(gan):
    """The training set, as a minibatch that has each sample once."""
    return gan.device.xp.concatenate(list(gan.data.blocks()))


@pytest.mark.parametrize("unbiased", [False, True])
def test_all_real_charges_act_as_a_minibatch_of_all_of_them(device, unbiased):
    """To the error of the table; the losses differ by what the data have alone."""
    one = build(device, unbiased=unbiased, real="all", rtol=1e-4)
    other = build(device, unbiased=unbiased, real_batch=len(all_of(one)))
    latent, real = one.draw_latent(), all_of(one)
    assert one.draws == {"generator": ("latent",)}
    of_all, gradients = one.gradients("generator", latent=latent)
    of_batch, expected = other.gradients("generator", latent=latent, real=real)
    difference = gradients["generator"].vector - expected["generator"].vector
    assert float(abs(difference).max()) <= 1e-3 * float(abs(expected["generator"].vector).max())
    own = to_numpy(potential(real, real_charges(real), Plummer(1.0, 0.7), exclude_self=unbiased)).mean() / 2
    own *= len(real) / (len(real) - 1) if unbiased else 1
    assert float(of_batch["generator"]) - float(of_all["generator"]) == pytest.approx(own, rel=1e-3)


def test_in_many_dimensions_and_beside_sharp_kernels_the_sums_are_taken_over_blocks(monkeypatch):
    def with_blocks(self):
        yield from (self._there[:17], self._there[17:])

    def gradient(gan):
        return gan.gradients("generator", latent=latent)[1]["generator"].vector.copy()

    whole = build(CPU, real="all", rtol=1e-4)
    latent = whole.draw_latent()
    found = [gradient(whole)]
    monkeypatch.setattr(ArrayPart, "blocks", with_blocks)
    monkeypatch.setattr(tabulated, "LARGEST", 100)
    too_sharp = build(CPU, real="all", rtol=1e-4)
    found.append(gradient(too_sharp))
    monkeypatch.setattr(direct, "TABULATED", 1)
    summed = build(CPU, real="all")
    found.append(gradient(summed))
    monkeypatch.setattr(direct, "TABULATED", 3)
    exact = build(CPU, real="all", rtol=0.0)
    np.testing.assert_array_equal(gradient(exact), found[-1])
    assert isinstance(whole._made, TabulatedField)
    assert isinstance(summed._made, direct.SummedField)
    assert isinstance(too_sharp._made, direct.SummedField)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-9)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-2)


def test_a_table_is_made_anew_when_the_kernel_changes_and_not_between():
    gan = build(CPU, real="all", softening=ScheduleConfig(start=3.0, end=1.0), updates=4 * direct.TABLES)
    tables = []
    for _ in range(4 * direct.TABLES + 2):
        gan.step()
        tables.append(gan._made)
        assert gan._made.charges.positions.shape == (COUNT, 2)
    assert len({id(table) for table in tables}) == direct.TABLES
    softenings = [table.kernel.softening for table in tables[::4]]
    assert softenings[0] == 3.0
    np.testing.assert_allclose(np.diff(np.log(softenings[: direct.TABLES])), np.log(1 / 3) / direct.TABLES)


def test_the_exponent_follows_its_schedule():
    gan = build(CPU, exponent=ScheduleConfig(start=1.0, end=2.0))
    assert gan.schedule()["exponent"] == gan.kernel.exponent == 1.0
    gan.step()
    assert gan.kernel.exponent == pytest.approx(2.0)


def test_tables_go_on_bit_for_bit_from_any_update():
    def start():
        schedule = ScheduleConfig(start=3.0, end=1.0)
        return build(CPU, real="all", unbiased=True, softening=schedule, updates=60)

    whole, first, second = start(), start(), start()
    for _ in range(60):
        whole.step()
    for _ in range(37):
        first.step()
    second.load_state(host(first.state()))
    for _ in range(23):
        second.step()
    np.testing.assert_array_equal(second.generator.params.vector, whole.generator.params.vector)


def test_steps_of_a_schedule_fall_where_they_are_set_however_long_the_run_is():
    schedule = ScheduleConfig(start=3.0, kind="step", factor=0.5, milestones=(10,))
    short, long = (build(CPU, real="all", softening=schedule, updates=count) for count in (50, 100))
    for _ in range(12):
        assert short.kernel == long.kernel
        assert short.kernel.softening == (3.0 if short.updates < 10 else 1.5)
        short.step(), long.step()
    np.testing.assert_array_equal(short.generator.params.vector, long.generator.params.vector)


@pytest.mark.parametrize("settings", [{"exponent": 1e6}, {"softening": 1e-200}])
@pytest.mark.parametrize("real", ["all", "minibatch"])
def test_a_kernel_out_of_range_is_refused_at_the_start(settings, real):
    schedules = {name: ScheduleConfig(start=1.0, end=value) for name, value in settings.items()}
    with pytest.raises(ValueError, match=r"softening: .* range of a double"):
        build(CPU, real=real, **schedules)
