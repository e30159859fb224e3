"""Running a flow: step after step, until a rule ends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .integrator import Integrator
from .motion import Motion, Schedule
from .parameters import check_count
from .processes import HERE, Processes
from .snapshot import Snapshot
from .state import State
from .stopping import Stop
from .system import System

Callback = Callable[[Snapshot], object]


class Outcome(NamedTuple):
    """How a run ended."""

    state: State
    """The last state."""
    reason: str
    """'steps', 'time', 'energy' or 'force' by the rule that was met; 'callback'; or 'stalled' if the integrator has
    no step left to take."""


def run(
    state: State,
    system: System,
    integrator: Integrator,
    *,
    until: Stop,
    softening: Schedule | None = None,
    callbacks: Sequence[Callback] = (),
    every: int = 1,
    energies: bool = False,
) -> Outcome:
    r"""Move charges until a rule is met.

    Parameters
    ----------
    state : State
        Where to start, or to go on, from.
    system : System
        The law by which they move, and how sums are computed.
    integrator : Integrator
        How: :class:`Euler`, :class:`RungeKutta`, :class:`Adaptive` or :class:`Descent` for the first-order flow,
        :class:`Verlet`, :class:`Yoshida` or :class:`Langevin` for dynamics with inertia.
    until : Stop
        When it ends.
    softening : callable, optional
        ε as a function of time, such as :class:`Annealing`; the kernel's own ε without it.
    callbacks : sequence of callables
        Each is called with a :class:`Snapshot` where the number of the step is a multiple of ``every``, the first
        state included, and for the last state; True ends the run.
    every : int
        Steps between calls, at least 1 [steps].
    energies : bool
        Compute potential and energy along with every field: for callbacks that want them at most steps. They can have
        them without it too, for sums of their own.

    Returns
    -------
    Outcome
        The last state and why it is the last. Going on from it, or from the state of any snapshot, with the same
        arguments gives the same bits as never having stopped, unless the last step was shortened to end at a time.

    Raises
    ------
    TypeError, ValueError
        If an argument doesn't fit, or the state has a number that is not finite.
    ArithmeticError
        If a position or velocity is no longer finite, as where charges without softening coincide; or from a fast
        engine that was asked for by name, as for :func:`coulombfield.potential`.

    Notes
    -----
    Memory is a few arrays of the positions' size, besides that of the sums. With some particles fixed each field is one
    sum over all charges at those that move, and with energies two, over the fixed ones and over the others; the fixed
    charges' mutual energy is summed once for each ε that a total is asked at. Bits don't depend on the number of
    threads, but for the method 'gram'.
    """
    return run_over(HERE, state, system, integrator, until, softening, callbacks, every, energies)


def run_over(
    processes: Processes,
    state: State,
    system: System,
    integrator: Integrator,
    until: Stop,
    softening: Schedule | None,
    callbacks: Sequence[Callback],
    every: int,
    energies: bool,
) -> Outcome:
    """Run particles that are spread over processes; other arguments as for :func:`run`."""
    processes.together(lambda: _validate(state, system, integrator, until, softening, callbacks, every, energies))
    energies = energies or integrator.needs_energies or until.energy is not None
    motion = Motion(system, state, softening, energies, integrator=integrator, processes=processes)
    now: Snapshot | None = Snapshot.of(state, motion)
    called = -1
    while now is not None:
        last, reason = now, until.reason(now)
        if callbacks and last.step % every == 0:
            called = last.step
            stopped = not processes.every(not _stopped(callbacks, last))
            reason = reason if not stopped else reason or "callback"
        if reason:
            break
        now = integrator.advance(last, math.inf if until.time is None else until.time)
        if now is not None:
            now.check(last)
    if callbacks and called != last.step:
        _stopped(callbacks, last)
    return Outcome(last.state, reason or "stalled")


def _stopped(callbacks: Sequence[Callback], snapshot: Snapshot) -> bool:
    """Call all, and say whether one wants the run to end."""
    answers = [callback(snapshot) for callback in callbacks]
    return any(answer is True for answer in answers)


def _validate(
    state: Any, system: Any, integrator: Any, until: Any, softening: Any, callbacks: Any, every: Any, energies: Any
) -> None:
    for name, value, expected in (("state", state, State), ("system", system, System), ("until", until, Stop)):
        if not isinstance(value, expected):
            raise TypeError(f"{name}: expected a {expected.__name__}, got {type(value).__name__}")
    if isinstance(integrator, type) or not hasattr(integrator, "advance"):
        raise TypeError(f"integrator: expected one such as Euler(step=0.1), got {integrator!r}")
    if softening is not None and not callable(softening):
        raise TypeError(f"softening: expected a function of time such as Annealing, got {type(softening).__name__}")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise TypeError("callbacks: expected a list of functions of a Snapshot")
    check_count("every", every, least=1)
    if not isinstance(energies, bool):
        raise TypeError(f"energies: expected True or False, got {energies!r}")
