"""Sums whose plan is kept while points move: when it fits, when another is made, and that its numbers are all of it."""

import json

import numpy as np
import pytest

from coulombfield import Charges, Plummer, potential_and_field
from coulombfield.sums import checked_request, keeping, kept_sums, selection
from coulombfield.sums.engines import FAST
from coulombfield.sums.keeping import of_numbers, to_numbers

COUNT = 2100  # of charges and of targets: just enough pairs for nufft and split
RTOL = 1e-4
KERNEL = Plummer(1.0, 0.4)


def points(seed=0, count=COUNT, dimension=2, dtype="float64"):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, dimension)).astype(dtype), rng.standard_normal(count).astype(dtype) / count


def kept(x, q, before, kernel=KERNEL, method="nufft", targets=None, **options):
    targets = x if targets is None else targets
    return kept_sums(targets, Charges(x, q), kernel, before, rtol=RTOL, method=method, potential=True, **options)


def planned(x, q, **options):
    """What is kept after the second time."""
    return kept(x, q, kept(x, q, None, **options)[1], **options)[1]


def error(found, x, q, kernel=KERNEL, targets=None):
    """Root mean square over every tenth target, relative to the magnitudes of the terms."""
    targets, found = (x if targets is None else targets)[::10], [values[::10] for values in found]
    exact = potential_and_field(targets, Charges(x, q), kernel)
    sizes = potential_and_field(targets, Charges(x, np.abs(q)), kernel)[0]
    s = np.sum((targets[:, None] - x[None]) ** 2, axis=-1)
    pulls = (2 * np.abs(kernel.slope(s)) * np.sqrt(s)) @ np.abs(q)
    return max(
        np.linalg.norm(one - other) / np.linalg.norm(size)
        for one, other, size in zip(found, exact, (sizes, pulls), strict=True)
    )


@pytest.fixture
def plans(monkeypatch):
    """The engines asked for plans, in order."""
    asked = []
    for name, engine in FAST.items():

        def plan(*arguments, name=name, plan=engine.plan):
            asked.append(name)
            return plan(*arguments)

        monkeypatch.setattr(engine, "plan", plan)
    return asked


@pytest.mark.parametrize("method", ["nufft", "split"])
def test_the_first_sums_are_the_functions_and_the_third_are_not_planned(plans, method):
    x, q = points()
    first, once = kept(x, q, None, method=method)
    for one, other in zip(first, potential_and_field(x, Charges(x, q), KERNEL, rtol=RTOL, method=method), strict=True):
        np.testing.assert_array_equal(one, other)
    _, second = kept(x, q, once, method=method)
    del plans[:]
    moved = 0.999 * x
    found, third = kept(moved, q, second, method=method)
    assert third is second
    assert not plans
    assert error(found, moved, q) <= RTOL


@pytest.mark.parametrize(
    ("method", "dimension", "dtype", "count"),
    [
        ("nufft", 1, "float64", COUNT), ("nufft", 2, "float32", COUNT), ("nufft", 3, "float64", COUNT),
        ("split", 2, "float64", COUNT), ("split", 3, "float32", COUNT), ("tree", 2, "float64", 4100),
    ],
)  # fmt: skip
def test_the_numbers_are_all_of_it(method, dimension, dtype, count):
    """By way of text, and with points elsewhere in the box and targets that are not the charges."""
    x, q = points(1, count, dimension, dtype)
    after = planned(x, q, method=method)
    numbers = json.loads(json.dumps(to_numbers({"field": after})))
    assert all(isinstance(number, float) and np.isfinite(number) for number in numbers.values())
    restored, others = of_numbers(numbers | {"verlet step": 0.1})
    assert others == {"verlet step": 0.1}
    assert to_numbers(restored) == numbers
    moved = (x * np.asarray(0.97, dtype))[::-1].copy()
    for targets in (moved, moved[: count - 1] * np.asarray(0.99, dtype)):
        before = after if targets is moved else planned(x, q, method=method, targets=x[: count - 1])
        again = restored["field"] if targets is moved else of_numbers(to_numbers({"field": before}))[0]["field"]
        (one, _), (other, left) = (kept(moved, q, k, method=method, targets=targets) for k in (before, again))
        assert left.method == method
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
        assert error(one, *(v.astype(float) for v in (moved, q)), targets=targets.astype(float)) <= RTOL


def test_numbers_that_are_none_of_a_plan_are_planned_anew():
    x, q = points()
    numbers = to_numbers({"field": planned(x, q)})
    for name in ("tolerance", "modes 0", "oversampling"):
        bad = {key: number for key, number in numbers.items() if not key.endswith(name)}
        restored, _ = of_numbers(bad)
        found, after = kept(x, q, restored.get("field"))
        assert error(found, x, q) <= RTOL
        assert after.method in ("nufft", "once")


