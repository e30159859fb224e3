"""What a trained GAN is good for without its data: the same bits by every way in, and out to other programs."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import experiments
from coulombfield.arrays import select_device
from coulombfield.rng import Streams
from experiments import UserError, config, gan_training
from experiments.__main__ import main
from experiments.exports import errors
from experiments.runs import checkpoint
from experiments.runs.checkpoint import CheckpointFolder
from experiments.trained.interpolation import between
from tests.experiments.runs.test_runs_loop import Killed
from tests.experiments.test_gaussian_mixture import SMALL as POINTS
from tests.experiments.test_images import SMALL as IMAGES
from tests.support.tiny_experiment import write_preset

ROOT = Path(__file__).parents[2]
PRESETS = {"points": ("gaussian-mixture-quick", POINTS), "images": ("digits", IMAGES)}
AVERAGE = "generator.average=0.75"


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Runs leave no figures, which take most of so short a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan_training.GANTraining, "figures", lambda self, folder: [])
        patch.setattr(gan_training.GANTraining, "snapshot", lambda self, folder: None)
        patch.setattr("experiments.runs.report.training_curves", lambda path, *_: path.write_bytes(b"a figure"))
        yield


def train(form: str, folder: Path, *overrides: str, source: Path | None = None) -> int:
    preset, small = PRESETS[form]
    options = [word for override in (*small, *overrides) for word in ("--set", override)]
    more = [] if source is None else ["--from", str(source)]
    return main(["run", preset, "--out", str(folder), "--device", "cpu", *options, *more])


@functools.cache
def _finished(form: str, base: Path) -> Path:
    assert train(form, base / form, AVERAGE) == 0
    return base / form


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return functools.partial(_finished, base=tmp_path_factory.mktemp("runs"))


@pytest.fixture(params=["points", "images"])
def folder(request, runs):
    return runs(request.param)


def newest(folder: Path) -> checkpoint.Checkpoint:
    return CheckpointFolder(folder / "checkpoints", 3).latest_good(print)


def restored(folder: Path) -> gan_training.GANTraining:
    """The run itself as of its last update, with its data."""
    settings = config.resolve(folder / "config.toml").config
    run = gan_training.build(settings, select_device("cpu"), Streams(settings.seed))
    run.load_state(newest(folder).state["experiment"])
    return run


def by_command(place: Path, out: Path, *options: str) -> np.ndarray:
    assert main(["sample", str(place), "--out", str(out), *options]) == 0
    return np.load(out)


@pytest.mark.parametrize("count", [1, 16, 21])
def test_samples_are_those_of_the_run_and_of_the_command_by_every_way_in(folder, tmp_path, count):
    run, seed = restored(folder), 7
    expected = run.sample(count, Streams(seed).stream("sample"))
    moved = shutil.copy(folder / "generator.h5", tmp_path / "moved.h5")
    last = CheckpointFolder(folder / "checkpoints", 1).files()[0]
    for place in (folder, folder / "generator.h5", moved, last):
        samples = experiments.load(place).sample(count, seed=seed)
        assert samples.dtype == expected.dtype
        np.testing.assert_array_equal(samples, expected)
        options = ("--count", str(count), "--seed", str(seed))
        np.testing.assert_array_equal(by_command(Path(place), tmp_path / "samples.npy", *options), expected)


def test_seed_and_number_of_samples_have_the_command_s_defaults(folder, tmp_path):
    loaded = experiments.load(folder)
    drawn = by_command(folder, tmp_path / "samples.npy", "--count", "9")
    np.testing.assert_array_equal(drawn, loaded.sample(9))
    np.testing.assert_array_equal(drawn, loaded.sample(9, seed=loaded.config.seed))
    assert len(by_command(folder, tmp_path / "samples.npy")) == 10_000
    assert experiments.load(folder).sample(0).shape == (0, *restored(folder).data.shape)


def test_the_images_that_a_run_was_trained_on_may_be_gone(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)):
        Image.fromarray(pixels).save(data / f"{number}.png")
    small = [word for override in (*IMAGES, f"data.path={data}", "data.size=16") for word in ("--set", override)]
    assert main(["run", "coulomb-images", "--out", str(tmp_path / "run"), "--device", "cpu", *small]) == 0
    shutil.rmtree(data)
    images = by_command(tmp_path / "run", tmp_path / "samples.npy", "--count", "5")
    assert images.shape == (5, 16, 16, 3)
    assert main(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "grid.png")]) == 0
    assert experiments.load(tmp_path / "run").discriminator(images).shape == (5,)


def test_a_loaded_gan_says_what_it_is(folder):
    loaded, run = experiments.load(folder), restored(folder)
    assert (loaded.step, loaded.config) == (newest(folder).step, run.config)
    assert (loaded.form, loaded.shape, loaded.bounds) == (run.data.form, run.data.shape, run.data.bounds)
    assert loaded.parameters.keys() == run.gan.players.keys()
    for name, player in run.gan.players.items():
        params = run.gan.generator.averaged if name == "generator" else player.params
        assert list(loaded.parameters[name]) == list(params)
        np.testing.assert_equal(loaded.parameters[name], dict(params))
    last = experiments.load(CheckpointFolder(folder / "checkpoints", 1).files()[0])
    np.testing.assert_equal(last.parameters, loaded.parameters)
    z = loaded.draw_latent(4)
    np.testing.assert_array_equal(last.generate(z), loaded.generate(z))
    before = loaded.sample(4)
    loaded.parameters["generator"]["0.weight"][...] = 0
    np.testing.assert_array_equal(loaded.sample(4), before)


def test_a_generator_s_file_alone_has_the_generator_alone(folder, tmp_path):
    alone = experiments.load(shutil.copy(folder / "generator.h5", tmp_path))
    shutil.copy(folder / "generator.h5", tmp_path / "other.h5")
    assert alone.parameters.keys() == {"generator"}
    with pytest.raises(UserError, match="holds no discriminator, and there is no checkpoint"):
        alone.discriminator(alone.sample(3))
    with h5py.File(folder / "generator.h5") as file:
        names = set(file["state/experiment/generator/parameters"])
        assert set(file["state/experiment"]) == {"generator", "samples"}
    assert names == set(restored(folder).gan.generator.params)


def test_the_discriminator_gives_what_it_gives_in_training(folder):
    loaded, run = experiments.load(folder), restored(folder)
    x = loaded.sample(21)
    np.testing.assert_allclose(loaded.discriminator(x), run.gan.discriminate(x)[0], rtol=1e-5, atol=1e-6)
    assert loaded.discriminator(x[:0]).shape == (0,)


def test_who_has_no_such_player_says_which_there_are(folder):
    with pytest.raises(UserError, match="this GAN has no critic; expected one of generator, discriminator"):
        experiments.load(folder).of("critic")


DIRECT = """
experiment = "gan_training"
training = { updates = 2, batch = 16 }
data = { kind = "gaussian_mixture", points = 50, held_out = 50 }
gan = { kind = "direct", exponent = 1, softening = { start = 3.0, kind = "constant" } }
[generator]
kind = "mlp"
latent = 2
output_scale = 10.0
layers = { hidden = [8], activation = "relu", first_weight = 1.0, first_bias = 0.0 }
optimizer = { rate = { start = 1e-3, kind = "constant" } }
"""


def test_a_gan_without_a_discriminator_has_none(tmp_path):
    (tmp_path / "direct.toml").write_text(DIRECT)
    assert main(["run", str(tmp_path / "direct.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    loaded = experiments.load(tmp_path / "run")
    assert loaded.parameters.keys() == {"generator"}
    with pytest.raises(UserError, match="this GAN has no discriminator; expected one of generator"):
        loaded.discriminator(loaded.sample(3))


def test_latent_vectors_of_whole_batches_make_the_samples(folder):
    loaded = experiments.load(folder)
    count = 2 * loaded.config.training.batch
    z = loaded.draw_latent(count, seed=3)
    assert z.shape == (count, loaded.latent)
    np.testing.assert_array_equal(loaded.generate(z), loaded.sample(count, seed=3))
    np.testing.assert_array_equal(loaded.draw_latent(count - 3, seed=3), z[:-3])


def test_few_latent_vectors_meet_the_statistics_of_a_batch(runs):
    """Nearer to what they give in a batch of their own than a batch-norm brings them by themselves."""
    loaded = experiments.load(runs("images"))
    z = loaded.draw_latent(64, seed=1)
    network, params = loaded.of("generator")
    expected = network.forward(params, z)[0].copy()  # by the statistics of many
    filled = np.concatenate([loaded.generate(one) for one in np.split(z, 64)])
    alone = np.concatenate([network.forward(params, one)[0].copy() for one in np.split(z, 64)])
    assert np.abs(filled - expected).mean() < 0.7 * np.abs(alone - expected).mean()


def test_an_interpolation_is_a_small_part_of_its_batches(runs):
    loaded = experiments.load(runs("images"))
    a, b = loaded.draw_latent(2, seed=5)
    share = loaded.config.training.batch // 4
    first = between(a[None], b[None], 7, "linear")[0, :share]
    np.testing.assert_array_equal(loaded.interpolate(a, b, 7, "linear")[:share], loaded.generate(first))


def test_all_that_is_generated_is_clipped(runs):
    loaded = experiments.load(runs("images"))
    z = loaded.draw_latent(8)
    makers = (lambda: loaded.sample(8), lambda: loaded.generate(z), lambda: loaded.interpolate(z[0], z[1]))
    whole = [make() for make in makers]
    loaded.facts = {**loaded.facts, "bounds": (-0.1, 0.2)}
    for before, make in zip(whole, makers, strict=True):
        np.testing.assert_array_equal(make(), np.clip(before, -0.1, 0.2))


@pytest.mark.parametrize("along", ["linear", "spherical", None])
def test_an_interpolation_goes_from_end_to_end(folder, along):
    loaded = experiments.load(folder)
    a, b, c, d = loaded.draw_latent(4, seed=5)
    way = loaded.interpolate(a, b, 7, along)
    assert way.shape == (7, *loaded.shape)
    both = loaded.interpolate([a, c], [b, d], 7, along)
    assert both.shape == (2, 7, *loaded.shape)
    np.testing.assert_array_equal(both[0], way)
    assert np.abs(way[-1] - way[0]).max() > 0.05
    if loaded.form == "points":  # no batch-norm: each sample is its own vector's
        vectors = between(a[None], b[None], 7, along or "spherical")[0]
        np.testing.assert_allclose(vectors[[0, -1]], [a, b], rtol=1e-6)
        np.testing.assert_allclose(way, loaded.generate(vectors), rtol=1e-4, atol=1e-5)


def test_the_usual_way_is_that_of_the_prior(runs, tmp_path):
    loaded = experiments.load(runs("points"))
    a, b = loaded.draw_latent(2, seed=5)
    np.testing.assert_array_equal(loaded.interpolate(a, b), loaded.interpolate(a, b, 10, "spherical"))
    assert train("points", tmp_path / "run", "generator.prior=uniform") == 0
    uniform = experiments.load(tmp_path / "run")
    np.testing.assert_array_equal(uniform.interpolate(a, b), uniform.interpolate(a, b, 10, "linear"))


@given(width=st.integers(2, 5), count=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_a_spherical_way_keeps_the_length_and_turns_evenly(width, count, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 1, width))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    (way,) = between(a, b, count, "spherical")
    np.testing.assert_allclose(way[[0, -1]], [a[0], b[0]], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), np.linalg.norm(a), rtol=1e-6)
    chords = np.linalg.norm(np.diff(way, axis=0), axis=1)
    np.testing.assert_allclose(chords, chords[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("a", "b"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0], [-2.0, -4.0]), ([0.0, 0.0], [1.0, 0.0])])
def test_where_the_sphere_says_nothing_the_way_is_straight(a, b):
    ends = np.array([a]), np.array([b])
    np.testing.assert_array_equal(between(*ends, 5, "spherical"), between(*ends, 5, "linear"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gan: gan.generate(np.zeros((2, 9))), r"z: expected shape \(N, 2\), got \(2, 9\)"),
        (lambda gan: gan.generate(np.zeros(2)), r"z: expected shape \(N, 2\), got \(2,\)"),
        (lambda gan: gan.discriminator(np.zeros((2, 3))), r"x: expected shape \(N, 2\), got \(2, 3\)"),
        (lambda gan: gan.interpolate([0, 0], [[0, 1]]), r"end: expected the shape of start, \(2,\), got \(1, 2\)"),
        (lambda gan: gan.interpolate([0, 0], [0, 1], 1), "count: expected at least 2, got 1"),
        (lambda gan: gan.interpolate([0, 0], [0, 1], 3, "round"), "along: expected 'linear' or 'spherical'"),
    ],
)
def test_wrong_arguments_are_named(runs, call, message):
    with pytest.raises(ValueError, match=message):
        call(experiments.load(runs("points")))


def test_what_holds_no_gan_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run"):
        experiments.load(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        experiments.load(tmp_path / "nothing.h5")
    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run")]) == 0
    assert not (tmp_path / "run/generator.h5").exists()
    with pytest.raises(UserError, match="expected a GAN's checkpoint or generator, got another experiment's"):
        experiments.load(tmp_path / "run")


def test_a_damaged_generator_s_file_gives_way_to_the_newest_checkpoint(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "run")
    (copy / "generator.h5").write_bytes((folder / "generator.h5").read_bytes()[:-900])
    with pytest.warns(UserWarning, match="the newest checkpoint serves instead"):
        loaded = experiments.load(copy)
    np.testing.assert_array_equal(loaded.sample(5), experiments.load(folder).sample(5))


@pytest.mark.slow
@pytest.mark.parametrize("dies_at", range(1, 14))
def test_a_kill_between_any_two_writes_leaves_files_that_work(tmp_path, runs, dies_at):
    """Each number is the replacement of a file at which the run dies; resumed, it ends with the same generator."""
    left, replace, folder = dies_at, os.replace, tmp_path / "run"

    def dying(source, target):
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(os, "replace", dying)
        train("points", folder, AVERAGE)
    if any(folder.glob("checkpoints/step-*.h5")):
        loaded = experiments.load(folder)
        assert np.isfinite(loaded.discriminator(loaded.sample(3))).all()
    if (folder / "config.toml").exists():
        assert main(["resume", str(folder)]) == 0
        assert (folder / "generator.h5").read_bytes() == (runs("points") / "generator.h5").read_bytes()


def test_the_checkpoint_of_the_generator_s_update_is_preferred(runs, tmp_path):
    copy = shutil.copytree(runs("points"), tmp_path / "run")
    older = CheckpointFolder(copy / "checkpoints", 3).files()[1]
    state = checkpoint.load(older)
    generator = {"parameters": state.state["experiment"]["generator"]["averaged"]}
    samples = state.state["experiment"]["samples"]
    checkpoint.save(
        copy / "generator.h5", state._replace(state={"experiment": {"generator": generator, "samples": samples}})
    )
    x = experiments.load(older).sample(4)
    expected = experiments.load(older).discriminator(x)
    np.testing.assert_array_equal(experiments.load(copy).discriminator(x), expected)
    older.unlink()
    with pytest.warns(UserWarning, match="players of update 60 beside a generator of 40"):
        assert not np.array_equal(experiments.load(copy).discriminator(x), expected)


@pytest.mark.parametrize("decay", [0.0, 0.75, 0.99])
def test_the_average_is_that_of_a_plain_loop(decay):
    preset, small = PRESETS["points"]
    settings = config.resolve(preset, [*small, "dtype=float64", f"generator.average={decay}"]).config
    run = gan_training.build(settings, select_device("cpu"), Streams(settings.seed))
    generator = run.gan.generator
    average = generator.params.vector.copy()
    for _ in range(5):
        run.step()
        average = decay * average + (1 - decay) * generator.params.vector
    np.testing.assert_allclose(generator.averaged.vector, average, rtol=1e-12)
    assert (generator.averaged is generator.params) == (decay == 0)
    z = np.random.default_rng(0).standard_normal((16, 2))
    made, _ = generator.network.forward(generator.params, z)
    assert np.array_equal(run.gan.generate(z), made) == (decay == 0)


def test_training_does_not_depend_on_the_average(runs, tmp_path):
    assert train("points", tmp_path / "run") == 0
    plain, averaged = (newest(folder).state["experiment"]["generator"] for folder in (tmp_path / "run", runs("points")))
    np.testing.assert_equal(plain["parameters"], averaged["parameters"])
    assert "averaged" not in plain


def test_a_resumed_run_has_the_same_average(runs, tmp_path):
    copy = shutil.copytree(runs("images"), tmp_path / "run")
    (copy / "report.html").unlink()
    for later in sorted(copy.glob("checkpoints/step-*.h5"))[1:]:
        later.unlink()
    assert main(["resume", str(copy)]) == 0
    np.testing.assert_equal(newest(copy).state["experiment"], newest(runs("images")).state["experiment"])
    assert (copy / "generator.h5").read_bytes() == (runs("images") / "generator.h5").read_bytes()


def start_of(folder: Path) -> dict:
    return checkpoint.load(folder / "checkpoints/step-000000000.h5").state["experiment"]


def test_another_run_takes_over_the_average(runs, tmp_path, capsys):
    source = CheckpointFolder(runs("points") / "checkpoints", 1).files()[0]
    keep = "training.keep_checkpoints=9"
    assert train("points", tmp_path / "both", AVERAGE, keep, source=source) == 0
    assert f"parameters from {source}: generator, discriminator" in capsys.readouterr().out
    before, there = newest(runs("points")).state["experiment"], start_of(tmp_path / "both")
    for name in ("parameters", "averaged"):
        np.testing.assert_equal(there["generator"][name], before["generator"][name])
    np.testing.assert_equal(there["discriminator"]["parameters"], before["discriminator"]["parameters"])
    assert train("points", tmp_path / "one", AVERAGE, keep, source=runs("points") / "generator.h5") == 0
    assert capsys.readouterr().out.count(": generator\n") == 1
    for name in ("parameters", "averaged"):  # parameters without an average are their own
        np.testing.assert_equal(start_of(tmp_path / "one")["generator"][name], before["generator"]["averaged"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("images/generator.h5", "does not fit: generator.parameters: "),
        ("x.safetensors", "--from: expected an .h5 file; make one of"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(runs, tmp_path, capsys, source, message):
    assert train("points", tmp_path / "run", source=runs("images").parent / source) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def exported(folder: Path, out: Path, *options: str) -> Path:
    assert main(["export", str(folder), "--to", out.suffix[1:], "--out", str(out), *options]) == 0
    return out


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_pytorch_gives_the_same(folder, tmp_path, player):
    torch, load_file = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").load_file
    file, names = exported(folder, tmp_path / "net.safetensors", "--player", player), {}
    exec((tmp_path / "net.py").read_text(), names)
    model = names["model"]
    model.load_state_dict(load_file(file))
    x, expected = one_batch(folder, player)
    with torch.no_grad():
        found = model(torch.from_numpy(channels_second(x))).numpy()
    np.testing.assert_allclose(found, channels_second(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_onnxruntime_gives_the_same(folder, tmp_path, player):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = exported(folder, tmp_path / "net.onnx", "--player", player)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    x, expected = one_batch(folder, player)
    (found,) = session.run(None, {session.get_inputs()[0].name: channels_second(x)})
    np.testing.assert_allclose(found, channels_second(expected), rtol=1e-4, atol=1e-4)


def one_batch(folder: Path, player: str) -> tuple[np.ndarray, np.ndarray]:
    """What a network takes and gives, without the clipping of samples."""
    loaded = experiments.load(folder)
    network, params = loaded.of(player)
    make = loaded.draw_latent if player == "generator" else loaded.sample
    x = make(loaded.config.training.batch)
    return x, network.forward(params, x)[0].copy()


def channels_second(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_what_was_exported_comes_back(folder, tmp_path, form, player):
    pytest.importorskip(form)
    """The weights of an earlier update, beside the other player of the last."""
    older = CheckpointFolder(folder / "checkpoints", 3).files()[1]
    weights, out = tmp_path / f"net.{form}", tmp_path / "new.h5"
    exported(folder, weights, "--player", player, "--checkpoint", str(older))
    assert main(["import", str(folder), str(weights), "--player", player, "--out", str(out)]) == 0
    loaded, before, again = (experiments.load(place) for place in (folder, older, out))
    expected = {**loaded.parameters, player: before.parameters[player]}
    np.testing.assert_equal(again.parameters, expected)
    assert any(not np.array_equal(value, loaded.parameters[player][name]) for name, value in expected[player].items())
    source = before if player == "generator" else loaded
    np.testing.assert_array_equal(again.sample(5), source.sample(5))
    assert (again.step, again.config) == (loaded.step, loaded.config)


def test_weights_from_elsewhere_need_no_run(runs, tmp_path):
    pytest.importorskip("safetensors")
    weights, out = exported(runs("points"), tmp_path / "net.safetensors"), tmp_path / "new.h5"
    setup = runs("points") / "config.toml"
    assert main(["import", str(setup), str(weights), "--out", str(out)]) == 0
    np.testing.assert_array_equal(experiments.load(out).sample(5), experiments.load(runs("points")).sample(5))
    assert train("points", tmp_path / "run", source=out) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "{run}", "--to", "safetensors", "--player", "critic"], "this GAN has no critic; expected one of"),
        (["export", "{run}", "--to", "safetensors", "--out", "{here}/no/x.safetensors"], "--out: no such folder"),
        (["import", "{run}", "{run}/config.toml", "--out", "{here}/x.h5"], "ends in .safetensors or .onnx"),
        (["import", "{run}", "x.onnx", "--out", "{run}/generator.h5"], "--out: expected the name of a new .h5 file"),
        (["import", "nope", "x.onnx", "--out", "{here}/x.h5"], "unknown preset 'nope'"),
        (["import", "{run}", "x.safetensors", "--out", "{here}/x.h5"], "x.safetensors: can't be read"),
        (["sample", "{run}", "--out", "{here}/x.txt"], "expected a name that ends in .npy, .csv or .png"),
        (["sample", "{run}", "--out", "{here}/x.csv"], "need .npy; .csv holds points"),
        (["sample", "{here}/nothing.h5"], "no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(runs, tmp_path, capsys, monkeypatch, arguments, message):
    run = runs("images")
    monkeypatch.chdir(tmp_path)
    before = sorted((*tmp_path.rglob("*"), *run.rglob("*")))
    assert main([argument.format(run=run, here=tmp_path) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted((*tmp_path.rglob("*"), *run.rglob("*"))) == before


@pytest.mark.parametrize(("form", "extra"), [("safetensors", "experiments"), ("onnx", "export")])
def test_a_missing_package_is_named_with_what_installs_it(runs, tmp_path, capsys, monkeypatch, form, extra):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(errors, "importlib", type("", (), {"import_module": staticmethod(missing)}))
    assert main(["export", str(runs("points")), "--to", form, "--out", str(tmp_path / f"x.{form}")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {form} is needed")
    assert error.endswith(f"install the extra {extra}\n")
    assert not any(tmp_path.iterdir())


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), float)


def test_pictures_of_samples(folder, tmp_path):
    out = tmp_path / "grid.png"
    assert main(["sample", str(folder), "--out", str(out)]) == 0
    picture = pixels_of(out)
    if folder.name == "points":
        assert picture.std() > 5
        return
    factor = picture.shape[1] // (10 * 9 + 1)
    assert picture.shape == (91 * factor, 91 * factor)  # 10 x 10 images of 8 x 8 with their borders
    pixels = picture[::factor, ::factor]
    first = experiments.load(folder).sample(100)[0, ..., 0]
    np.testing.assert_allclose(pixels[1:9, 1:9], (first + 1) * 127.5, atol=0.51)
    assert main(["sample", str(folder), "--out", str(out), "--count", "30"]) == 0
    assert pixels_of(out).shape == (28 * factor, 91 * factor)


@pytest.mark.slow
def test_importing_the_package_stays_cheap():
    program = "import sys, experiments; print('numpy' in sys.modules, callable(experiments.load))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module("experiments").nothing  # noqa: B018
