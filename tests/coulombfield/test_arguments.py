"""What the public functions say of arguments that are no points, no charges or no kernel: a line that names them."""

import datetime
import inspect

import numpy as np
import pytest

import coulombfield as cf
from coulombfield import diagnostics, interop
from coulombfield.flow import Group, State

POINTS = np.random.default_rng(0).standard_normal((6, 2))
MASKED = np.ma.masked_array(POINTS, POINTS > 0.5)
GIVEN = {
    "targets": POINTS,
    "charges": cf.real_charges(POINTS),
    "kernel": cf.Plummer(1, 0.5),
    "real": POINTS,
    "generated": POINTS + 1,
    "points": POINTS,
    "among": POINTS + 1,
    "positions": POINTS,
    "weights": POINTS[:, 0],
    "vectors": POINTS,
    "cotangent": POINTS[:, 0],
    "d_targets": POINTS,
    "d_positions": POINTS,
    "d_weights": POINTS[:, 0],
    "generated_velocities": POINTS,
    "velocities": POINTS,
    "forces": POINTS,
    "masses": np.arange(1.0, 7.0),
    "wave_vectors": POINTS,
    "speeds": np.arange(6.0),
    "field": lambda points: points,
}


def of_two(*, generated, real, generated_velocities=None):
    return State.of(generated=generated, real=real, generated_velocities=generated_velocities)


def of_one(positions, velocities=None):
    return Group(positions, velocities)


OWN = {
    "explain": {"function": cf.potential},
    "maxwell_density": {"width": 1.0},
    "radial_distribution": {"longest": 2.0, "volume": 8.0},
    "structure_factor": {"charges": np.arange(1.0, 7.0)},
    "virial_pressure": {"volume": 8.0},
    "field_vjp": {"cotangent": POINTS},
    "potential_on_grid": {"lower": [0, 0], "upper": [1, 1], "shape": [3, 3]},
    "permutation_test": {"permutations": 5},
} | {name: {"step": 0.1} for name in ("jacobian", "divergence", "curl")}
FUNCTIONS = {
    name: getattr(module, name)
    for module in (cf, diagnostics)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
} | {"Charges": cf.Charges, "State": of_two, "Group": of_one}
WRONG = {
    "none": None,
    "list of rows of two lengths": [[0.0, 1.0], [2.0]],
    "list of booleans": (POINTS > 0).tolist(),
    "list of nothing": [None] * 6,
    "list of text": POINTS.astype(str).tolist(),
    "number": np.float64(1.0),
    "dictionary": {},
    "masked": MASKED,
    "matrix": np.matrix(POINTS),
    "record": np.rec.array(POINTS),
    "complex": POINTS + 1j,
    "booleans": POINTS > 0,
    "dates": POINTS.astype("M8[s]"),
    "objects": POINTS.astype(object),
    "half": POINTS.astype("float16"),
}


