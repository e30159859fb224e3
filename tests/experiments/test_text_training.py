"""GANs of text: their presets, a run that resumes, its report, and what it leaves behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from text_files import content, sentences

import experiments
from experiments import config
from experiments.__main__ import main
from experiments.runs.checkpoint import CheckpointFolder
from experiments.runs.folder import RunFolder
from experiments.text import Alphabet

SMALL = [
    "training.updates=6",
    "training.batch=8",
    "training.log_every=1",
    "training.evaluate_every=3",
    "training.checkpoint_every=3",
    "data.held_out=40",
    "generator.width=4",
    "generator.blocks=1",
    "discriminator.width=4",
    "discriminator.blocks=1",
    'metrics=[{kind="ngrams",samples=40},{kind="nearest_line",samples=20,neighbours=100}]',
]
PRESETS = ["coulomb-text", "wgan-gp-text", "wgan-gp-ttur-text"]

pytestmark = pytest.mark.usefixtures("undrawn")


def prepared(folder: Path, unit: str) -> Path:
    """A file of lines, in characters or in bytes."""
    (folder / "a.txt").write_bytes(content([f"{line} ä {number}" for number, line in enumerate(sentences(300))]))
    out = folder / "a.h5"
    assert main(["data", "prepare", "text", str(folder / "a.txt"), str(out), "--unit", unit]) == 0
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("characters"), "characters")


@pytest.fixture(scope="module")
def finished(data):
    """Folder of a run of a preset, made when it is first asked for; not to be changed."""
    made = {}

    def of(preset: str) -> Path:
        if preset not in made:
            assert run(preset, data, data.parent / preset) == 0
            made[preset] = data.parent / preset
        return made[preset]

    return of


def run(preset: str, data: Path, out: Path, *overrides: str) -> int:
    words = [word for text in (*SMALL, f"data.path={data}", *overrides) for word in ("--set", text)]
    return main(["run", preset, "--out", str(out), "--device", "cpu", *words])


def state(folder: Path) -> dict[str, np.ndarray]:
    """All arrays of the last checkpoint."""
    found = {}
    with h5py.File(CheckpointFolder(folder / "checkpoints", 1).files()[0]) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_that_was_killed_goes_on_bit_for_bit(preset, finished, tmp_path):
    shutil.copytree(finished(preset), tmp_path / "killed")
    killed = CheckpointFolder(tmp_path / "killed" / "checkpoints", 1)
    killed.files()[0].unlink()  # of update 6, so that 3 is the newest
    for name in ("summary.json", "report.html", "generator.h5"):
        (tmp_path / "killed" / name).unlink()
    assert main(["resume", str(tmp_path / "killed")]) == 0
    whole, again = state(finished(preset)), state(tmp_path / "killed")
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        if "seconds" not in name:
            np.testing.assert_array_equal(again[name], value, err_msg=name)
    figures = [sorted((folder / "figures").glob("*.txt")) for folder in (finished(preset), tmp_path / "killed")]
    assert [path.name for path in figures[0]] == [path.name for path in figures[1]]
    assert all(one.read_text() == other.read_text() for one, other in zip(*figures, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_report_and_samples_are_text(unit, tmp_path, capsys):
    data = prepared(tmp_path, unit)
    assert run("coulomb-text", data, tmp_path / "run", "metrics=[{kind='ngrams',samples=24}]") == 0
    summary = RunFolder(tmp_path / "run").read_summary()
    names = [f"jsd_{n}_of_24" for n in range(1, 7)]
    assert [name for name in summary if name.startswith("jsd")] == names
    assert all(0 < summary["data"][name] < summary[name] <= 1 for name in names[1:])
    report = (tmp_path / "run" / "report.html").read_text()
    for name in ("samples", "data", "neighbours", "evolution"):
        assert (tmp_path / "run" / "figures" / f"{name}.txt").exists()
    assert report.count("<pre>") == 5  # these, and the configuration

    capsys.readouterr()
    assert main(["sample", str(tmp_path / "run"), "--count", "8"]) == 0
    out = tmp_path / "run" / "samples.txt"
    assert capsys.readouterr().out == f"{out}\n"
    data.unlink()  # samples need no data
    loaded = experiments.load(tmp_path / "run")
    codes = loaded.sample(8)
    assert codes.shape == (8, 32)
    assert codes.dtype == np.uint8
    lines = out.read_text().removesuffix("\n").split("\n")
    assert lines == Alphabet(loaded.facts["unit"], loaded.facts["symbols"]).text(codes)
    np.testing.assert_array_equal(loaded.generate(loaded.draw_latent(8)), codes)
    assert loaded.interpolate(*loaded.draw_latent(2), 3).shape == (3, 32)


@pytest.mark.slow
def test_lines_of_another_alphabet_in_the_datas_place(data, tmp_path, capsys):
    """They are told of by resume, which leaves the folder as it was, and by report, which is made without them."""
    here = tmp_path / "a.h5"
    shutil.copy(data, here)
    assert run("coulomb-text", here, tmp_path / "run") == 0
    here.unlink()
    (tmp_path / "b.txt").write_bytes(b"abc\n" * 200)
    assert main(["data", "prepare", "text", str(tmp_path / "b.txt"), str(here), "--unit", "bytes"]) == 0
    capsys.readouterr()
    assert main(["report", str(tmp_path / "run")]) == 0
    assert "does not fit; have the data been replaced by others?" in capsys.readouterr().out
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    checkpoints[-1].unlink()
    before = (tmp_path / "run" / "provenance.json").read_bytes()
    assert main(["resume", str(tmp_path / "run")]) == 2
    assert "update 3 does not fit; have the data been replaced by others?" in capsys.readouterr().err
    assert (tmp_path / "run" / "provenance.json").read_bytes() == before
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_there_are_no_pictures_of_lines(finished, tmp_path, capsys):
    assert main(["sample", str(finished("coulomb-text")), "--out", str(tmp_path / "a.png")]) == 2
    assert "--out: there are no pictures of lines; expected .txt or .npy or .csv" in capsys.readouterr().err


@pytest.mark.slow
def test_a_discriminator_takes_codes_and_distributions(finished):
    loaded = experiments.load(finished("wgan-gp-ttur-text"))
    codes = loaded.sample(5)
    size = loaded.shape[-1]
    np.testing.assert_array_equal(loaded.discriminator(codes), loaded.discriminator(np.eye(size)[codes]))
    with pytest.raises(ValueError, match=rf"x: expected codes from 0 to {size - 1}, got 0 to {size}"):
        loaded.discriminator(np.full((2, 32), [0, size] * 16))
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 32, \d+\), got \(2, 32\)"):
        loaded.discriminator(np.zeros((2, 32)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["metrics=[{kind='energy'}]"], "metrics[0].kind: this metric is for points or images, and the data are lines"),
        (["metrics=[{kind='ngrams',samples=41}]"], "samples: expected at most data.held_out = 40, got 41"),
        (["generator.kind=mlp", "generator.hidden=[4]"], "generator"),
        (["generator.batch_norm=lines"], "generator.batch_norm: expected"),
        (["data.path=nowhere.h5"], "nowhere.h5: "),
        (["data.path="], "data.path: missing; expected a file that data prepare has made: --set data.path=..."),
    ],
)
def test_what_does_not_fit_text_is_one_line(data, tmp_path, capsys, overrides, message):
    assert run("coulomb-text", data, tmp_path / "run", *overrides) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_lines_are_no_data_of_image_networks_and_images_none_of_text_metrics(data, tmp_path, capsys):
    assert run("coulomb-text", data, tmp_path / "run", 'discriminator={kind="coulomb",optimizer={rate=1e-3}}') == 2
    assert "discriminator.kind: its network is for square images" in capsys.readouterr().err
    words = ["--set", "metrics=[{kind='ngrams'}]", "--out", str(tmp_path / "digits")]
    assert main(["run", "digits", *words]) == 2
    assert "metrics[0].kind: this metric is for lines, and the data are images" in capsys.readouterr().err


def test_presets_of_table_1a_are_as_published():
    coulomb, original, ttur = (
        config.resolve(f"billion-words{suffix}").config for suffix in ("", "-wgan-gp", "-wgan-gp-ttur")
    )
    assert (coulomb.training.batch, coulomb.gan.exponent, coulomb.gan.softening.start) == (128, 1, 1)
    assert [player.width for player in coulomb.players.values()] == [512, 512]
    assert coulomb.players["generator"].batch_norm == "places"
    assert all(player.optimizer.l2 == 1e-7 for player in coulomb.players.values())
    for config_, steps, rate in ((original, 10, 1e-4), (ttur, 1, 3e-4)):
        critic = config_.players["discriminator"].optimizer
        assert (config_.gan.critic_steps, config_.gan.penalty, critic.rate.start) == (steps, 10, rate)
        assert (critic.beta1, critic.beta2, config_.training.batch) == (0.5, 0.9, 64)
        assert (config_.players["generator"].latent, config_.players["generator"].batch_norm) == (128, "none")
    for config_ in (coulomb, original, ttur):
        assert config_.metrics[0].samples == 640
