"""``python -m experiments fid``: every kind of source, and errors of one line."""

import io
import zipfile

import h5py
import numpy as np
import own_features.projection as projection_features
import pytest
from PIL import Image

import experiments
from experiments.__main__ import main
from experiments.features.measuring import eight_bits
from experiments.metrics.frechet_distance import frechet_distance, gaussian_of

NETWORK = ["--features", "own_features.projection"]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 30, 8, 8, 3), np.uint8)


def distance(a, b):
    """Of images, by the network itself."""
    network = projection_features.Projection()
    return frechet_distance(*(gaussian_of([network.measure(x)[0]], network.dimension) for x in (a, b)))


def stored(path, images):
    """The images at a path, by the kind that its name says."""
    names = [f"{number:03}.png" for number in range(len(images))]
    if path.suffix in ("", ".zip"):
        files = {}
        for name, image in zip(names, images, strict=True):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, format="png")
            files[name] = buffer.getvalue()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in {**files, "__MACOSX/0.png": b"", "a.txt": b""}.items():
                    archive.writestr(name, content)
        else:
            (path / "inside").mkdir(parents=True)
            for name, content in files.items():
                (path / "inside" / name).write_bytes(content)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["x"] = images
    elif path.suffix == ".npz":
        np.savez(path, images)
    else:
        np.save(path, (images / 127.5 - 1).astype(np.float32))
    return path


def printed(capsys, *arguments):
    assert main(["fid", *map(str, arguments), *NETWORK]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", ["a", "a.zip", "a.h5", "a.npz", "a.npy"])
def test_every_kind_of_source_gives_the_same_distance(tmp_path, capsys, images, name):
    first, second = stored(tmp_path / name, images[0]), stored(tmp_path / "b.npz", images[1])
    *said, last = printed(capsys, first, second)
    assert said == [f"{first}: 30 images", f"{second}: 30 images"]
    assert last == f"frechet_projection {distance(*images):.6g}"
    assert printed(capsys, first, first)[-1] == "frechet_projection 0"
    said = printed(capsys, first, second, "--samples", 10)
    assert said[0] == f"{first}: 10 images"
    assert said[-1] == f"frechet_projection {distance(*images[:, :10]):.6g}"


def test_images_of_several_sizes_are_measured_as_they_are(tmp_path, capsys, images):
    (tmp_path / "a").mkdir()
    parts = [images[0, :3], images[0, 3:6, :6], images[0, 6:9]]
    for number, image in enumerate(image for part in parts for image in part):
        Image.fromarray(image).save(tmp_path / "a" / f"{number}.png")
    network = projection_features.Projection()
    features = [network.measure(part)[0] for part in parts]
    expected = frechet_distance(gaussian_of(features, 6), gaussian_of([network.measure(images[1])[0]], 6))
    assert printed(capsys, tmp_path / "a", stored(tmp_path / "b.h5", images[1]))[-1].split()[1] == f"{expected:.6g}"


def test_statistics_are_saved_and_read(tmp_path, capsys, images):
    first, second, saved = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "s.npz"
    stored(first, images[0]), stored(second, images[1])
    assert printed(capsys, first, "--save-statistics", saved) == [f"{first}: 30 images", str(saved)]
    with np.load(saved) as file:
        assert file["mu"].shape == (6,)
        assert file["sigma"].shape == (6, 6)
    assert printed(capsys, saved, second) == [
        f"{saved}: statistics of 6 features",
        f"{second}: 30 images",
        f"frechet_projection {distance(*images):.6g}",
    ]


def test_few_images_are_said_to_be_few(tmp_path, capsys, images):
    assert printed(capsys, stored(tmp_path / "a.h5", images[0, :4]), stored(tmp_path / "b.h5", images[1]))[0].endswith(
        "a.h5: 4 images, fewer than the 6 dimensions"
    )


@pytest.fixture
def run(tmp_path):
    sets = ["training.updates=1", "training.batch=8", "data.held_out=12", "metrics=[]"]
    folder = tmp_path / "run"
    assert main(["run", "digits", "--out", str(folder), *(x for one in sets for x in ("--set", one))]) == 0
    return folder


@pytest.mark.slow
def test_a_run_is_measured_by_samples_of_its_generator(tmp_path, capsys, images, run):
    """Those that ``sample`` draws, over several blocks."""
    capsys.readouterr()
    samples = eight_bits(experiments.load(run).sample(520), (-1, 1))
    second = stored(tmp_path / "b.h5", images[1])
    said = printed(capsys, run, second, "--samples", 520)
    assert said[0] == f"{run}: 520 images"
    assert said[-1] == f"frechet_projection {distance(samples, images[1]):.6g}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", None, "{path}: no such file or folder"),
        ("a.txt", b"x", "{path}: expected a folder, or a file that ends in .zip, .h5"),
        ("a.h5", b"x", "{path}: can't be read as HDF5"),
        ("a.zip", b"x", "{path}: can't be read as .zip"),
        ("a.npz", b"x", "{path}: can't be read as .npz"),
        ("a.npy", b"x", "{path}: can't be read as .npy"),
        ("a.npy", np.zeros((3, 4)), "{path}: expected images of shape (N, H, W)"),
        ("a.npy", np.full((3, 4, 4), 2.0), "{path}: floating-point images have values between -1 and 1"),
        ("a.npy", np.zeros((1, 4, 4), np.uint8), "{path}: expected at least 2 images, got 1"),
        ("a.npz", {"a": np.zeros(2), "b": np.zeros(2)}, "{path}: expected mu and sigma, or one array"),
        ("a.npz", {"mu": np.zeros(6), "sigma": np.diag([1, 1, 1, 1, 1, -1])}, "{path}: covariance: expected variances"),
        (
            "a.npz",
            {"mu": np.zeros(6), "sigma": np.ones((6, 6)) - np.eye(6)},
            "{path}: covariance: expected",
        ),
        ("a.npz", {"mu": np.zeros(5), "sigma": np.eye(5)}, "{path}: expected statistics of 6 features"),
        ("a.zip", {"a.txt": b"x"}, "{path}: no image files in it"),
        ("a.zip", {"a.png": b"x", "b.png": b"x"}, "{path}/a.png: can't be read as an image"),
        ("a", {}, "{path}: no image files there; expected names"),
        ("a", {"a.png": b"x", "b.png": b"x"}, "{path}/a.png: can't be read as an image"),
    ],
)
def test_what_is_no_source_is_one_line(tmp_path, capsys, images, name, content, message):
    path, other = tmp_path / name, stored(tmp_path / "other.h5", images[1])
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in content.items():
                archive.writestr(member, data)
    elif content is not None:
        path.mkdir()
        for member, data in content.items():
            (path / member).write_bytes(data)
    assert main(["fid", str(path), str(other), *NETWORK]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: " + message.format(path=path, other=other))
    assert error.count("\n") == 1


def test_what_is_asked_wrongly_is_one_line(tmp_path, capsys, images):
    path = str(stored(tmp_path / "a.h5", images[0]))
    for arguments, message in (
        ([path], "error: B: missing; expected what to compare with, or --save-statistics"),
        ([path, path, "--features", "nothing"], "error: unknown kind 'nothing'; expected one of"),
        ([path, "--save-statistics", str(tmp_path / "no" / "a.npz")], "error: --save-statistics: no such folder"),
    ):
        assert main(["fid", *NETWORK, *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith(message)
        assert error.count("\n") == 1
