"""Sums through matrix products: as exact as differences, wherever the points are, and the same on each library."""

import tracemalloc

import numba
import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from cupy_support import waits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coulombfield import Coulomb, Gaussian, Plummer
from coulombfield.arrays import float32_products
from coulombfield.calculus import machine_epsilon
from coulombfield.profiles import GradientSize, Laplacian, Magnitude, cast, slope_at, value_at
from coulombfield.sums import direct
from coulombfield.sums.gram import array_tiles, compiled_tiles, cuda_tiles, gram, tangent_tiles
from coulombfield.sums.gram.near_pairs import FIELD_PROXIMITY, PROXIMITY, nearness
from coulombfield.sums.request import Request, Result, Tangent

VERSIONS = {"compiled": compiled_tiles, "arrays": array_tiles}


def plain(rng, n, m):
    return rng.standard_normal((n, m))


def near_duplicates(rng, n, m):
    points, distances = plain(rng, n, m), 10.0 ** rng.uniform(-6, -3, (n // 2, 1))
    points[: n // 2] = points[n - n // 2 :] + distances * rng.standard_normal((n // 2, m))
    points[: n // 4] = points[n - n // 4 :]
    return points


def far_from_the_origin(rng, n, m):
    return near_duplicates(rng, n, m) + 1e4


def clusters(rng, n, m):
    return 10.0 ** rng.uniform(-3, 0) * plain(rng, n, m) + plain(rng, 3, m)[rng.integers(0, 3, n)]


def on_a_line(rng, n, m):
    return rng.standard_normal((n, 1)) * np.ones(m)


def far_apart(rng, n, m):
    return plain(rng, n, m) * 10.0 ** rng.uniform(-3, 3, (n, 1))


CLOUDS = [plain, near_duplicates, far_from_the_origin, clusters, on_a_line, far_apart]


def request_for(rng, cloud, t, n, m, dtype, kernel, *, same, exclude_self=False, field=True):
    """Targets and charges from one cloud, charges of both signs; ``same`` makes them the same points."""
    points = cloud(rng, n if same else t + n, m).astype(dtype)
    positions = points[:n]
    targets = positions if same else points[n:]
    weights = rng.standard_normal(n).astype(dtype)
    return Request(targets, positions, weights, kernel.profile, exclude_self, True, field)


def in_double(request):
    positions, weights = request.positions.astype(float), request.weights.astype(float)
    targets = positions if request.targets is request.positions else request.targets.astype(float)
    return request._replace(targets=targets, positions=positions, weights=weights)


def sizes(request):
    """Per target, how much a change of the coordinates by a unit of rounding changes potential and field."""
    difference = request.targets[:, None] - request.positions[None]
    s = np.sum(difference * difference, axis=-1)
    value, slope, curvature = (abs(getattr(request.profile, f)(np, s)) for f in ("value", "slope", "curvature"))
    charge = abs(request.weights)
    return (value + 2 * s * slope) @ charge, (np.sqrt(s) * (2 * slope + 4 * s * curvature)) @ charge


def check(request, result):
    """Mean square error against differences in float64, in units of rounding times the condition."""
    exact_request = in_double(request)
    exact = direct.evaluate(exact_request)
    for found, expected, size, units in zip(
        result, exact, sizes(exact_request), (2 * PROXIMITY, 2 * FIELD_PROXIMITY), strict=True
    ):
        assert found.dtype == request.targets.dtype
        assert found.shape == expected.shape
        error = np.sqrt(np.mean(np.square(found - expected).reshape(size.size, -1).sum(axis=1)))
        underflow = size.size * np.finfo(found.dtype).tiny
        assert error <= units * machine_epsilon(str(found.dtype)) * np.sqrt(np.mean(size**2)) + underflow


FEW = ["plummer", "plummer 3", "plummer 2.5", "laplace", "sum"]  # each is compiled anew
CASES = [(name, "float32") for name in FEW] + [("plummer", "float64"), ("gaussian", "float64")]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "dtype"), CASES)
@given(
    t=st.integers(1, 40),
    n=st.integers(1, 40) | st.integers(510, 514),  # around the end of a block of charges
    m=st.integers(1, 70),
    cloud=st.sampled_from(CLOUDS),
    softening=st.sampled_from([0, -2, -5]),
    points=st.sampled_from(["apart", "same", "exclude_self"]),
    seed=seeds,
)
# Two close points and a third far away, where the Gaussian kernel is flat: only the field cancels.
@example(t=1, n=2, m=11, cloud=clusters, softening=0, points="apart", seed=29)
@settings(max_examples=15)
def test_gram_is_as_exact_as_differences(version, name, dtype, t, n, m, cloud, softening, points, seed):
    kernel = KERNELS[name]
    if isinstance(kernel, Plummer):  # others vary over the length of the clouds
        kernel = Plummer(kernel.exponent, kernel.softening * 10.0**softening)
    request = request_for(
        np.random.default_rng(seed), cloud, t, n, m, dtype, kernel,
        same=points != "apart", exclude_self=points == "exclude_self",
    )  # fmt: skip
    check(request, VERSIONS[version].sums(request))


@pytest.mark.parametrize("version", VERSIONS)
def test_image_sized_points_with_near_duplicates_keep_the_float32_error_of_their_terms(version):
    rng = np.random.default_rng(0)
    kernel = Plummer(exponent=1.0, softening=1.0)
    request = request_for(rng, near_duplicates, 0, 96, 3072, "float32", kernel, same=True)
    potential, field = VERSIONS[version].sums(request)
    exact_request = in_double(request)
    exact = direct.evaluate(exact_request)
    charge = exact_request._replace(weights=abs(exact_request.weights), field=False)
    scales = [
        direct.evaluate(charge._replace(profile=profile)).potential
        for profile in (Magnitude(request.profile), GradientSize(request.profile))
    ]
    assert np.sqrt(np.mean((potential - exact.potential) ** 2) / np.mean(scales[0] ** 2)) <= 1e-7
    assert np.sqrt(np.sum((field - exact.field) ** 2) / np.sum(scales[1] ** 2)) <= 1e-6


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("softening", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dimension", [1, 9, 256, 3072])  # at 256, equal terms in one sum round worst
@pytest.mark.parametrize("coordinates", ["equal", "random"])
@given(seed=seeds)
@settings(max_examples=3)
def test_a_coincident_pair_is_exact_to_the_last_bit(version, softening, dimension, coordinates, seed):
    rng = np.random.default_rng(seed)
    points = (rng.standard_normal((4, 1 if coordinates == "equal" else dimension)) * np.ones(dimension)).astype("f4")
    kernel = Plummer(exponent=1.0, softening=softening)
    # Charges of 0 move the centre away, and add exactly nothing.
    request = Request(points[:1].copy(), points, np.float32([1, 0, 0, 0]), kernel.profile, False, True, True)
    potential, field = VERSIONS[version].sums(request)
    alone = VERSIONS[version].sums(request._replace(field=False)).potential
    assert potential[0] == alone[0] == np.float32(kernel.profile.peak)
    assert not field.any()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_a_bare_coulomb_kernel_answers_coincident_points_as_direct_does(version):
    rng = np.random.default_rng(1)
    request = request_for(rng, plain, 0, 7, 12, "float64", Coulomb(2.0), same=True)
    request.positions[5] = request.positions[2]
    for exclude_self in (False, True):
        asked = request._replace(exclude_self=exclude_self)
        found, expected = VERSIONS[version].sums(asked), direct.evaluate(asked)
        for one, other in zip(found, expected, strict=True):
            assert np.allclose(one, other, rtol=1e-13, atol=1e-13, equal_nan=True)
    assert np.array_equal(np.flatnonzero(np.isinf(found.potential)), [2, 5])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who", ["target", "charge", "same"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_gives_what_direct_gives(version, who, value):
    request = request_for(np.random.default_rng(2), plain, 5, 7, 12, "float64", Plummer(), same=who == "same")
    (request.targets if who == "target" else request.positions)[3, 4] = value
    for one, other in zip(VERSIONS[version].sums(request), _quiet_direct(request), strict=True):
        assert np.allclose(one, other, rtol=1e-13, atol=1e-13, equal_nan=True)


def _quiet_direct(request):
    with np.errstate(invalid="ignore"):
        return direct.evaluate(request)


@pytest.mark.slow
@pytest.mark.parametrize("profile", [Laplacian.of, lambda p, m: Magnitude(p), lambda p, m: GradientSize(p)])
@pytest.mark.parametrize("version", VERSIONS)
def test_profiles_with_a_value_only_are_served(version, profile):
    request = request_for(np.random.default_rng(3), near_duplicates, 9, 30, 12, "float32", Plummer(), same=False)
    request = request._replace(profile=profile(Plummer().profile, 12), field=False)
    found, exact = VERSIONS[version].sums(request), direct.evaluate(in_double(request))
    assert found.field is None
    magnitude = in_double(request)._replace(profile=Magnitude(request.profile), weights=abs(in_double(request).weights))
    scale = direct.evaluate(magnitude).potential
    assert np.all(abs(found.potential - exact.potential) <= 16 * machine_epsilon("float32") * scale)


@pytest.mark.parametrize(
    ("name", "dtype", "dimension"),
    [("plummer 3", "float32", 300), ("plummer", "float64", 9), ("laplace", "float32", 9), ("sum", "float64", 130)],
)
@pytest.mark.parametrize("cloud", [near_duplicates, far_from_the_origin, clusters, far_apart])
def test_tiles_on_a_gpu_are_one_launch_and_what_direct_gives_cupy(cupy, monkeypatch, name, dtype, dimension, cloud):
    """With tiles that cut near pairs apart, and without a look at how many these are."""
    rng = np.random.default_rng(15)
    t, n = (6, 150) if cloud is near_duplicates else (10, 20)  # few near pairs, which take the stand-in long
    monkeypatch.setattr(array_tiles, "TILE_ROWS", t - 2)
    monkeypatch.setattr(array_tiles, "TILE_COLUMNS", n - 8)
    for same, exclude_self in ((False, False), (True, False), (True, True)):
        asked = request_for(rng, cloud, t, n, dimension, dtype, KERNELS[name], same=same, exclude_self=exclude_self)
        if exclude_self:  # targets may be the first of the charges
            asked = asked._replace(targets=asked.targets[:t])
        positions = cupy.asarray(asked.positions)
        targets = positions if asked.targets is asked.positions else cupy.asarray(asked.targets)
        there = asked._replace(targets=targets, positions=positions, weights=cupy.asarray(asked.weights))
        with monkeypatch.context() as patch:
            seen = waits(patch)
            gram.seconds(there._replace(targets=cupy.broadcast_to(targets[:1], (4000, dimension))))
            result = gram.evaluate(there)
            assert seen == []
        check(asked, Result(*(x.get() for x in result)))
        alone = gram.evaluate(there._replace(field=False))
        assert alone.field is None
        if "plummer" in name:  # whose field has other near pairs, and where both have them, one sum
            scale = sizes(in_double(asked))[0]
            assert np.all(abs((alone.potential - result.potential).get()) <= 64 * machine_epsilon(dtype) * scale)


@pytest.mark.parametrize("derivative", [False, True])
def test_products_on_a_gpu_are_exact_whatever_others_are(device, monkeypatch, derivative):
    """Rounded factors would take from near points what is left of their distance."""
    if device.xp is np:
        pytest.skip("products of one kind only")
    from cupy import _core

    seen = []

    tiles, name = (tangent_tiles, "near_pairs") if derivative else (cuda_tiles, "_function")
    find = getattr(tiles, name)

    def spy(*given):
        seen.append(_core.get_compute_type(np.float32))
        return find(*given)

    monkeypatch.setattr(tiles, name, spy)
    usual = _core.get_compute_type(np.float32)
    arrays = [device.put(np.ones(shape, np.float32)) for shape in ((3, 9), (4, 9), (4,))]
    request = Request(*arrays, Plummer().profile, False, True, True)
    with float32_products(device.xp, tf32=True):
        if derivative:
            gram.jvp(request, Tangent(arrays[0], arrays[1], arrays[2]))
        else:
            gram.evaluate(request)
    assert seen
    assert set(seen) == {usual}


@pytest.mark.parametrize("t", [0, 3])
@pytest.mark.parametrize("n", [0, 3])
def test_empty_sets_and_parts_of_a_result(library, t, n):
    rng = np.random.default_rng(4)
    arrays = [library.put(rng.standard_normal(shape)) for shape in ((t, 9), (n, 9), (n,))]
    for potential, field in ((True, False), (False, True), (True, True)):
        result = gram.evaluate(Request(*arrays, Plummer().profile, False, potential, field))
        assert (result.potential is not None, result.field is not None) == (potential, field)
        for found, shape in zip(result, [(t,), (t, 9)], strict=True):
            assert found is None or (found.shape == shape and bool(library.get(found).any()) == (t > 0 and n > 0))


@given(t=st.integers(1, 12), n=st.integers(1, 12), m=st.integers(1, 12), excluded=st.booleans(), seed=seeds)
def test_each_library_gives_what_direct_gives(library, t, n, m, excluded, seed):
    rng = np.random.default_rng(seed)
    request = request_for(rng, near_duplicates, t, n, m, "float64", Plummer(), same=excluded, exclude_self=excluded)
    positions, weights = library.put(request.positions), library.put(request.weights)
    targets = positions if excluded else library.put(request.targets)
    result = gram.evaluate(request._replace(targets=targets, positions=positions, weights=weights))
    for found, expected, size in zip(result, direct.evaluate(request), sizes(request), strict=True):
        error = abs(library.get(found) - expected).reshape(t if not excluded else n, -1).max(axis=1)
        assert np.all(error <= 16 * machine_epsilon("float64") * size.max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KERNELS)
@given(
    t=st.integers(1, 20),
    n=st.integers(1, 20),
    m=st.integers(1, 40),
    cloud=st.sampled_from([plain, near_duplicates, far_from_the_origin, clusters]),
    excluded=st.booleans(),
    parts=st.sets(st.sampled_from(Tangent._fields)),
    shift=st.sampled_from([0.0, 1e3]),
    seed=seeds,
)
@settings(max_examples=10)
def test_derivatives_are_those_of_direct(name, dtype, t, n, m, cloud, excluded, parts, shift, seed):
    rng = np.random.default_rng(seed)
    request = request_for(rng, cloud, t, n, m, dtype, KERNELS[name], same=excluded, exclude_self=excluded)
    # A motion that all points share must not spoil what is left.
    tangent = Tangent(
        *[
            (rng.standard_normal(x.shape) + (shift if parts >= {"targets", "positions"} and x.ndim > 1 else 0)).astype(
                dtype
            )
            if part in parts
            else None
            for part, x in zip(Tangent._fields, request[:3], strict=True)
        ]
    )
    found = gram.jvp(request, tangent)
    exact_request = in_double(request)
    moves = [None if x is None else x.astype(float) for x in tangent]
    expected = direct.jvp(exact_request, Tangent(*moves))
    d = exact_request.targets[:, None] - exact_request.positions[None]
    s = np.sum(d * d, axis=-1)
    delta = np.zeros_like(d)
    delta += 0 if moves[0] is None else moves[0][:, None]
    delta -= 0 if moves[1] is None else moves[1][None]
    speed, r = np.sqrt(np.sum(delta**2, axis=-1)), np.sqrt(s)
    f = [abs(getattr(request.profile, part)(np, s)) for part in ("value", "slope", "curvature")]
    charge, change = abs(exact_request.weights), 0.0 if moves[2] is None else abs(moves[2])
    scales = (
        np.sum(change * (f[0] + s * f[1]) + 2 * charge * (f[1] * r + r * s * f[2]) * speed, axis=1),
        np.sum(2 * change * (f[1] + s * f[2]) * r + charge * (2 * f[1] + 8 * s * f[2]) * speed, axis=1),
    )
    for one, other, scale in zip(found, expected, scales, strict=True):
        assert one.dtype == dtype
        error = abs(one - other).reshape(scale.size, -1).max(axis=1)
        assert np.all(error <= 4 * FIELD_PROXIMITY * machine_epsilon(dtype) * scale.max())


def a_near_and_a_distant_charge(dtype):
    """Targets at 2 to 3 from one of two charges, far from the centre: the products are far larger than that."""
    rng = np.random.default_rng(12)
    angle = rng.uniform(0.5, 1.0, 20)
    near = 30 + rng.uniform(2, 3, (20, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return near.astype(dtype), np.array([[30, 30], [-30, -30]], dtype)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_field_keeps_its_digits_where_the_slope_alone_varies(version):
    """The wide kernel makes the value, which the products' rounding hardly changes; the narrow one makes the slope."""
    targets, positions = a_near_and_a_distant_charge("float32")
    profile = (1e7 * Plummer(softening=1e4) + Gaussian(1.0)).profile
    request = Request(targets, positions, np.float32([1, 0]), profile, False, True, True)
    d = targets.astype(float) - positions[0].astype(float)
    expected = -2 * profile.slope(np, np.sum(d * d, axis=1))[:, None] * d
    error = np.linalg.norm(VERSIONS[version].sums(request).field - expected, axis=1)
    assert np.all(error <= FIELD_PROXIMITY * machine_epsilon("float32") * np.linalg.norm(expected, axis=1))


def test_sums_over_many_tiles_do_not_add_up_the_rounding_of_each(monkeypatch):
    monkeypatch.setattr(compiled_tiles, "TILE_COLUMNS", 8)
    request = request_for(np.random.default_rng(15), plain, 3, 4000, 9, "float32", Plummer(), same=False, field=False)
    request = request._replace(weights=np.ones(4000, "float32"))
    found, exact = compiled_tiles.sums(request).potential, direct.evaluate(in_double(request)).potential
    assert np.all(abs(found - exact) <= machine_epsilon("float32") * exact)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_keep_their_digits_where_the_curvature_alone_varies(dtype):
    """The wide kernel makes value and slope, which the products' rounding hardly changes; the narrow one makes f″."""
    targets, positions = a_near_and_a_distant_charge(dtype)
    profile = (Gaussian(1e4) + 1e-10 * Gaussian(1.0)).profile
    request = Request(targets, positions, np.array([1, 0], dtype), profile, False, True, True)
    along_x = Tangent(np.array([[1, 0]], dtype) * np.ones_like(targets), None, None)
    found = gram.jvp(request, along_x).field[:, 1]
    # Across the motion dE = −4 f″ dx dy, without a part by f′.
    d = targets.astype(float) - positions[0].astype(float)
    expected = -4 * profile.curvature(np, np.sum(d * d, axis=1)) * d[:, 0] * d[:, 1]
    assert np.max(abs(found / expected - 1)) <= FIELD_PROXIMITY * machine_epsilon(dtype)


@pytest.mark.parametrize("dimension", [256, 3072])
def test_a_coincident_pair_is_near_however_its_product_is_added_up(dimension):
    """One by one in float32, for coordinates whose product rounds the same way each time."""
    criterion = nearness(dimension, machine_epsilon("float32"), False)
    x = np.random.default_rng(13).uniform(1, 2, (400, 1)).astype("float32")
    squares = np.repeat(x * x, dimension, axis=1)
    norms = np.float32(2 * dimension) * squares[:, :1]
    s = array_tiles.square_distances(np, np.add.accumulate(squares, axis=1)[:, -1:], norms)
    assert np.max(s / norms) > dimension / 10 * machine_epsilon("float32")  # it rounds badly indeed
    profile = cast(Plummer(softening=1e6).profile, np.float32)  # so smooth that no other criterion would find it
    off = (s > 0) & (criterion.proximity * s < norms)
    assert np.array_equal(array_tiles.near_pairs(np, s, norms, profile, criterion, [value_at])[off], np.ones(off.sum()))


def test_derivatives_of_each_library_in_tiles_of_any_size(library):
    rng = np.random.default_rng(11)
    request = request_for(rng, near_duplicates, 9, 14, 6, "float64", Plummer(), same=False)
    tangent = [rng.standard_normal(x.shape) for x in request[:3]]
    arrays = [library.put(x) for x in request[:3]]
    expected = direct.jvp(request, Tangent(*tangent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tangent_tiles, "TILE_ROWS", 4)
        patch.setattr(tangent_tiles, "TILE_COLUMNS", 5)
        found = gram.jvp(Request(*arrays, *request[3:]), Tangent(*[library.put(x) for x in tangent]))
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(library.get(one), other, rtol=1e-12, atol=1e-12)


@given(t=st.integers(1, 20), n=st.integers(1, 20), excluded=st.booleans(), seed=seeds)
@settings(max_examples=10)
def test_tiles_of_any_size_give_the_same(t, n, excluded, seed):
    rng = np.random.default_rng(seed)
    request = request_for(
        rng, near_duplicates, t, n, 12, "float64", Plummer(softening=0.01), same=excluded, exclude_self=excluded
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_tiles, "TILE_ROWS", 3)
        patch.setattr(compiled_tiles, "TILE_COLUMNS", 4)
        patch.setattr(compiled_tiles, "PRODUCT_ROWS", 2)
        check(request, compiled_tiles.sums(request))
        patch.setattr(array_tiles, "TILE_ROWS", 3)
        patch.setattr(array_tiles, "TILE_COLUMNS", 4)
        check(request, array_tiles.sums(request))


def test_a_common_offset_is_taken_off_before_the_products(monkeypatch):
    """Else all pairs would be near: as exact, but far slower."""
    squares, add_tile = [], compiled_tiles._add_tile

    def noted(start, stop, tile, targets, positions, a_norms, b_norms, *rest):
        squares.extend([a_norms, b_norms])
        add_tile(start, stop, tile, targets, positions, a_norms, b_norms, *rest)

    monkeypatch.setattr(compiled_tiles, "_add_tile", noted)
    dimension = 2 * compiled_tiles.AXES + 3
    request = request_for(np.random.default_rng(14), plain, 5, 7, dimension, "float64", Plummer(), same=False)
    compiled_tiles.sums(request._replace(targets=request.targets + 1e4, positions=request.positions + 1e4))
    assert squares
    assert np.max(np.concatenate(squares)) <= 2 * dimension


def test_targets_may_be_the_first_charges():
    request = request_for(np.random.default_rng(5), plain, 0, 20, 12, "float64", Plummer(), same=True)
    whole = direct.evaluate(request._replace(exclude_self=True))
    for version in VERSIONS.values():
        part = version.sums(request._replace(targets=request.positions[:6], exclude_self=True))
        assert np.allclose(part.potential, whole.potential[:6], rtol=1e-12)
        assert np.allclose(part.field, whole.field[:6], rtol=1e-12, atol=1e-12)


def test_the_number_of_threads_changes_no_bit_and_a_second_call_none_either():
    request = request_for(np.random.default_rng(6), near_duplicates, 0, 300, 40, "float32", Plummer(), same=True)
    several = gram.evaluate(request)
    threads = numba.get_num_threads()
    assert threads > 1 or numba.config.NUMBA_NUM_THREADS == 1
    try:
        numba.set_num_threads(1)
        alone = gram.evaluate(request)
    finally:
        numba.set_num_threads(threads)
    for one, other, again in zip(several, alone, gram.evaluate(request), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, again)


def test_read_only_and_strided_arrays_are_taken_as_they_are():
    request = request_for(np.random.default_rng(7), plain, 4, 6, 9, "float64", Plummer(), same=False)
    expected = gram.evaluate(request)
    views = [np.asfortranarray(request.targets), np.repeat(request.positions, 2, axis=0)[::2], request.weights.copy()]
    before = [x.copy() for x in views]
    for x in views:
        x.flags.writeable = False
    found = gram.evaluate(request._replace(targets=views[0], positions=views[1], weights=views[2]))
    assert all(np.array_equal(x, y) for x, y in zip(found, expected, strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(views, before, strict=True))


def test_memory_holds_a_tile_and_the_points_but_not_all_pairs():
    n, m = 3000, 16
    request = request_for(np.random.default_rng(8), plain, 0, n, m, "float32", Plummer(), same=True)
    gram.evaluate(request)  # compiles
    tracemalloc.start()
    try:
        gram.evaluate(request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    tile = compiled_tiles.TILE_ROWS * min(n, compiled_tiles.TILE_COLUMNS)
    numbers = tile + 4 * n * m + 10 * n  # centred points, field, its part from a tile, norms and sums
    assert 4 * tile < peak < 4 * numbers
    assert 4 * numbers < 4 * n * n / 2


@given(exponent=st.floats(0.5, 8), softening=st.floats(1e-6, 1e3), closeness=st.floats(0, 8), m=st.integers(1, 12288))
def test_a_pair_that_is_not_near_bears_the_rounding_of_its_products(exponent, softening, closeness, m):
    """A change of s by δ = u n changes f by at most a few units u of its condition, unless the pair is found near."""
    profile, n = Plummer(exponent, softening).profile, np.ones((1, 1))
    s, u = n * 10.0**-closeness, 1e-7
    if not array_tiles.near_pairs(np, s, n, profile, nearness(m, u, False), [value_at])[0, 0]:
        change = abs(profile.slope(np, s)) * u * n
        assert change <= 2 * PROXIMITY * u * (profile.value(np, s) + abs(profile.slope(np, s)) * s)


def test_only_near_pairs_are_near():
    points = 1e4 + plain(np.random.default_rng(9), 200, 64)  # the offset must not count
    a, a_norms, b, b_norms = array_tiles.centred(np, points, points)
    norms = a_norms[:, None] + b_norms
    s = array_tiles.square_distances(np, a @ b.T, norms)
    criterion = nearness(64, machine_epsilon("float32"), True)

    def near(kernel, s):
        return array_tiles.near_pairs(np, s, norms, kernel.profile, criterion, [value_at, slope_at])

    with np.errstate(divide="ignore", invalid="ignore"):
        for kernel in (Plummer(softening=1e-3), Gaussian(8.0), Coulomb(3.0)):
            assert np.array_equal(near(kernel, s), np.eye(200, dtype=bool))
            assert near(kernel, 1e-6 * norms).all()
    # The kernel hardly changes on the length of the rounding error.
    assert not near(Plummer(softening=100.0), 1e-2 * norms).any()


def test_the_estimate_of_the_time_grows_with_pairs_dimension_and_near_pairs():
    def estimate(cloud, n, m, kernel=Plummer(softening=1e-3)):  # noqa: B008
        return gram.seconds(request_for(np.random.default_rng(10), cloud, 0, n, m, "float32", kernel, same=True))

    tight = lambda rng, n, m: 0.1 * plain(rng, n, m) + plain(rng, 2, m)[rng.integers(0, 2, n)]  # noqa: E731
    assert estimate(plain, 600, 64) < estimate(plain, 1200, 64) < estimate(plain, 1200, 640)
    assert estimate(tight, 600, 64) > 3 * estimate(plain, 600, 64)
    assert estimate(tight, 600, 64, Plummer(softening=1e3)) == estimate(plain, 600, 64)  # as smooth as that
    for n, m in ((128, 9), (2000, 9), (2000, 512)):
        request = request_for(np.random.default_rng(10), plain, 0, n, m, "float32", Plummer(), same=True)
        assert gram.seconds(request) < direct.seconds(request)
