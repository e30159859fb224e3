"""The CUDA engine against the reference, and what is true of it alone.

What a CUDA device has to run carries "cupy" in its name, and skips where CuPy has none.
"""

import itertools
import re

import numpy as np
import pytest
from charge_clouds import KERNELS, cloud, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Coulomb, Plummer, profiles
from coulombfield.calculus import machine_epsilon
from coulombfield.sums import direct
from coulombfield.sums.pairs import cuda
from coulombfield.sums.request import Request, Tangent

on_cupy = pytest.mark.parametrize("library", ["cupy"], indirect=True)

DIMENSIONS = (1, 2, 3, 8)
# Each case is compiled anew on a fresh machine: the dimensions take turns.
CASES = [
    (name, dtype, DIMENSIONS[(i + shift) % len(DIMENSIONS)])
    for i, name in enumerate(KERNELS)
    for shift, dtype in enumerate(("float32", "float64"))
]

# Around the ends of the tiles of targets, and of those of charges and their superblocks.
tile = cuda.THREADS * cuda.LANES
target_counts = st.integers(1, 4) | st.integers(tile - 1, tile + 1)
charge_counts = st.integers(1, 4) | st.sampled_from(
    [end + step for end in (cuda.BLOCK, cuda.SUPERBLOCK) for step in (-1, 0, 1)]
)


def request(targets, positions, weights, profile, *, exclude_self=False, potential=True, field=True):
    return Request(targets, positions, weights, profile, exclude_self, potential, field)


def put(library, given):
    """A request with its arrays in the library; where targets and positions are one array they stay one."""
    positions = library.put(given.positions)
    targets = positions if given.targets is given.positions else library.put(given.targets)
    return given._replace(targets=targets, positions=positions, weights=library.put(given.weights))


def exact(given):
    """The same request in float64, on the host."""
    arrays = (np.asarray(x, np.float64) for x in given[:3])
    return Request(*arrays, *given[3:])


def sizes(given):
    """Per target, the sums of the terms' magnitudes, of potential and field."""
    given = exact(given)._replace(potential=True, field=False)
    given = given._replace(weights=np.abs(given.weights))
    kinds = profiles.Magnitude(given.profile), profiles.GradientSize(given.profile)
    return [direct.evaluate(given._replace(profile=kind)).potential for kind in kinds]


def check_close(library, found, expected, sizes, dtype, charges):
    """Errors are some units of rounding of the sums of magnitudes, and in long sums they add up like a random walk."""
    for name, value, reference, size in zip(("potential", "field"), found, expected, sizes, strict=True):
        if reference is None:
            assert value is None
            continue
        value = library.get(value)
        assert value.dtype == dtype
        assert value.shape == reference.shape
        error = np.abs(value - reference).reshape(len(size), -1).max(axis=1)
        assert np.all(error <= machine_epsilon(dtype) * (20 + np.sqrt(charges)) * size), name


def drawn(seed, dtype, dimension, t, n, exclude_self, profile):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, dimension, dtype)
    duplicates = rng.integers(0, n, 2)
    positions[duplicates[0]] = positions[duplicates[1]]
    if exclude_self:
        targets = positions if t >= n else positions[:t]
    else:
        targets = rng.standard_normal((t, dimension)).astype(dtype)
        targets[0] = positions[-1]
    return request(targets, positions, weights, profile, exclude_self=exclude_self)


@pytest.mark.slow
@on_cupy
@pytest.mark.parametrize(("name", "dtype", "dimension"), CASES)
@given(t=target_counts, n=charge_counts, seed=seeds, exclude_self=st.booleans())
@settings(max_examples=8)
def test_sums_are_those_of_direct(library, name, dtype, dimension, t, n, seed, exclude_self):
    asked = drawn(seed, dtype, dimension, t, n, exclude_self, KERNELS[name].profile)
    found = cuda.evaluate(put(library, asked))
    check_close(library, found, direct.evaluate(exact(asked)), sizes(asked), dtype, n)


