"""Files of images and statistics that a newcomer may give, or damage may leave: one line, and nothing overwritten."""

from __future__ import annotations

import gzip
import struct

import h5py
import numpy as np
import own_features.projection as projection
import pytest

from experiments import DataError, UserError
from experiments.__main__ import main
from experiments.data.images import Config
from experiments.features import inception_names
from experiments.features.inception_names import of_graph, parameters_of
from experiments.metrics.frechet_distance import Gaussian, frechet_distance
from experiments.metrics.statistics_file import read_statistics
from nets.architectures.inception import shapes
from validation.speed.inception.agreement import parameters

NETWORK = ["--features", projection.__name__]


@pytest.fixture
def images(tmp_path):
    """Images in a file of their own."""
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8))
    return path


@pytest.fixture
def prepared(tmp_path, images):
    """The same as data prepare writes them."""
    path = tmp_path / "prepared.h5"
    assert main(["data", "prepare", "npz", str(images), str(path)]) == 0
    return path


def refused(capsys, *arguments):
    """What a command says that ends in an error."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) in (1, 2)
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_statistics_overwrite_nothing(tmp_path, capsys, images):
    before = images.read_bytes()
    said = refused(capsys, "fid", images, *NETWORK, "--save-statistics", images)
    assert said == f"error: --save-statistics: expected a name that ends in .npz, got {str(images)!r}"
    assert images.read_bytes() == before
    there = tmp_path / "there.npz"
    there.write_bytes(b"mine")
    said = refused(capsys, "fid", images, *NETWORK, "--save-statistics", there)
    assert said == f"error: --save-statistics: {there} is there already"
    assert there.read_bytes() == b"mine"


def test_a_check_draws_into_pictures_alone(tmp_path, capsys, prepared):
    before = prepared.read_bytes()
    said = refused(capsys, "data", "check", prepared, "--out", prepared)
    assert said.startswith("error: --out: expected a name that ends in .png")
    assert prepared.read_bytes() == before
    said = refused(capsys, "data", "check", prepared, "--out", tmp_path / "none" / "x.png")
    assert said == f"error: --out: no such folder: {tmp_path / 'none'}"


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (np.array([[0.0, 2.0], [2.0, 0.0]]), "expected no negative eigenvalue, got -2"),
        (np.eye(2) * (1 + 0j), "expected real numbers, got complex ones"),
    ],
)
def test_statistics_that_are_none_are_refused_when_they_are_read(tmp_path, sigma, message):
    path = tmp_path / "s.npz"
    np.savez(path, mu=np.zeros(2), sigma=sigma)
    with pytest.raises(DataError, match=f"^{path}: .*{message}"):
        read_statistics(path, 2)


def test_a_distance_beyond_float64_is_refused():
    with pytest.raises(ValueError, match="beyond float64"), np.errstate(over="ignore", invalid="ignore"):
        frechet_distance(Gaussian(np.full(2, 1e200), np.eye(2)), Gaussian(np.zeros(2), np.eye(2)))


@pytest.mark.parametrize(("what", "value"), [("variance", -1.0), ("variance", np.nan), ("weight", np.inf)])
def test_damaged_weights_name_the_array(what, value):
    found, names = parameters(shapes(), np.random.default_rng(0), np.float32), of_graph()
    arrays = {each.name: found[name].transpose(np.argsort(each.axes)).copy() for name, each in names.items()}
    name = next(each.name for ours, each in names.items() if ours.endswith(f".{what}"))
    arrays[name].flat[0] = value
    with pytest.raises(inception_names.InceptionWeightsError, match=f"^w.pb: damaged: {name} has values"):
        parameters_of(arrays, "w.pb")


def test_an_archive_under_the_name_of_an_array_is_told(tmp_path, capsys, images):
    np.savez(tmp_path / "a.npz", np.load(images))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert "got an archive of arrays: an .npz file" in refused(capsys, "fid", tmp_path / "a.npy", images, *NETWORK)


def test_nan_is_named_and_a_range_from_0_is_warned_of(tmp_path, capsys, images):
    path = tmp_path / "float.npy"
    np.save(path, np.full((4, 8, 8, 3), np.nan, np.float32))
    assert refused(capsys, "fid", path, images, *NETWORK) == f"error: {path}: has values that are NaN"
    np.save(path, np.random.default_rng(0).random((4, 8, 8, 3), np.float32))
    with pytest.warns(UserWarning, match="no value is below 0, and -1 is taken for black"):
        assert main(["fid", str(path), str(images), *NETWORK]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.__delitem__("images_sha256"), "lacks the attribute images_sha256"),
        (lambda file: file.create_dataset("labels", data=[1, 2]), "damaged: expected 12 labels"),
    ],
)
def test_a_check_notices_what_is_missing(capsys, prepared, change, message):
    with h5py.File(prepared, "r+") as file:
        change(file)
    assert f"error: {prepared}: {message}" in refused(capsys, "data", "check", prepared)


def test_a_file_that_is_not_complete_is_not_trained_on(prepared):
    settings = Config(path=str(prepared), size=8, held_out=2)
    settings.stored()
    with h5py.File(prepared, "r+") as file:
        file.attrs["complete"] = 0
    with pytest.raises(UserError, match="no complete file"):
        settings.stored()


def test_sources_say_what_is_wrong_with_them(tmp_path, capsys, images):
    labelled, out = tmp_path / "labelled.npz", tmp_path / "out.h5"
    np.savez(labelled, x=np.load(images), labels=np.arange(3))
    said = refused(capsys, "data", "prepare", "npz", labelled, out)
    assert said == f"error: {labelled}: expected 12 labels, one for an image, got shape (3,)"
    cut = tmp_path / "train-images-idx3-ubyte.gz"
    pixels = np.random.default_rng(0).bytes(50 * 64)
    cut.write_bytes(gzip.compress(bytes((0, 0, 8, 3)) + struct.pack(">3I", 50, 8, 8) + pixels)[:2000])
    said = refused(capsys, "data", "prepare", "idx", cut, out)
    assert said == f"error: {cut}: truncated or damaged: it does not end in the size that its header says"
    said = refused(capsys, "data", "prepare", "npz", images, out, "--size", 10**6)
    assert said == "error: --size: expected at most 4096, got 1000000"
    assert not out.exists()


def test_more_images_than_the_disk_has_room_for_are_refused_at_once(tmp_path, capsys):
    source, out = tmp_path / "huge.h5", tmp_path / "out.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("images", (10**9, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3))
    assert f"error: {out}: needs 12,288,000 MB" in refused(capsys, "data", "prepare", "hdf5", source, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["huge.h5"]


def test_tables_of_runs_say_what_their_folder_should_be(tmp_path, capsys):
    (tmp_path / "config.toml").write_text("")
    assert "expected a folder with run folders" in refused(capsys, "table", "1b", "--out", tmp_path)
    assert "--plan: table 1b runs nothing" in refused(capsys, "table", "1b", "--plan")
    assert str(tmp_path / "none") in refused(capsys, "figure-3", tmp_path / "none")
    assert "--out" not in refused(capsys, "figure-3", tmp_path / "none")
