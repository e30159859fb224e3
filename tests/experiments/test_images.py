"""The image experiment as a whole, at small size, and its presets."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import h5py
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from threadpoolctl import threadpool_limits

from coulombfield.arrays import Device, select_device
from coulombfield.rng import Streams
from experiments import config, gan_training
from experiments.__main__ import main
from experiments.data.dataset import ArrayPart
from experiments.figures.images import image_grid
from experiments.metrics import energy, moments
from experiments.metrics import nearest as nearest_metric
from experiments.metrics.nearest import nearest
from experiments.runs.checkpoint import CheckpointFolder

SMALL = (
    "training.updates=6",
    "training.batch=8",
    "training.log_every=2",
    "training.evaluate_every=3",
    "training.checkpoint_every=2",
    "generator.width=8",
    "generator.latent=4",
    "discriminator.base=4",
    "data.held_out=12",
    "metrics.energy.samples=12",
    "metrics.nearest.samples=12",
    "metrics.nearest.neighbours=30",
    "metrics.moments.samples=12",
)
seeds = st.integers(0, 2**32 - 1)


def arguments(folder, *overrides, preset="digits"):
    command = ["run", preset, "--out", str(folder), "--device", "cpu"]
    return [*command, *(word for override in (*SMALL, *overrides) for word in ("--set", override))]


def experiment(*overrides, device=None, preset="digits"):
    settings = config.resolve(preset, [*SMALL, *overrides]).config
    return gan_training.build(settings, device or select_device("cpu"), Streams(settings.seed))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits") / "run"
    assert main(arguments(folder)) == 0
    return folder


def final_state(folder):
    found = CheckpointFolder(folder / "checkpoints", 3).latest_good(print)
    assert found.step == 6
    return found.state["experiment"]


@pytest.mark.slow
def test_a_run_leaves_summary_figures_and_report(finished):
    summary = json.loads((finished / "summary.json").read_text())
    names = {"energy", "energy_noise_floor", "nearest_training", "mean_error", "deviation_error"}
    assert names <= summary.keys()
    assert summary["data"].keys() == names | {"energy_deviation"}
    report = (finished / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 5
    assert not re.search(r"""(src|href)=["']https?:""", report)
    names = {"samples", "data", "neighbours", "evolution", "training_curves", "samples-00000003", "samples-00000006"}
    assert {file.stem for file in (finished / "figures").iterdir()} == names
    start = json.loads((finished / "provenance.json").read_text())
    assert "data_sha256" in json.dumps(start)
    assert (finished / "figures/samples.png").read_bytes() == (finished / "figures/samples-00000006.png").read_bytes()


@pytest.mark.slow
def test_a_run_resumed_from_its_first_checkpoint_ends_with_the_same_bits(tmp_path, finished, monkeypatch):
    monkeypatch.setattr(gan_training.GANTraining, "figures", lambda self, folder: [])
    folder = tmp_path / "run"
    assert main(arguments(folder)) == 0
    (folder / "report.html").unlink()
    first, *later = sorted(folder.glob("checkpoints/step-*.h5"))
    assert first.stem.endswith("02")
    for checkpoint in later:
        checkpoint.unlink()
    assert main(["resume", str(folder)]) == 0
    np.testing.assert_equal(final_state(folder), final_state(finished))