def changed(what):
    x, q = points()
    kernel, options = KERNEL, {}
    if what == "growth":
        x = 1.12 * x
    if what == "one that leaves":
        x[7, 1] = 1.2
    if what == "collapse":
        x = 0.5 * x
    if what == "a flat cloud":
        x[:, 1] = 0.1
    if what == "a shorter softening":
        kernel = Plummer(1.0, 0.37)
    if what == "a longer softening":
        kernel = Plummer(1.0, 0.6)
    if what == "more charges":
        x, q = points(count=COUNT + 1)
    if what == "another dtype":
        x, q = points(dtype="float32")
    if what == "another method":
        options = {"method": "split"}
    return (x, q), {"kernel": kernel, **options}


@pytest.mark.parametrize(
    "what",
    [
        "growth", "one that leaves", "collapse", "a flat cloud", "a shorter softening", "a longer softening",
        "more charges", "another dtype", "another method",
    ],
)  # fmt: skip
def test_another_plan_is_made_where_it_does_not_fit(plans, what):
    before = planned(*points())
    arguments, options = changed(what)
    del plans[:]
    found, after = kept(*arguments, before, **options)
    assert plans == [options.get("method", "nufft")]
    assert error(found, *(x.astype(float) for x in arguments), kernel=options["kernel"]) <= RTOL
    again, same = kept(*arguments, after, **options)  # it fits what it was made for, and gives the same
    assert same is after
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_plan_serves_softenings_a_little_off_with_their_own_kernel(plans):
    x, q = points()
    before = planned(x, q)
    del plans[:]
    for softening in (0.39, 0.41, 0.5):
        kernel = Plummer(1.0, softening)
        found, after = kept(x, q, before, kernel)
        assert error(found, x, q, kernel) <= RTOL
        assert to_numbers({"": after}) == to_numbers({"": before})  # the length it was made for, not the last
    assert not plans


def test_another_plan_is_made_where_the_error_does_not_hold(plans):
    x, q = points()
    before = planned(x, q)
    coarse = before._replace(
        plan=FAST["nufft"].plan(checked_request(x, Charges(x, q), KERNEL, False, 0.5, potential=True, field=True), 0.5)
    )
    del plans[:]
    found, after = kept(x, q, coarse)
    assert plans == ["nufft"]
    assert error(found, x, q) <= RTOL
    assert after is not coarse


def test_auto_weighs_engines_by_what_they_take_without_planning(monkeypatch):
    """So that a fast engine is kept where its planning alone takes longer than an exact sum."""
    x, q = points(dtype="float32")
    exact, once = kept(x, q, None, method="auto")
    np.testing.assert_array_equal(exact[1], potential_and_field(x, Charges(x, q), KERNEL)[1])
    seen = []
    for name, engine in FAST.items():
        monkeypatch.setattr(engine, "least", lambda request: pytest.fail("a bound rules nothing out here"))
        if engine.needless(checked_request(x, Charges(x, q), KERNEL, False, RTOL, field=True)):
            continue

        def plan(*arguments, plan=engine.plan, name=name):
            found = plan(*arguments)
            found.again, found.seconds = (1e-9, 1e9) if name == "nufft" else (1e9, 1e9)
            seen.append(name)
            return found

        monkeypatch.setattr(engine, "plan", plan)
    monkeypatch.setattr(FAST["nufft"].Plan, "seconds", 0.0)
    monkeypatch.setattr(FAST["split"].Plan, "again", 0.0)
    _, after = kept(x, q, once, method="auto")
    assert seen == ["nufft", "split"]
    assert after.method == "nufft"


def test_an_exact_engine_is_kept_too(monkeypatch):
    x, q = points()
    found, after = kept(
        x, q, keeping._kept("simd", checked_request(x, Charges(x, q), KERNEL, False, RTOL), 1.0), method="auto"
    )
    assert after.method == "simd"
    for one, other in zip(found, potential_and_field(x, Charges(x, q), KERNEL), strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(keeping, "chosen", None)
    assert kept(0.99 * x, q, after, method="auto")[1] is after


def test_few_charges_and_exact_sums_keep_nothing():
    x, q = points(count=300)
    assert kept(x, q, None, method="auto")[1] is None
    x, q = points()
    charges = Charges(x, q)
    assert kept_sums(x, charges, KERNEL, planned(x, q))[1] is None
    assert kept_sums(x, charges, KERNEL, None, rtol=RTOL, method="simd")[1] is None


def test_what_can_not_be_reached_is_an_error_or_exact(monkeypatch):
    x, q = points()
    before = planned(x, q)
    monkeypatch.setattr(keeping, "measured_error", lambda *arguments: 1.0)
    monkeypatch.setattr(selection, "within_tolerance", unreachable)
    with pytest.raises(ArithmeticError, match=r"^method: nufft reaches nothing"):
        kept(x, q, before)
    found, after = kept(x, q, before, method="auto")
    assert after.method == "simd"
    np.testing.assert_array_equal(found[0], potential_and_field(x, Charges(x, q), KERNEL)[0])


def unreachable(*arguments):
    raise selection.OutOfReachError("reaches nothing")


def test_numbers_that_are_not_finite_are_as_in_the_functions():
    x, q = points()
    before = planned(x, q)
    x[3] = np.nan
    found, after = kept(x, q, before)
    assert np.isnan(found[0]).all()
    assert all(np.isfinite(number) for number in to_numbers({"": after}).values())
