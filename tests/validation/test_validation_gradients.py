"""``python -m validation gradients``: it passes, it sees what is wrong, and it sees what is missing."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import json
import math
import sys

import numpy as np
import pytest

import coulombfield
import nets.architectures
import nets.layers
from coulombfield.sums.pairs import cuda
from experiments.gans.gan import GAN
from nets.layers.activations import Activation
from nets.layers.scale import Scale
from nets.parameters import Parameters
from validation.context import Context
from validation.equations.registry import resolve
from validation.gradients import rows
from validation.gradients.command import add_options, main
from validation.gradients.completeness import EXEMPT, missing, name_of
from validation.gradients.differences import Case, measure, off_kinks
from validation.gradients.fields import KERNELS_OF
from validation.gradients.kernels import KERNELS
from validation.gradients.layers import rows_of
from validation.gradients.registry import run
from validation.gradients.samples import Sample


def command(*arguments):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return main(**vars(parser.parse_args(["--quick", *arguments])))


def test_every_gradient_is_right(tmp_path, capsys):
    file = tmp_path / "rows.json"
    assert command("--json", str(file)) == 0
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["missing"] == []
    assert all(row["passed"] and row["error"] <= row["bound"] for row in report["rows"])
    orders = [row["order"] for row in report["rows"] if not row["exact"]]
    assert orders == pytest.approx([2] * len(orders), abs=0.1)
    printed = capsys.readouterr().out
    assert all(row["quantity"] in printed for row in report["rows"])
    assert printed.split()[:8] == ["quantity", "cases", "worst", "relative", "error", "bound", "order", "ok"]


def test_names_are_unique_and_take_no_comma():
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names)
    assert not any("," in name for name in names)


def test_no_exemption_is_of_something_that_a_row_covers():
    covered = {part for row in rows() for part in row.covers}
    assert not covered & set(EXEMPT)
    assert all(EXEMPT.values())


def off(value):
    """A derivative that is wrong by a thousandth."""
    if isinstance(value, tuple):
        parts = [off(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value * 1.001 if isinstance(value, float | np.ndarray) else value


def gradient_off(result):
    """The same of a loss's gradient, or of a GAN's, with the loss as it is."""
    value, gradient = result
    return value, off(gradient)


def second_moment_biased(function):
    """Adam with the root of a correction in place of the correction."""
    return lambda *arguments: function(*arguments[:-1], math.sqrt(arguments[-1]))


def last_doubled(function):
    """RMSprop with twice its epsilon, the velocity with twice its decay."""
    return functools.wraps(function)(lambda *arguments: function(*arguments[:-1], 2 * arguments[-1]))


def bound_doubled(function):
    return functools.wraps(function)(lambda params, bound, names: function(params, 2 * bound, names))


def decay_doubled(function):
    return functools.wraps(function)(
        lambda gradient, params, decay, names: function(gradient, params, 2 * decay, names)
    )


def result(change):
    def of(function):
        return functools.wraps(function)(lambda *arguments, **options: change(function(*arguments, **options)))

    return of


BREAKS = [
    ("Linear", "nets.layers.linear.Linear.backward", result(off)),
    ("Linear", "nets.layers.linear.Linear.jvp_backward", result(off)),
    ("Conv2d", "nets.layers.convolution.Convolution.backward", result(off)),
    ("ConvTranspose2d", "nets.layers.convolution.Convolution.jvp", result(off)),
    ("Conv1d", "nets.layers.convolution.Convolution.jvp_backward", result(off)),
    ("PooledConv2d", "nets.layers.resampled.PooledConv2d._images_weight", result(off)),
    ("UpsampledConv2d", "nets.layers.resampled.UpsampledConv2d._images_weight", result(off)),
    ("BatchNorm", "nets.layers.normalization.Normalization.backward", result(off)),
    ("LayerNorm", "nets.layers.normalization.Normalization.jvp_backward", result(off)),
    ("PlaceNorm", "nets.layers.placenorm.PlaceNorm._gathered", result(off)),
    ("Scale", "nets.layers.scale.Scale.backward", result(off)),
    ("Reshape", "nets.layers.reshape.Reshape.backward", result(off)),
    ("Upsample", "nets.layers.upsample.gather", result(off)),
    ("AveragePool", "nets.layers.pooling.spread", result(off)),
    ("Softmax", "nets.layers.softmax._times_jacobian", result(off)),
    ("Residual", "nets.layers.residual.Residual.backward", result(off)),
    ("Residual", "nets.layers.residual.Residual.jvp_backward", result(off)),
    ("Identity", "nets.layers.activations.Identity.backward", result(off)),
    ("ReLU", "nets.layers.activations.LeakyReLU.scale_by_slope", result(off)),
    ("ELU", "nets.layers.activations.ELU.scale_by_slope", result(off)),
    ("ELU", "nets.layers.activations.ELU.scale_by_curvature", result(off)),
    ("ScaledTanh", "nets.layers.activations.Tanh.scale_by_slope", result(off)),
    ("ScaledTanh", "nets.layers.activations.Tanh.scale_by_curvature", result(off)),
    ("Sequential", "nets.network.Sequential.jvp", result(off)),
    ("Sequential", "nets.network.Sequential.jvp_backward", result(off)),
    ("Chain", "nets.chain.Chain.backward", result(off)),
    ("CoulombGAN", "nets.chain.Chain.backward_apart", result(off)),
    ("mlp", "nets.layers.linear.Linear.jvp", result(off)),
    ("potential_regression", "validation.gradients.training.potential_regression", result(gradient_off)),
    ("generator_potential", "validation.gradients.training.generator_potential", result(gradient_off)),
    ("gaussian_mmd2", "nets.losses.mmd._pull", result(off)),
    ("gaussian_mmd", "nets.losses.mmd._pull", result(off)),
    ("gradient_penalty", "nets.layers.linear.Linear.second_order", result(off)),
    ("Adam", "nets.optimizers.adam", second_moment_biased),
    ("RMSprop", "nets.optimizers.rmsprop", last_doubled),
    ("SGD", "nets.optimizers.momentum_step", last_doubled),
    ("clip", "validation.gradients.training.clip", bound_doubled),
    ("add_l2", "validation.gradients.training.add_l2", decay_doubled),
    ("CoulombGAN", "experiments.gans.coulomb.potential_regression", result(gradient_off)),
    ("CoulombGAN", "experiments.gans.coulomb.generator_potential", result(gradient_off)),
    ("BEGAN", "experiments.gans.gan.GAN.pull_dx", result(off)),
    ("EBGAN", "experiments.gans.ebgan.pulling_away", result(gradient_off)),
    ("MMDGAN", "nets.losses.mmd._pull", result(off)),
    ("Plummer", "coulombfield.kernels.inverse_power.InversePower1.slope", result(off)),
    ("Gaussian", "coulombfield.kernels.gaussian.SquaredExponential.curvature", result(off)),
    ("ScaledKernel", "coulombfield.kernels.ScaledKernel.softening_derivative", result(lambda kernel: 1.001 * kernel)),
    ("field", "coulombfield.field", result(off)),
    ("potential_and_field", "coulombfield.potential_and_field", result(gradient_off)),
    ("TabulatedField", "coulombfield.tabulated.potential_and_field", result(gradient_off)),
    ("laplacian", "coulombfield.laplacian", result(off)),
    ("potential_jvp", "coulombfield.sums.direct.jvp", result(off)),
    ("potential_vjp", "coulombfield.derivatives.field", result(off)),
    ("field_jvp", "coulombfield.sums.direct.jvp", result(off)),
    ("field_vjp", "coulombfield.derivatives.field_jvp", result(off)),
    ("electrostatic_energy_gradient", "coulombfield.electrostatic_energy_gradient", result(off)),
    ("energy_gradient", "coulombfield.energy.field", result(off)),
    ("softening_gradient", "coulombfield.softening_gradient", result(off)),
    ("self_energy", "coulombfield.self_energy", result(off)),
]


def gan_off(function):
    """A GAN's update whose gradients are wrong by a thousandth, with its losses as they are."""

    @functools.wraps(function)
    def changed(gan, move, **draws):
        losses, gradients = function(gan, move, **draws)
        return losses, {name: Parameters(g.layout, 1.001 * g.vector) for name, g in gradients.items()}

    return changed


