"""Metrics of images through feature networks, each beside its definition written out."""

from types import SimpleNamespace

import numpy as np
import own_features.projection as projection_features
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments import DataError, UserError
from experiments.__main__ import main
from experiments.data.dataset import ArrayPart
from experiments.features import measuring as measuring_module
from experiments.features.measuring import Measuring, eight_bits, measuring
from experiments.metrics import fid, frechet, inception_score, kid, prdc
from experiments.metrics.frechet_distance import Gaussian
from experiments.metrics.inception_score import inception_scores
from experiments.metrics.kid import polynomial_mmd
from experiments.metrics.statistics_file import read_statistics, write_statistics

NETWORK = "own_features.projection"
seeds = st.integers(0, 2**32 - 1)


def images_of(rng, count, shift=0.0):
    """Noise around random grey levels, between -1 and 1."""
    levels = rng.uniform(-0.5, 0.5, (count, 1, 1, 1)) + rng.standard_normal((count, 8, 8, 3)) * 0.3 + shift
    return np.clip(levels, -1, 1).astype(np.float32)


@pytest.fixture
def data():
    rng, device = np.random.default_rng(0), Device(np, "cpu")
    parts = {name: ArrayPart(images_of(rng, 80), device) for name in ("training", "held_out", "like_samples")}
    return SimpleNamespace(form="images", shape=(8, 8, 3), bounds=(-1.0, 1.0), **parts)


def features_of(images):
    return projection_features.Projection().measure(eight_bits(images, (-1, 1)))[0].astype(np.float64)


def test_the_distance_of_samples_is_that_of_their_features(data):
    """Under the network's name, against all training images, and the same whatever their blocks."""
    metric = frechet.Config(features=NETWORK, samples=60).build(data, Streams(0))
    samples = images_of(np.random.default_rng(1), 60, 0.2)
    assert list(metric.columns) == list(metric.headline) == ["frechet_projection"]
    real, own = features_of(data.training.first(80)), features_of(samples)
    s1, s2 = np.cov(real, rowvar=False), np.cov(own, rowvar=False)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(s1 @ s2).real, 0))
    expected = ((real.mean(0) - own.mean(0)) ** 2).sum() + np.trace(s1 + s2) - 2 * roots.sum()
    assert metric.evaluate(samples)["frechet_projection"] == pytest.approx(expected, rel=1e-8)
    assert metric.reference["frechet_projection"] < expected / 2
    few = frechet.Config(features=NETWORK, samples=60, real=30).build(data, Streams(0))
    same = few.evaluate(data.training.first(30))
    assert same == {"frechet_projection": 0}


