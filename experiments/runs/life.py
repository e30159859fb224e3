"""The life of a run: from a setup to a folder with a report, by way of any number of stops."""

from __future__ import annotations

import contextlib
import signal
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from coulombfield.arrays import Device, select_device
from coulombfield.rng import Streams

from .. import UserError, config, schema
from ..config import ConfigError, Setup
from ..files import WriteError, write_atomically
from ..ranks.alone import Ranks
from ..ranks.world import world
from . import agreement, company, provenance, report
from .checkpoint import Checkpoint, CheckpointError, CheckpointFolder
from .checkpoint import load as load_checkpoint
from .experiment import Experiment
from .folder import RecordError, RunFolder
from .loop import ALTERABLE, Training
from .records import named_columns

Say = Callable[[str], None]


class Terminated(BaseException):
    """SIGTERM arrived outside the training loop."""


class StoppedError(UserError):
    """A signal ended the command."""

    def __init__(self, name: str, message: str):
        super().__init__(f"stopped by {name}{message}")
        self.exit_code = 128 + signal.Signals[name]


class Finished(NamedTuple):
    """A run that has come to its end.

    Attributes
    ----------
    folder : RunFolder
        Where it is.
    summary : dict
        Content of ``summary.json``.
    """

    folder: RunFolder
    summary: dict[str, Any]


def start(setup: Setup, out: Path | None, device: str, say: Say = print, *, source: Path | None = None) -> Finished:
    """Run a setup from the start, in a new folder.

    Parameters
    ----------
    setup : Setup
        What to run.
    out : Path or None
        New folder; by default one in ``runs``.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    say : callable
        Is told what a person wants to know.
    source : Path, optional
        A checkpoint, or a file of the generator alone, whose parameters the players start from; their optimizers and
        all random streams start anew.

    Raises
    ------
    UserError
        If it can't be started, or was stopped; with several ranks, on all of them.

    Notes
    -----
    Several ranks (``mpiexec``) train together; the first of them writes and says what there is to say.
    """
    ranks, say = company.of(setup, say)

    def begin() -> tuple[Device, Experiment, dict[str, str]]:
        where = device_of(device, ranks.local)
        experiment = build(setup, where)
        if source is not None:
            _take_over(experiment, source, say)
        return where, experiment, dict(experiment.provenance())  # reads the data, before there is a folder

    where, experiment, data = ranks.together(begin)
    agreement.check(ranks, setup, where.name, data, **{"--from": str(source) if source else ""})
    company.introduce(ranks, setup, where, say)
    folder = ranks.on_first(lambda: RunFolder.create(out, setup.name))
    say(f"folder: {folder.path}")
    with company.locked(ranks, folder):
        state = experiment.state() if source is not None else None

        def write() -> None:
            _add_start(folder, setup, where, experiment, data, step=0, say=say, source=source)
            if state is not None:  # without it, a run that is killed early would start again from elsewhere
                _store(folder, setup).save(Checkpoint(0, setup.text(), {"experiment": state, "loop": {"seconds": 0.0}}))
            write_atomically(folder.config, setup.text())  # last: from here on, the folder can be resumed

        ranks.on_first(write)
        return _train(folder, setup, experiment, None, say, ranks)


