"""The loop that all experiments share: step, log, evaluate, checkpoint, resume, stop."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array, backend, to_numpy
from coulombfield.rng import BitGenerator

from .. import UserError
from ..ranks.alone import ALONE
from .checkpoint import Checkpoint, CheckpointFolder, State, leaves, save, to_host
from .experiment import Divided, Experiment, Generative, Observant, Watched
from .folder import RunFolder
from .progress import Progress, Silence


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What every experiment's loop needs.

    Parameters
    ----------
    updates : int
        Number of updates [updates].
    log_every, evaluate_every, checkpoint_every : int
        Period of the mean losses, the metrics and the checkpoints [updates]; the last update does all three.
    keep_checkpoints : int
        How many of the newest checkpoints stay on disk [files].
    blas_threads : int
        Threads of NumPy's matrix products; 0 leaves the number to the library. Small networks want 1: two threads that
        wait for each other hundreds of times in an update stand still as soon as anything else runs.
    bit_generator : {"sfc64", "philox"}
        Of the random streams of data, start and updates, see :class:`coulombfield.rng.Streams`; with philox, updates
        draw on the GPU where there is one, the same numbers as elsewhere. It can't change while a run goes on. Samples
        for metrics and figures are of sfc64 always.
    """

    updates: int
    log_every: int = 1_000
    evaluate_every: int = 10_000
    checkpoint_every: int = 10_000
    keep_checkpoints: int = 3
    blas_threads: int = 0
    bit_generator: BitGenerator = "sfc64"

    def __post_init__(self) -> None:
        for name in _OF_LOOP:
            least, value = 0 if name == "blas_threads" else 1, getattr(self, name)
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")


_OF_LOOP = tuple(field.name for field in dataclasses.fields(LoopConfig) if field.name != "bit_generator")
ALTERABLE = (*_OF_LOOP, "graph")
"""Settings under ``training`` that leave the parameters of each update alone, so that they may change while a run goes
on; not every experiment has all of them."""


class NonFiniteError(UserError):
    """A loss or a parameter became NaN or infinite."""

    exit_code = 1


class DriftedError(UserError):
    """The ranks' parameters are no longer the same."""

    exit_code = 1


class Outcome(NamedTuple):
    """How the loop ended.

    Attributes
    ----------
    step : int
        Updates done [updates].
    seconds : float
        Time spent in the loop over all starts of the run [s].
    stopped_by : str
        Name of the signal that ended the loop early, or empty.
    ended : str
        Why the experiment ended the run before its last update, or empty.
    """

    step: int
    seconds: float
    stopped_by: str
    ended: str


