"""Sums over stored charges, in blocks: from and to files, interrupted and gone on with."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import coulombfield as cf
from coulombfield import out_of_core
from coulombfield.out_of_core import StoredCharges, evaluation, saved, stored, sums
from coulombfield.sums import costs

KERNEL = cf.Plummer(3.0, 0.6)
COUNT, TARGETS = 3000, 1700


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Fast sums of few pairs, blocks of few points, and a state that is written after each."""
    monkeypatch.setattr(evaluation.nufft, "SMALL", 0)
    monkeypatch.setattr(costs, "_found", replace(costs.BUILT_IN, worth_a_plan=0.0))
    monkeypatch.setattr(sums, "BYTES_A_POINT", 2**10)
    monkeypatch.setattr(saved, "EVERY_SECONDS", 0.0)


@pytest.fixture(scope="module")
def problem():
    """Targets, positions, weights, and exact sums as columns."""
    rng = np.random.default_rng(0)
    targets, positions = rng.uniform(-1, 1, (TARGETS, 2)), rng.uniform(-1, 1, (COUNT, 2))
    weights = rng.uniform(0, 1, COUNT)
    exact = cf.potential_and_field(targets, cf.Charges(positions, weights), KERNEL)
    return targets, positions, weights, np.column_stack(exact)


def error(found, exact):
    return float(np.sqrt(np.mean((np.column_stack(found) - exact) ** 2) / np.mean(exact**2)))


def as_memory_map(path, array):
    found = np.lib.format.open_memmap(f"{path}.npy", "w+", array.dtype, array.shape)
    found[...] = array
    return np.load(f"{path}.npy", mmap_mode="r")


def as_hdf5(path, array):
    return h5py.File(f"{path}.h5", "w").create_dataset("x", data=array, chunks=(700, *array.shape[1:]))


def as_dask(path, array):
    return pytest.importorskip("dask.array").from_array(array, chunks=(900, *array.shape[1:]))


@pytest.mark.parametrize("put", [as_memory_map, as_hdf5, as_dask])
@pytest.mark.parametrize(("method", "rtol"), [("simd", None), ("gram", None), ("nufft", 1e-7), ("auto", 1e-7)])
def test_stored_points_have_the_sums_of_points_in_memory(put, method, rtol, problem, tmp_path):
    *points, exact = problem
    targets, positions, weights = (put(tmp_path / str(i), array) for i, array in enumerate(points))
    charges = StoredCharges(positions, weights)
    options = {"method": method, "rtol": rtol, "memory": 2**21}
    found, why = out_of_core.explain(out_of_core.potential_and_field, targets, charges, KERNEL, **options)
    assert error(found, exact) <= (rtol or 1e-14)
    assert method in ("auto", why.method)
    assert error([out_of_core.potential(targets, charges, KERNEL, **options)], exact[:, :1]) <= (rtol or 1e-14)
    field, _ = out_of_core.explain(out_of_core.field, targets, charges, KERNEL, **options)
    assert error([field], exact[:, 1:]) <= (rtol or 1e-14)


@pytest.mark.parametrize(("method", "rtol"), [("simd", None), ("nufft", 1e-7)])
def test_own_terms_are_left_out(method, rtol, problem):
    _, positions, weights, _ = problem
    exact = cf.potential_and_field(positions, cf.Charges(positions, weights), KERNEL, exclude_self=True)
    options = {"method": method, "rtol": rtol, "memory": 2**21, "exclude_self": True}
    found = out_of_core.potential_and_field(positions, StoredCharges(positions, weights), KERNEL, **options)
    assert error(found, np.column_stack(exact)) <= (rtol or 1e-14)


def test_float32_points_can_have_float64_sums(problem):
    targets, positions, weights, _ = problem
    single = [array.astype("f4") for array in (targets, positions, weights)]
    double = [array.astype("f8") for array in single]
    exact = np.column_stack(cf.potential_and_field(double[0], cf.Charges(*double[1:]), KERNEL))
    charges = StoredCharges(*single[1:])
    for method, rtol in (("simd", None), ("nufft", 1e-9)):
        found = out_of_core.potential_and_field(single[0], charges, KERNEL, dtype="float64", rtol=rtol, method=method)
        assert found[0].dtype == np.float64
        assert error(found, exact) <= (rtol or 1e-14)
    found = out_of_core.potential_and_field(single[0], charges, KERNEL, rtol=1e-4, method="nufft")
    assert found[1].dtype == np.float32
    assert error(found, exact) <= 1e-4


