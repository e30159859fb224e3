"""The study of what a discriminator is for, at small size: runs, comparisons, and words that numbers decide."""

from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from coulombfield.arrays import select_device
from coulombfield.rng import Streams
from experiments import config, gan_training
from experiments.__main__ import main
from experiments.config import ConfigError
from experiments.metrics.metric import DEVIATION
from experiments.runs import checkpoint
from experiments.studies import ways
from experiments.studies.sentence import SENTENCE, told, verdict
from experiments.studies.ways import WAYS, Standing

PRESET = "discriminator-or-field"
SMALL = (
    "training.updates=4",
    "training.log_every=2",
    "training.evaluate_every=2",
    "training.checkpoint_every=2",
    "mixture.turn=3",
    "digits.turn=2",
    "stored.turn=2",
    "gradients=4",
    "mixture.data.points=300",
    "mixture.data.held_out=100",
    "mixture.metrics.energy.samples=100",
    "mixture.metrics.modes.samples=100",
    "mixture.generator.layers.hidden=[8, 8]",
    "mixture.discriminator.layers.hidden=[8, 8]",
    "mixture.batch=16",
    "digits.generator.layers.hidden=[8, 8]",
    "digits.discriminator.layers.hidden=[8, 8]",
    "digits.batch=16",
    "digits.metrics.energy.samples=50",
    "digits.metrics.nearest.samples=50",
    "stored.generator.layers.hidden=[8, 8]",
    "stored.discriminator.layers.hidden=[8, 8]",
    "stored.batch=16",
    "stored.data.held_out=20",
    "stored.data.size=4",
    "stored.metrics.energy.samples=20",
    "stored.metrics.nearest.samples=20",
)
MIXTURE = 'data_sets=["mixture"]'


def built(*overrides: str):
    settings = config.resolve(PRESET, [*SMALL, *overrides])
    return settings.module.build(settings.config, select_device("cpu"), Streams(settings.config.seed))