def resume(path: Path, say: Say = print, overrides: Sequence[str] = ()) -> Finished:
    """Continue a run bit for bit from its last good checkpoint, or from its start if it has none.

    Parameters
    ----------
    path : Path
        Folder of the run.
    say : callable
        Is told what a person wants to know.
    overrides : sequence of str
        Settings of the loop that change from here on, as in ``training.updates=20_000``.

    Raises
    ------
    ConfigError
        If an override changes more than the loop, or the number of updates where a schedule depends on it.
    UserError
        If it can't be continued, or was stopped.
    """
    ranks = world()
    folder = ranks.on_first(lambda: RunFolder.open(path))
    with company.locked(ranks, folder):
        setup, checkpoint = ranks.on_first(lambda: _found(folder, overrides, say))
        _, say = company.of(setup, say)
        step, total = checkpoint.step if checkpoint else 0, setup.config.training.updates
        ended = _ended(checkpoint)
        last = step if ended else total
        if done := ranks.on_first(lambda: _finished(folder, setup, checkpoint, overrides)):
            say(f"finished: {_all_done(step, ended)}\n{folder.report}")
            return done
        device_name = ranks.on_first(lambda: _recorded_device(folder))

        def begin() -> tuple[Device, Experiment, dict[str, str]]:
            device = device_of(device_name, ranks.local)
            experiment = build(setup, device)
            if checkpoint is not None:  # what does not fit leaves the folder as it was
                _load(experiment, checkpoint, folder)
            return device, experiment, dict(experiment.provenance()) if step < last else {}

        device, experiment, data = ranks.together(begin)
        agreement.check(ranks, setup, device.name, data)
        company.introduce(ranks, setup, device, say)
        if renewed := getattr(experiment, "renewed", ""):
            say(renewed)
        say(f"{folder.path}: continuing at update {step} of {total}")

        def write() -> None:
            if step < last:
                _add_start(folder, setup, device, experiment, data, step, say)
                folder.cut_metrics(step)
            folder.report.unlink(missing_ok=True)
            if overrides:
                write_atomically(folder.config, setup.text())

        ranks.on_first(write)
        return _train(folder, setup, experiment, checkpoint, say, ranks)


def _found(folder: RunFolder, overrides: Sequence[str], say: Say) -> tuple[Setup, Checkpoint | None]:
    """What a folder is to go on with."""
    folder.remove_leftovers()
    setup = _altered(config.resolve(folder.config), folder, overrides, say)
    checkpoint = latest(folder, setup, say)
    total = setup.config.training.updates
    if checkpoint is not None and checkpoint.step > total:
        raise ConfigError(
            f"training.updates: expected at least the {checkpoint.step} updates that are done, got {total}"
        )
    return setup, checkpoint


def _finished(
    folder: RunFolder, setup: Setup, checkpoint: Checkpoint | None, overrides: Sequence[str]
) -> Finished | None:
    """A run that has nothing left to do, which no override can change; None for one that has."""
    step, total, ended = checkpoint.step if checkpoint else 0, setup.config.training.updates, _ended(checkpoint)
    if not (ended or step == total) or not folder.report.exists():
        return None
    if not ended and folder.read_summary()["planned_updates"] != total:
        return None
    if overrides and (changed := _differences(config.resolve(folder.config), setup)):
        why = f"the run has ended by {ended}" if ended else f"all {total} updates are done"
        way = "--from starts a new one" if ended else "training.updates makes the run longer"
        raise ConfigError(f"{', '.join(changed)}: can't be changed any more, since {why}; {way}")
    return Finished(folder, folder.read_summary())


def _all_done(step: int, ended: str) -> str:
    return f"{step} updates, ended by {ended}" if ended else f"all {step} updates are done"


def restored(
    folder: RunFolder, setup: Setup, say: Say = print, file: Path | None = None
) -> tuple[Experiment, Checkpoint]:
    """Experiment as of a checkpoint, by default the last good one.

    Raises
    ------
    RecordError
        If there is no checkpoint.
    """
    checkpoint = load_checkpoint(file) if file else latest(folder, setup, say)
    if checkpoint is None:
        raise RecordError(f"{folder.path}: no checkpoint yet")
    check_config(setup, checkpoint)
    experiment = _build_anywhere(folder, setup)
    _load(experiment, checkpoint, folder)
    return experiment, checkpoint


def report_again(path: Path, say: Say = print) -> Finished:
    """Write summary, figures and report again, as of the last good checkpoint.

    Where the experiment can't be built any more, as when its images have been moved, the report is made of what the
    folder holds.

    Parameters
    ----------
    path : Path
        Folder of the run.
    say : callable
        Is told what a person wants to know.

    Raises
    ------
    UserError
        If there is no run, or no checkpoint that fits it.
    """
    folder = RunFolder.open(path)
    setup = config.resolve(folder.config)
    checkpoint = latest(folder, setup, say)
    if checkpoint is None:
        raise RecordError(f"{folder.path}: no checkpoint yet")
    step, seconds, ended = checkpoint.step, checkpoint.state["loop"]["seconds"], _ended(checkpoint)
    try:
        experiment = _build_anywhere(folder, setup)
        _load(experiment, checkpoint, folder)
    except UserError as error:
        say(f"{error}; the report is made of what the folder holds, with the figures as they are")
        summary = report.rebuild(folder, setup, step, seconds, str(error), ended)
        return _published(folder, setup, named_columns(folder.read_columns(), folder.read_metrics()), summary, say)
    return publish(folder, setup, experiment, step, seconds, say, ended)