def arguments(name):
    """Good arguments of a function by its own names for them."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    return {key: value for key, value in GIVEN.items() if key in parameters} | OWN.get(name, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_argument_that_is_something_else_is_named(name):
    function, given = FUNCTIONS[name], arguments(name)
    function(**given)
    parameters = inspect.signature(function).parameters
    for argument in given.keys() & GIVEN.keys() - {"field"}:
        for kind, wrong in WRONG.items():
            if wrong is None and parameters[argument].default is None:
                continue
            with pytest.raises((TypeError, ValueError), match=f"^{argument}: expected "):
                pytest.fail(f"{argument} of {kind}: {function(**given | {argument: wrong})}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lists_and_integers_are_taken_for_points_and_weights(name):
    given = arguments(name)
    whole = {key: np.round(value) if isinstance(value, np.ndarray) else value for key, value in given.items()}
    expected = repr(FUNCTIONS[name](**whole))
    for argument, value in whole.items():
        if isinstance(value, np.ndarray):
            for written in (value.tolist(), value.astype(int), tuple(value)):
                assert repr(FUNCTIONS[name](**whole | {argument: written})) == expected, argument


@pytest.mark.parametrize("method", ["auto", "simd", "gram", "direct"])
def test_a_mask_is_refused_whatever_ran_before(method):
    """Not taken for the numbers under it, which a compiled loop would do once it is compiled for plain arrays."""
    targets, kernel = POINTS + 1, cf.Plummer(1, 1.0)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"^real: expected a plain array, got MaskedArray; fill or compress it"):
            cf.potential(targets, cf.real_charges(MASKED), kernel, method=method)
        with pytest.raises(TypeError, match=r"^targets: expected a plain array, got MaskedArray"):
            cf.potential(MASKED, cf.real_charges(POINTS), kernel, method=method)
        cf.potential(targets, cf.real_charges(POINTS), kernel, method=method)


def test_an_array_of_a_mapped_file_is_taken(tmp_path):
    mapped = np.memmap(tmp_path / "a", dtype=float, mode="w+", shape=POINTS.shape)
    mapped[:] = POINTS
    kernel = cf.Plummer(1, 1.0)
    found = cf.potential(mapped, cf.real_charges(mapped), kernel)
    np.testing.assert_array_equal(found, cf.potential(POINTS, cf.real_charges(POINTS), kernel))


@pytest.mark.parametrize(
    "source",
    [
        None,
        3.0,
        {},
        MASKED,
        POINTS + 1j,
        POINTS > 0,
        POINTS.astype("M8[s]"),
        POINTS.astype("m8[s]"),
        POINTS.astype(str),
        np.zeros(3, [("x", float), ("y", float)]),
        [[1 + 2j, 3 - 4j]],
        [[True, False]],
        [[datetime.date(2000, 1, 1)]],
        [[None, 1.0]],
        [[object()]],
    ],
)
def test_what_is_no_table_of_numbers_has_no_points(source):
    with pytest.raises((TypeError, ValueError), match=r"^source: expected "):
        interop.positions_from(source)


NUMBERS = {
    "step": lambda x: diagnostics.jacobian(lambda points: points, POINTS, x),
    "permutations": lambda x: diagnostics.permutation_test(POINTS, POINTS + 1, permutations=x),
    "bins": lambda x: diagnostics.density_histogram(POINTS, bins=[x, 2]),
    "limits": lambda x: diagnostics.density_histogram(POINTS, bins=2, limits=[(0.0, 1.0), (-2.0, x)]),
    "axes": lambda x: diagnostics.density_histogram(POINTS, bins=2, axes=[x]),
    "rtol": lambda x: cf.potential(POINTS, GIVEN["charges"], cf.Plummer(), rtol=x),
    "exponent": lambda x: cf.Plummer(exponent=x),
    "softening": lambda x: cf.Plummer(softening=x),
    "width": lambda x: cf.Gaussian(x),
    "time": lambda x: State(Group(POINTS), time=x),
} | {
    name: lambda x, name=name: diagnostics.potential_on_grid(
        GIVEN["charges"],
        cf.Plummer(),
        **{"lower": [0, 0], "upper": [1, 1], "shape": [3, 3], "through": [0, 0]} | {name: [x, 1]},
    )
    for name in ("lower", "upper", "shape", "through")
}
NO_NUMBERS = [
    True,
    np.True_,
    np.timedelta64(1, "s"),
    np.datetime64("2020"),
    1j,
    "1",
    np.ones(1),
    [1.0],
    np.nan,
    10**400,
]


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_finite_number_is_named(name):
    for wrong in NO_NUMBERS:
        if (
            name in ("permutations", "bins", "shape") and isinstance(wrong, int) and wrong > 1
        ):  # a count, though not one that can be had
            continue
        with pytest.raises((TypeError, ValueError), match=f"^{name}: expected "):
            pytest.fail(f"{wrong!r} gave {NUMBERS[name](wrong)}")


@pytest.mark.parametrize("wrong", [1.0, "ab", 3j, np.array(1.0), True])
@pytest.mark.parametrize("name", ["lower", "upper", "shape", "axes", "through"])
def test_what_is_no_sequence_is_named(name, wrong):
    given = OWN["potential_on_grid"] | {name: wrong}
    with pytest.raises(TypeError, match=f"^{name}: expected a sequence of "):
        diagnostics.potential_on_grid(GIVEN["charges"], cf.Plummer(), **given)
