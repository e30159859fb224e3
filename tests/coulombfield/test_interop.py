"""Points from and to other libraries and files, and PyTorch's own derivatives through the package."""

import re
import sys
import types

import h5py
import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

import coulombfield as cf
from coulombfield import interop


def some(dtype="float64", count=4, dimension=3):
    return np.random.default_rng(0).standard_normal((count, dimension)).astype(dtype)


def test_an_array_stays_in_its_library_and_is_not_copied(library, dtype):
    points = library.put(some(dtype))
    found = interop.positions_from(points)
    assert found is points
    np.testing.assert_array_equal(library.get(interop.positions_from(points, columns=[2, 0])), some(dtype)[:, [2, 0]])
    np.testing.assert_array_equal(
        library.get(interop.positions_from(library.put(some(dtype)[:, 0]))), some(dtype)[:, :1]
    )
    other = "float32" if dtype == "float64" else "float64"
    assert library.get(interop.positions_from(points, dtype=other)).dtype == other


def test_integers_lists_and_half_precision_become_doubles():
    for source in (np.arange(6).reshape(3, 2), [[0, 1], [2, 3], [4, 5]], np.arange(6, dtype="float16").reshape(3, 2)):
        found = interop.positions_from(source)
        assert found.dtype == np.float64
        assert found.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert interop.positions_from([[0.0]], dtype=float).dtype == np.float64


def file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


