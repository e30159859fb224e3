"""A watched metric: rates fall at a plateau, and the next plateau is the end of the run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments import UserError, config
from experiments.plateau import PlateauConfig, Plateaus
from experiments.runs import comparison, life
from experiments.runs.checkpoint import load as load_checkpoint
from experiments.schema import ConfigError

SMALL = [
    "training.updates=40",
    "training.batch=8",
    "training.log_every=2",
    "training.evaluate_every=2",
    "training.checkpoint_every=6",
    "data.held_out=20",
    "data.points=200",
    'metrics=[{kind="energy", samples=20}]',
    'plateau={metric="energy", patience=3, gain=1e9}',  # nothing is so much better: a plateau each three evaluations
]


pytestmark = pytest.mark.usefixtures("undrawn")


def watched(**settings):
    return Plateaus(PlateauConfig(metric="fid", **settings))


def small(*more):
    return config.resolve("gaussian-mixture", [*SMALL, *more])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Folder of a run that its second plateau has ended, and what it said."""
    folder, said = tmp_path_factory.mktemp("ended") / "run", []
    finished = life.start(small(), folder, "cpu", said.append)
    assert (finished.summary["updates"], finished.summary["ended_early"]) == (14, 1)  # 1 + 3 + 3 evaluations
    return folder, said


@pytest.fixture
def folder(ended, tmp_path):
    """A copy of that folder."""
    return Path(shutil.copytree(ended[0], tmp_path / "run"))


def test_a_plateau_is_patience_evaluations_without_enough_gain():
    plateaus = watched(patience=2, gain=0.1, factor=0.5, reductions=2)
    factors = []
    for value in (100, 91, 89, 85, 84, 80, 79, 78, 77, 77):
        plateaus.observe({"fid": value})
        factors.append(plateaus.factor)
    #                  best  no  best  no  plateau best?  80 < 80.1: yes  no  plateau no  plateau
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert plateaus.ended


def test_evaluations_without_the_metric_and_after_the_end_say_nothing():
    plateaus = watched(patience=1, reductions=0)
    plateaus.observe({"energy": 3.0})
    assert "best" not in plateaus.state()
    for value in (2.0, 2.0, 1.0):
        plateaus.observe({"fid": value})
    assert plateaus.ended
    assert plateaus.state() == {"waited": 0, "found": 1, "best": 2.0}


def test_the_highest_may_be_best_and_negative_values_have_a_size():
    plateaus = watched(patience=1, gain=0.1, best="highest", reductions=9)
    for value in (-10.0, -9.5, -8.9, -8.0):
        plateaus.observe({"fid": value})
    assert plateaus.state() == {"waited": 0, "found": 1, "best": 8.0}
    plateaus.observe({"fid": float("nan")})
    assert plateaus.state()["found"] == 2


def test_state_continues():
    one, other = watched(patience=3), watched(patience=3)
    for value in (5.0, 4.0, 4.0):
        one.observe({"fid": value})
    other.load_state(json.loads(json.dumps(one.state())))
    for plateaus in (one, other):
        plateaus.observe({"fid": 4.0})
        plateaus.observe({"fid": 4.0})
    assert one.state() == other.state() == {"waited": 0, "found": 1, "best": 4.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "", "patience": 3}, "patience: expected with a metric only, got 3"),
        ({"metric": "a", "patience": 0}, "patience: expected at least 1, got 0"),
        ({"metric": "a", "gain": -1.0}, "gain: expected a number that is not negative, got -1.0"),
        ({"metric": "a", "factor": 1.0}, "factor: expected a number between 0 and 1, got 1.0"),
        ({"metric": "a", "reductions": -1}, "reductions: expected a number that is not negative, got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        PlateauConfig(**settings)


def test_the_metric_must_be_one_of_the_run(tmp_path):
    with pytest.raises(ConfigError, match=r"^plateau.metric: expected one of .*energy.*, got 'fid'"):
        life.start(small("plateau.metric=fid"), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_rates_fall_at_the_first_plateau_and_the_second_ends_the_run(ended):
    folder, said = ended
    assert "ended at update 14 of 40: no gain in energy" in said
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rates = {r["step"]: r["schedule"]["rate_generator"] for r in records if "schedule" in r}
    plain = life.build(small(), life.device_of("cpu"))
    rate = plain.gan.players["generator"].optimizer.rate
    assert rates[8] == pytest.approx(rate(8))  # logged before the evaluation that lowers it
    assert rates[10] == pytest.approx(0.1 * rate(10))
    assert "14 of 40 updates (the end, by no gain in energy)" in (folder / "report.html").read_text()
    assert comparison.read([folder])[0].finished


@pytest.mark.slow
def test_an_ended_run_is_finished_and_stays_so(folder):
    said = []
    life.resume(folder, said.append)
    assert said[0].startswith("finished: 14 updates, ended by no gain in energy")
    (folder / "report.html").unlink()
    life.resume(folder, said.append)
    assert (folder / "report.html").exists()
    life.report_again(folder, said.append)
    assert "(the end, by no gain in energy)" in (folder / "report.html").read_text()
    assert json.loads((folder / "summary.json").read_text())["ended_early"] == 1
    with pytest.raises(ConfigError, match="the run has ended by no gain in energy; --from starts a new one"):
        life.resume(folder, said.append, ["training.log_every=3"])


@pytest.mark.slow
@pytest.mark.parametrize("step", [6, 12])
def test_a_watched_run_resumes_bit_for_bit(ended, folder, step):
    """From before and after the first plateau, which comes with update 8."""
    for file in (folder / "checkpoints").iterdir():
        if int("".join(filter(str.isdigit, file.stem))) > step:
            file.unlink()
    (folder / "report.html").unlink()
    life.resume(folder, lambda _: None)
    ends = [max((each / "checkpoints").iterdir()) for each in (ended[0], folder)]
    assert ends[0].name == ends[1].name
    one, other = (load_checkpoint(file).state["experiment"] for file in ends)
    assert one["plateaus"] == other["plateaus"]
    for player in ("generator", "discriminator"):
        for name, value in one[player]["parameters"].items():
            np.testing.assert_array_equal(value, other[player]["parameters"][name])


def test_samples_that_overflow_stop_the_run_with_one_line(tmp_path):
    experiment = life.build(small(), life.device_of("cpu"))
    experiment.gan.generator.averaged.vector[:] = 1e30
    with pytest.raises(FloatingPointError, match="generated samples are not finite"), np.errstate(all="ignore"):
        experiment.evaluate(2)
    rates = [f"generator.optimizer.rate.{end}=1e30" for end in ("start", "end")]
    metrics = ["training.evaluate_every=1", 'metrics=[{kind="modes", samples=20}]']
    setup = config.resolve("gaussian-mixture-direct", [*SMALL[:-2], *metrics, *rates])
    with pytest.raises(UserError, match=r"^stopped at step 1: .*not finite"), np.errstate(all="ignore"):
        life.start(setup, tmp_path / "run", "cpu", lambda _: None)
