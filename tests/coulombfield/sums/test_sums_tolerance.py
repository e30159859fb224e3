"""rtol is kept: by measuring, by tightening, and by falling back; and the fastest engine is the one that is taken."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from charge_clouds import cloud, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Charges, Plummer, explain, field, laplacian, potential, potential_and_field
from coulombfield.sums import costs, direct, selection, tolerance
from coulombfield.sums.request import OutOfReachError, Request, Result

KERNEL = Plummer(3.0, 0.5)


class Noisy:
    """An engine that is off by a multiple of the tolerance, everywhere, or by a fixed relative error."""

    def __init__(self, factor=0.0, floor=0.0, estimate=0.0, refusal=""):
        self.factor, self.floor, self.estimate, self.why = factor, floor, estimate, refusal
        self.tolerances = []

    def refusal(self, request):
        return self.why

    def needless(self, request):
        return ""

    def least(self, request):
        return 0.0

    def plan(self, request, tolerance, room=1.0):
        return SimpleNamespace(seconds=self.estimate, left=self.estimate, again=self.estimate)

    def approximate(self, request, tolerance, known=None):
        self.tolerances.append(tolerance)
        error = max(self.floor, self.factor * tolerance)
        return Result(*(None if x is None else x * (1 + error) for x in direct.evaluate(request)))


@pytest.fixture
def fast(monkeypatch):
    """Make the given engine the only fast one, and worth a thought however small the sum."""

    def install(engine):
        monkeypatch.setattr(selection, "FAST", {"noisy": engine})
        monkeypatch.setattr(costs, "_found", replace(costs.BUILT_IN, worth_a_plan=0.0))
        return engine

    return install


def scene(n=200, dtype="float64", sign=1.0):
    positions, weights = cloud(np.random.default_rng(n), n, 2, dtype)
    return Charges(positions, np.abs(weights) if sign else weights)


def test_an_honest_engine_is_asked_once(fast):
    engine, charges = fast(Noisy(factor=1.0)), scene()
    _, explanation = explain(potential, charges.positions, charges, KERNEL, rtol=1e-6, method="noisy")
    assert len(engine.tolerances) == 1
    assert explanation.method == "noisy"
    # All weights positive: the error relative to the magnitudes is the relative error, but for a draw left out.
    assert engine.tolerances[0] * 0.999 <= explanation.error <= 1.2 * engine.tolerances[0]


@pytest.mark.parametrize("function", [potential, field])
def test_a_careless_engine_is_tightened_until_rtol_holds(fast, function):
    engine, charges = fast(Noisy(factor=300.0)), scene()
    exact = function(charges.positions, charges, KERNEL)
    found, explanation = explain(function, charges.positions, charges, KERNEL, rtol=1e-6)
    assert len(engine.tolerances) == 2
    assert explanation.method == "noisy"
    assert explanation.error <= 1e-6
    assert np.linalg.norm(found - exact) <= 1e-6 * np.linalg.norm(exact)


def test_what_cannot_be_kept_is_said_or_done_exactly(fast):
    engine, charges = fast(Noisy(floor=1e-4)), scene()
    with pytest.raises(ArithmeticError, match=r"^method: noisy reaches an error of 1\.0e-04 only, not rtol=1e-06"):
        potential(charges.positions, charges, KERNEL, rtol=1e-6, method="noisy")
    assert len(engine.tolerances) == tolerance.ATTEMPTS
    assert np.all(np.diff(engine.tolerances) < 0)
    found, explanation = explain(potential, charges.positions, charges, KERNEL, rtol=1e-6)
    assert explanation.gave_up == "noisy"
    assert "noisy was tried first" in str(explanation)
    assert np.array_equal(found, potential(charges.positions, charges, KERNEL, method=explanation.method))


class WrongWhereNear(Noisy):
    """An engine that is right but at the targets near the charges, where it gives nothing."""

    def approximate(self, request, tolerance, known=None):
        far = np.linalg.norm(request.targets - request.positions[:1], axis=1) > 10
        exact = super().approximate(request, tolerance)
        return Result(*(None if x is None else (x.T * far).T for x in exact))


@pytest.mark.slow
@pytest.mark.parametrize("near", [1, 7])
@pytest.mark.parametrize("weights", ["positive", "mixed", "unequal"])
@pytest.mark.parametrize("function", [potential, field, laplacian])
def test_a_few_near_targets_among_many_far_ones_are_not_missed(fast, function, weights, near):
    fast(WrongWhereNear())
    rng = np.random.default_rng(near)
    targets = rng.uniform(0, 1, (3000, 2)) + 30
    charges = scene(sign=weights != "mixed")
    if weights == "unequal":
        charges.weights[:100] *= 1e-3
    targets[1234 : 1234 + near] = charges.positions[:near] + 1e-3
    with pytest.raises(ArithmeticError, match=r"noisy reaches an error of \d"):
        function(targets, charges, KERNEL, rtol=1e-3, method="noisy")


@pytest.mark.parametrize("place", [0.0, 30.0])
def test_what_is_wrong_beside_a_giant_charge_is_not_missed(place):
    """The field is weak there, and so tells nothing of the error; nor do the many targets near small charges."""
    rng = np.random.default_rng(11)
    charges = scene()
    charges.weights[17] = 1e6
    charges.positions[17] = place
    targets = np.concatenate(
        [rng.standard_normal((4000, 2)), charges.positions[17] + 1e-5 * rng.standard_normal((1, 2))]
    )
    request = Request(targets, charges.positions, charges.weights, KERNEL.profile, False, False, True, 1e-9)
    exact = direct.evaluate(request)
    off = exact._replace(field=exact.field.copy())
    off.field[4000] += 1e-8 * np.linalg.norm(exact.field)
    # The terms' magnitudes are up to three times the sums.
    assert tolerance._Sample(request, direct, off).error(off) > 0.3e-8


def test_errors_that_are_even_are_measured_as_they_are_beside_a_few_large_sums():
    """One near target has most of the sums' squares: what it is drawn by must not stand for the others."""
    rng = np.random.default_rng(5)
    targets = rng.uniform(0, 1, (3000, 2)) + 30
    charges = scene()
    targets[77] = charges.positions[0]
    request = Request(targets, charges.positions, charges.weights, KERNEL.profile, False, True, False, 1e-9)
    exact = direct.evaluate(request)
    off = exact._replace(potential=exact.potential + 1e-5 * rng.choice([-1, 1], 3000))
    true = np.linalg.norm(off.potential - exact.potential) / np.linalg.norm(exact.potential)
    assert tolerance._Sample(request, direct, off).error(off) == pytest.approx(true, rel=0.3)