def test_blocks_are_as_small_as_memory_asks_for_and_cut_no_chunk(problem, tmp_path, monkeypatch):
    *points, _ = problem
    targets, positions, weights = (as_hdf5(tmp_path / str(i), array) for i, array in enumerate(points))
    seen = []
    read = stored.Stored.read
    monkeypatch.setattr(stored.Stored, "read", lambda self, start: seen.append(read(self, start)) or seen[-1])
    out_of_core.potential(targets, StoredCharges(positions, weights), KERNEL, method="simd", memory=2**21)
    most = 2**21 // (2 * (sums.BYTES_A_POINT + 2 * sums.BYTES_A_COORDINATE))
    assert max(len(block.positions) for block in seen) == most // 700 * 700 > 0
    assert {block.start % 700 for block in seen} == {0}


@pytest.mark.parametrize("kind", ["array", "memory map", "hdf5"])
def test_sums_are_written_into_what_is_given(kind, problem, tmp_path):
    targets, positions, weights, exact = problem
    shapes = (TARGETS,), (TARGETS, 2)
    file = h5py.File(tmp_path / "out.h5", "w")
    made = {
        "array": lambda name, shape: np.empty(shape),
        "memory map": lambda name, shape: np.lib.format.open_memmap(tmp_path / name, "w+", "f8", shape),
        "hdf5": lambda name, shape: file.create_dataset(name, shape, "f8"),
    }[kind]
    out = [made(f"{i}.npy", shape) for i, shape in enumerate(shapes)]
    charges = StoredCharges(positions, weights)
    found = out_of_core.potential_and_field(targets, charges, KERNEL, out=out, memory=2**21, method="nufft", rtol=1e-7)
    assert all(a is b for a, b in zip(found, out, strict=True))
    assert error([x[...] for x in out], exact) <= 1e-7


@pytest.mark.parametrize("stage", ["box of targets", "modes of charges", "sums at targets", "pairs of blocks"])
def test_an_interrupted_evaluation_goes_on(stage, problem, tmp_path):
    targets, positions, weights, exact = problem
    method, rtol = ("simd", None) if stage == "pairs of blocks" else ("nufft", 1e-7)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", "f8", (TARGETS,))
    options = {"method": method, "rtol": rtol, "memory": 2**21, "state": tmp_path / "state.h5", "out": out}
    charges, whole = StoredCharges(positions, weights), np.empty(TARGETS)
    at_once: list[str] = []
    alone = {**options, "state": None, "out": whole, "progress": lambda name, *_: at_once.append(name)}
    out_of_core.potential(targets, charges, KERNEL, **alone)

    def stop(name, done, total):
        if name == stage and done < total and done > total / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        out_of_core.potential(targets, charges, KERNEL, progress=stop, **options)
    assert (tmp_path / "state.h5").exists()
    again: list[str] = []
    out_of_core.potential(targets, charges, KERNEL, progress=lambda name, *_: again.append(name), **options)
    assert np.array_equal(out, whole), "to the last bit"
    assert error([out], exact[:, :1]) <= (rtol or 1e-14)
    assert "box of charges" not in again
    if stage != "box of targets":  # which is kept as a whole
        assert 0 < again.count(stage) < at_once.count(stage)
    assert not (tmp_path / "state.h5").exists(), "all is done"


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("kernel", lambda given: {**given, "kernel": cf.Plummer(3.0, 0.7)}),
        ("rtol", lambda given: {**given, "rtol": 1e-6}),
        ("targets", lambda given: {**given, "targets": given["targets"][1:]}),
        ("weights", lambda given: {**given, "charges": StoredCharges(given["charges"].positions, np.ones(COUNT))}),
    ],
)
def test_a_state_of_other_inputs_is_refused(what, change, problem, tmp_path):
    targets, positions, weights, _ = problem
    given = {"targets": targets, "charges": StoredCharges(positions, weights), "kernel": KERNEL, "rtol": 1e-7}
    given |= {"method": "nufft", "state": tmp_path / "state.h5"}

    def stop(*_):
        raise KeyboardInterrupt

    def stop_later(name, *_):
        if name == "modes of charges":
            stop()

    with pytest.raises(KeyboardInterrupt):
        out_of_core.potential(**given, progress=stop_later)
    with pytest.raises(ValueError, match=f"state.h5: is of other inputs: {what} was"):
        out_of_core.potential(**change(given))
    (tmp_path / "state.h5").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"state.h5: can't be read as the state of an evaluation"):
        out_of_core.potential(**given)


