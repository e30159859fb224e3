"""Sums over ranks in this process, which is one rank, and what they are made of."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coulombfield as cf
from coulombfield.scattered import measuring
from coulombfield.scattered.exact_sums import sum_of, value_of
from coulombfield.scattered.points import Held
from coulombfield.scattered.survey import SAMPLED, survey
from coulombfield.scattered.team import Alone
from coulombfield.sums.request import Result

seeds = st.integers(0, 2**32 - 1)
KERNEL = cf.Plummer(1.0, 0.5)


@given(seed=seeds, count=st.integers(0, 60), orders=st.integers(1, 300))
def test_exact_sums_are_those_of_fsum(seed, count, orders):
    rng = np.random.default_rng(seed)
    terms = rng.standard_normal(count) * 10.0 ** rng.integers(-orders, min(orders, 290), count)
    assert value_of(sum_of(terms)) == math.fsum(terms)
    assert value_of(sum_of(terms[: count // 2]) + sum_of(terms[count // 2 :])) == math.fsum(terms)


def test_exact_sums_hold_the_smallest_and_tell_of_the_largest():
    tiny = np.asarray([5e-324, 3e-310, -1e-308])
    assert value_of(sum_of(tiny)) == math.fsum(tiny)
    assert value_of(sum_of(np.full(4, 1.7e308))) == math.inf
    assert value_of(sum_of(np.asarray([np.nan, np.inf, 2.0]))) == 2.0


@given(seed=seeds, count=st.sampled_from([1, 40, 5 * SAMPLED]), copies=st.integers(1, 3), dtype=st.sampled_from("fd"))
def test_a_survey_is_the_same_in_any_order_and_true(seed, count, copies, dtype):
    rng = np.random.default_rng(seed)
    points = np.repeat(rng.standard_normal((count, 2)).astype(dtype), copies, axis=0)
    weights = np.repeat(rng.standard_normal(count).astype(dtype), copies)
    order = rng.permutation(len(points))
    one = survey(Alone(), Held(points, weights))
    other = survey(Alone(), Held(points[order], weights[order]))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)
    assert one.total == math.fsum(weights.astype(float))
    assert np.array_equal([one.low, one.high], [points.min(axis=0), points.max(axis=0)])
    strongest = int(np.argmax(np.abs(weights)))
    assert np.array_equal(one.strongest, points[strongest].astype(float))
    assert np.all(one.copies == copies)
    assert len(one.copies) == min(count, SAMPLED)


def test_a_survey_says_what_is_not_finite():
    points = np.zeros((5, 2))
    points[3, 1] = np.nan
    assert not survey(Alone(), Held(points)).finite
    assert not survey(Alone(), Held(np.zeros((5, 2)), np.asarray([1, 2, np.inf, 0, 0]))).finite
    assert survey(Alone(), Held(np.zeros((5, 2)), np.ones(5))).finite


def test_sampled_targets_stand_for_all():
    """Sums that are estimated from them have no bias, also where few targets make most of one."""
    rng = np.random.default_rng(3)
    charges = survey(Alone(), Held(rng.standard_normal((50, 2)), rng.standard_normal(50)))
    estimates, sizes = [], np.exp(3 * rng.standard_normal(2000))
    for turn in range(200):
        points = rng.standard_normal((2000, 2)) * (1 + turn % 3)
        sample = measuring.draw(Alone(), Held(points), charges, Result(sizes, None))
        estimates.append(np.sum(sample.counts * sizes[sample.rows] ** 2) / np.sum(sizes**2))
        assert np.array_equal(sample.positions, points[sample.rows])
        assert len(set(sample.rows.tolist())) == measuring.SAMPLE
    assert np.mean(estimates) == pytest.approx(1, abs=4 * np.std(estimates) / np.sqrt(len(estimates)))


def test_copies_of_targets_do_not_crowd_out_others():
    rng = np.random.default_rng(4)
    charges = survey(Alone(), Held(rng.standard_normal((50, 2)), rng.standard_normal(50)))
    places = rng.standard_normal((60, 2))
    points, sizes = np.repeat(places, 100, axis=0), np.repeat(np.arange(1.0, 61.0), 100)
    order = rng.permutation(len(points))
    held = Held(points[order], bounds=[0, 1000, 6000])
    sample = measuring.draw(Alone(), held, charges, Result(sizes[order], None))
    assert len(np.unique(sample.positions, axis=0)) == measuring.SAMPLE
    assert np.all(sample.counts >= 100)
    assert np.sum(sample.counts) == pytest.approx(6000, rel=0.3)


def test_one_rank_has_the_bits_of_no_ranks():
    mpi = pytest.importorskip("mpi4py.MPI")
    rng = np.random.default_rng(1)
    for dtype in ("f4", "f8"):
        charges = cf.Charges(rng.standard_normal((300, 2)).astype(dtype), rng.standard_normal(300).astype(dtype))
        expected = cf.potential_and_field(charges.positions, charges, KERNEL, exclude_self=True)
        found = cf.parallel.potential_and_field(
            charges.positions, charges, KERNEL, exclude_self=True, comm=mpi.COMM_SELF, method="simd"
        )
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == dtype
            assert np.array_equal(a, b)


def test_a_range_that_float32_cannot_hold_is_summed_in_double():
    mpi = pytest.importorskip("mpi4py.MPI")
    points = np.asarray([[0.0, 0.0], [1e25, 0.0], [0.0, 3e25]], np.float32)
    charges = cf.Charges(points, np.ones(3, np.float32))
    for kernel in (cf.Plummer(3.0, 1e-3), cf.Plummer(1.0, 1e24)):
        expected = cf.field(points, charges, kernel)
        found = cf.parallel.field(points, charges, kernel, comm=mpi.COMM_SELF)
        assert np.allclose(found, expected, rtol=1e-5, atol=0)
    # Whose squared distances leave the range, and whose sums are then 0 and not infinite.
    expected = cf.potential(points, charges, cf.Coulomb(1.0), exclude_self=True)
    found = cf.parallel.potential(points, charges, cf.Coulomb(1.0), exclude_self=True, comm=mpi.COMM_SELF)
    assert np.all(expected > 0)
    assert np.allclose(found, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"comm": 3}, TypeError, "comm: expected an mpi4py.MPI.Intracomm"),
        (
            {"method": "fast"},
            ValueError,
            "method: expected auto or one of simd, gram, direct, nufft, split, got 'fast'",
        ),
        ({"method": "cuda"}, ValueError, "CuPy"),
        ({"method": "nufft"}, ValueError, "rtol: method nufft needs one"),
        ({"deterministic": 1}, TypeError, "deterministic: expected True or False, got 1"),
        ({"rtol": 1e-17}, ValueError, "rtol: expected a number from"),
    ],
)
def test_wrong_arguments_are_named(changes, error, text):
    mpi = pytest.importorskip("mpi4py.MPI")
    points = np.zeros((3, 2))
    with pytest.raises(error, match=text):
        cf.parallel.potential(points, cf.Charges(points, np.ones(3)), KERNEL, **{"comm": mpi.COMM_SELF, **changes})


def test_without_mpi4py_the_error_says_what_to_install(monkeypatch):
    from coulombfield.parallel import ranks

    monkeypatch.setattr(ranks, "trouble_with", lambda package, install: f"{package} is not installed; {install}")
    points = np.zeros((3, 2))
    with pytest.raises(ModuleNotFoundError, match=r"mpi4py is not installed; pip install 'coulombfield\[mpi\]'"):
        cf.parallel.potential(points, cf.Charges(points, np.ones(3)), KERNEL)


def test_arrays_of_other_libraries_are_refused():
    mpi = pytest.importorskip("mpi4py.MPI")
    strict = pytest.importorskip("array_api_strict")
    points = strict.zeros((3, 2))
    with pytest.raises(TypeError, match="targets: expected NumPy arrays"):
        cf.parallel.potential(points, cf.Charges(points, strict.ones(3)), KERNEL, comm=mpi.COMM_SELF)