def contest(*overrides: str, updates: int = 0):
    experiment = built(MIXTURE, *overrides)
    for _ in range(updates):
        experiment.step()
    return experiment._contests["mixture"]


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on by a second whenever it is read."""
    now = iter(range(10**6))
    monkeypatch.setattr(ways, "clock", lambda: float(next(now)))


@pytest.mark.slow
def test_a_run_tells_what_the_sentence_is_worth_on_each_data_set(tmp_path):
    folder = tmp_path / "run"
    overrides = [word for override in SMALL for word in ("--set", override)]
    assert main(["run", PRESET, "--out", str(folder), "--device", "cpu", *overrides]) == 0
    drawn = {f"{name}{end}.png" for name in ("mixture", "digits") for end in ("", "-samples")}
    assert {file.name for file in (folder / "figures").iterdir()} == {*drawn, "training_curves.png"}
    captions = json.loads((folder / "figures.json").read_text())
    for name, dimensions in (("Mixture", "2"), ("Digits", "64")):
        (told_of,) = [entry for entry in captions if entry["title"].startswith(f"{name}, {dimensions} dimensions")]
        assert "the sentence " in told_of["title"]
        assert SENTENCE in told_of["caption"]
    assert "Left out: no images of 1,024 dimensions" in captions[0]["caption"]
    assert (folder / "report.html").read_text().count("data:image/png;base64,") == 5
    summary = json.loads((folder / "summary.json").read_text())
    assert {
        f"{name}_energy_{way}{end}" for name in ("mixture", "digits") for way in WAYS for end in ("", "_same_time")
    } <= (summary.keys())


@pytest.mark.slow
def test_stored_images_are_learned_from_where_they_are_given(tmp_path):
    images = tmp_path / "images.h5"
    with h5py.File(images, "w") as file:
        file["images"] = np.random.default_rng(0).integers(0, 256, (80, 4, 4), np.uint8)
    experiment = built("data_sets=[]", f"images={images}")
    experiment.step()
    assert experiment.evaluate()["images_energy_minibatch"] > 0
    assert "left_out" not in experiment.provenance()
    assert [figure.path.name for figure in experiment.figures(tmp_path)] == ["images.png", "images-samples.png"]


@pytest.mark.slow
@pytest.mark.usefixtures("ticking")
def test_going_on_from_a_checkpoint_changes_no_bit(tmp_path):
    straight, stopped, resumed = (built() for _ in range(3))
    for _ in range(2):
        straight.step(), stopped.step()
    checkpoint.save(tmp_path / "file.h5", checkpoint.Checkpoint(2, "", stopped.state()))
    resumed.load_state(checkpoint.load(tmp_path / "file.h5").state)
    for _ in range(2):
        with threadpool_limits(1, user_api="blas"):  # as in a run, whose BLAS has a number of threads of its own
            assert straight.step() == resumed.step()
            assert straight.evaluate() == resumed.evaluate()
    np.testing.assert_equal(straight.state(), resumed.state())


def test_only_the_time_that_it_takes_depends_on_the_machine():
    one, other = contest(updates=2), contest(updates=2)
    assert one.measures() == other.measures()
    np.testing.assert_equal(one.state()["ways"], other.state()["ways"])


@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_the_gan_as_it_would_be_alone(way):
    """Taking turns and being measured in between leaves no trace."""
    settings = config.resolve(PRESET, SMALL).config.mixture
    gan = settings.gans()[way]
    alone = gan_training.build(
        gan_training.Config(
            gan_training.TrainingConfig(updates=12, batch=settings.batch),
            settings.data,
            gan,
            {name: getattr(settings, name) for name in gan.players},
            settings.metrics,
        ),
        select_device("cpu"),
        Streams(0),
    )
    for _ in range(6):
        alone.step()
    np.testing.assert_equal(contest(updates=2).ways[way].gan.state(), alone.gan.state())


def test_all_ways_start_from_one_generator_and_draw_alike():
    experiment = contest()
    states = [way.gan.generator.params.vector for way in experiment.ways.values()]
    for state in states[1:]:
        np.testing.assert_array_equal(state, states[0])
    latent = [way.gan.draw_latent() for way in experiment.ways.values()]
    real = [way.gan.draw_real() for way in experiment.ways.values()]
    for draws in (latent, real):
        for drawn in draws[1:]:
            np.testing.assert_array_equal(drawn, draws[0])


@pytest.mark.usefixtures("ticking")
def test_the_same_time_is_that_of_the_fastest_way():
    experiment = contest(updates=4)
    for name, seconds in zip(WAYS, (2.0, 4.0, 8.0, 2.0), strict=True):
        experiment._seconds[name] = seconds
        experiment._frames._kept["seconds"] = [
            np.array([turns * part for part in (0.5, 1.0, 2.0, 0.5)]) for turns in experiment._frames["turns"]
        ]
    moment, (updates, _, measures) = experiment.in_the_same_time(), experiment.history()
    assert moment.updates == {"minibatch": 12, "coulomb": 6, "coulomb_field": 3, "all": 12}
    assert set(moment.seconds.values()) == {2.0}
    for way, after in moment.updates.items():
        assert moment.measures["energy"][way] == measures["energy"][way][list(updates).index(after)]


def test_a_gradient_has_the_less_noise_the_larger_its_batch():
    """At places other than the start too: the energy's gradient is that of the generator which is asked about."""
    found = {}
    for size in (4, 1_000):
        experiment = contest(f"mixture.batch={size}", "gradients=16", "mixture.gan.softening=1")
        for way in experiment.ways.values():
            way.gan.generator.params.vector[...] = np.random.default_rng(3).standard_normal(114) * 0.4
        found[size] = {name: experiment._gradient_cosine(way.gan) for name, way in experiment.ways.items()}
    # Minibatches of the one and of the other are not the same, with which even few samples would agree.
    assert max(found[4]["minibatch"], found[4]["all"]) < 0.6
    assert min(found[1_000]["minibatch"], found[1_000]["all"]) > 0.95


def test_the_ways_differ_in_what_moves_the_generator_alone():
    gans = config.resolve(PRESET).config.mixture.gans()
    assert gans["coulomb_field"] == dataclasses.replace(gans["coulomb"], field_weight=30.0)
    assert gans["coulomb"].field_weight == 0
    assert gans["all"] == dataclasses.replace(gans["minibatch"], real="all")
    assert (gans["minibatch"].real, gans["minibatch"].softening) == ("minibatch", gans["coulomb"].softening)