def latest(folder: RunFolder, setup: Setup, say: Say = print) -> Checkpoint | None:
    """Newest checkpoint that verifies, or None if there is no file at all.

    Raises
    ------
    CheckpointError
        If it was made under another configuration, apart from the loop's own settings.
    """
    checkpoint = _store(folder, setup).latest_good(say)
    if checkpoint is not None:
        check_config(setup, checkpoint)
    return checkpoint


def differing(folder: RunFolder, setup: Setup) -> list[str]:
    """Settings of a folder's run that are not those of a setup, each with both values; empty where there is no run."""
    if not folder.config.is_file():
        return []
    found = _differences(config.resolve(folder.config), setup)
    return [f"{name} {one!r}, here {other!r}" for name, (one, other) in found.items()]


def _differences(one: Setup, other: Setup) -> dict[str, tuple[Any, Any]]:
    """Both values of each setting in which two setups differ."""
    return schema.differences(schema.to_dict(one.config), schema.to_dict(other.config))


def check_config(setup: Setup, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError where a checkpoint belongs to another configuration, apart from the loop's settings."""
    mapping = tomllib.loads(checkpoint.config)
    # Compared as read, so that a field which a later version adds, with a default, does not part the two.
    made = config.load(setup.module.Config, {key: mapping[key] for key in mapping.keys() - set(config.HEADER)})
    longer = made.training.updates != setup.config.training.updates and tied_to_length(setup)
    if longer or _without_loop(made) != _without_loop(setup.config):
        raise CheckpointError("the checkpoint was made under another configuration than the folder's config.toml")


def tied_to_length(setup: Setup) -> list[str]:
    """Names of the settings that mean something else where the number of updates is another one."""
    return getattr(setup.module, "tied_to_length", lambda _: [])(setup.config)


def _ended(checkpoint: Checkpoint | None) -> str:
    """Why the experiment ended its run before the last update; empty if it did not."""
    return str(checkpoint.state["loop"].get("ended", "")) if checkpoint else ""


def build(setup: Setup, device: Device) -> Experiment:
    """The experiment of a setup at its start."""
    streams = Streams(setup.config.seed, bit_generator=setup.config.training.bit_generator)
    return setup.module.build(setup.config, device, streams)


def blas_threads(setup: Setup) -> contextlib.AbstractContextManager[object]:
    """Matrix products take as many threads as a setup asks for, while this is entered."""
    return threadpool_limits(setup.config.training.blas_threads or None, user_api="blas")


def device_of(request: str, local: int = 0) -> Device:
    """Device for ``auto``, ``cpu`` or ``cuda``, each local rank's own; or a UserError that says why not."""
    try:
        return select_device(request, index=local)
    except RuntimeError as error:
        raise UserError(str(error)) from error


def _train(
    folder: RunFolder, setup: Setup, experiment: Experiment, checkpoint: Checkpoint | None, say: Say, ranks: Ranks
) -> Finished:
    try:
        training = Training(experiment, setup.config.training, folder, setup.text(), checkpoint)
        with blas_threads(setup):
            outcome = training()
        if outcome.stopped_by:
            done = f" at update {outcome.step} of {training.plan.updates}; saved {training.store.file(outcome.step)}"
            raise StoppedError(outcome.stopped_by, f"{done}; continue with: {folder.resume_command}")
        if outcome.ended:
            say(f"ended at update {outcome.step} of {training.plan.updates}: {outcome.ended}")
        return ranks.on_first(
            lambda: publish(folder, setup, experiment, outcome.step, outcome.seconds, say, outcome.ended)
        )
    except (KeyboardInterrupt, Terminated) as error:
        name = "SIGTERM" if isinstance(error, Terminated) else "SIGINT"
        raise StoppedError(name, f" before all was written; continue with: {folder.resume_command}") from error
    except WriteError as error:
        raise WriteError(f"{error}; when it can be written again, continue with: {folder.resume_command}") from error


def publish(
    folder: RunFolder,
    setup: Setup,
    experiment: Experiment,
    step: int,
    seconds: float,
    say: Say = print,
    ended: str = "",
) -> Finished:
    """Write summary, figures and report, and say what came out."""
    summary = report.publish(folder, setup, experiment, step, seconds, ended)
    return _published(folder, setup, experiment.metrics, summary, say)


def _published(folder: RunFolder, setup: Setup, names: Iterable[str], summary: dict[str, Any], say: Say) -> Finished:
    for name in names:
        if name in summary:
            data = f"{setup.reference}: {report.shown_data(summary['data'], name)}" if name in summary["data"] else ""
            say(f"{name:28} {summary[name]:<12.6g} {data}".rstrip())
    say(f"{summary['updates']} updates in {summary['seconds']:.1f} s\n{folder.report}")
    return Finished(folder, summary)


def _build_anywhere(folder: RunFolder, setup: Setup) -> Experiment:
    # A checkpoint of a GPU serves on a CPU as well: here nothing has to agree bit for bit.
    return build(setup, device_of("auto" if _recorded_device(folder) == "cuda" else "cpu"))


def _altered(setup: Setup, folder: RunFolder, overrides: Sequence[str], say: Say) -> Setup:
    """The folder's setup with other settings of the loop."""
    if not overrides:
        return setup
    altered = config.resolve(folder.config, overrides)
    if fixed := schema.differences(_without_loop(setup.config), _without_loop(altered.config)):
        names = ", ".join(f"training.{name}" for name in ALTERABLE)
        raise ConfigError(
            f"{', '.join(fixed)}: a run goes on with the settings that it was started with, but for {names}"
        )
    tied = tied_to_length(setup)
    if altered.config.training.updates != setup.config.training.updates and tied:
        raise ConfigError(
            f"training.updates: can't be changed where it decides what other settings mean: {', '.join(tied)}; start a "
            "new run, with --from if it has parameters to start from"
        )
    before, now = setup.config.training.blas_threads, altered.config.training.blas_threads
    if before != now:
        changed = f"training.blas_threads: {before} before, {now} now"
        say(f"warning: the result may differ from an uninterrupted run in the last bits ({changed})")
    return altered


def _without_loop(configuration: Any) -> dict[str, Any]:
    """A configuration without the settings that leave the parameters of each update alone."""
    plain = schema.to_dict(configuration)
    plain["training"] = {k: v for k, v in plain["training"].items() if k not in ALTERABLE}
    return plain


def _load(experiment: Experiment, checkpoint: Checkpoint, folder: RunFolder) -> None:
    """Take an experiment to a checkpoint's state, which data of another shape than the run's do not fit."""
    try:
        experiment.load_state(checkpoint.state["experiment"])
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder.path}: the checkpoint of update {checkpoint.step} does not fit; have the data been replaced by "
            f"others? ({error})"
        ) from error