GANS = sorted(
    {part for row in rows() for part in row.covers if inspect.isclass(part) and issubclass(part, GAN)}, key=str
)
BREAKS += [(gan.__name__, f"{gan.__module__}.{gan.__name__}.gradients", gan_off) for gan in GANS]


@pytest.mark.parametrize(("name", "place", "change"), BREAKS, ids=[f"{name}, {place}" for name, place, _ in BREAKS])
def test_a_wrong_derivative_fails(name, place, change, monkeypatch, capsys):
    monkeypatch.setattr(place, change(resolve(place)))
    assert command("--only", name) == 1
    printed = capsys.readouterr().out
    assert "WRONG: " in printed
    assert "Error" not in printed  # it is the numbers that say so


def test_every_part_has_a_break_that_was_seen():
    """All that the rows cover, but for what differs from another part by its numbers or its composition alone."""
    covered = {part.__name__ for row in rows() for part in row.covers}
    alike = {"LeakyReLU", "Tanh", "Flatten", "Network", "Coulomb", "Custom", "Laplace", "Sheets", "KernelSum"}
    alike |= {"Convolution", "_Resampled", "Normalization", "Frozen"}  # bases, and a wrapper that its row needs
    alike |= {name for name in nets.architectures.__all__ if name != "mlp"}
    undivided = {"potential", "electrostatic_energy", "interaction_energy"}  # what is differentiated
    assert covered - {name for name, _, _ in BREAKS} == alike | undivided


