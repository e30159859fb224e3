"""The grid, the exact solutions and the verdicts of the chapter on dynamics."""

from __future__ import annotations

import numpy as np
import pytest

import coulombfield as cf
from validation.context import Context
from validation.equations.dynamics import entries as dynamics
from validation.equations.dynamics.decay import decay_ode
from validation.equations.dynamics.exact import CoreAndHalo, shell_paths
from validation.equations.dynamics.local import velocity
from validation.equations.dynamics.radial import Shells, couplings, evolve, normal_averages, rate
from validation.equations.evidence import Verdict
from validation.equations.registry import resolve

QUICK = Context(quick=True)


def test_fields_of_shells_are_those_of_the_density():
    law, cells = CoreAndHalo(5), Shells.graded(5, 40, 0.1, 16.0)
    matrices = couplings(QUICK, cells, cf.Plummer(1.0, 0.5))
    charges = cells.averages(law.density) * cells.volumes
    points = np.zeros((len(cells.edges), 5))
    points[:, 0] = cells.edges
    exact = law.mixture.field(points, 1.0, 0.5)[:, 0]
    # of second order in the cells: 0.5% with twice as many
    np.testing.assert_allclose(matrices.field @ charges, exact, atol=2e-2 * np.abs(exact).max())
    energy = 0.5 * charges @ matrices.potential @ charges
    assert energy == pytest.approx(law.mixture.energy(1.0, 0.5), rel=2e-2)


@pytest.mark.parametrize("m", [3, 4, 5])
def test_coulomb_shells_obey_newtons_theorem(m):
    cells = Shells.graded(m, 12, 0.2, 5.0)
    field = couplings(QUICK, cells, cf.Coulomb(m - 2)).field[1:]
    inside = cells.edges[None, 1:] <= cells.edges[1:, None]
    exact = (m - 2) * inside / cells.edges[1:, None] ** (m - 1)
    # m = 4 has a root of the angle's weight at the far side, which slows Gauss's rule
    np.testing.assert_allclose(field, exact, atol=1e-4 * exact.max())


def test_what_leaves_a_cell_enters_its_neighbour():
    rng = np.random.default_rng(0)
    cells = Shells.graded(3, 30, 0.1, 9.0)
    density, fields = rng.standard_normal(30), rng.standard_normal(31)
    change = rate(cells, fields, density) * cells.volumes
    assert abs(change.sum()) <= 1e-14 * np.abs(change).sum()


def test_opposite_charges_meet_and_cancel():
    cells = Shells(3, np.array([0.0, 1.0, 2.0, 3.0]))
    fields = np.array([0.0, 0.0, 1.0, 0.0])  # outward between the second and third cell
    met = rate(cells, fields, np.array([0.0, 2.0, -3.0]))
    assert met[1] < 0 < met[2]
    apart = rate(cells, -fields, np.array([0.0, 2.0, -3.0]))
    np.testing.assert_array_equal(apart, 0.0)


@pytest.mark.parametrize("dimension", [3, 5])
def test_the_exact_solution_solves_the_equation(dimension):
    law = CoreAndHalo(dimension)
    time = 2.0 / (law.rate * float(law.density(np.zeros(1))[0]))
    front, inner, outer = law.front(time)
    assert inner > 0 > outer
    for radius in (0.4 * front, 0.9 * front, 1.2 * front, 2.0 * front):
        assert law.charge(radius, 0.0) == pytest.approx(law.within(radius), rel=1e-9)
        step = 1e-4
        by_radius = (law.charge(radius + step, time) - law.charge(radius - step, time)) / (2 * step)
        by_time = (law.charge(radius, time + step) - law.charge(radius, time - step)) / (2 * step)
        density = law.later(radius, time)
        assert by_radius == pytest.approx(law.sphere * radius ** (dimension - 1) * density, rel=1e-5)
        field = (dimension - 2) * law.charge(radius, time) / radius ** (dimension - 1)
        assert by_time == pytest.approx(-abs(by_radius) * field, rel=1e-5)


def test_grid_with_fixed_data_follows_the_shells():
    cells = Shells.graded(3, 50, 0.06, 10.0)
    real, generated = normal_averages(cells, 1.0), normal_averages(cells, 0.5)
    flow = evolve(cells, couplings(QUICK, cells, cf.Plummer(1.0, 0.5)), generated, 3.0, data=real)
    squares = (flow.moving[-1] * cells.volumes) @ cells.averages(lambda r: r**2)
    shells = shell_paths(0.5, 1.0, 0.5, np.array([0.0, 3.0]), 100)[-1]
    assert squares == pytest.approx((shells**2).mean(), rel=0.01)
    assert (np.diff(flow.energy) < 0).all()


def test_statements_are_complete():
    assert len({entry.name for entry in dynamics.ENTRIES}) == len(dynamics.ENTRIES)
    for entry in dynamics.ENTRIES:
        assert len(entry.plain) <= 90
        assert len(entry.truth) <= 140
        for path in entry.code:
            resolve(path)


@pytest.mark.parametrize("factor", [-1.0, 0.999, 1.001])
def test_a_wrong_field_unsettles_the_velocity(monkeypatch, factor):
    right = cf.field
    assert velocity(QUICK).verdict is Verdict.HOLDS
    monkeypatch.setattr(cf, "field", lambda *args, **options: factor * right(*args, **options))
    # a measurement about the printed statement fails, and nothing says what holds instead
    assert velocity(QUICK).verdict is Verdict.UNSETTLED


@pytest.mark.parametrize("factor", [-1.0, 0.999, 1.001])
def test_a_wrong_laplacian_unsettles_the_decay(monkeypatch, factor):
    right = cf.laplacian
    assert decay_ode(QUICK).verdict is Verdict.HOLDS_IF
    monkeypatch.setattr(cf, "laplacian", lambda *args, **options: factor * right(*args, **options))
    assert decay_ode(QUICK).verdict is Verdict.UNSETTLED