def test_an_error_is_measured_before_anything_is_written(problem, monkeypatch):
    targets, positions, weights, exact = problem
    write = evaluation.write_block

    def wrong(series, waves, total, points, own, result):
        write(series, waves, total, points, own, result)
        result.potential[...] *= 1.001

    monkeypatch.setattr(evaluation, "write_block", wrong)
    out = np.zeros(TARGETS)
    charges = StoredCharges(positions, weights)
    with pytest.raises(ArithmeticError, match="method: nufft reaches an error of"):
        out_of_core.potential(targets, charges, KERNEL, rtol=1e-6, method="nufft", out=out)
    assert not out.any()
    monkeypatch.setattr(evaluation.nufft, "seconds_of", lambda *_: 0.0)
    found, why = out_of_core.explain(out_of_core.potential, targets, charges, KERNEL, rtol=1e-6)
    assert (why.method, why.gave_up) == ("simd", "nufft")
    assert error([found], exact[:, :1]) <= 1e-14


def test_nothing_and_zeros_are_zero():
    points = np.random.default_rng(1).uniform(size=(50, 2))
    for charges in (StoredCharges(points, np.zeros(50)), StoredCharges(points[:0], np.zeros(0))):
        assert not out_of_core.potential(points, charges, KERNEL, rtol=1e-3, method="nufft").any()
    none = out_of_core.field(points[:0], StoredCharges(points, np.ones(50)), KERNEL)
    assert none.shape == (0, 2)


POINTS = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("changes", "error_type", "text"),
    [
        ({"state": 3}, TypeError, "^state: expected a path, got int"),
        (
            {"state": "no folder/state.h5"},
            ValueError,
            "^state: expected a file in a folder that is there, got no f",
        ),
        ({"targets": [[1.0, 2.0]]}, TypeError, "targets: expected a dataset with shape, dtype and slices, got list"),
        ({"targets": np.zeros((4, 3))}, ValueError, "targets: expected 2 columns like the charges, got 3"),
        ({"targets": np.zeros((4, 2), int)}, TypeError, "targets: expected dtype float32 or float64, got int64"),
        ({"targets": np.zeros((3, 2)), "exclude_self": True}, ValueError, "targets: expected as many as charges"),
        ({"charges": POINTS}, TypeError, "charges: expected StoredCharges"),
        ({"method": "split", "rtol": 1e-3}, ValueError, "split can't serve this: it needs the neighbours"),
        ({"method": "tree", "rtol": 1e-3}, ValueError, "tree can't serve this: its boxes are made of all points"),
        ({"method": "best"}, ValueError, "method: expected auto or one of simd, gram, direct, nufft, got 'best'"),
        ({"method": "nufft"}, ValueError, "rtol: method nufft needs one"),
        ({"rtol": 1e-17}, ValueError, "rtol: expected a number from"),
        ({"dtype": "int8"}, ValueError, "dtype: expected float32 or float64, got int8"),
        ({"memory": 10}, ValueError, "memory: expected an integer of at least"),
        ({"progress": 1}, TypeError, "progress: expected a function, got int"),
        ({"out": np.zeros(3)}, ValueError, r"out: expected shape \(4,\) for the potential, got \(3,\)"),
        ({"out": np.zeros(4, "f4")}, TypeError, "out: expected dtype float64 for the potential, got float32"),
        ({"out": [0.0] * 4}, TypeError, "out: expected an array or dataset for the potential, got list"),
    ],
)
def test_wrong_arguments_are_named(changes, error_type, text):
    given = {"targets": POINTS, "charges": StoredCharges(POINTS, np.ones(4)), "kernel": KERNEL}
    with pytest.raises(error_type, match=text):
        out_of_core.potential(**{**given, **changes})


def test_results_that_memory_does_not_allow_ask_for_a_dataset():
    targets = np.broadcast_to(np.zeros(2), (2**18, 2))
    with pytest.raises(ValueError, match="out: the potential takes 2,097,152 bytes, more than memory=1,048,576"):
        out_of_core.potential(targets, StoredCharges(POINTS, np.ones(4)), KERNEL, memory=2**20)


def test_wrong_charges_are_named():
    with pytest.raises(ValueError, match=r"weights: expected shape \(4,\) like positions, got \(3,\)"):
        StoredCharges(POINTS, np.ones(3))
    with pytest.raises(ValueError, match="positions: expected a dataset of 2 axes"):
        StoredCharges(np.ones(4), np.ones(4))
    dask = pytest.importorskip("dask.array")
    unknown = dask.from_array(POINTS, chunks=(2, 2))
    unknown = unknown[unknown[:, 0] > -1]
    with pytest.raises(ValueError, match="its shape is not known yet"):
        StoredCharges(unknown, np.ones(4))
    places = dask.zeros(4)
    with pytest.raises(TypeError, match="that keeps what is written, got Dask's"):
        out_of_core.potential(POINTS, StoredCharges(POINTS, np.ones(4)), KERNEL, out=places)