def test_statistics_of_a_file_take_the_place_of_training_images(data, tmp_path):
    path = tmp_path / "a.npz"
    real = features_of(data.training.first(80))
    np.savez(path, mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    samples = images_of(np.random.default_rng(1), 60)
    found = [
        frechet.Config(features=NETWORK, samples=60, **more).build(data, Streams(0)).evaluate(samples)
        for more in ({}, {"statistics": str(path)})
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-10)
    np.savez(path, mu=np.zeros(2), sigma=np.eye(2))
    with pytest.raises(DataError, match=f"{path}: expected statistics of 6 features"):
        frechet.Config(features=NETWORK, statistics=str(path)).build(data, Streams(0))


def test_statistics_come_back_as_written(tmp_path):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 3))
    write_statistics(tmp_path / "a.npz", Gaussian(np.arange(5.0), root=root))
    found = read_statistics(tmp_path / "a.npz", 5)
    np.testing.assert_array_equal(found.mean, np.arange(5.0))
    np.testing.assert_array_equal(found.covariance, root @ root.T)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mu": np.zeros(3)}, "lacks sigma; there: mu"),
        ({"mu": np.zeros(3), "sigma": np.eye(2)}, r"covariance: expected shape \(3, 3\)"),
        ({"mu": np.zeros(3), "sigma": np.array(["x"])}, "could not convert"),
        (b"no archive", "can't be read as .npz"),
        (None, "can't be read as .npz"),
    ],
)
def test_a_file_without_statistics_is_one_line(tmp_path, content, message):
    path = tmp_path / "a.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(DataError, match=message) as caught:
        read_statistics(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_fid_is_by_inception_alone():
    with pytest.raises(ValueError, match=r"^features: FID is by inception; of 'other' .* kind = 'frechet'"):
        fid.Config(features="other")
    assert fid.Config().features == "inception"


def plain_mmd(x, y):
    n, dimension = x.shape
    k = [[((a @ b) / dimension + 1) ** 3 for b in (*x, *y)] for a in (*x, *y)]
    same = sum(k[i][j] + k[n + i][n + j] for i in range(n) for j in range(n) if i != j)
    return same / (n * (n - 1)) - 2 * sum(k[i][n + j] for i in range(n) for j in range(n)) / n**2


@settings(deadline=None)
@given(seed=seeds, count=st.integers(3, 12), dimension=st.integers(1, 5), block=st.integers(1, 7))
def test_kid_is_its_sum_over_pairs(seed, count, dimension, block):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, count, dimension))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kid, "BLOCK", block)
        assert polynomial_mmd(x, y).square == pytest.approx(plain_mmd(x, y), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_kids_error_is_the_deviation_of_its_values(shift):
    """Over many draws, also where both sets are of one distribution; and its mean there is zero."""
    rng = np.random.default_rng(0)
    draws = 400
    found = [polynomial_mmd(rng.standard_normal((50, 4)), rng.standard_normal((50, 4)) + shift) for _ in range(draws)]
    values, errors = np.array(found).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.2)
    if shift == 0:
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(draws)
    else:
        assert values.mean() > 10 * values.std() / np.sqrt(draws)


def plain_prdc(real, samples, narrow, wide):
    def radius(points, k):
        return np.array([sorted(np.linalg.norm(points - p, axis=1))[k] for p in points])

    distance = np.linalg.norm(real[:, None] - samples, axis=2)
    inside = distance <= radius(real, wide)[:, None]
    return {
        "precision": (distance <= radius(real, narrow)[:, None]).any(0).mean(),
        "recall": (distance <= radius(samples, narrow)).any(1).mean(),
        "density": inside.sum() / (wide * len(samples)),
        "coverage": inside.any(1).mean(),
    }


@settings(deadline=None)
@given(seed=seeds, counts=st.tuples(st.integers(5, 20), st.integers(5, 20)), block=st.integers(1, 9))
def test_precision_recall_density_and_coverage_are_their_definitions(seed, counts, block):
    rng = np.random.default_rng(seed)
    real, samples = (rng.standard_normal((count, 3)) + 5 for count in counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prdc, "BLOCK", block)
        assert prdc.prdc(real, samples, 2, 4) == pytest.approx(plain_prdc(real, samples, 2, 4))


@given(seed=seeds, count=st.integers(4, 20), splits=st.integers(1, 4))
def test_the_inception_score_is_its_definition(seed, count, splits):
    logits = np.random.default_rng(seed).standard_normal((count, 5)) * 3
    expected = []
    for part in np.array_split(logits, splits):
        p = np.exp(part) / np.exp(part).sum(1, keepdims=True)
        expected.append(np.exp(np.mean([(row * np.log(row / p.mean(0))).sum() for row in p])))
    np.testing.assert_allclose(inception_scores(logits, splits), expected)


def test_the_inception_score_goes_from_one_to_the_number_of_classes():
    assert inception_scores(np.ones((10, 7)), 2) == pytest.approx([1, 1])
    assert inception_scores(np.tile(1000 * np.eye(7), (2, 1)), 2) == pytest.approx([7, 7])