def layer(name, module):
    return type(name, (), {"__module__": module, "backward": lambda self, params, cache, dy: dy})


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("nets.layers.linear", layer("Bilinear", "nets.layers.linear")),
        ("nets.network", layer("Residual", "nets.network")),
        ("nets.optimizers", type("SGD", (), {"__module__": "nets.optimizers", "update": lambda self, gradient: None})),
        (
            "experiments.gans.coulomb",
            type("WGAN", (), {"__module__": "experiments.gans.coulomb", "gradients": None}),
        ),
        ("coulombfield.kernels", type("Yukawa", (coulombfield.RadialKernel,), {"__module__": "coulombfield.kernels"})),
        ("nets.losses", None),
        ("nets.architectures", None),
    ],
)
def test_what_is_added_to_the_package_needs_a_row(place, part, monkeypatch):
    if part is None:

        def part(values):
            return values.sum(), np.ones_like(values)

        part.__module__ = place
    monkeypatch.setattr(f"{place}.{part.__name__}", part, raising=False)
    assert missing(rows()) == [name_of(part)]


def test_a_public_operation_needs_a_row(monkeypatch):
    def dipole(targets, charges):
        return targets

    monkeypatch.setattr(coulombfield, "dipole", dipole, raising=False)
    monkeypatch.setattr(coulombfield, "__all__", [*coulombfield.__all__, "dipole"])
    assert missing(rows()) == [name_of(dipole)]


def test_without_its_rows_a_part_is_missing():
    kept = [row for row in rows() if Scale not in row.covers and coulombfield.field_vjp not in row.covers]
    assert missing(kept) == ["coulombfield.derivatives.field_vjp", "nets.layers.scale.Scale"]


def test_new_layer_without_a_row_fails(tmp_path, monkeypatch, capsys):
    (tmp_path / "dropout_of_tests.py").write_text(
        "class Dropout:\n    def backward(self, params, cache, dy):\n        return dy\n", encoding="utf-8"
    )
    monkeypatch.setattr(nets.layers, "__path__", [*nets.layers.__path__, str(tmp_path)])
    try:
        assert command("--only", "Scale") == 1
    finally:
        sys.modules.pop("nets.layers.dropout_of_tests")
    assert "IN NO ROW: nets.layers.dropout_of_tests.Dropout" in capsys.readouterr().out