@pytest.mark.slow
@on_cupy
@pytest.mark.parametrize(("name", "dtype", "dimension"), CASES[::3])
@given(
    t=target_counts,
    n=charge_counts,
    seed=seeds,
    exclude_self=st.booleans(),
    moving=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@settings(max_examples=8)
def test_tangents_are_those_of_direct(library, name, dtype, dimension, t, n, seed, exclude_self, moving):
    asked = drawn(seed, dtype, dimension, t, n, exclude_self, KERNELS[name].profile)
    rng = np.random.default_rng(seed)
    tangent = [
        rng.standard_normal(x.shape).astype(dtype) if moves else None for x, moves in zip(asked, moving, strict=False)
    ]
    found = cuda.jvp(put(library, asked), Tangent(*(x if x is None else library.put(x) for x in tangent)))
    expected = direct.jvp(exact(asked), Tangent(*(x if x is None else x.astype(np.float64) for x in tangent)))
    scale = tangent_sizes(exact(asked), *tangent)
    check_close(library, found, expected, scale, dtype, n)


def tangent_sizes(asked, targets, positions, weights):
    """Per target, the sums of the magnitudes of the terms of both tangents."""
    difference = asked.targets[:, None] - asked.positions
    s = np.sum(difference**2, axis=-1)
    r, change = np.sqrt(s), np.zeros_like(difference)
    change = change + (0 if targets is None else targets[:, None]) - (0 if positions is None else positions)
    speed, rate = np.linalg.norm(change, axis=-1), 0 if weights is None else np.abs(weights)
    value, slope, curvature = (
        np.abs(formula(np, s)) for formula in (asked.profile.value, asked.profile.slope, asked.profile.curvature)
    )
    q = np.abs(asked.weights)
    potential = rate * value + 2 * q * slope * r * speed
    field = 2 * (rate * slope * r + q * (2 * curvature * s + slope) * speed)
    return [np.sum(np.broadcast_to(x, s.shape), axis=1) for x in (potential, field)]


@on_cupy
@pytest.mark.parametrize("name", ["plummer 3", "sum"])
@pytest.mark.parametrize("kind", ["Laplacian", "Magnitude", "GradientSize"])
def test_derived_profiles_are_those_of_direct(library, kind, name):
    profile, dimension = KERNELS[name].profile, 2
    derived = {
        "Laplacian": profiles.Laplacian.of(profile, dimension),
        "Magnitude": profiles.Magnitude(profile),
        "GradientSize": profiles.GradientSize(profile),
    }[kind]
    asked = drawn(0, "float32", dimension, 5, 300, False, derived)._replace(field=False)
    found, expected = cuda.evaluate(put(library, asked)), direct.evaluate(exact(asked))
    s = np.sum((asked.targets[:, None].astype(float) - asked.positions) ** 2, axis=-1)
    terms = {
        "Laplacian": np.abs(4 * s * profile.curvature(np, s)) + np.abs(2 * dimension * profile.slope(np, s)),
        "Magnitude": np.abs(profile.value(np, s)),
        "GradientSize": 2 * np.sqrt(s) * np.abs(profile.slope(np, s)),
    }[kind]
    check_close(library, found, expected, [terms @ np.abs(asked.weights), None], "float32", 300)


@on_cupy
@pytest.mark.parametrize(("potential", "field"), [(True, False), (False, True)])
def test_an_output_alone_is_what_it_is_with_the_other_cupy(library, potential, field):
    asked = drawn(1, "float64", 2, 7, 300, False, KERNELS["plummer"].profile)
    both, one = (
        cuda.evaluate(put(library, asked._replace(potential=p, field=e))) for p, e in ((1, 1), (potential, field))
    )
    for x, y, wanted in zip(both, one, (potential, field), strict=True):
        assert (y is not None) == wanted
        assert y is None or np.allclose(library.get(x), library.get(y), rtol=1e-14, atol=0)


@on_cupy
@pytest.mark.parametrize(("name", "dtype", "dimension"), CASES)
def test_a_charge_at_the_target_gives_the_peak_and_no_field(library, name, dtype, dimension):
    at = np.random.default_rng(2).standard_normal((1, dimension)).astype(dtype)
    asked = request(at, at, np.ones(1, dtype), KERNELS[name].profile)
    potential, field = cuda.evaluate(put(library, asked))
    # Of a sum of kernels the parts are rounded, and then their sum.
    assert library.get(potential)[0] == direct.evaluate(asked).potential[0]
    if "plummer" in name:
        kernel = KERNELS[name]
        assert library.get(potential)[0] == np.dtype(dtype).type(kernel.softening**-kernel.exponent)
    assert np.all(library.get(field) == 0)


@on_cupy
def test_a_target_leaves_out_its_own_charge_even_where_that_is_infinite(library):
    asked = drawn(3, "float64", 3, 300, 300, True, Coulomb(1.0).profile)
    positions = np.random.default_rng(3).standard_normal((300, 3))  # no two of them coincide
    asked = asked._replace(targets=positions, positions=positions)
    potential, field = cuda.evaluate(put(library, asked))
    assert np.all(np.isfinite(library.get(potential)))
    assert np.all(np.isfinite(library.get(field)))
    own = cuda.evaluate(put(library, asked._replace(exclude_self=False)))
    assert np.all(np.isinf(library.get(own.potential)))
    assert np.all(np.isnan(library.get(own.field)))


@on_cupy
@pytest.mark.parametrize("name", ["plummer", "plummer 2.5"])
def test_nan_reaches_what_depends_on_it_and_infinity_is_far_away(library, name):
    dtype, dimension = next(case[1:] for case in CASES if case[0] == name)
    asked = drawn(4, dtype, dimension, 300, 300, False, KERNELS[name].profile)
    asked.targets[5] = np.nan
    asked.targets[290] = np.inf
    potential, field = (library.get(x) for x in cuda.evaluate(put(library, asked)))
    assert np.flatnonzero(np.isnan(potential)).tolist() == [5]
    assert np.flatnonzero(np.isnan(field).any(axis=1)).tolist() == [5, 290]  # 0 · inf has no value
    assert potential[290] == 0
    asked.positions[7] = np.nan
    assert all(np.all(np.isnan(library.get(x))) for x in cuda.evaluate(put(library, asked)))


@on_cupy
@pytest.mark.parametrize(("t", "n"), [(0, 3), (3, 0), (0, 0)])
def test_empty_sets_have_empty_sums_cupy(library, t, n):
    profile = KERNELS["plummer"].profile
    asked = put(
        library, request(np.ones((t, 2), "float32"), np.ones((n, 2), "float32"), np.ones(n, "float32"), profile)
    )
    for found in (cuda.evaluate(asked), cuda.jvp(asked, Tangent())):
        for x, shape in zip(found, ((t,), (t, 2)), strict=True):
            assert np.array_equal(library.get(x), np.zeros(shape, "float32"))


@on_cupy
def test_strided_arrays_are_taken_as_they_are_and_left_alone(library):
    asked = put(library, drawn(5, "float64", 2, 7, 300, False, KERNELS["plummer"].profile))
    xp = library.xp
    strided = asked._replace(
        targets=xp.flip(xp.flip(asked.targets, axis=0) + 0.0, axis=0),
        positions=xp.stack([asked.positions, 0 * asked.positions], axis=2)[:, :, 0],
        weights=xp.stack([asked.weights, 0 * asked.weights], axis=1)[:, 0],
    )
    for x, y in zip(cuda.evaluate(asked), cuda.evaluate(strided), strict=True):
        assert np.array_equal(library.get(x), library.get(y))
    for x, y in zip(asked[:3], strided[:3], strict=True):
        assert np.array_equal(library.get(x), library.get(y))


@on_cupy
@pytest.mark.parametrize(("together", "first"), [(1, 0), (2, 70), (3, 130)])
def test_bits_depend_on_neither_the_launches_nor_the_other_targets(library, monkeypatch, together, first):
    superblocks, t = 4, 200
    n = superblocks * cuda.SUPERBLOCK - 10
    asked = put(library, drawn(together, "float32", 2, t, n, False, KERNELS["plummer 2"].profile))
    whole, again = cuda.evaluate(asked), cuda.evaluate(asked)
    some = cuda.evaluate(asked._replace(targets=asked.targets[first : first + 5]))
    monkeypatch.setattr(cuda, "PART_NUMBERS", together * 3 * t)  # 3 outputs for each target
    few_at_a_time = cuda.evaluate(asked)
    for results in zip(whole, again, few_at_a_time, some, strict=True):
        x, y, z, part = (library.get(result) for result in results)
        assert np.array_equal(x, y)
        assert np.array_equal(x, z)
        assert np.array_equal(x[first : first + 5], part)


@on_cupy
def test_float32_stays_near_its_rounding_in_long_sums_cupy(library):
    rng, n = np.random.default_rng(6), 20_000
    positions, targets = rng.standard_normal((n, 2)), rng.standard_normal((7, 2))
    arrays = (x.astype("float32") for x in (targets, positions, np.full(n, 1 / n)))
    asked = request(*arrays, KERNELS["plummer 2"].profile)
    expected = direct.evaluate(exact(asked)).potential
    found = library.get(cuda.evaluate(put(library, asked)).potential)
    # One running sum over 20 000 terms would be off by some hundred epsilons.
    assert np.all(np.abs(found - expected) <= 8 * machine_epsilon("float32") * expected)


@on_cupy
def test_changing_a_parameter_compiles_nothing_cupy(library):
    asked = put(library, drawn(7, "float32", 2, 3, 3, False, Plummer(2.0, 3.0).profile))
    before = cuda.evaluate(asked).potential
    compiled = cuda._functions.cache_info().misses
    for softening in (2.9, 2.8):
        after = cuda.evaluate(asked._replace(profile=Plummer(2.0, softening).profile)).potential
        assert not np.array_equal(library.get(before), library.get(after))
    assert cuda._functions.cache_info().misses == compiled


@on_cupy
def test_more_pairs_and_more_digits_are_estimated_to_take_longer_cupy(library):
    few, many, digits = (
        cuda.seconds(put(library, drawn(8, dtype, 2, 3, n, False, Plummer().profile)))
        for n, dtype in ((100, "float32"), (1000, "float32"), (1000, "float64"))
    )
    assert 0 < few < many < digits < 1e-3


@on_cupy
def test_many_dimensions_and_unknown_profiles_are_refused_cupy(library):
    class Unknown(type(Plummer().profile)):
        pass

    low = put(library, drawn(9, "float32", cuda.MAX_DIMENSION, 3, 3, False, Plummer().profile))
    assert cuda.refusal(low) == ""
    far = put(library, drawn(9, "float32", cuda.MAX_DIMENSION + 1, 3, 3, False, Plummer().profile))
    assert cuda.refusal(far) == "it takes at most 8 dimensions, not 9"
    scaled = low._replace(profile=profiles.Scaled(2.0, Unknown(*low.profile)))
    assert cuda.refusal(scaled) == "it has no CUDA code for the profile Unknown"


def test_numpy_arrays_are_refused():
    assert cuda.refusal(drawn(0, "float32", 2, 3, 3, False, Plummer().profile)) == "it takes CuPy arrays only"


def test_each_profile_has_a_struct_with_its_fields():
    plummer = Plummer().profile
    samples = [case.profile for case in KERNELS.values()] + [profiles.Laplacian.of(plummer, 3)]
    samples += [profiles.Magnitude(plummer), profiles.GradientSize(plummer)]
    kinds = {kind for profile in samples for kind in cuda.kinds_of(profile)}
    for kind in kinds:
        body = re.search(rf"struct {kind.__name__} {{(.*?)\n}};", kind.cuda, re.DOTALL)
        if body is None:
            assert re.search(rf"using {kind.__name__} = InversePowerOf<\d>;", kind.cuda)
        else:
            declared = re.findall(r"^  (?:Real|Profile|Left|Right) ([\w, ]+);", body[1], re.MULTILINE)
            assert ", ".join(declared).split(", ") == list(kind._fields)


def test_numbers_are_packed_in_the_order_of_the_structs():
    profile = (0.5 * Plummer(3.0, 2.0) + KERNELS["gaussian"]).profile
    assert cuda.type_of(profile) == "Added<Scaled<InversePower3>,SquaredExponential>"
    left, right = profile
    fields = [0.5, 0.25, 1.0, *left.profile[2:], *right]  # 1/ε² and 1 for numerator and shift, which are both ε²
    assert cuda.packed(profile, np.dtype("float64")).item() == tuple(fields)


def test_the_cases_meet_each_dimension_in_both_precisions():
    assert {case[1:] for case in CASES} == set(itertools.product(("float32", "float64"), DIMENSIONS))
