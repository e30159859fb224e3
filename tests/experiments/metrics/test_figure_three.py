"""Figure 3: similar pairs, their nearest training images, and how many images a generator can make."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from experiments import trained
from experiments.__main__ import main
from experiments.evaluation import figure_three
from experiments.metrics.support_size import closest_pair, support_size


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 12))
def test_the_closest_pair_is_that_of_all_differences(seed, count):
    images = np.random.default_rng(seed).integers(0, 256, (count, 3, 3, 1), np.uint8)
    found = closest_pair(images)
    differences = {
        (i, j): np.sqrt(((images[i].astype(float) - images[j]) ** 2).mean())
        for i in range(count)
        for j in range(i + 1, count)
    }
    assert found.first < found.second
    assert found.difference == pytest.approx(differences[found.first, found.second]) == min(differences.values())


def test_the_support_of_a_known_number_of_images_is_found():
    """Batches drawn from that many; the interval covers it about as often as it says, or more."""
    rng, support, size, batches = np.random.default_rng(0), 2000, 50, 60
    covered, estimates = 0, []
    for _ in range(100):
        draws = rng.integers(0, support, (batches, size))
        having = sum(len(np.unique(batch)) < size for batch in draws)
        found = support_size(batches, having, size)
        assert found.lowest <= found.size <= found.highest
        covered += found.lowest <= support <= found.highest
        estimates.append(found.size)
    assert covered >= 90
    assert np.median(estimates) == pytest.approx(support, rel=0.1)


def test_half_of_the_batches_stand_for_the_square_of_their_size():
    """The rule of thumb: 1024² / 2 ln 2 images; and what no or all batches say is one-sided."""
    assert support_size(10, 5, 1024).size == pytest.approx(1024 * 1023 / (2 * math.log(2)))
    none, every = support_size(20, 0, 1024), support_size(20, 20, 1024)
    assert none.size == none.highest == math.inf
    # No duplicate in 20 batches: the share is below 1 - 0.025^(1/20) with 97.5 % confidence.
    assert none.lowest == pytest.approx(-1024 * 1023 / 2 / math.log(0.025 ** (1 / 20)))
    assert (every.size, every.lowest) == (1, 1)
    assert every.highest == pytest.approx(-1024 * 1023 / 2 / math.log(1 - 0.025 ** (1 / 20)))


@pytest.mark.parametrize(
    ("arguments", "message"), [((3, 4, 10), "with_duplicate: expected"), ((3, 1, 1), "size: expected at least 2")]
)
def test_numbers_that_contradict_each_other_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        support_size(*arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    sets = ["training.updates=1", "training.batch=8", "data.held_out=12", "metrics=[]"]
    assert main(["run", "digits", "--out", str(folder), *(x for one in sets for x in ("--set", one))]) == 0
    return folder


def command(folder, out, *more):
    return main(["figure-3", str(folder), "--out", str(out), *more])


def test_planted_duplicates_are_found_and_shown_beside_their_training_image(tmp_path, capsys, monkeypatch, run):
    """A generator that repeats a training image in every second batch, once exactly and once with a pixel off."""
    training = next(iter(figure_three._training(_data(run))))
    other = np.random.default_rng(0).integers(0, 256, (80, *training.shape[1:]), np.uint8)
    for batch in (0, 2):
        other[20 * batch + 3] = other[20 * batch + 11] = training[40 + batch]
    other[20 * 2 + 11, 0, 0] ^= 1
    monkeypatch.setattr(figure_three, "generated", lambda gan, latent: iter(np.split(other[: len(latent)], [7, 33])))
    capsys.readouterr()
    out = tmp_path / "a.png"
    assert command(run, out, "--batches", "4", "--size", "20", "--duplicate", "1") == 0
    said = capsys.readouterr().out
    assert "generated: 2 of 4 batches have a duplicate; support 274," in said
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["generated"]["with_duplicate"] == 2
    assert [pair["difference"] for pair in found["pairs"][:2]] == pytest.approx([0, 1 / np.sqrt(training[0].size)])
    assert [(pair["nearest_training"], pair["from_training"]) for pair in found["pairs"][:2]] == [(40, 0), (42, 0)]
    with Image.open(out) as file:
        pixels = np.asarray(file)
    height, width, _ = training[0].shape
    factor = pixels.shape[1] // (3 * (width + 1) + 1)
    small = pixels[::factor, ::factor]
    assert small.shape[0] == 4 * (height + 1) + 1
    for column in range(3):
        left = 1 + column * (width + 1)
        np.testing.assert_array_equal(small[1 : 1 + height, left : left + width], training[40, ..., 0])


def test_the_default_threshold_is_half_of_what_training_images_differ_by(tmp_path, capsys, run):
    capsys.readouterr()
    assert command(run, tmp_path / "a.png", "--batches", "3", "--size", "30") == 0
    images = np.concatenate(list(figure_three._training(_data(run))))[:90].reshape(3, 30, -1).astype(float)
    closest = [
        min(np.sqrt(((a - b) ** 2).mean()) for i, a in enumerate(batch) for b in batch[i + 1 :]) for batch in images
    ]
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["duplicate_up_to"] == pytest.approx(np.median(closest) / 2)
    assert found["training"]["batches"] == found["generated"]["batches"] == 3
    assert found["training"]["with_duplicate"] == 0
    assert found["training"]["size"] is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--size", "1"), "--size: expected at least 2, got 1"),
        (("--size", "4000"), "--duplicate: missing; the default needs 4000 training images"),
        (("--out", "a.jpg"), "--out: expected a name that ends in .png"),
        (("--out", "no/a.png"), "--out: no such folder"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(tmp_path, capsys, run, more, message):
    capsys.readouterr()
    assert command(run, tmp_path / "a.png", *more) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def _data(folder):
    setting = trained.load(folder).config
    rng, host = figure_three.Streams(setting.seed).stream("data"), figure_three.Device(np, "cpu")
    return setting.data.open(batch=setting.training.batch, rng=rng, dtype=setting.dtype, device=host)