class Training:
    """One run from its start or a checkpoint to its end or a signal.

    Parameters
    ----------
    experiment : Experiment
        What is trained; it is in the state that ``checkpoint`` holds after this call.
    plan : LoopConfig
        How long, and what happens how often.
    run : RunFolder
        Where metrics and checkpoints go.
    config : str
        The resolved configuration, kept in each checkpoint.
    checkpoint : Checkpoint, optional
        Where to continue.

    Notes
    -----
    Several ranks go through the loop in step, each with its part of every minibatch: what decides where it goes, such
    as losses, metrics and signals, is what all of them know. The first evaluates and writes, while the others wait.
    """

    def __init__(
        self, experiment: Experiment, plan: LoopConfig, run: RunFolder, config: str, checkpoint: Checkpoint | None
    ):
        self.experiment = experiment
        self.ranks = experiment.ranks if isinstance(experiment, Divided) else ALONE
        self.plan = plan
        self.run = run
        self.config = config
        self.store = CheckpointFolder(run.checkpoints, plan.keep_checkpoints)
        self.step = 0
        self.seconds = 0.0
        self._window: list[Mapping[str, Any]] = []  # losses of each step since the last log line
        self._agreed: dict[str, np.ndarray] = {}  # those of the first of these steps, as means over all ranks
        self._saved_step: int | None = None
        self.ended = ""  # why the experiment has ended the run
        if checkpoint is not None:
            self._restore(checkpoint)

    def __call__(self) -> Outcome:
        """Run the loop.

        Raises
        ------
        NonFiniteError
            If a loss or the state is NaN or infinite; nothing of it has been saved.
        WriteError
            If the disk is full; the run resumes from its last checkpoint.
        """
        if self._saved_step is not None:  # a kill may have come between the checkpoint and the file beside it
            self._save_generator()
        progress = Progress(self.plan.updates, self.step) if self.ranks.first else Silence()
        self._clock = time.perf_counter()
        self._timed_steps, self._stepping_seconds = 0, 0.0
        try:
            with stop_requests() as requests:
                while self.step < self.plan.updates and not (self.ended or self._asked(requests)):
                    self._advance(requests, progress)
                    self._record(progress)
                stopped = self._asked(requests)
                if stopped and self._saved_step != self.step:
                    self._save()
        finally:
            progress.close()
        stopped_by = requests[0] if stopped and not self.ended else ""
        return Outcome(self.step, self.seconds, stopped_by, self.ended)

    def _asked(self, requests: list[str]) -> bool:
        """Whether a signal has come, to whichever rank; all of them then know its name.

        One that comes while the ranks ask each other is of the next time.
        """
        if self.ranks.size == 1:
            return bool(requests)
        found = self.ranks.any(bool(requests))
        if found:
            requests[:] = sorted(filter(None, self.ranks.objects("".join(requests[:1]))))[:1]
        return found

    def _advance(self, requests: list[str], progress: Progress | Silence) -> None:
        """Step up to the next update at which something is due."""
        plan = self.plan
        periods = (plan.log_every, plan.checkpoint_every, *self.experiment.periods)
        due = min(plan.updates, *(self.step + period - self.step % period for period in periods))
        step, keep, advance = self.experiment.step, self._window.append, progress.advance
        first, start = self.step, time.perf_counter()
        asked = self._asked if self.ranks.size > 1 else bool
        while self.step < due and not asked(requests):
            keep(step())
            self.step += 1
            advance()
        self._timed_steps += self.step - first
        self._stepping_seconds += time.perf_counter() - start

    def _record(self, progress: Progress | Silence) -> None:
        """Log, evaluate and checkpoint, whichever is due; a checkpoint last, so that it follows its metrics."""
        plan, last = self.plan, self.step == self.plan.updates
        if last or self.step % plan.log_every == 0:
            self._log(progress)
        if last or any(self.step % period == 0 for period in self.experiment.periods):
            self._evaluate(None if last else self.step, progress)
        if self.ended or last or self.step % plan.checkpoint_every == 0:
            self._save()

    def _evaluate(self, step: int | None, progress: Progress | Silence) -> None:
        self._checked_state()
        metrics = self.ranks.on_first(lambda: self._metrics(step))
        progress.show(self.step, {name: metrics[name] for name in self.experiment.headline if name in metrics})
        if isinstance(self.experiment, Observant):
            self.ended = self.experiment.observe(metrics)
        if isinstance(self.experiment, Watched):
            watched = self.experiment
            self.ranks.on_first(lambda: watched.snapshot(self.run.figures))

    def _metrics(self, step: int | None) -> dict[str, float]:
        """Evaluate and record."""
        try:
            metrics = {name: float(value) for name, value in self.experiment.evaluate(step).items()}
        except FloatingPointError as error:
            raise self._diverged(self.step, str(error)) from error
        self.run.append_metrics({"step": self.step, "seconds": self._elapsed(), "metrics": metrics})
        return metrics

    def _log(self, progress: Progress | Silence) -> None:
        start = time.perf_counter()
        losses = {name: float(values.mean()) for name, values in self._checked_window().items()}
        if self.step % self.plan.log_every == 0:  # else the run may go on to be longer, and its next line needs these
            self._window.clear()
            self._agreed.clear()
        # Reading the losses waits for the device, so that this time belongs to the steps.
        rate = self._timed_steps / (self._stepping_seconds + time.perf_counter() - start)
        self._timed_steps, self._stepping_seconds = 0, 0.0
        schedule = {name: float(value) for name, value in self.experiment.schedule().items()}
        record = {"step": self.step, "seconds": self._elapsed(), "updates_per_s": rate}
        line = {**record, "losses": losses, "schedule": schedule}
        self.ranks.on_first(lambda: self.run.append_metrics(line))
        progress.show(self.step, losses, rate)

    def _checked_window(self) -> dict[str, np.ndarray]:
        """Losses of the window as host arrays; the earliest that is not finite stops the run."""
        window = self._losses()
        bad = [(int(np.argmin(np.isfinite(v))), name) for name, v in window.items() if not np.isfinite(v).all()]
        if bad:
            index, name = min(bad)
            step = self.step - len(window[name]) + index + 1
            raise self._diverged(step, f"the loss {name} became {window[name][index]}")
        return window

    def _losses(self) -> dict[str, np.ndarray]:
        """Losses of each step of the window; of several ranks, means over all samples, which are made only once."""
        names = self._window[0] if self._window else ()
        window = {name: _stack([losses[name] for losses in self._window]) for name in names}
        if not isinstance(self.experiment, Divided) or self.ranks.size == 1:
            return window
        for name, values in window.items():
            agreed = self.ranks.mean_(values, self.experiment.shares)
            self._agreed[name] = np.concatenate([self._agreed[name], agreed]) if name in self._agreed else agreed
        self._window.clear()
        return dict(self._agreed)

    def _checked_state(self) -> State:
        """State of the experiment and of the loop; what is not finite stops the run."""
        loop = {"seconds": self._elapsed(), "window": self._checked_window(), "ended": self.ended}
        state = {"experiment": self.experiment.state(), "loop": loop}
        for name, leaf in leaves(state):
            if not isinstance(leaf, str) and not np.isfinite(to_host(leaf)).all():
                raise self._diverged(self.step, f"{name} has values that are not finite")
        return state

    def _save(self) -> None:
        state = self._checked_state()
        self._compare()
        self.ranks.on_first(lambda: self._write(state))
        self._saved_step = self.step
        self._save_generator()

    def _write(self, state: State) -> None:
        self.run.sync_metrics()
        self.store.save(Checkpoint(self.step, self.config, state))

    def _compare(self) -> None:
        """Raise if the ranks' parameters are no longer the same, before a checkpoint is made of those of the first."""
        if not isinstance(self.experiment, Divided) or self.ranks.size == 1:
            return
        found = self.ranks.objects(self.experiment.fingerprint())
        others = [str(rank) for rank, which in enumerate(found) if which != found[0]]
        if others:
            raise DriftedError(
                f"stopped at step {self.step}: parameters of rank {', '.join(others)} are no longer those of rank 0, "
                f"as where processors of other kinds round otherwise; {self._last_good()}"
            )

    def _save_generator(self) -> None:
        """Write the generator's file, of the same update as the newest checkpoint."""
        if isinstance(self.experiment, Generative):
            state = {"experiment": self.experiment.generator_state()}
            self.ranks.on_first(lambda: save(self.run.generator, Checkpoint(self.step, self.config, state)))

    def _restore(self, checkpoint: Checkpoint) -> None:
        loop = checkpoint.state["loop"]
        window = loop.get("window", {})
        self.experiment.load_state(checkpoint.state["experiment"])
        self.step = self._saved_step = checkpoint.step
        self.seconds, self.ended = loop["seconds"], loop.get("ended", "")
        if self.ranks.size > 1:
            self._agreed = {name: np.array(values) for name, values in window.items()}
        else:
            self._window = [dict(zip(window, losses, strict=True)) for losses in zip(*window.values(), strict=True)]

    def _elapsed(self) -> float:
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now
        return self.seconds

    def _diverged(self, step: int, what: str) -> NonFiniteError:
        hint = f"; hint: {self.experiment.advice}" if self.experiment.advice else ""
        return NonFiniteError(f"stopped at step {step}: {what}; {self._last_good()}{hint}")

    def _last_good(self) -> str:
        good = "none" if self._saved_step is None else f"{self.store.file(self._saved_step)} (step {self._saved_step})"
        return f"last good checkpoint: {good}"


@contextlib.contextmanager
def stop_requests() -> Iterator[list[str]]:
    """Let Ctrl-C and SIGTERM add their name to a list, so that the loop can end by itself.

    A second signal finds the handlers of before, so that a loop that hangs can still be ended.
    """
    requests: list[str] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, _frame: Any) -> None:
        requests.append(signal.Signals(number).name)
        restore()

    for number in before:
        signal.signal(number, request)
    try:
        yield requests
    finally:
        restore()


def _stack(scalars: list[Array]) -> np.ndarray:
    """Host array of losses, some brought by a checkpoint; those since then are copied from a GPU all at once."""
    restored = list(itertools.takewhile(lambda loss: isinstance(loss, int | float | np.generic | np.ndarray), scalars))
    found, rest = np.array(restored, dtype=np.float64), scalars[len(restored) :]
    return np.concatenate([found, to_numpy(backend(loss=rest[0]).stack(rest))]) if rest else found