def test_samples_are_clipped_and_do_not_depend_on_how_many_follow(tmp_path, finished):
    for name, count in (("few", "5"), ("many", "21")):
        out = tmp_path / f"{name}.npy"
        assert main(["sample", str(finished), "--count", count, "--out", str(out)]) == 0
    few, many = np.load(tmp_path / "few.npy"), np.load(tmp_path / "many.npy")
    assert (few.shape, many.shape, few.dtype) == ((5, 8, 8, 1), (21, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(few, many[:5])
    wild = experiment("generator.output=scaled_tanh")
    wild.gan.generator.params.vector[...] *= 10
    assert np.abs(wild.sample(5, np.random.default_rng(0))).max() == 1


def test_evaluating_and_drawing_disturb_nothing(tmp_path):
    quiet, looked_at = experiment(), experiment()
    looked_at.figures(tmp_path)
    for _ in range(3):
        quiet.step(), looked_at.step()
        first = looked_at.evaluate()
        looked_at.snapshot(tmp_path)
        looked_at.sample(10, np.random.default_rng(0))
        assert looked_at.evaluate() == first
    np.testing.assert_equal(quiet.state(), looked_at.state())


def test_one_thread_and_two_give_the_same_bits():
    before = numba.get_num_threads()
    states = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            with threadpool_limits(threads, user_api="blas"):
                run = experiment("training.batch=32", "generator.width=64", "discriminator.base=32")
                for _ in range(2):
                    run.step()
                states.append({name: player.params.vector.copy() for name, player in run.gan.players.items()})
    finally:
        numba.set_num_threads(before)
    np.testing.assert_equal(states[0], states[1])


def test_the_discriminator_normalises_generated_and_real_images_apart():
    """A minibatch in one pass gives each half what it gives alone: here each half twice, as both groups."""
    run = experiment()
    player = run.gan.players["discriminator"]
    x, y = np.split(run.gan.data.draw(16, np.random.default_rng(0)), 2)
    y *= 0.5

    def values(*halves):
        return player.network.forward(player.params, np.concatenate(halves))[0]

    np.testing.assert_allclose(values(x, y)[:8], values(x, x)[:8], rtol=1e-5)
    np.testing.assert_allclose(values(x, y)[8:], values(y, y)[8:], rtol=1e-5)


def test_held_out_images_are_never_trained_on():
    """The three sets part the images, and another seed parts them in another way."""
    parts = []
    for seed in (0, 1):
        run = experiment(f"seed={seed}")
        sets = (run.data.like_samples, run.data.held_out, run.data.training)
        indices = [part._index for part in sets]
        assert [len(index) for index in indices] == [12, 12, 1773]
        np.testing.assert_array_equal(np.sort(np.concatenate(indices)), np.arange(1797))
        parts.append(set(indices[1]))
    assert parts[0] != parts[1]


@pytest.mark.slow
def test_training_lowers_the_energy():
    """Over four seeds to 0.74-0.86 of the start."""
    run = experiment(
        "training.batch=32",
        "generator.width=32",
        "discriminator.base=16",
        "data.held_out=100",
        "metrics.energy.samples=100",
        "generator.optimizer.rate={start=5e-4, kind='constant'}",
        "discriminator.optimizer.rate={start=4e-3, kind='constant'}",
    )
    before = run.evaluate()["energy"]
    for _ in range(200):
        run.step()
    assert run.evaluate()["energy"] < 0.95 * before


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_and_an_hdf5_file_of_the_same_images_train_alike(tmp_path, channels):
    values = np.random.default_rng(0).integers(0, 256, (40, 16, 16, channels), np.uint8)
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(values):
        Image.fromarray(image[..., 0] if channels == 1 else image).save(tmp_path / f"folder/{number:02}.png")
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["images"] = values
    losses = []
    for name in ("folder", "file.h5"):
        path = f"data.path={tmp_path / name}"
        run = experiment(path, "data.size=16", f"data.channels={channels}", preset="coulomb-images")
        losses.append([{name: float(loss) for name, loss in run.step().items()} for _ in range(2)])
    assert losses[0] == losses[1]


def test_an_experiment_on_cupy_does_what_it_does_on_numpy(cupy, tmp_path):
    runs = [experiment("dtype=float64", device=device) for device in (Device(np, "cpu"), Device(cupy, "cuda:0"))]
    for _ in range(3):
        losses = [{name: float(loss) for name, loss in run.step().items()} for run in runs]
        assert losses[0] == pytest.approx(losses[1], rel=1e-8)
    assert runs[0].evaluate() == pytest.approx(runs[1].evaluate(), rel=1e-6, abs=1e-9)
    assert len(runs[1].figures(tmp_path)) == 3


def test_the_paper_s_settings():
    setup = config.resolve("coulomb-images", ["data.path=somewhere"])
    assert setup.title
    assert setup.notes
    settings = setup.config
    assert (settings.training.updates, settings.training.batch, settings.training.evaluate_every) == (
        500_000,
        128,
        5_000,
    )
    assert (settings.gan.exponent, settings.gan.softening.over(1)(0)) == (1, 1)
    assert (settings.gan.scale, settings.gan.exclude_self) == (1, False)
    generator, discriminator = (settings.players[name] for name in ("generator", "discriminator"))
    assert (generator.latent, generator.width, generator.output) == (32, 1024, "scaled_tanh")
    assert discriminator.base == 128
    for player, rate in ((generator, 1e-4), (discriminator, 5e-5)):
        optimizer = player.optimizer
        assert (optimizer.kind, optimizer.beta1, optimizer.beta2, optimizer.epsilon) == ("adam", 0.9, 0.999, 1e-8)
        assert optimizer.rate.over(settings.training.updates)(499_999) == rate
        assert (optimizer.l2, optimizer.l2_on) == (1e-7, "kernels")
    assert (settings.data.size, settings.data.channels, settings.data.flip) == (64, 3, False)


@pytest.mark.parametrize(
    ("preset", "override", "message"),
    [
        (
            "coulomb-images",
            "seed=0",
            "data.path: missing; expected an HDF5 file or a folder of images: --set data.path",
        ),
        ("coulomb-images", "data.path=/nowhere/at/all", "/nowhere/at/all: no such file or folder"),
        ("digits", "data.size=16", "data.size: unknown key"),
        ("digits", "data.path=x", "data.path: unknown key"),
        ("digits", "data.held_out=1", "data.held_out: expected at least 2"),
        ("digits", "data.held_out=900", "expected at least 1808 images, a batch and twice data.held_out, got 1797"),
        ("digits", "metrics.energy.softening=0", "metrics[0].softening: expected a positive number"),
        ("digits", "metrics.energy.samples=13", "metrics[0].samples: expected at most data.held_out = 12, got 13"),
        ("digits", "metrics=[{kind='modes'}]", "metrics[0].kind: modes needs data that are a mixture of Gaussians"),
        ("digits", "discriminator.kind=mlp", "missing: "),
        ("digits", "generator.width=0", "generator.width: expected at least 1"),
        ("digits", "discriminator.base=0", "discriminator.base: expected at least 1"),
        ("digits", "seed=-1", "seed: expected a number that is not negative"),
    ],
)
def test_a_bad_value_names_its_key_and_writes_nothing(tmp_path, capsys, preset, override, message):
    assert main(arguments(tmp_path / "run", override, preset=preset)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@given(seed=seeds, count=st.integers(1, 6), others=st.integers(1, 9), m=st.integers(1, 20))
def test_the_nearest_is_the_nearest(seed, count, others, m):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((count, m)), rng.standard_normal((others, m))
    distance = np.sqrt(((a[:, None] - b) ** 2).mean(axis=2))
    index, found = nearest(a, b)
    np.testing.assert_array_equal(index, distance.argmin(axis=1))
    np.testing.assert_allclose(found, distance.min(axis=1))


def test_metrics_know_copies_and_collapse_and_shifts():
    """Training images have no neighbour's distance, one image repeated no deviation, shifted data another mean."""
    rng = np.random.default_rng(0)
    data, held_out, training = rng.standard_normal((3, 60, 4, 4, 1)) * 0.3
    device = Device(np, "cpu")
    sets = SimpleNamespace(
        form="images",
        training=ArrayPart(training, device),
        held_out=ArrayPart(held_out, device),
        like_samples=ArrayPart(data, device),
    )
    metrics = [metric.Config(samples=60).build(sets, Streams(0)) for metric in (energy, nearest_metric, moments)]

    def evaluate(samples):
        return {name: value for metric in metrics for name, value in metric.evaluate(samples).items()}

    reference = {name: value for metric in metrics for name, value in metric.reference.items()}
    assert reference["nearest_training"] > 0.1
    assert evaluate(training)["nearest_training"] == 0
    spread = held_out.std(axis=0)
    collapsed = evaluate(np.repeat(data[:1], 60, axis=0))
    assert collapsed["deviation_error"] == pytest.approx(np.sqrt((spread**2).mean()))
    shifted = evaluate(held_out + 0.5)
    assert shifted["mean_error"] == pytest.approx(0.5)
    assert shifted["deviation_error"] == pytest.approx(0, abs=1e-12)
    for wrong in (collapsed, shifted):
        assert wrong["energy"] > 10 * wrong["energy_noise_floor"]
    assert abs(reference["energy"]) < 4 * reference["energy_noise_floor"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_each_image_with_a_border_of_one_pixel(tmp_path, channels):
    """Rounded to 8 bits, clipped, and enlarged by a whole factor; what is missing in the last row stays black."""
    values = np.random.default_rng(0).uniform(-1.5, 1.5, (5, 4, 4, channels)).astype(np.float32)
    image_grid(tmp_path / "a.png", values, columns=3)
    with Image.open(tmp_path / "a.png") as file:
        picture = np.asarray(file).reshape(file.height, file.width, channels)
    factor = picture.shape[1] // 16
    assert picture.shape == (11 * factor, 16 * factor, channels)
    assert picture.shape[1] >= 640
    small = picture[::factor, ::factor]
    np.testing.assert_array_equal(small.repeat(factor, 0).repeat(factor, 1), picture)
    for number in range(6):
        top, left = 1 + 5 * (number // 3), 1 + 5 * (number % 3)
        expected = np.clip(values[number], -1, 1) * 127.5 + 127.5 if number < 5 else np.zeros((4, 4, channels))
        assert np.abs(small[top : top + 4, left : left + 4] - expected).max() <= 0.51
    assert not small[::5].any()
    assert not small[:, ::5].any()


def test_damaged_images_are_one_line_before_there_is_a_folder(tmp_path, capsys):
    """Also where the damage is in an image that no checksum of a few would look at."""
    path, out = tmp_path / "a.h5", tmp_path / "run"
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=images, compression="gzip", chunks=(1, 8, 8, 1))
        where = file["x"].id.get_chunk_info(30).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 20] ^= 255
    path.write_bytes(content)
    data = ('data={kind="images"}', f"data.path={path}", "data.size=8", "data.channels=1")
    assert main(arguments(out, "training.batch=4", *data, "data.held_out=12")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: can't be read as HDF5 (")
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.slow
def test_files_that_are_not_taken_are_one_line_of_a_run(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").touch()
    data = ('data={kind="images"}', f"data.path={tmp_path}", "data.size=8", "data.channels=1")
    with pytest.warns(UserWarning, match="40 files taken for images, 1 not"):
        assert main(arguments(tmp_path / "run", "training.batch=4", *data, "data.held_out=12")) == 0