class Breathless(Noisy):
    """An engine that can't work to small tolerances."""

    def approximate(self, request, tolerance, known=None):
        if tolerance < 1e-8:
            raise OutOfReachError("would take too many modes")
        return super().approximate(request, tolerance)


def test_an_engine_that_gives_up_says_why_and_is_asked_once(fast):
    charges = scene()
    fast(Breathless())
    with pytest.raises(ArithmeticError, match=r"^method: noisy would take too many modes for rtol=1e-08$"):
        potential(charges.positions, charges, KERNEL, rtol=1e-8, method="noisy")
    engine = fast(Breathless(floor=1e-4))
    with pytest.raises(ArithmeticError, match=r"^method: noisy reaches an error of 1\.0e-04 only, not rtol=1e-05$"):
        potential(charges.positions, charges, KERNEL, rtol=1e-5, method="noisy")
    assert len(engine.tolerances) == 2
    assert potential(charges.positions, charges, KERNEL, rtol=1e-8).shape == (200,)


def test_numbers_that_are_not_finite_are_said_to_be_that(fast):
    charges = scene()
    fast(Noisy(floor=np.nan))
    with pytest.raises(ArithmeticError, match=r"^method: noisy gives numbers that are not finite, not rtol=0.001$"):
        potential(charges.positions, charges, KERNEL, rtol=1e-3, method="noisy")


def test_both_sums_must_hold(fast):
    charges = scene()

    class OnlyPotential(Noisy):
        def approximate(self, request, tolerance, known=None):
            exact = super().approximate(request, tolerance)
            return exact._replace(field=exact.field * 1.001)

    fast(OnlyPotential())
    with pytest.raises(ArithmeticError, match="noisy reaches an error"):
        potential_and_field(charges.positions, charges, KERNEL, rtol=1e-5, method="noisy")


class Counting:
    """The exact sums, and a note of how many targets they were asked at."""

    def __init__(self):
        self.counts = []

    def evaluate(self, request):
        self.counts.append(request.targets.shape[0])
        return direct.evaluate(request)


def test_magnitudes_at_all_targets_are_summed_only_if_those_at_some_leave_a_doubt(monkeypatch):
    rng = np.random.default_rng(1)
    positions = rng.standard_normal((300, 2))
    weights = rng.standard_normal(300)
    rtol = 1e-6
    request = Request(positions, positions, weights - weights.mean(), KERNEL.profile, False, True, False, rtol)
    exact = direct.evaluate(request).potential
    size = np.sqrt(np.mean(direct.evaluate(request._replace(weights=np.abs(request.weights))).potential ** 2))
    every, some = tolerance.SAMPLE, tolerance.FIRST_SIZES
    drawn = rng.choice(300, every, replace=False), np.full(every, 300 / every)
    monkeypatch.setattr(tolerance, "draw", lambda *_: drawn)
    # A third of the targets has more than half of the root sum of squares.
    for error, counts in [
        (0.0, [every]),
        (0.1, [every, some]),
        (0.4, [every, some, every]),
        (2.0, [every, some, every]),
    ]:
        engine, off = Counting(), Result(exact + error * rtol * size, None)
        sample = tolerance._Sample(request, engine, off)
        found = sample.error(off)
        assert engine.counts == counts
        assert error * rtol * 0.7 <= found <= 3 * error * rtol
        # What is not small enough is measured against all magnitudes, and so is told as it is.
        assert len(counts) < 3 or found == pytest.approx(error * rtol, rel=0.2)


