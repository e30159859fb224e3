"""Moves of a GAN on a GPU as CUDA graphs: gradients are recorded at a move's second turn, and launched from then on.

At its first turn, kernels are compiled and whatever stays is made. At its second, the gradients are computed both ways,
and compared: where a bit differs, or what they need can't be recorded, all goes on as before. The updates of the
parameters by these gradients are launched one by one, since their numbers, such as rates, are the host's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from coulombfield.arrays import Array
from coulombfield.graphs import Recorded, refusal
from nets.workspace import Workspace

if TYPE_CHECKING:
    from .gan import GAN, Gradients, Losses


class Kept(NamedTuple):
    """A recorded move: where it finds what it draws, and what it does."""

    draws: dict[str, Array]
    recorded: Recorded[tuple[Losses, Gradients]]


class RecordedMoves:
    """The gradients of a GAN's moves, as :meth:`~experiments.gans.gan.GAN.gradients` gives them.

    Parameters
    ----------
    gan : GAN
        Whose moves; of one process, on a GPU.

    Raises
    ------
    RuntimeError
        If the GPU can't record; the message says why.

    Attributes
    ----------
    given_up : str
        Why the moves are no longer recorded, or empty.
    """

    def __init__(self, gan: GAN):
        xp = gan.device.xp
        if reason := refusal(xp):
            raise RuntimeError(reason)
        self._gan, self._xp, self._memory = gan, xp, xp.cuda.MemoryPool()
        self._moves: dict[str, Kept | None] = {}
        self._recording: Recorded[Any] | None = None
        self.given_up = ""

    def __call__(self, move: str, draws: Mapping[str, Array]) -> tuple[Losses, Gradients]:
        """Losses, to be kept, and gradients of a move, which are valid until its next call."""
        if self.given_up:
            return self._gan.gradients(move, **draws)
        if move not in self._moves:
            self._moves[move] = None
            return self._gan.gradients(move, **draws)
        kept = self._moves[move]
        if kept is None:
            return self._first(move, draws)
        for name, array in draws.items():
            kept.draws[name][...] = array
        kept.recorded()
        return _told(kept.recorded)

    def aside(self, call: Callable[[], Any]) -> Any:
        """What a call gives, which a recording leaves out and calls again each time."""
        return call() if self._recording is None else self._recording.aside(call)

    def _first(self, move: str, draws: Mapping[str, Array]) -> tuple[Losses, Gradients]:
        """Record a move, if that can be and gives the same."""
        gan, xp = self._gan, self._xp
        losses, gradients = gan.gradients(move, **draws)
        expected = [*losses.values(), *(gradient.vector.copy() for gradient in gradients.values())]
        own = {name: array.copy() for name, array in draws.items()}
        workspace = gan.workspace
        gan.workspace = Workspace()  # of the recordings' memory, which they use in turns
        try:
            recorded = Recorded(xp, lambda recording: self._record(recording, move, own), self._memory)
        except Exception as error:  # CuPy's and CUDA's have classes of their own
            self._give_up(move, error)
        else:
            again = [*recorded.result[0].values(), *(gradient.vector for gradient in recorded.result[1].values())]
            if all(bool(xp.array_equal(a, b, equal_nan=True)) for a, b in zip(expected, again, strict=True)):
                self._moves[move] = Kept(own, recorded)
                return _told(recorded)
            self._give_up(move, ArithmeticError("its gradients differ from those of single launches"))
        finally:
            gan.workspace = workspace
        self._memory.free_all_blocks()
        return gan.gradients(move, **draws)

    def _record(self, recording: Recorded[Any], move: str, draws: Mapping[str, Array]) -> tuple[Losses, Gradients]:
        self._recording = recording
        try:
            return self._gan.gradients(move, **draws)
        finally:
            self._recording = None

    def _give_up(self, move: str, error: Exception) -> None:
        """Launch one by one from now on; that a library refuses to be recorded is no news."""
        self.given_up = f"{type(error).__name__}: {error}"
        self._moves.clear()
        if not isinstance(error, NotImplementedError):
            warnings.warn(
                f"training.graph: the move {move} can't be recorded, and its kernels are launched one by one "
                f"({self.given_up})",
                RuntimeWarning,
                stacklevel=2,
            )


def _told(recorded: Recorded[tuple[Losses, Gradients]]) -> tuple[Losses, Gradients]:
    """What a recorded move has given, with losses of the caller's own."""
    losses, gradients = recorded.result
    return {name: loss.copy() for name, loss in losses.items()}, gradients
