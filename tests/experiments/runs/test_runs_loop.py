from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from experiments.__main__ import main
from experiments.runs import checkpoint
from experiments.runs import loop as training
from experiments.runs.checkpoint import CheckpointFolder
from experiments.runs.folder import RunFolder
from experiments.runs.loop import LoopConfig
from tests.experiments.runs.test_runs_checkpoint import same
from tests.experiments.runs.test_runs_folder import full_disk
from tests.support.tiny_experiment import write_preset

pytestmark = pytest.mark.usefixtures("undrawn")

ROOT = Path(__file__).parents[3]
UPDATES = 60


def run(folder: Path, *overrides: str) -> int:
    options = [option for override in overrides for option in ("--set", override)]
    return main(["run", str(write_preset(folder)), "--out", str(folder / "run"), "--device", "cpu", *options])


def resume(folder: Path) -> int:
    return main(["resume", str(folder / "run")])


def result(folder: Path):
    """What a run ended with, but for the time that it took."""
    run = RunFolder(folder / "run")
    state = checkpoint.load(CheckpointFolder(run.checkpoints, 1).file(UPDATES)).state
    del state["loop"]["seconds"]
    records = [{k: v for k, v in r.items() if k not in ("seconds", "updates_per_s")} for r in run.read_metrics()]
    summary = json.loads(run.summary.read_text())
    del summary["seconds"]
    assert run.report.exists()
    return state, records, summary


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder) == 0
    return result(folder)


def assert_same_result(folder: Path, expected) -> None:
    (state, *rest), (expected_state, *expected_rest) = result(folder), expected
    assert same(state, expected_state)
    assert rest == expected_rest


class Killed(BaseException):
    """Stands for kill -9 inside the process."""


