"""rtol over the whole range of what a sum may be asked: whatever engine answers, the error stays within it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coulombfield import Charges, Plummer, explain, potential_and_field
from coulombfield.profiles import GradientSize, Magnitude
from coulombfield.sums import direct, selection
from coulombfield.sums.ewald import split
from coulombfield.sums.fourier import nufft
from coulombfield.sums.request import Request
from coulombfield.sums.tree import tree

COUNTS = st.integers(1, 9) | st.integers(50, 300)
LAYOUTS = ("normal", "uniform", "clustered", "collinear", "duplicated", "far apart", "one point")


def scatter(rng, layout, count, dimension):
    """Points of a layout within a few units of length, but for those that are far apart."""
    points = rng.standard_normal((count, dimension))
    if layout == "uniform":
        points = rng.uniform(-2, 2, (count, dimension))
    elif layout == "clustered":
        points = 1e-3 * points + rng.uniform(-2, 2, (5, dimension))[rng.integers(5, size=count)]
    elif layout == "collinear":
        points = points[:, :1] * rng.standard_normal(dimension)
    elif layout == "duplicated":
        points = points[rng.integers(max(1, count // 3), size=count)]
    elif layout == "far apart":
        points = points + 10.0 ** rng.uniform(1, 6) * rng.integers(0, 2, (count, 1))
    elif layout == "one point":
        points = np.repeat(points[:1], count, axis=0)
    return points


def root_mean_square(rows):
    return np.sqrt(np.mean(np.sum(np.reshape(rows, (len(rows), -1)).astype(float) ** 2, axis=1)))


METHODS = {"auto": 100, "nufft": 250, "split": 70, "tree": 50, "gram": 40, "simd": 40}
"""Cases that each is tried with: more than 500 in all."""
DIMENSIONS = {"auto": [2, 9], "nufft": [1, 2, 3], "split": [2, 3], "tree": [2], "gram": [12], "simd": [2]}
"""Not all of them, since loops are compiled for each, and for each dtype: split has one of both for either."""
# Each whole exponent has loops of its own, all others share theirs, and floats() likes to draw whole numbers.
EXPONENTS = st.floats(0.3, 5.0).filter(lambda exponent: not exponent.is_integer())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_error_stays_within_rtol(method, monkeypatch):
    # Fast engines leave few pairs to simd, and auto takes them for many pairs only: here both are to work all the same.
    monkeypatch.setattr(nufft, "SMALL", -1)
    monkeypatch.setattr(split, "SMALL", -1)
    monkeypatch.setattr(tree, "DIRECT_PAIRS", -1)
    for name, engine in selection.EXACT.items():
        # Plain array code measures the errors, so that nothing is compiled for that.
        monkeypatch.setattr(engine, "seconds", lambda request, name=name: 1e3 if name == "direct" else 2e3)
    monkeypatch.setattr(selection, "FEW_PAIRS", -1)
    served = 0

    @given(
        t=COUNTS,
        n=COUNTS,
        dimension=st.sampled_from(DIMENSIONS[method]),
        layout=st.sampled_from(LAYOUTS),
        exponent=EXPONENTS | (st.just(3.0) if method == "auto" else st.nothing()),
        softening=st.floats(-4, 2).map(lambda power: 10.0**power),
        unit=st.sampled_from([0, -66, 66]),
        signs=st.sampled_from(["positive", "mixed", "neutral"]),
        exclude_self=st.booleans(),
        dtype=st.sampled_from(["float32", "float64"]),
        digits=st.floats(2, 12),
        seed=st.integers(0, 2**32 - 1),
    )
    @settings(max_examples=METHODS[method])
    def check(t, n, dimension, layout, exponent, softening, unit, signs, exclude_self, dtype, digits, seed):
        nonlocal served
        if method == "split":
            dimension = 2 if dtype == "float64" else 3
        rng = np.random.default_rng(seed)
        rtol = max(10.0**-digits, 1e-5 if dtype == "float32" else 1e-13)
        if dtype == "float32":  # so that slopes, of size unit^(-d - 2), are float32 numbers
            unit = int(np.sign(unit) * min(66, 50 / (exponent + 2)))
        unit = 2.0**unit
        assume(dtype == "float64" or (exponent + 2) * abs(np.log2(softening * unit)) < 100)
        points = scatter(rng, layout, n if exclude_self else n + t, dimension)
        weights = rng.standard_normal(n)
        weights = np.abs(weights) if signs == "positive" else weights - (signs == "neutral") * weights.mean()
        positions = (points[:n] * unit).astype(dtype)
        targets = positions if exclude_self else (points[n:] * unit).astype(dtype)
        charges = Charges(positions, weights.astype(dtype))
        kernel = Plummer(exponent, softening * unit)
        try:
            found = potential_and_field(targets, charges, kernel, exclude_self=exclude_self, rtol=rtol, method=method)
        except ValueError as error:
            if not str(error).startswith(f"method: {method} can't serve this"):
                raise
            return
        except ArithmeticError:
            assert method in selection.FAST
            return
        served += 1
        # The oracle works on the very numbers that the arrays hold, in the unit 1.
        request = Request(
            targets.astype(float) / unit,
            positions.astype(float) / unit,
            charges.weights.astype(float),
            Plummer(exponent, softening).profile,
            exclude_self,
            True,
            True,
        )
        exact = direct.evaluate(request)
        sizes = request._replace(weights=np.abs(request.weights), field=False)
        for name, values, scale, profile in (
            ("potential", found[0].astype(float), unit**exponent, Magnitude(request.profile)),
            ("field", found[1].astype(float), unit ** (exponent + 1), GradientSize(request.profile)),
        ):
            size = root_mean_square(direct.evaluate(sizes._replace(profile=profile)).potential)
            error = root_mean_square(values * scale - getattr(exact, name))
            assert error <= rtol * size, f"{name}: {error / size if size else np.inf:.2e} > {rtol:.2e}"

    check()
    # A method that answers nothing would keep every promise.
    assert served >= METHODS[method] / 4


@pytest.mark.parametrize("method", ["nufft", "split", "tree"])
def test_an_explanation_names_the_engine_that_gave_the_result(method, monkeypatch):
    """A fast engine leaves few pairs to an exact one, and is not said to have summed them."""
    rng = np.random.default_rng(0)
    points, charges = rng.random((50, 2)), Charges(rng.random((60, 2)), rng.random(60))
    engine = selection.FAST[method]
    monkeypatch.setattr(engine, "approximate", lambda *_: pytest.fail("it was asked"))
    found, explanation = explain(potential_and_field, points, charges, Plummer(), rtol=1e-3, method=method)
    assert explanation.method == "simd"
    assert explanation.error is None
    assert f"{method}: all pairs are faster up to {'16,777,216' if method == 'tree' else '4,194,304'}" in str(
        explanation
    )
    expected = potential_and_field(points, charges, Plummer(), method="simd")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