class Exporter:
    """What knows DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_what_knows_dlpack_shares_its_memory():
    points = some()
    found = interop.positions_from(Exporter(points))
    assert np.shares_memory(found, points)
    np.testing.assert_array_equal(found, points)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".h5"])
@settings(max_examples=5)
@given(count=st.integers(0, 5), dimension=st.integers(1, 4), seed=seeds)
def test_every_bit_comes_back_from_a_file(tmp_path_factory, library, dtype, suffix, count, dimension, seed):
    points = (np.random.default_rng(seed).standard_normal((count, dimension)) * 10.0 ** (seed % 21 - 10)).astype(dtype)
    path = tmp_path_factory.mktemp("points") / f"a{suffix}"
    if suffix == ".csv":
        interop.to_csv(path, library.put(points), names=list("xyzw")[:dimension])
        found = interop.positions_from(path, dtype=dtype)
    else:
        {".npy": interop.to_npy, ".h5": interop.to_hdf5}[suffix](path, library.put(points))
        found = interop.positions_from(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, points)


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
        ("x,y\n1,2\n3,nan\n", None, [[1, 2], [3, np.nan]]),
        ("name;x;y\na;1;2\n", ["y", "x"], [[2, 1]]),
        ("# by hand\n\n1 2  3\n4 5 6\n", [0, -1], [[1, 3], [4, 6]]),
        ("x\ty\n", None, np.zeros((0, 2))),
        ("a,1,2\nb,3,4\n", [1, 2], [[1, 2], [3, 4]]),
        ("name,x,y\na,1,2\nNA,3,4\n", [1, 2], [[1, 2], [3, 4]]),
        (",x\n0,1\n", None, [[0, 1]]),
        ("0,1\n2,3\n", ["1"], [[3]]),
        ("a, b;c\n1;2\n", None, [[1, 2]]),
        ('"a;b",c\n1,2\n', None, [[1, 2]]),
        ('"x\n(m)",y\n1,2\n', None, [[1, 2]]),
        ("1,5\n2,5\n", None, [[1, 5], [2, 5]]),
        ("\ufeff7\n8\n", None, [[7], [8]]),
    ],
)
def test_text_of_many_kinds_is_read(tmp_path, text, columns, expected):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(interop.positions_from(path, columns=columns), np.asarray(expected, float))


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("NA,2\n3,4\n5,6\n", None, "a number in row 1, column 0, got 'NA'; choose others"),
        ("1,\n3,4\n5,6\n", None, "a number in row 1, column 1, got ''"),
        ("1.0D0 2.0\n3 4\n", None, "a number in row 1, column 0, got '1.0D0'"),
        ("1.5.2,2\n3,4\n", None, "a number in row 1, column 0, got '1.5.2'"),
        ("# by hand\n\nx,y\n3,4\n5,?\n", None, r"a number in row 5, column 1, got '\?'"),
        ("a,1,NA\nb,3,4\n", [1, 2], "a number in row 1, column 2, got 'NA'"),
        ("a,1\nb,3\n", None, "a number in row 1, column 0, got 'a'; choose others by columns"),
        ("1;2,5\n3,5;4,5\n", None, "in row 1, column 1, got '2,5'; decimal commas aren't read"),
        ("x\ty\n1,5\t2\n", None, "in row 2, column 0, got '1,5'; decimal commas aren't read"),
        ('"x,y\n1,2\n', None, "can't be read as a table of text: unexpected end of data"),
    ],
)
def test_a_row_with_a_number_is_no_header(tmp_path, text, columns, message):
    path = file(tmp_path, "a.csv", text)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{message}"):
        interop.positions_from(path, columns=columns)


@settings(max_examples=40)
@given(
    delimiter=st.sampled_from([",", ";", "\t", " "]),
    count=st.integers(1, 4),
    dimension=st.integers(2, 3),
    named=st.booleans(),
    wrong=st.sampled_from(["NA", "?", "1.0D0", "1.5.2", "2020-01-01"]),
    seed=seeds,
)
def test_a_cell_that_is_no_number_is_never_dropped(tmp_path_factory, delimiter, count, dimension, named, wrong, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("text") / "a.txt"
    points = rng.standard_normal((count, dimension))
    cells = [["name"[:dimension]] * dimension] * named + [[str(x) for x in row] for row in points]
    path.write_text("\n".join(map(delimiter.join, cells)))
    np.testing.assert_array_equal(interop.positions_from(path), points)
    row, column = rng.integers(count) + named, rng.integers(dimension)
    cells[row][column] = wrong
    path.write_text("\n".join(map(delimiter.join, cells)))
    with pytest.raises(ValueError, match=f"a number in row {row + 1}, column {column}, got {re.escape(repr(wrong))}"):
        interop.positions_from(path)
    others = [i for i in range(dimension) if i != column]
    np.testing.assert_array_equal(interop.positions_from(path, columns=others), points[:, others])


def test_text_of_a_spreadsheet_is_read_or_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x\ty\n1\t2\n", encoding="utf-16")
    assert interop.positions_from(path).tolist() == [[1, 2]]
    path.write_text("Länge\n1\n", encoding="latin-1")
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: can't be read as text in UTF-8 or UTF-16: 'utf-8'"):
        interop.positions_from(path)


def test_a_file_of_other_things_than_numbers_is_named(tmp_path):
    np.save(tmp_path / "complex.npy", some() + 1j)
    np.save(tmp_path / "objects.npy", np.asarray([{}, None]), allow_pickle=True)
    np.save(tmp_path / "deep.npy", np.zeros((2, 2, 2)))
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder.csv").mkdir()
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made["positions"] = ["text"]
    for path in tmp_path.iterdir():
        with pytest.raises(
            (TypeError, ValueError), match=f"^{re.escape(str(path))}: (expected|can't be read as) "
        ) as found:
            interop.positions_from(path)
        assert "pickle=True" not in str(found.value)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_a_damaged_file_is_named_or_still_has_numbers(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, some())
    else:
        with h5py.File(path, "w") as made:
            made.create_dataset("positions", data=some(), chunks=(2, 3), compression="gzip")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = []
    for trial in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole))] if trial % 4 == 0 else whole)
        for i in rng.integers(max(1, min(len(damaged), 2048)), size=4) if damaged else ():
            damaged[i] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            interop.positions_from(path)
        except (TypeError, ValueError) as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert [error for error in refused if not error.startswith(f"{path}: ")] == []


def test_the_last_frame_of_an_h5md_element_is_read(tmp_path):
    frames = np.arange(12.0).reshape(2, 3, 2)
    with h5py.File(tmp_path / "a.h5md", "w") as file:
        file["particles/all/position/value"] = frames
    found = interop.positions_from(tmp_path / "a.h5md", dataset="particles/all/position", columns=[1])
    np.testing.assert_array_equal(found, frames[-1][:, 1:])


@pytest.mark.parametrize("by", ["position", "id"])
def test_rows_that_fill_up_an_element_are_no_points(tmp_path, by):
    """As programs write them whose numbers of particles change: NaN as fill value, or an id that is its fill value."""
    points = np.arange(12.0).reshape(1, 4, 3)
    with h5py.File(tmp_path / "a.h5md", "w") as file:
        group = file.create_group("particles/all")
        if by == "position":
            points[0, 2:] = np.nan
        else:
            group.create_dataset("id/value", data=[[4, 2, -1, -1]], fillvalue=-1)
        group.create_dataset("position/value", data=points, fillvalue=np.nan if by == "position" else 0.0)
    found = interop.positions_from(tmp_path / "a.h5md", dataset="particles/all/position")
    np.testing.assert_array_equal(found, points[0, :2])


def test_rows_that_fill_up_a_dataset_are_no_points(tmp_path):
    """A row of NaN is one where NaN is not the fill value: whoever wrote it there should see it."""
    points = np.asarray([[0.0, np.nan], [np.nan, np.nan]])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("filled", data=points, fillvalue=np.nan)
        file["bare"] = points
    for name, count in (("filled", 1), ("bare", 2)):
        found = interop.positions_from(tmp_path / "a.h5", dataset=name)
        np.testing.assert_array_equal(found, points[:count])


def test_atoms_come_and_go(monkeypatch):
    class Atoms:
        def __init__(self, symbols, positions, charges=None):
            self.symbols, self.positions, self.charges = symbols, positions, charges

        def get_positions(self):
            return self.positions.copy()

    monkeypatch.setitem(sys.modules, "ase", types.SimpleNamespace(Atoms=Atoms))
    atoms = interop.to_atoms(some("float32", dimension=2), charges=np.arange(4.0))
    assert atoms.symbols == ["X"] * 4
    assert atoms.charges.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(interop.positions_from(atoms), np.pad(some("float32", dimension=2), ((0, 0), (0, 1))))
    np.testing.assert_array_equal(interop.positions_from(atoms, columns=[0, 1]), some("float32", dimension=2))
    with pytest.raises(ValueError, match=r"^positions: expected at most 3 dimensions"):
        interop.to_atoms(some(dimension=4))
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(ImportError, match="pip install ase"):
        interop.to_atoms(some())


def test_ase_itself_agrees():
    pytest.importorskip("ase")
    points = some()
    atoms = interop.to_atoms(points, symbols="H4", charges=np.arange(4.0))
    np.testing.assert_array_equal(interop.positions_from(atoms), points)
    assert atoms.get_initial_charges().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: interop.positions_from(7), TypeError, r"^source: expected an array, a path"),
        (lambda p: interop.positions_from([["a"]]), ValueError, r"^source: expected a table of numbers"),
        (lambda p: interop.positions_from(np.zeros((1, 2, 3))), ValueError, r"^source: expected shape \(count, m\)"),
        (
            lambda p: interop.positions_from(np.zeros((1, 2)), columns=[2]),
            ValueError,
            r"^columns: expected numbers from 0",
        ),
        (
            lambda p: interop.positions_from(np.zeros((1, 2)), columns=[]),
            ValueError,
            r"^columns: expected at least one",
        ),
        (lambda p: interop.positions_from(np.zeros((1, 2)), columns=1), TypeError, r"^columns: expected a sequence"),
        (
            lambda p: interop.positions_from(np.zeros((1, 2)), columns=[0.5]),
            TypeError,
            r"^columns: expected numbers or",
        ),
        (lambda p: interop.positions_from(np.zeros((1, 2)), dtype="int64"), TypeError, r"^dtype: expected float32 or"),
        (lambda p: interop.positions_from(p / "a.npy"), FileNotFoundError, "no such file"),
        (lambda p: interop.positions_from(file(p, "a.doc", "")), ValueError, r"^source: expected a file with one of"),
        (lambda p: interop.positions_from(file(p, "a.csv", "")), ValueError, "expected lines of numbers, got none"),
        (
            lambda p: interop.positions_from(file(p, "a.csv", "1,2\n3\n")),
            ValueError,
            "expected 2 columns .* 1 in row 2",
        ),
        (lambda p: interop.positions_from(file(p, "a.csv", "x,y\n1,a\n")), ValueError, "choose others by columns"),
        (
            lambda p: interop.positions_from(file(p, "a.csv", "x,y\n"), columns=["z"]),
            ValueError,
            "no column is named 'z'",
        ),
        (lambda p: interop.to_csv(p / "a.csv", some(), names=["x"]), ValueError, r"^names: expected 3"),
        (lambda p: interop.to_npy(p / "a.npy", [1.0]), TypeError, r"^positions: expected an array"),
        (
            lambda p: interop.positions_from(file(p, "a.csv", "x,y\n1,2\n"), columns=0),
            TypeError,
            r"^columns: expected a seq",
        ),
        (
            lambda p: interop.positions_from(file(p, "a.csv", "x,x\n1,2\n"), columns=["x"]),
            ValueError,
            r"^columns: 2 columns are named 'x'",
        ),
        (
            lambda p: interop.positions_from(file(p, "a.csv", '1,"2\n3"\n')),
            ValueError,
            r"a\.csv: expected a number in row",
        ),
        (lambda p: interop.positions_from(file(p, "a.h5", ""), dataset=None), TypeError, r"^dataset: expected text"),
        (lambda p: interop.to_csv(p / "a.csv", some(), names="xyz"), TypeError, r"^names: expected a sequence"),
        (lambda p: interop.to_csv(p / "a.csv", some(), names=["x", "y", 3]), TypeError, r"^names: expected text"),
        (lambda p: interop.to_csv(p / "a.csv", some(), names=["x", "y", "3"]), ValueError, r"^names: expected print"),
        (lambda p: interop.to_csv(p / "a.csv", some(), names=["x", "y", "\udcff"]), ValueError, r"^names: .*print"),
        (lambda p: interop.to_hdf5(file(p, "a.h5", "text"), some()), ValueError, r"a\.h5: expected an HDF5 file"),
        (lambda p: interop.to_hdf5(p / "a.h5", some(), dataset=""), ValueError, r"^dataset: expected the name"),
        (lambda p: interop.to_hdf5(p / "a.h5", some(), dataset="a\0b"), ValueError, r"^dataset: expected the name"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(tmp_path, call, error, message):
    with pytest.raises(error, match=message):
        call(tmp_path)


def test_datasets_that_are_there_or_are_not(tmp_path):
    interop.to_hdf5(tmp_path / "a.h5", some())
    with pytest.raises(ValueError, match="has 'positions' already"):
        interop.to_hdf5(tmp_path / "a.h5", some())
    with pytest.raises(ValueError, match="has no dataset 'x'; it has positions"):
        interop.positions_from(tmp_path / "a.h5", dataset="x")
    with pytest.raises(ValueError, match="can't have 'positions/x'"):
        interop.to_hdf5(tmp_path / "a.h5", some(), dataset="positions/x")
    with h5py.File(tmp_path / "a.h5", "a") as h5:
        h5["null"] = h5py.Empty("f8")
        h5["element/value"] = np.zeros((0, 3, 2))
    for name, message in (("null", "a.h5: dataset 'null' is empty"), ("element", "a.h5: /element has no frame")):
        with pytest.raises(ValueError, match=message):
            interop.positions_from(tmp_path / "a.h5", dataset=name)


@pytest.mark.parametrize("name", list(KERNELS))
def test_pytorch_differentiates_a_potential(name):
    """∂Φ/∂a = −E, and ∂/∂b and ∂/∂q are those of potential_vjp."""
    torch = pytest.importorskip("torch")
    a, b, q = (torch.asarray(x) for x in (some(count=5), some(count=6) + 0.5, some(count=6)[:, 0]))
    a, b, q = (x.clone().requires_grad_() for x in (a, b, q))
    kernel = KERNELS[name]
    phi = cf.potential(a, cf.Charges(b, q), kernel)
    d_a, d_b, d_q = torch.autograd.grad(phi.sum(), (a, b, q))
    held = cf.Charges(b.detach(), q.detach())
    expected = cf.potential_vjp(a.detach(), held, kernel, torch.ones(5, dtype=a.dtype))
    torch.testing.assert_close(d_a, -cf.field(a.detach(), held, kernel), rtol=0, atol=1e-13)
    torch.testing.assert_close(d_b, expected.positions, rtol=0, atol=1e-13)
    torch.testing.assert_close(d_q, expected.weights, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kernel", [*KERNELS.values(), cf.Coulomb(1.0)])
def test_pytorch_differentiates_an_energy_without_self_interaction(kernel):
    """The pairs i = i are left out of the derivative too, also where a kernel has none at r = 0."""
    torch = pytest.importorskip("torch")
    a = torch.asarray(some()).requires_grad_()
    q = torch.asarray([1.0, -2.0, 0.5, 1.5], dtype=a.dtype)
    energy = 0.5 * (q * cf.potential(a, cf.Charges(a, q), kernel, exclude_self=True)).sum()
    (found,) = torch.autograd.grad(energy, a)
    expected = cf.electrostatic_energy_gradient(cf.Charges(a.detach(), q), kernel, exclude_self=True)
    torch.testing.assert_close(found, expected.positions, rtol=0, atol=1e-12)


def test_points_of_pytorch_stay_there(dtype):
    torch = pytest.importorskip("torch")
    points = torch.asarray(some(dtype)).requires_grad_()
    assert interop.positions_from(points) is points
    assert interop.positions_from(points, columns=[1]).requires_grad
    assert interop.positions_from(torch.zeros((2, 2), dtype=torch.float16)).dtype == torch.float64