class Cubic(Activation):
    """f(u) = u³, a layer that the package does not have."""

    def __init__(self, slope=3.0):
        self.slope = slope

    curved = True

    def apply(self, h, bias=None):
        h[...] = h**3
        return h

    def scale_by_slope(self, dy, y):
        return dy * self.slope * np.cbrt(y) ** 2

    def scale_by_curvature(self, dy, y):
        return dy * 6 * np.cbrt(y)


@pytest.mark.parametrize(("slope", "passes"), [(3.0, True), (2.0, False), (0.0, False), (3.00001, False)])
def test_a_row_for_a_layer_is_one_line(slope, passes):
    results = run(rows_of(Sample("Cubic", lambda: Cubic(slope), (4, 3))), Context(quick=True), lambda result: None)
    assert [result.row.name for result in results] == ["Cubic: dx", "Cubic: jvp", "Cubic: jvp backward"]
    assert [result.passed for result in results] == [passes] * 3


def test_a_case_that_raises_fails_alone():
    broken, *others = rows_of(Sample("Cubic", Cubic, (4, 3)))
    broken = dataclasses.replace(broken, cases=lambda context: iter([1]))
    results = run([broken, *others], Context(quick=True), lambda result: None)
    assert [result.passed for result in results] == [False, True, True]
    assert results[0].error.startswith("AttributeError: ")


def sine(exact, **settings):
    return Case("sine", math.sin, exact, 1.0, 1.0, **settings)


def test_an_outcome_needs_order_and_size():
    right, wrong = measure([sine(1.0)]), measure([sine(1.0), sine(1.0 + 1e-6)])
    assert right.passed
    assert right.order == pytest.approx(2, abs=1e-3)
    assert wrong.label == "sine"
    assert wrong.error == pytest.approx(1e-6, rel=1e-2)
    assert not wrong.passed
    assert measure([sine(1.1)]).order == pytest.approx(0, abs=1e-3)
    assert not measure([sine(1.0, polynomial=True)]).passed
    assert not measure([sine(math.nan)]).passed
    assert not measure([Case("zero", math.sin, 0.0, 1.0, 0.0)]).passed
    assert not measure([Case("kink", abs, 1.0, 1.0, 1.0, polynomial=True)]).passed
    with pytest.raises(ValueError, match="cases: expected at least one, got none"):
        measure([])


def test_differences_do_not_step_over_kinks():
    drawn = iter([1e-4, 0.01, 0.3])

    def draw():
        x = next(drawn)
        return Case(f"{x}", lambda t: abs(x - t), -1.0, 1.0, 1.0, polynomial=True, branches=lambda t: np.asarray(x > t))

    case = off_kinks(draw)
    assert case.label == "0.01"
    assert case.exact == -0.5  # along half the direction, no step is longer than 1/128
    assert measure([case]).passed
    with pytest.raises(RuntimeError, match="no case off the kinks in 200 draws"):
        off_kinks(lambda: sine(1.0, branches=lambda t: np.asarray(t > 0)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "Linear,nothing"], "error: no row 'nothing'; expected names of the table"),
        (["--seed", "-1"], "error: seed: expected a non-negative integer, got -1"),
    ],
)
def test_bad_requests_are_refused(arguments, message, capsys):
    assert command(*arguments) == 2
    assert capsys.readouterr().err.startswith(message)


def test_bad_file_is_refused(capsys):
    with pytest.raises(SystemExit):
        command("--json", "/no/such/rows.json")
    assert "--json: no folder" in capsys.readouterr().err


def test_every_kernel_of_the_rows_by_cuda_has_cuda_code():
    names = {name for some in KERNELS_OF["cuda"].values() for name in some}
    able = {name for name in KERNELS if all("cuda" in vars(kind) for kind in cuda.kinds_of(KERNELS[name].profile))}
    assert names == able