def test_metrics_of_an_evaluation_measure_each_sample_once(data, monkeypatch):
    """Whatever numbers of samples they take; and data are measured once for all evaluations."""
    monkeypatch.setattr(measuring_module, "BLOCK", 20)
    measuring.cache_clear()
    configs = [
        frechet.Config(features=NETWORK, samples=80),
        kid.Config(features=NETWORK, samples=40),
        prdc.Config(features=NETWORK, samples=60),
        inception_score.Config(features=NETWORK, samples=80),
    ]
    metrics = [config.build(data, Streams(0)) for config in configs]
    network = metrics[0].measuring.network
    for metric in metrics:
        metric.evaluate(images_of(np.random.default_rng(1), 80)[: metric.samples])
    assert network.measured == 80 + 80 + 60  # samples, training images, held-out ones
    again = images_of(np.random.default_rng(2), 80)
    for metric in metrics:
        found = metric.evaluate(again[: metric.samples])
        assert set(found) == set(metric.columns)
        assert all(name.endswith("_projection") for name in found)
        assert set(metric.columns) <= set(metric.reference)
    assert network.measured == 220 + 80 + 80  # other samples, and data in the place of samples
    measuring.cache_clear()


def test_what_is_remembered_is_bounded_and_told_by_shape():
    network = projection_features.Projection()
    one = 4 * (projection_features.DIMENSION + projection_features.CLASSES)
    measuring = Measuring(network, remembered=3 * one)
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 6, 3), np.uint8)
    for image in images:
        measuring.features(image)
    assert network.measured == 5
    for image in images[2:]:
        measuring.features(image)
    assert network.measured == 5
    measuring.features(images[0])
    measuring.features(images[4].reshape(1, 6, 4, 3))
    assert network.measured == 7


@given(seed=seeds, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_eight_bit_pixels_come_back(seed, dtype):
    """What was made of them by v / 127.5 - 1; and beyond the bounds there is black and white."""
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(eight_bits((pixels / 127.5 - 1).astype(dtype), (-1, 1)), pixels)
    np.testing.assert_array_equal(eight_bits((pixels / 255).astype(dtype), (0, 1)), pixels)
    assert eight_bits(np.array([-3, 7], dtype), (-1, 1)).tolist() == [0, 255]


def test_a_bad_setting_names_its_key(data):
    for make, message in (
        (lambda: frechet.Config(features=NETWORK, real=1), "^real: expected 0 or at least 2, got 1"),
        (lambda: prdc.Config(precision_neighbours=0), "^precision_neighbours: expected a positive number"),
        (lambda: inception_score.Config(splits=0), "^splits: expected from 1"),
        (lambda: kid.Config(features=NETWORK, samples=81).build(data, Streams(0)), "^samples: expected at most"),
        (
            lambda: frechet.Config(features=NETWORK).build(
                SimpleNamespace(form="points", shape=(2,), bounds=None), Streams(0)
            ),
            "^features: a network measures grey or colour images, got points",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(UserError, match="unknown kind 'nothing'"):
        frechet.Config(features="nothing").build(data, Streams(0))


@pytest.mark.slow
def test_a_run_reports_the_distance_under_the_networks_name(tmp_path, capsys):
    sets = [
        "training.updates=2",
        "training.batch=8",
        "training.evaluate_every=2",
        "data.held_out=12",
        "metrics=[{kind='frechet', features='own_features.projection', samples=12}]",
    ]
    assert main(["run", "digits", "--out", str(tmp_path / "run"), *(x for one in sets for x in ("--set", one))]) == 0
    assert "frechet_projection" in (tmp_path / "run" / "metrics.jsonl").read_text()
    capsys.readouterr()
    sets[-1] = "metrics=[{kind='frechet'}]"
    assert main(["run", "digits", "--out", str(tmp_path / "other"), *(x for one in sets for x in ("--set", one))]) == 2
    assert "metrics[0].features: missing" in capsys.readouterr().err