@given(n=st.integers(1, 300), seed=seeds, rtol=st.sampled_from([1e-3, 1e-9]), dtype=st.sampled_from(["f4", "f8"]))
@settings(max_examples=10)
def test_the_measured_error_is_relative_to_the_terms_before_they_cancel(n, seed, rtol, dtype):
    """Also when own terms, far larger than the others, are left out."""
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, 2, dtype)
    profile = Plummer(3.0, 1e-3).profile
    request = Request(positions, positions, weights, profile, True, True, True, rtol)
    sample = tolerance._Sample(request, direct, direct.evaluate(request))
    exact = direct.evaluate(
        request._replace(targets=positions.astype("f8"), positions=positions.astype("f8"), weights=weights.astype("f8"))
    )
    rounding = 1e-12 if rtol < tolerance.SINGLE_PRECISION_RTOL else 1e-5
    assert sample.error(exact) <= rounding
    difference = positions[:, None].astype("f8") - positions[None]
    s = np.sum(difference**2, axis=-1)
    sizes = np.abs(weights) * profile.value(np, s) * (1 - np.eye(n))
    off = exact._replace(potential=exact.potential + 0.01 * rng.choice([-1, 1], n) * sizes.sum(axis=1))
    assert n == 1 or 0.00999 <= sample.error(off) <= 0.015
    lengths = (np.abs(weights) * 2 * np.abs(profile.slope(np, s)) * np.sqrt(s)).sum(axis=1)
    off = exact._replace(field=exact.field + 0.01 * lengths[:, None] * np.asarray([0.6, -0.8]))
    assert n == 1 or 0.00999 <= sample.error(off) <= 0.015


def test_the_fastest_is_taken_and_the_explanation_says_so(fast):
    charges = scene()
    fast(Noisy(estimate=1e9))
    _, explanation = explain(potential, charges.positions, charges, KERNEL, rtol=1e-3)
    assert explanation.method in selection.EXACT
    assert explanation.error is None
    assert "noisy: 1e+09 s estimated" in str(explanation)
    fast(Noisy(refusal="it is Sunday"))
    _, explanation = explain(potential, charges.positions, charges, KERNEL, rtol=1e-3)
    assert "noisy: it is Sunday" in str(explanation)
    engine = fast(Noisy())
    potential(charges.positions, charges, KERNEL)
    assert not engine.tolerances, "without rtol only exact engines are used"


def test_data_that_are_not_finite_are_not_mistaken_for_an_error(fast):
    charges = scene()
    charges.positions[3] = np.nan
    fast(Noisy())
    found = potential(charges.positions, charges, KERNEL, rtol=1e-3, method="noisy")
    assert np.isnan(found).all()


@pytest.mark.parametrize(("rtol", "dtype"), [(1e-7, "float32"), (1e-16, "float64"), (0.0, "float64"), (1.0, "float64")])
def test_an_rtol_that_makes_no_sense_is_refused(rtol, dtype):
    charges = scene(4, dtype)
    with pytest.raises(ValueError, match=rf"^rtol: expected a number from .* \({dtype}\) to 1, got"):
        potential(charges.positions, charges, KERNEL, rtol=rtol)


def test_a_fast_engine_needs_an_rtol(fast):
    fast(Noisy())
    charges = scene(4)
    with pytest.raises(ValueError, match=r"^rtol: method noisy needs one"):
        potential(charges.positions, charges, KERNEL, method="noisy")
    with pytest.raises(TypeError, match=r"^rtol: expected a number, got str"):
        potential(charges.positions, charges, KERNEL, rtol="1e-3")


@pytest.mark.parametrize("function", [potential, field, potential_and_field, laplacian])
def test_an_explained_result_has_the_bits_of_the_function(function):
    charges = scene()
    found, explanation = explain(function, charges.positions, charges, KERNEL)
    for one, other in zip(found, function(charges.positions, charges, KERNEL), strict=True):
        np.testing.assert_array_equal(one, other)
    assert explanation.method in selection.EXACT
    assert repr(explanation) == f"Explanation({explanation.method!r})"


def test_only_sums_are_explained():
    with pytest.raises(TypeError, match=r"^function: expected potential, field, potential_and_field or laplacian, got"):
        explain(np.sum, np.zeros((1, 2)), scene(), KERNEL)