@pytest.mark.slow
def test_metrics_fit_together():
    experiment = built()
    assert experiment.evaluate().keys() == experiment.metrics.keys()
    assert {name.removesuffix(DEVIATION) for name in experiment.reference()} <= experiment.metrics.keys()
    assert set(experiment.headline) <= experiment.metrics.keys()
    before = experiment.state()
    assert experiment.sample(50, np.random.default_rng(0)).shape == (50, 2)
    np.testing.assert_equal(experiment.state(), before)


@pytest.mark.parametrize(
    ("minibatch", "coulomb", "holds", "words"),
    [
        (0.5, 0.1, True, "no learning; it is 5 times that of the Coulomb GAN: the sentence holds"),
        (0.05, 0.02, True, "is learning; it is 2.5 times that of the Coulomb GAN: the sentence holds"),
        (
            0.05,
            0.04,
            False,
            "is learning; it is 1.2 times that of the Coulomb GAN (not told apart): the sentence does not",
        ),
        (0.05, 0.2, False, "is learning; it is 0.25 times that of the Coulomb GAN: the sentence does not hold"),
        (
            0.5,
            0.4,
            None,
            "no learning; it is 1.2 times that of the Coulomb GAN (not told apart): the sentence is left open",
        ),
        (-1e-6, 1.9e-4, False, "it is 1 times that of the Coulomb GAN (not told apart)"),
    ],
)
def test_energies_decide_what_the_sentence_is_worth(minibatch, coulomb, holds, words):
    energies = {"minibatch": minibatch, "coulomb": coulomb, "coulomb_field": coulomb, "all": minibatch}
    found = verdict(1.0, 1e-4, energies)
    assert found.holds is holds
    assert words in found.words


def test_both_comparisons_are_told():
    energies = {"minibatch": 0.02, "coulomb": 0.001, "coulomb_field": 0.3, "all": 0.01}
    now = Standing(dict.fromkeys(WAYS, 900.0), dict(zip(WAYS, (3, 4, 5, 6), strict=True)), {"energy": energies})
    later = {**energies, "coulomb": 0.2}
    same = Standing(dict(zip(WAYS, (900, 700, 500, 300), strict=True)), dict.fromkeys(WAYS, 3.0), {"energy": later})
    cosines = {"minibatch": 0.3, "coulomb": 0.5, "coulomb_field": 0.7, "all": 0.25}
    headline, text = told(1.0, 1e-4, now, same, {"energy": "energies"}, cosines)
    assert headline == "the sentence holds at the same number of updates and does not hold in the same time"
    assert "After 900 updates of each: energies 0.02, 0.001, 0.3, 0.01" in text
    assert "In the 3 s that the minibatch's field took for this" in text
    assert "the updates were 900, 700, 500, 300: energies 0.02, 0.2, 0.3, 0.01" in text
    assert "the cosine is 0.3, 0.5, 0.7, 0.25" in text
    assert "is noisier than the Coulomb GAN. The minibatch's field is as noisy as the field of all data." in text
    _, text = told(1.0, 1e-4, now, same, {}, {**cosines, "minibatch": 0.7})
    assert "is less noisy than the Coulomb GAN. The minibatch's field is less noisy" in text


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("mixture.turn=0", "mixture.turn"),
        ("gradients=0", "gradients"),
        ("seed=-1", "seed"),
        ("data_sets=[]", "data_sets"),
        ('data_sets=["digits", "digits"]', "data_sets"),
        ("stored.data.path=here", "stored.data"),
        ("mixture.batch=1", "mixture.batch"),
        ("mixture.gan.field_weight=0", "mixture.gan.field_weight"),
        ("mixture.metrics=[]", "mixture.metrics"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(override, key):
    with pytest.raises(ConfigError, match=rf"^{key}: expected"):
        config.resolve(PRESET, [override])


def test_stored_images_are_of_a_kind_that_has_a_path():
    settings = config.resolve(PRESET).config
    with pytest.raises(ValueError, match=r"^stored.data: expected images"):
        dataclasses.replace(settings, stored=settings.digits)