def _take_over(experiment: Experiment, source: Path, say: Say) -> None:
    take = getattr(experiment, "take_over", None)
    if take is None:
        raise UserError("--from: this experiment has no parameters to start from")
    if source.suffix in (".safetensors", ".onnx"):
        raise UserError(f"--from: expected an .h5 file; make one of {source} with: python -m experiments import")
    if not source.is_file():
        raise UserError(f"--from: expected a file such as a run's generator.h5 or a checkpoint, got {str(source)!r}")
    try:
        taken = take(load_checkpoint(source).state["experiment"])
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"--from: {source} does not fit: {error}") from error
    say(f"parameters from {source}: {', '.join(taken)}")


def _store(folder: RunFolder, setup: Setup) -> CheckpointFolder:
    return CheckpointFolder(folder.checkpoints, setup.config.training.keep_checkpoints)


def _recorded_device(folder: RunFolder) -> str:
    return str(folder.read_starts()[0]["device"]).partition(":")[0]


def _add_start(
    folder: RunFolder,
    setup: Setup,
    device: Device,
    experiment: Experiment,
    data: dict[str, str],
    step: int,
    say: Say,
    source: Path | None = None,
) -> None:
    ranks = world().size
    start = provenance.gather(device=device.name, seed=setup.config.seed, from_step=step, data=data, ranks=ranks)
    folder.write_columns(experiment.metrics)
    folder.add_start(start if source is None else {**start, "parameters_from": str(source)})
    provenance.warn_of_changes(folder.read_starts(), say)
