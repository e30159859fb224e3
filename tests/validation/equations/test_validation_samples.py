"""The chapters on definitions and samples: their oracles, and that a broken formula in the package is noticed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import coulombfield as cf
from experiments.gans.coulomb import CoulombGAN
from validation.context import Context
from validation.equations.definitions import entries as definitions
from validation.equations.definitions import losses as definitions_losses
from validation.equations.densities import GaussianMixture, quadrature
from validation.equations.evidence import Verdict
from validation.equations.example_densities import (
    difference,
    generated_density,
    mean_kernel,
    plain_double_mean,
    plummer,
    real_density,
)
from validation.equations.registry import resolve
from validation.equations.samples import bias as samples_bias
from validation.equations.samples import entries as samples
from validation.equations.samples.discriminator import Regression

ENTRIES = {entry.name: entry for entry in (*definitions.ENTRIES, *samples.ENTRIES)}
QUICK = Context(quick=True)
# those that take no Monte Carlo of some hundred minibatches
DETERMINISTIC = (
    "coulomb-example",
    "plummer-kernel",
    "authors-dimension",
    "discriminator-loss-sum",
    "minibatch-potential",
    "sample-densities",
    "minibatch-energy",
    "minibatch-field",
    "minibatch-field-v1",
)


def verdict(name):
    entry = ENTRIES[name]
    return entry.check(QUICK).verdict


def test_quadrature_integrates_polynomials_of_a_density_exactly():
    nodes, weights = quadrature(difference(2), 3)
    assert weights.sum() == pytest.approx(0, abs=1e-14)
    mean = sum(w * mu for w, mu in zip(difference(2).weights, difference(2).means, strict=True))
    np.testing.assert_allclose(weights @ nodes, mean, atol=1e-14)
    p = real_density(2)
    second = p.weights @ (p.means[:, 0] ** 2 + p.deviations**2)
    nodes, weights = quadrature(p, 3)
    assert weights @ nodes[:, 0] ** 2 == pytest.approx(second, rel=1e-13)


def test_mean_kernel_is_the_mean_over_pairs():
    nodes = {"real": quadrature(real_density(1), 30), "generated": quadrature(generated_density(1), 30)}
    for first, second in (("real", "real"), ("real", "generated"), ("generated", "generated")):
        (a, wa), (b, wb) = nodes[first], nodes[second]
        squares = (a[:, None, 0] - b[None, :, 0]) ** 2
        assert mean_kernel(first, second, 1, 1.0, 2.0) == pytest.approx(wa @ (squares + 4.0) ** -0.5 @ wb, rel=1e-10)


def test_plain_kernel_and_double_mean_are_those_of_a_case_worked_by_hand():
    origin, point = np.zeros(2), np.array([3.0, 0.0])
    assert plummer(origin, point, 1.0, 4.0) == 0.2
    pair = np.stack([origin, point])
    assert plain_double_mean(pair, pair, 1.0, 4.0) == pytest.approx((0.25 + 0.2) / 2, rel=1e-15)


def test_mean_cosine_is_the_characteristic_function():
    wave = np.array([0.7])
    density = GaussianMixture(np.ones(1), np.array([[0.3]]), np.array([2.0]))
    expected = math.cos(0.21) * math.exp(-0.5 * (2.0 * 0.7) ** 2)
    assert definitions_losses.mean_cosine(density, wave) == pytest.approx(expected, rel=1e-14)


def test_regression_finds_a_target_in_its_span():
    rng = np.random.default_rng(0)
    regression = Regression(QUICK)
    coefficients = rng.standard_normal(regression.features(np.zeros((1, 2))).shape[1])
    for _ in range(20):
        points = rng.standard_normal((50, 2))
        regression.add(points, regression.features(points) @ coefficients)
    points = 0.5 * rng.standard_normal((20, 2))
    target = regression.features(points) @ coefficients
    np.testing.assert_allclose(regression.features(points) @ regression.fit(), target, atol=0.02 * np.abs(target).max())


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_verdict_is_the_expected_one(name):
    assert verdict(name) is ENTRIES[name].expected


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_entry_names_functions_that_exist_and_fits_its_columns(entry):
    for path in entry.code:
        assert callable(resolve(path))
    assert len(entry.plain) <= 90
    assert len(entry.truth) <= 140


def _swapped(function):
    return lambda real, generated, *rest, **options: function(generated, real, *rest, **options)


def _scaled(function, factor):
    return lambda *arguments, **options: factor * function(*arguments, **options)


@pytest.mark.parametrize(
    ("name", "target", "broken"),
    [
        ("minibatch-potential", "signed_charges", _swapped(cf.signed_charges)),
        ("sample-densities", "signed_charges", _swapped(cf.signed_charges)),
        ("minibatch-field", "field", _scaled(cf.field, -1)),
        ("minibatch-field", "energy_gradient", _scaled(cf.energy_gradient, 7 / 4)),
        ("minibatch-field-v1", "field", _scaled(cf.field, -1)),
        ("minibatch-energy", "interaction_energy", _scaled(cf.interaction_energy, 2)),
        ("coulomb-example", "field", _scaled(cf.field, 1 / (4 * math.pi))),
        ("authors-dimension", "Plummer", lambda exponent, softening: cf.kernels.Plummer(exponent + 1, softening)),
    ],
)
def test_broken_formula_changes_the_verdict(monkeypatch, name, target, broken):
    monkeypatch.setattr(cf, target, broken)
    assert verdict(name) is Verdict.UNSETTLED


def test_broken_loss_changes_the_verdict(monkeypatch):
    intact = definitions_losses.potential_regression

    def plain_mean(values, potential, generated, *, reduction="expectation"):
        value, gradient = intact(values, potential, generated, reduction="sum")
        factor = 1 if reduction == "sum" else 1 / len(values)
        return factor * value, factor * gradient

    monkeypatch.setattr(definitions_losses, "potential_regression", plain_mean)
    assert verdict("discriminator-loss") is Verdict.UNSETTLED


def test_broken_bias_formula_settles_nothing(monkeypatch):
    """A self term of ε^d for ε^−d, which is the same at ε = 1 only."""
    intact = samples_bias.cf.interaction_energy
    wrong = 0.5 * (samples_bias.SOFTENING - 1 / samples_bias.SOFTENING)

    def energy(real, generated, kernel, *, unbiased=False, method="auto"):
        value = intact(real, generated, kernel, unbiased=unbiased, method=method)
        return value if unbiased else value + wrong * (1 / len(real) + 1 / len(generated))

    monkeypatch.setattr(cf, "interaction_energy", energy)
    assert verdict("unbiased-energy") is Verdict.UNSETTLED


def test_algorithm_is_right_with_the_species_the_other_way_round(monkeypatch):
    assert verdict("algorithm") is Verdict.MISPRINT
    intact = CoulombGAN.gradients

    def half(gan, move, **draws):
        losses, gradients = intact(gan, move, **draws)
        gradients["generator"].vector[...] *= 0.5
        return losses, gradients

    monkeypatch.setattr(CoulombGAN, "gradients", half)
    assert verdict("algorithm") is Verdict.UNSETTLED