@pytest.mark.slow
@given(calls=st.lists(st.integers(1, 16), min_size=1, max_size=2))
@settings(max_examples=6)
def test_a_kill_between_any_two_writes_changes_nothing(tmp_path_factory, uninterrupted, calls):
    """Each number is the replacement of a file at which that start of the run dies."""
    folder = tmp_path_factory.mktemp("killed")
    started = False
    for count in calls:
        left, replace = count, os.replace

        def dying(source, target, replace=replace):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            replace(source, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", dying)
            with contextlib.suppress(Killed):
                assert (resume(folder) if started else run(folder)) == 0
        if not (folder / "run" / "config.toml").exists():  # too early to resume
            assert resume(folder) == 2
            for file in (folder / "run").rglob("*.json"):
                file.unlink()
            for empty in ("checkpoints", "figures"):
                (folder / "run" / empty).rmdir()
        else:
            started = True
    assert (resume(folder) if started else run(folder)) == 0
    assert_same_result(folder, uninterrupted)


def start(folder: Path, pause: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "experiments", "--import", "tests.support.tiny_experiment", "run"]
    command += [str(write_preset(folder)), "--out", str(folder / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--device", "cpu", "--set", f"pause={pause}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen, condition) -> None:
    deadline = time.monotonic() + 300  # a busy machine may take minutes to start Python
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def lines_in(folder: Path) -> int:
    metrics = folder / "run" / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["first metrics", "first checkpoint", "late"])
def test_kill_9_and_resume_give_the_bits_of_an_uninterrupted_run(tmp_path, uninterrupted, moment):
    process = start(tmp_path, pause=0.005)
    ready = {
        "first metrics": lambda: lines_in(tmp_path) >= 1,
        "first checkpoint": lambda: any((tmp_path / "run" / "checkpoints").glob("step-*")),
        "late": lambda: lines_in(tmp_path) >= 8,
    }[moment]
    wait_for(process, ready)
    process.kill()
    process.communicate()
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_how_to_continue(tmp_path, uninterrupted, number):
    process = start(tmp_path, pause=0.01)
    wait_for(process, lambda: lines_in(tmp_path) >= 1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    last = errors.rstrip().splitlines()[-1]
    assert last.startswith(f"stopped by {number.name} at update ")
    assert last.endswith(f"continue with: python -m experiments resume {tmp_path}/run")
    saved = Path(last.partition("saved ")[2].partition(";")[0])
    assert checkpoint.load(saved).step == int(last.split()[5])
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


@pytest.mark.slow
def test_a_signal_outside_the_loop_is_no_traceback(tmp_path, uninterrupted, monkeypatch, capsys):
    monkeypatch.setattr(
        "experiments.runs.report.publish", lambda *_: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(5)
    )
    assert run(tmp_path) == 128 + signal.SIGTERM
    assert "stopped by SIGTERM before all was written; continue with" in capsys.readouterr().err
    monkeypatch.undo()
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


def test_a_second_signal_does_not_wait_for_the_loop(tmp_path):
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    before = signal.getsignal(signal.SIGINT)
    with training.stop_requests() as requests:
        signal.raise_signal(signal.SIGINT)
        assert requests == ["SIGINT"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, inherited)


@pytest.mark.parametrize(("step", "good"), [(5, None), (15, None), (16, 15), (44, 30), (60, 45)])
def test_a_loss_that_is_not_finite_stops_with_step_checkpoint_and_hint(tmp_path, capsys, step, good):
    assert run(tmp_path, f"nan_loss_at={step}") == 1
    message = capsys.readouterr().err
    assert f"stopped at step {step}: the loss first became nan; last good checkpoint: " in message
    assert "hint: take care" in message
    assert (f"step-{good:09d}.h5" if good else "none") in message
    saved = CheckpointFolder(tmp_path / "run" / "checkpoints", 3).files()
    assert [checkpoint.load(path).step for path in saved[:1]] == ([good] if good else [])


def test_parameters_that_are_not_finite_are_never_saved(tmp_path, capsys):
    """The last update spoils a parameter, which no loss shows yet."""
    assert run(tmp_path, "nan_state_at=30", "training.log_every=100", "training.evaluate_every=100") == 1
    message = capsys.readouterr().err
    assert "stopped at step 30: experiment/position has values that are not finite" in message
    saved = CheckpointFolder(tmp_path / "run" / "checkpoints", 3).files()
    assert [checkpoint.load(path).step for path in saved] == [15]


@pytest.mark.slow
@pytest.mark.parametrize("call", [2, 6, 9, 12])
def test_a_full_disk_leaves_a_folder_that_resumes(tmp_path, uninterrupted, monkeypatch, capsys, call):
    sync, left = os.fsync, 4 + call  # the first files are those without which no run goes on

    def fill(descriptor):
        nonlocal left
        left -= 1
        return full_disk() if left < 0 else sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        assert run(tmp_path) == 1
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert f"continue with: python -m experiments resume {tmp_path}/run" in message
    assert message.count("\n") == 1
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


def test_metrics_on_a_full_disk_are_no_traceback_either(tmp_path, monkeypatch, capsys):
    append = RunFolder.append_metrics
    full = lambda run, record: full_append(run, record) if record["step"] > 20 else append(run, record)  # noqa: E731

    def full_append(run, record):
        with monkeypatch.context() as patch:
            patch.setattr("experiments.runs.folder.open", full_disk, raising=False)
            append(run, record)

    monkeypatch.setattr(RunFolder, "append_metrics", full)
    assert run(tmp_path) == 1
    assert "metrics.jsonl: can't be written (No space left on device)" in capsys.readouterr().err


def test_a_corrupt_newest_checkpoint_is_passed_over(tmp_path, uninterrupted, capsys):
    assert run(tmp_path) == 0
    store = CheckpointFolder(tmp_path / "run" / "checkpoints", 3)
    store.file(60).write_bytes(store.file(60).read_bytes()[:3000])
    assert resume(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "falling back to the previous checkpoint" in printed
    assert "continuing at update 45 of 60" in printed
    assert_same_result(tmp_path, uninterrupted)


def test_a_finished_run_says_so_and_rewrites_a_missing_report(tmp_path, uninterrupted, capsys):
    assert run(tmp_path) == 0
    assert resume(tmp_path) == 0
    assert "finished: all 60 updates are done" in capsys.readouterr().out
    (tmp_path / "run" / "report.html").unlink()
    (tmp_path / "run" / "summary.json").unlink()
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


@pytest.mark.slow
def test_an_older_report_does_not_pass_for_the_final_one(tmp_path, uninterrupted, monkeypatch):
    """The run had a report of an earlier state when it went on, and dies before it writes the last one."""
    assert run(tmp_path) == 0
    CheckpointFolder(tmp_path / "run" / "checkpoints", 3).file(60).unlink()

    def die(*_arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("experiments.runs.report.publish", die)
        with pytest.raises(Killed):
            resume(tmp_path)
    assert not (tmp_path / "run" / "report.html").exists()
    assert resume(tmp_path) == 0
    assert_same_result(tmp_path, uninterrupted)


def test_a_changed_configuration_does_not_resume(tmp_path, capsys):
    assert run(tmp_path) == 0
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("rate = 0.05", "rate = 0.06"))
    assert resume(tmp_path) == 2
    assert "made under another configuration" in capsys.readouterr().err


def test_seconds_accumulate_over_starts(tmp_path, monkeypatch):
    run_folder = RunFolder.create(tmp_path / "run", "name")
    plan = LoopConfig(updates=4, log_every=1, evaluate_every=4, checkpoint_every=2)
    experiment = Constant()
    training.Training(experiment, plan, run_folder, "", None)()
    halfway = checkpoint.load(run_folder.checkpoints / "step-000000002.h5")
    assert halfway.state["loop"]["seconds"] >= 2 * Constant.PAUSE
    outcome = training.Training(experiment, plan, run_folder, "", halfway)()
    assert outcome.step == 4
    assert outcome.seconds >= halfway.state["loop"]["seconds"] + 2 * Constant.PAUSE


class Constant:
    """Every loss is the number of the step, in whatever library."""

    PAUSE = 0.01
    metrics = headline = ()
    periods = (4,)
    advice = ""

    def __init__(self, make=float):
        self.make, self.count = make, 0

    def step(self):
        time.sleep(self.PAUSE)
        self.count += 1
        return {"count": self.make(self.count)}

    def schedule(self):
        return {"rate": 0.5}

    def evaluate(self, step=None):
        return {}

    def state(self):
        return {"count": self.count}

    def load_state(self, state):
        self.count = state["count"]


@pytest.mark.parametrize("make", [float, np.float32, np.asarray, lambda x: array_api_strict.asarray(float(x))])
def test_logged_losses_are_means_over_the_steps_since_the_last_line(tmp_path, make):
    run_folder = RunFolder.create(tmp_path / "run", "name")
    training.Training(Constant(make), LoopConfig(updates=8, log_every=3), run_folder, "", None)()
    logged = [(r["step"], r["losses"]["count"]) for r in run_folder.read_metrics() if "losses" in r]
    assert logged == [(3, 2.0), (6, 5.0), (8, 7.5)]


def test_a_checkpoint_follows_the_metrics_of_its_step(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(RunFolder, "append_metrics", lambda _, record: order.append((record["step"], "metrics")))
    monkeypatch.setattr(RunFolder, "sync_metrics", lambda _: order.append("sync"))
    monkeypatch.setattr(CheckpointFolder, "save", lambda _, saved: order.append((saved.step, "checkpoint")))
    run_folder = RunFolder.create(tmp_path / "run", "name")
    plan = LoopConfig(updates=2, log_every=1, evaluate_every=2, checkpoint_every=2)
    training.Training(Constant(), plan, run_folder, "", None)()
    assert order == [(1, "metrics"), (2, "metrics"), (2, "metrics"), "sync", (2, "checkpoint")]


@pytest.mark.slow
def test_away_from_a_terminal_there_is_a_line_now_and_then_and_no_bar(tmp_path, monkeypatch, capsys):
    assert run(tmp_path) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("experiments.runs.progress.QUIET_SECONDS", 0.0)
    (tmp_path / "again").mkdir()
    assert run(tmp_path / "again") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9  # one each time that the losses are logged
    assert re.fullmatch(r"60/60 updates  \S+/s  first \S+  second \S+  distance \S+", lines[-1])


@pytest.mark.parametrize("asked", [0, 1])
def test_matrix_products_use_the_threads_asked_for(tmp_path, monkeypatch, asked):
    def blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before, seen = blas_threads(), []
    assert before
    call = training.Training.__call__
    monkeypatch.setattr(training.Training, "__call__", lambda self: seen.append(blas_threads()) or call(self))
    assert run(tmp_path, f"training.blas_threads={asked}") == 0
    assert seen == [[1] * len(before) if asked else before]
    assert blas_threads() == before


def test_a_signal_that_comes_while_ranks_ask_each_other_is_found_the_next_time():
    """It would be lost, or end one rank while the others go on."""
    requests = []

    class Two:
        size = 2

        def any(self, mine):
            if not mine:
                requests.append("SIGTERM")  # just after this rank has said that it has none
            return mine

        def objects(self, mine):
            return [mine, ""]

    loop = SimpleNamespace(ranks=Two())
    assert not training.Training._asked(loop, requests)
    assert training.Training._asked(loop, requests)
    assert requests == ["SIGTERM"]


def test_losses_of_a_checkpoint_are_before_those_of_the_device():
    """A run that was stopped between two log lines brings numbers of the host, and goes on with arrays of a GPU."""
    xp = array_api_strict
    since = [xp.asarray(3.0, dtype=xp.float32), xp.asarray(4.5, dtype=xp.float32)]
    for restored in ([1.0, np.float64(2.0)], [np.asarray(1.0)], []):
        found = training._stack([*restored, *since])
        np.testing.assert_array_equal(found, [*map(float, restored), 3.0, 4.5])
        assert found.dtype == np.float64
